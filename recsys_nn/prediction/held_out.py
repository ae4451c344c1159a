"""Predictions of ratings that a network was not trained on: the test part, and the validation part before any refit.

A table of a row a rating, in the order of the ratings. A run folder keeps that of the test part as test.parquet, and
that of the validation part as validation.parquet:

    user, item, rating             of the rating
    user_ratings, item_ratings     how often user and item were rated in training, 0 where they were not
    prediction, std                as ``Predictor.predict_rows`` and ``predict_row_std`` give them, in rating units
    global_baseline, user_..., item_..., bias_baseline     what the closed-form predictors of the same training part say

and the latter, which intervals and the weights of blends are fitted to, also

    prediction_without_user, std_without_user   the same with the user taken for unknown;
    ..._without_item, ..._without_both          with the item, with both
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from recsys_nn.data import Ratings
from recsys_nn.encoding import EFFECTS, training_counts
from recsys_nn.errors import ArtifactError, DataError, must_be
from recsys_nn.files import read_plain_table
from recsys_nn.prediction.core import PredictorCore
from recsys_nn.prediction.intervals import MASKS, Calibration

JUDGED = "test.parquet"
HELD_OUT = "validation.parquet"
RATING = ["user", "item", "rating"]
BASELINES = {name: f"{name}_baseline" for name in EFFECTS}
PREDICTED = [*RATING, "user_ratings", "item_ratings", "prediction", "std", *BASELINES.values()]
PREDICTIONS = [f"prediction{end}" for end in MASKS]
STDS = [f"std{end}" for end in MASKS]


def predict_ratings(predictor: PredictorCore, ratings: Ratings, inputs: Mapping[str, Any]) -> pd.DataFrame:
    """Table of the predictions of ratings, given the same ratings encoded as ``inputs`` (``Encoder.encode_pairs``)."""
    encoder = predictor.encoder
    counts = {f"{side}_ratings": n for side, n in training_counts(encoder, inputs).items()}
    baselines = {
        BASELINES[name]: np.clip(biases.predict(inputs["user"], inputs["item"]), *encoder.scale)
        for name, biases in encoder.baselines.items()
    }
    predicted = {"prediction": predictor.predict_rows(inputs), "std": predictor.predict_row_std(inputs)}
    return ratings.frame[RATING].assign(**counts, **predicted, **baselines)


def predict_held_out(predictor: PredictorCore, ratings: Ratings) -> pd.DataFrame:
    """Table of the predictions of ratings, also with user, item and both taken for unknown.

    Raises:
        DataError: where their ids are not those of the training.
    """
    encoder, frame = predictor.encoder, ratings.frame
    found = predict_ratings(predictor, ratings, encoder.encode_pairs(frame["user"], frame["item"], context=frame))
    masked_columns: dict[str, Any] = {}
    for end, masked in MASKS.items():
        if masked:
            asked = frame.assign(**{side: encoder.vocabularies[side].unknown_id for side in masked})
            inputs = encoder.encode_pairs(asked["user"], asked["item"], context=asked)
            masked_columns[f"prediction{end}"] = predictor.predict_rows(inputs)
            masked_columns[f"std{end}"] = predictor.predict_row_std(inputs)
    return found.assign(**masked_columns)


def calibration_on(predictor: PredictorCore, validation: Ratings) -> Calibration:
    """Calibrates the intervals of a predictor on ratings that its model was not trained on.

    Raises:
        DataError: where there are none, or their ids are not those of the training.
    """
    if not isinstance(validation, Ratings):
        raise DataError(must_be("ratings", "Ratings (rn.load_ratings makes them)", validation))
    if not len(validation):
        raise DataError("there are no ratings to calibrate intervals on")
    return Calibration.of(predict_held_out(predictor, validation), predictor.encoder.scale)


def read_predicted(content: bytes, columns: list[str], name: str) -> pd.DataFrame:
    """Reads columns of a table of predictions that a run folder keeps.

    Args:
        content: bytes of the Parquet file.
        columns: names of the columns to read.
        name: name of the file, for error messages.

    Raises:
        ArtifactError: naming the file and why it cannot be used.
    """
    table = read_plain_table(content, name, columns=columns)
    for column in table.columns.difference(["user", "item"]):
        if not pd.api.types.is_numeric_dtype(table[column]) or not np.isfinite(table[column]).all():
            raise ArtifactError(f"{name} is damaged: the column {column!r} must hold finite numbers")
    return table
