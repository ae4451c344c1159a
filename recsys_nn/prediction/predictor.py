"""Raw ids in, a table of predictions out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data.encoding import Encoder
from recsys_nn.data.ids import Where, row_number
from recsys_nn.data.ratings import Ratings
from recsys_nn.errors import DataError
from recsys_nn.models.base import ModelConfig
from recsys_nn.prediction.calibration import Calibration
from recsys_nn.prediction.sources import SOURCES, source_codes, training_counts

if TYPE_CHECKING:
    import keras

    from recsys_nn.data.readers import TableFormat
    from recsys_nn.prediction.scoring_files import OnError, PredictedFile, Progress

BATCH = 262_144


class Predictor:
    """A trained model together with the encoder that its rows belong to.

    Args:
        model: a keras.Model, this package's or not, with the inputs ``user`` and ``item`` (int32 rows), or others of
            those that ``Encoder.encode_pairs`` gives.
        encoder: fitted on the model's training part.
        config: of the model, needed to save it; models of :func:`build_model` carry theirs.
        calibration: what its intervals rest on, where it has some; :meth:`calibrated` makes it.
    """

    def __init__(
        self,
        model: keras.Model,
        encoder: Encoder,
        *,
        config: ModelConfig | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.model = model
        self.encoder = encoder
        self.calibration = calibration
        self.config: ModelConfig | None = config or getattr(model, "rating_config", None)

    def predict(
        self,
        pairs: pd.DataFrame | Ratings | Iterable[tuple[Any, Any]] | None = None,
        *,
        users: Any = None,
        items: Any = None,
        interval: float | None = None,
        where: Where = row_number,
    ) -> pd.DataFrame:
        """The predicted ratings of pairs, in their order.

        Args:
            pairs: a DataFrame with the columns user and item, Ratings, (user, item) tuples or an (n, 2) array. Where
                ratings have features (their timestamp, a device), a DataFrame may have these columns too; a column that
                it does not have is a missing value of each pair.
            users: instead of ``pairs``: an array of n user ids ...
            items: ... and one of n item ids.
            interval: the share of the ratings that shall lie between ``lower`` and ``upper``, as 0.9.
            where: names a row for error messages.

        Returns:
            A DataFrame with the columns ``user``, ``item``, ``prediction`` (within the rating scale) and
            ``source``: ``model`` (both were rated in training, or in a history), ``user`` (the item was not), ``item``
            (the user was not) or ``global`` (neither was). Features do not matter for it. With ``interval`` also
            ``lower`` and ``upper``, within the rating scale (see ``prediction/calibration.py``).

        Raises:
            DataError: for ids that would be known only after a cast from int to str or back, for values that are
                not of a feature's kind, and where an interval is asked of a predictor that is not calibrated.
        """
        asked, inputs = self._encoded(pairs, users, items, where)
        codes = source_codes(training_counts(self.encoder, inputs))
        source = pd.Categorical.from_codes(codes, categories=pd.Index(SOURCES))
        found = asked[["user", "item"]].assign(prediction=self.predict_rows(inputs), source=source)
        if interval is None:
            return found
        lower, upper = self.row_intervals(inputs, found["prediction"].to_numpy(), interval)
        return found.assign(lower=lower, upper=upper)

    def predict_file(
        self,
        pairs: str | Path,
        output: str | Path,
        *,
        layout: TableFormat | Mapping[str, Any] | None = None,
        interval: float | None = None,
        on_error: OnError = "stop",
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> PredictedFile:
        """Predicts a file of pairs into a file, in memory that does not grow with them.

        The output has the rows of the input in their order, all of its columns as they are, and behind them those that
        :meth:`predict` adds: ``prediction``, ``source`` and, with an interval, ``lower`` and ``upper``. It is there
        when all is predicted, or not at all.

        Args:
            pairs: a text file (CSV, TSV, gzip too), a Parquet file, or a folder whose Parquet files have the same
                columns; what begins with a dot or an underscore is left out.
            output: the file to write: .csv, .tsv (either also .gz) or .parquet.
            layout: how the file is laid out, where that is not recognised, as ``{"user": "customer", "separator":
                ";"}``: as of :func:`load_ratings`.
            interval: as of :meth:`predict`.
            on_error: ``"stop"``, or ``"skip"`` to leave out rows that cannot be predicted; where they are, what is
                wrong with them and what they hold is then written beside the output (``out.parquet.skipped.csv``).
            overwrite: whether a file that stands at the output is replaced.
            progress: called after each part with the number of pairs so far and the share of the input that is done.

        Raises:
            DataError: as of :meth:`predict`, with the file and its line or row; where the output must not be written;
                where a column of the input has the name of one that is added.
        """
        from recsys_nn.prediction.scoring_files import predict_file

        return predict_file(
            self,
            pairs,
            output,
            layout=layout,
            interval=interval,
            on_error=on_error,
            overwrite=overwrite,
            progress=progress,
        )

    def predict_rows(self, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """The predictions for encoded pairs (``Encoder.encode_pairs``), float32 (n,), within the rating scale."""
        return np.clip(self._in_batches(self._ratings, inputs), *self.encoder.scale)

    def row_intervals(
        self, inputs: Mapping[str, npt.NDArray[Any]], predicted: npt.NDArray[np.float32], interval: float
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The ends of the intervals (n,) around the predictions (n,) for encoded pairs, within the rating scale."""
        if self.calibration is None:
            raise DataError(
                "this predictor has no intervals, as there was no validation part to calibrate them on: "
                "predictor.calibrated(ratings) does, with ratings that the model was not trained on"
            )
        if not 0 < interval < 1:
            raise DataError(f"interval={interval:g} is not a share between 0 and 1, as 0.9 for nine ratings of ten")
        std, counts = self.predict_row_std(inputs), training_counts(self.encoder, inputs)
        return self.calibration.bounds(predicted, std, counts, self.encoder.scale, interval)

    def calibrated(self, validation: Ratings) -> Self:
        """A predictor with intervals, calibrated on ratings that the model was not trained on.

        Args:
            validation: the more, the better; 1,000 give a coverage to within about one hundredth.

        Raises:
            DataError: where there are none, or their ids are not those of the training.
        """
        calibrated = copy(self)  # with the functions that are traced already
        calibrated.calibration = Calibration.fit(self, validation)
        return calibrated

    @property
    def has_probabilities(self) -> bool:
        """Whether the model's head gives every rating a probability."""
        return hasattr(self.model, "likelihood")

    def predict_probabilities(
        self,
        pairs: pd.DataFrame | Ratings | Iterable[tuple[Any, Any]] | None = None,
        *,
        users: Any = None,
        items: Any = None,
        where: Where = row_number,
    ) -> pd.DataFrame:
        """The probability of every possible rating, of a model with an ordinal, multi-class or binary head.

        Args:
            pairs: as of :meth:`predict`.
            users: instead of ``pairs``: an array of n user ids ...
            items: ... and one of n item ids.
            where: names a row for error messages.

        Returns:
            A DataFrame with the columns ``user``, ``item`` and one for each rating level, named by it (float), whose
            sum over a row is 1.

        Raises:
            DataError: where the model's head has no probabilities; else as :meth:`predict`.
        """
        asked, inputs = self._encoded(pairs, users, items, where)
        return pd.concat([asked[["user", "item"]], self.predict_row_probabilities(inputs)], axis=1)

    def predict_row_probabilities(self, inputs: Mapping[str, npt.NDArray[Any]]) -> pd.DataFrame:
        """The same for encoded pairs (``Encoder.encode_pairs``): a column for each rating level."""
        if not self.has_probabilities:
            raise DataError(
                "this model predicts ratings without probabilities: train one with head='ordinal' (one that Keras has "
                "loaded has lost them; a run folder keeps them)"
            )
        probabilities = np.exp(self._in_batches(self._log_probabilities, inputs))
        return pd.DataFrame(probabilities, columns=list(self.model.likelihood.levels))

    def predict_row_std(self, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """The standard deviation of each rating as the model itself sees it, in rating units, float32 (n,).

        Of the distribution over the levels where the head has probabilities; else among the members of an averaged
        model; else 0.
        """
        if self.has_probabilities:
            table = self.predict_row_probabilities(inputs)
            levels, probabilities = table.columns.to_numpy(np.float32), table.to_numpy()
            deviations = levels - (probabilities @ levels)[:, None]
            return np.sqrt(np.sum(probabilities * np.square(deviations), axis=1))
        if hasattr(self.model, "each"):
            return self._in_batches(self._member_std, inputs)
        return np.zeros(len(inputs["user"]), dtype=np.float32)

    def with_history(self, history: pd.DataFrame | Ratings) -> Predictor:
        """A predictor that also knows new users by the items that they rated, and new items by their raters.

        A pair counts where one of its ids was not rated in training and the other was; others have no effect. This
        predictor stays as it is.

        Args:
            history: the columns user and item, and for the kind ``autorec`` the rating.

        Raises:
            DataError: where the model's kind keeps no rated-by sets, or no table of ratings takes the history.
        """
        from recsys_nn.prediction.history import with_history

        return with_history(self, history)

    def _encoded(self, pairs: Any, users: Any, items: Any, where: Where) -> tuple[pd.DataFrame, dict[str, Any]]:
        asked = _asked_frame(pairs, users, items)
        return asked, self.encoder.encode_pairs(asked["user"], asked["item"], context=asked, where=where)

    def _in_batches(self, function: Any, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        import tensorflow as tf

        n = len(inputs["user"])
        values = np.empty((n, *function.structured_outputs.shape[1:]), dtype=np.float32)
        for start in range(0, n, BATCH):
            part = slice(start, start + BATCH)
            values[part] = function({name: tf.constant(inputs[name][part]) for name in self._inputs}).numpy()
        return values

    @property
    def input_names(self) -> tuple[str, ...]:
        """The model's inputs, of those that the encoder gives; all, where the model does not name its inputs."""
        return tuple(self._inputs)

    @cached_property
    def _inputs(self) -> dict[str, npt.NDArray[Any]]:
        """The same for no pairs."""
        encoder = self.encoder
        given = encoder.encode_pairs(encoder.users.ids[:0], encoder.items.ids[:0])
        structure = getattr(self.model, "input", None)
        names = list(structure) if isinstance(structure, dict) else list(given)
        for name in names:
            if name not in given:
                raise DataError(
                    f"the model has an input {name!r}, of which the encoder knows nothing; it gives {', '.join(given)}"
                )
        return {name: given[name] for name in names}

    @cached_property
    def _ratings(self) -> Any:
        import tensorflow as tf

        return self._traced(lambda inputs: tf.reshape(self.model(inputs, training=False), (-1,)))

    @cached_property
    def _log_probabilities(self) -> Any:
        return self._traced(lambda inputs: self.model.likelihood.model(inputs, training=False))

    @cached_property
    def _member_std(self) -> Any:
        import tensorflow as tf

        return self._traced(lambda inputs: tf.math.reduce_std(self.model.each(inputs), axis=0))

    def _traced(self, function: Callable[[Any], Any]) -> Any:
        """One traced function of any number of rows."""
        import tensorflow as tf

        rows = {
            name: tf.TensorSpec((None, *values.shape[1:]), values.dtype, name=name)
            for name, values in self._inputs.items()
        }
        return tf.function(function).get_concrete_function(rows)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Writes the run folder that :meth:`load` reads (see ``prediction/run_folder.py``).

        Raises:
            ArtifactError: where the folder exists, or the model's kind is not registered.
        """
        from recsys_nn.prediction.run_folder import write_run_folder

        return write_run_folder(path, self, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Predictor:
        """The predictor of a run folder; needs no training data and executes nothing from the folder.

        Raises:
            ArtifactError: naming the file that is missing, damaged, foreign or of a newer format.
        """
        from recsys_nn.prediction.run_folder import read_run_folder

        return read_run_folder(path)


def _asked_frame(pairs: Any, users: Any, items: Any) -> pd.DataFrame:
    if pairs is not None and (users is not None or items is not None):
        raise DataError("give either pairs, or users and items")
    if pairs is None:
        if users is None or items is None:
            raise DataError("give pairs, or both users and items")
        if any(isinstance(side, str) or not hasattr(side, "__len__") for side in (users, items)):
            raise DataError("users and items are lists or arrays of ids")
        if len(users) != len(items):
            raise DataError(f"{len(users)} users and {len(items)} items do not make pairs")
        return pd.DataFrame({"user": pd.Series(users).to_numpy(), "item": pd.Series(items).to_numpy()})
    if isinstance(pairs, Ratings):
        pairs = pairs.frame
    if isinstance(pairs, pd.DataFrame):
        for name in ("user", "item"):
            if name not in pairs.columns:
                raise DataError(f"no column {name!r} among {', '.join(map(repr, pairs.columns))}")
        return pairs.reset_index(drop=True)
    listed = list(pairs)
    bad = next((row for row, pair in enumerate(listed) if isinstance(pair, str) or len(pair) != 2), None)
    if bad is not None:
        raise DataError(f"row {bad}: {listed[bad]!r} is not a (user, item) pair")
    user_ids, item_ids = zip(*listed, strict=True) if listed else ((), ())
    return pd.DataFrame({"user": pd.Series(user_ids), "item": pd.Series(item_ids)})
