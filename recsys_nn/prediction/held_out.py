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
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recsys_nn.data.ratings import Ratings
from recsys_nn.encoding.baselines import EFFECTS
from recsys_nn.encoding.features import Side
from recsys_nn.encoding.sources import training_counts
from recsys_nn.errors import ArtifactError
from recsys_nn.files.untrusted_parquet import read_plain_table

if TYPE_CHECKING:
    from recsys_nn.prediction.predictor import Predictor

JUDGED = "test.parquet"
HELD_OUT = "validation.parquet"
MASKS: dict[str, tuple[Side, ...]] = {
    "": (),
    "_without_user": ("user",),
    "_without_item": ("item",),
    "_without_both": ("user", "item"),
}
"""The ends of columns' names, and which ids are taken for unknown there."""
RATING = ["user", "item", "rating"]
BASELINES = {name: f"{name}_baseline" for name in EFFECTS}
PREDICTED = [*RATING, "user_ratings", "item_ratings", "prediction", "std", *BASELINES.values()]
PREDICTIONS = [f"prediction{end}" for end in MASKS]
STDS = [f"std{end}" for end in MASKS]


def predict_ratings(predictor: Predictor, ratings: Ratings, inputs: Mapping[str, Any]) -> pd.DataFrame:
    """The first table, of ratings and of the same encoded (``Encoder.encode_pairs``)."""
    encoder = predictor.encoder
    counts = {f"{side}_ratings": n for side, n in training_counts(encoder, inputs).items()}
    baselines = {
        BASELINES[name]: np.clip(biases.predict(inputs["user"], inputs["item"]), *encoder.scale)
        for name, biases in encoder.baselines.items()
    }
    predicted = {"prediction": predictor.predict_rows(inputs), "std": predictor.predict_row_std(inputs)}
    return ratings.frame[RATING].assign(**counts, **predicted, **baselines)


def predict_held_out(predictor: Predictor, ratings: Ratings) -> pd.DataFrame:
    """The second table.

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


def read_predicted(content: bytes, columns: list[str], name: str) -> pd.DataFrame:
    """These columns of a table that a run folder keeps.

    Args:
        content: of its file.
        columns: by name.
        name: of the file, for error messages.

    Raises:
        ArtifactError: naming the file and why it cannot be used.
    """
    table = read_plain_table(content, name, columns=columns)
    for column in table.columns.difference(["user", "item"]):
        if not pd.api.types.is_numeric_dtype(table[column]) or not np.isfinite(table[column]).all():
            raise ArtifactError(f"{name} is damaged: the column {column!r} is not of finite numbers")
    return table
