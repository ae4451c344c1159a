"""Predictions of held-out ratings, which intervals and the weights of blends are fitted to.

A table of a row a rating, in the order of the ratings. A run folder keeps it as validation.parquet, so that what was
predicted before a refit on these ratings is still known after it:

    user, item, rating             of the rating
    user_ratings, item_ratings     how often user and item were rated in training, 0 where they were not
    prediction, std                as ``Predictor.predict_rows`` and ``predict_row_std`` give them, in rating units
    prediction_without_user, std_without_user   the same with the user taken for unknown;
    ..._without_item, ..._without_both          with the item, with both
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from recsys_nn.data.features import Side
from recsys_nn.data.ratings import Ratings
from recsys_nn.errors import ArtifactError
from recsys_nn.prediction.sources import training_counts

if TYPE_CHECKING:
    from recsys_nn.prediction.predictor import Predictor

HELD_OUT = "validation.parquet"
MASKS: dict[str, tuple[Side, ...]] = {
    "": (),
    "_without_user": ("user",),
    "_without_item": ("item",),
    "_without_both": ("user", "item"),
}
"""The ends of columns' names, and which ids are taken for unknown there."""
RATING = ["user", "item", "rating"]
PREDICTIONS = [f"prediction{end}" for end in MASKS]
STDS = [f"std{end}" for end in MASKS]


def predict_held_out(predictor: Predictor, ratings: Ratings) -> pd.DataFrame:
    """The table of a predictor and of ratings that it was not trained on.

    Raises:
        DataError: where their ids are not those of the training.
    """
    encoder, frame = predictor.encoder, ratings.frame
    found = frame[RATING]
    for end, masked in MASKS.items():
        asked = frame.assign(**{side: encoder.vocabularies[side].unknown_id for side in masked})
        inputs = encoder.encode_pairs(asked["user"], asked["item"], context=asked)
        if not masked:
            found = found.assign(**{f"{side}_ratings": n for side, n in training_counts(encoder, inputs).items()})
        columns = {"prediction": predictor.predict_rows(inputs), "std": predictor.predict_row_std(inputs)}
        found = found.assign(**{f"{name}{end}": values for name, values in columns.items()})
    return found


def read_held_out(file: Path) -> pd.DataFrame:
    """The table that a run folder keeps.

    Raises:
        ArtifactError: naming the file and why it cannot be used.
    """
    try:
        return pd.read_parquet(file, columns=[*RATING, "user_ratings", "item_ratings", *PREDICTIONS, *STDS])
    except (OSError, pa.ArrowException) as error:
        raise ArtifactError(f"{file}: not a table of predictions of held-out ratings: {error}") from error
