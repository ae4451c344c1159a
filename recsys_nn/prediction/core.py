"""Core of a predictor, which every operation needs: its state, and its predictions of pairs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data import Ratings
from recsys_nn.encoding import SOURCES, Encoder, SeenRatings, source_codes, training_counts
from recsys_nn.errors import DataError, Where, must_be, plain_repr, row_number
from recsys_nn.hooks import HasConfig, HasIds, HasLikelihood, HasMembers, network_of
from recsys_nn.models import ModelConfig
from recsys_nn.prediction.intervals import Calibration

if TYPE_CHECKING:
    import keras

    from recsys_nn.prediction.network import TracedNetwork


class PredictorCore:
    """State of a :class:`Predictor`, which says what its arguments mean, and what it says of pairs."""

    def __init__(
        self,
        model: keras.Model,
        encoder: Encoder,
        *,
        config: ModelConfig | None = None,
        calibration: Calibration | None = None,
        seen: SeenRatings | None = None,
    ) -> None:
        if not isinstance(encoder, Encoder):
            raise DataError(must_be("encoder", "the Encoder that the model was built with, after the model", encoder))
        network = network_of(model)
        if isinstance(network, HasIds):
            for side, ids in encoder.vocabularies.items():
                if ids != network.vocabularies[side]:
                    raise DataError(
                        f"encoder must be the one that the model was built with, which has other {side}s: by this one "
                        "it would predict from the rows of other ids"
                    )
        self.model = model
        self.encoder = encoder
        self.calibration = calibration
        self.seen = seen
        self.config: ModelConfig | None = config or (model.rating_config if isinstance(model, HasConfig) else None)

    def predict(
        self,
        pairs: pd.DataFrame | Ratings | Iterable[tuple[Any, Any]] | None = None,
        *,
        users: Any = None,
        items: Any = None,
        interval: float | None = None,
        where: Where = row_number,
    ) -> pd.DataFrame:
        """Predicts the ratings of pairs, in their order.

        Args:
            pairs: a DataFrame with the columns user and item, Ratings, (user, item) tuples or an (n, 2) array. Where
                ratings have features (their timestamp, a device), a DataFrame may have these columns too; a column that
                it does not have is a missing value of each pair.
            users: array of n user ids, in the place of ``pairs`` ...
            items: ... and array of n item ids.
            interval: the share of the ratings that shall lie between ``lower`` and ``upper``, as 0.9.
            where: names a row for error messages.

        Returns:
            A DataFrame with the columns ``user``, ``item``, ``prediction`` (within the rating scale) and
            ``source``: ``model`` (both were rated in training, or in a history), ``user`` (the item was not), ``item``
            (the user was not) or ``global`` (neither was). Features do not matter for it. With ``interval`` also
            ``lower`` and ``upper``, within the rating scale (see ``prediction/intervals.py``).

        Raises:
            DataError: for ids that would be known only after a cast from int to str or back, for values that are
                not of a feature's kind, and where an interval is asked of a predictor that is not calibrated.

        Example:
            >>> predictor.predict(users=["u0", "u1"], items=["i0", "i0"], interval=0.9).round()
              user item  prediction source  lower  upper
            0   u0   i0         4.0  model    3.0    5.0
            1   u1   i0         1.0  model    1.0    2.0
        """
        asked, inputs = self._encoded(pairs, users, items, where)
        codes = source_codes(training_counts(self.encoder, inputs))
        source = pd.Categorical.from_codes(codes, categories=pd.Index(SOURCES))
        found = asked[["user", "item"]].assign(prediction=self.predict_rows(inputs), source=source)
        if interval is None:
            return found
        lower, upper = self.row_intervals(inputs, found["prediction"].to_numpy(), interval)
        return found.assign(lower=lower, upper=upper)

    def predict_probabilities(
        self,
        pairs: pd.DataFrame | Ratings | Iterable[tuple[Any, Any]] | None = None,
        *,
        users: Any = None,
        items: Any = None,
        where: Where = row_number,
    ) -> pd.DataFrame:
        """Predicts the probability of every possible rating, by a model with an ordinal, multi-class or binary head.

        Args:
            pairs: pairs in any form that :meth:`predict` takes.
            users: array of n user ids, in the place of ``pairs`` ...
            items: ... and array of n item ids.
            where: names a row for error messages.

        Returns:
            A DataFrame with the columns ``user``, ``item`` and one for each rating level, named by it (float), whose
            sum over a row is 1.

        Raises:
            DataError: where the model's head has no probabilities; else as :meth:`predict`.
        """
        asked, inputs = self._encoded(pairs, users, items, where)
        return pd.concat([asked[["user", "item"]], self.predict_row_probabilities(inputs)], axis=1)

    def predict_rows(self, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """The predictions for encoded pairs (``Encoder.encode_pairs``), float32 (n,), within the rating scale."""
        return np.clip(self._network.ratings(inputs), *self.encoder.scale)

    def score_rows(self, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """Scores by which encoded pairs (``Encoder.encode_pairs``) are ranked, float32 (n,).

        They are the model's latent values, of which the rating is an increasing function; without such, the ratings.
        """
        return self._network.scores(inputs)

    def row_intervals(
        self, inputs: Mapping[str, npt.NDArray[Any]], predicted: npt.NDArray[np.float32], interval: float
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The ends of the intervals (n,) around the predictions (n,) for encoded pairs, within the rating scale."""
        if self.calibration is None:
            raise DataError(
                "this predictor has no intervals, as there was no validation part to calibrate them on: calibrate "
                "it with predictor.calibrated(ratings), on ratings that the model was not trained on"
            )
        if not isinstance(interval, Real) or not 0 < interval < 1:
            raise DataError(f"interval must be a share between 0 and 1, such as 0.9, not {interval!r}")
        std, counts = self.predict_row_std(inputs), training_counts(self.encoder, inputs)
        return self.calibration.bounds(predicted, std, counts, self.encoder.scale, interval)

    @property
    def has_probabilities(self) -> bool:
        """True where the model's head gives every rating a probability."""
        return isinstance(self.model, HasLikelihood)

    def predict_row_probabilities(self, inputs: Mapping[str, npt.NDArray[Any]]) -> pd.DataFrame:
        """The probabilities for encoded pairs (``Encoder.encode_pairs``): a column for each rating level."""
        if not self.has_probabilities:
            raise DataError(
                "this model predicts ratings without probabilities: train one with head='ordinal', and load it from "
                "its run folder, as Keras's own loading loses them"
            )
        probabilities = np.exp(self._network.log_probabilities(inputs))
        return pd.DataFrame(probabilities, columns=list(self.model.likelihood.levels))

    def predict_row_std(self, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """The standard deviation of each rating as the model itself sees it, in rating units, float32 (n,).

        It is that of the distribution over the levels where the head has probabilities; else that among the members of
        an averaged model; else 0.
        """
        if self.has_probabilities:
            table = self.predict_row_probabilities(inputs)
            levels, probabilities = table.columns.to_numpy(np.float32), table.to_numpy()
            deviations = levels - (probabilities @ levels)[:, None]
            return np.sqrt(np.sum(probabilities * np.square(deviations), axis=1))
        if isinstance(self.model, HasMembers):
            return self._network.member_std(inputs)
        return np.zeros(len(inputs["user"]), dtype=np.float32)

    @property
    def input_names(self) -> tuple[str, ...]:
        """The model's inputs, of those that the encoder gives; all, where the model does not name its inputs."""
        return self._network.input_names

    @cached_property
    def _network(self) -> TracedNetwork:
        from recsys_nn.prediction.network import TracedNetwork

        return TracedNetwork(self.model, self.encoder)

    def _encoded(self, pairs: Any, users: Any, items: Any, where: Where) -> tuple[pd.DataFrame, dict[str, Any]]:
        asked = asked_frame(pairs, users, items)
        return asked, self.encoder.encode_pairs(asked["user"], asked["item"], context=asked, where=where)

    def __copy__(self) -> Self:
        """A predictor of the same network, with the functions that are traced already."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        return twin


def asked_frame(pairs: Any, users: Any, items: Any) -> pd.DataFrame:
    """The columns user and item, and those of a DataFrame beside them; a DataError where there are no pairs."""
    if pairs is not None and (users is not None or items is not None):
        raise DataError("pass either pairs, or users and items, not all of them")
    if pairs is None:
        if users is None or items is None:
            raise DataError("pass pairs, or both users and items")
        if any(isinstance(side, str) or not hasattr(side, "__len__") for side in (users, items)):
            raise DataError("users and items must be lists or arrays of ids")
        if len(users) != len(items):
            raise DataError(f"users and items must have the same length, not {len(users)} and {len(items)}")
        return pd.DataFrame({"user": pd.Series(users).to_numpy(), "item": pd.Series(items).to_numpy()})
    if isinstance(pairs, Ratings):
        pairs = pairs.frame
    if isinstance(pairs, pd.DataFrame):
        for name in ("user", "item"):
            if name not in pairs.columns:
                raise DataError(f"there is no column {name!r} among {', '.join(map(repr, pairs.columns))}")
        return pairs.reset_index(drop=True)
    listed = list(pairs)
    for row, pair in enumerate(listed):
        if isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) != 2:
            raise DataError(f"row {row}: a pair must be (user, item), not {plain_repr(pair)}")
    user_ids, item_ids = zip(*listed, strict=True) if listed else ((), ())
    return pd.DataFrame({"user": pd.Series(user_ids), "item": pd.Series(item_ids)})
