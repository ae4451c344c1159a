"""What a model says of encoded pairs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.encoding.encoder import Encoder
from recsys_nn.encoding.sources import training_counts
from recsys_nn.errors import DataError
from recsys_nn.prediction.intervals import Calibration

if TYPE_CHECKING:
    import keras

    from recsys_nn.prediction.network import TracedNetwork


class RowPredictor:
    """Predictions of pairs of rows, as ``Encoder.encode_pairs`` gives them; :class:`Predictor` has them of raw ids."""

    model: keras.Model
    encoder: Encoder
    calibration: Calibration | None

    def predict_rows(self, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """The predictions for encoded pairs (``Encoder.encode_pairs``), float32 (n,), within the rating scale."""
        return np.clip(self._network.ratings(inputs), *self.encoder.scale)

    def score_rows(self, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """What encoded pairs (``Encoder.encode_pairs``) are ranked by, float32 (n,): the model's latent value, of which
        the rating is an increasing function; where it has none, the rating."""
        return self._network.scores(inputs)

    def row_intervals(
        self, inputs: Mapping[str, npt.NDArray[Any]], predicted: npt.NDArray[np.float32], interval: float
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The ends of the intervals (n,) around the predictions (n,) for encoded pairs, within the rating scale."""
        if self.calibration is None:
            raise DataError(
                "this predictor has no intervals, as there was no validation part to calibrate them on: "
                "predictor.calibrated(ratings) does, with ratings that the model was not trained on"
            )
        if not isinstance(interval, Real) or not 0 < interval < 1:
            raise DataError(f"interval={interval!r} is not a share between 0 and 1, as 0.9 for nine ratings of ten")
        std, counts = self.predict_row_std(inputs), training_counts(self.encoder, inputs)
        return self.calibration.bounds(predicted, std, counts, self.encoder.scale, interval)

    @property
    def has_probabilities(self) -> bool:
        """Whether the model's head gives every rating a probability."""
        return hasattr(self.model, "likelihood")

    def predict_row_probabilities(self, inputs: Mapping[str, npt.NDArray[Any]]) -> pd.DataFrame:
        """The same for encoded pairs (``Encoder.encode_pairs``): a column for each rating level."""
        if not self.has_probabilities:
            raise DataError(
                "this model predicts ratings without probabilities: train one with head='ordinal' (one that Keras has "
                "loaded has lost them; a run folder keeps them)"
            )
        probabilities = np.exp(self._network.log_probabilities(inputs))
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
