"""Updating: a trained network goes on training, on the ratings that it knows and new ones, with rows for new ids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from recsys_nn.data import Ratings
from recsys_nn.encoding import EFFECTS, SIDES, Encoder, SeenRatings, fit_biases, with_ids
from recsys_nn.errors import DataError
from recsys_nn.hooks import Average
from recsys_nn.prediction.new_ids.extend import P, checked_ratings, extended, newly_known
from recsys_nn.prediction.new_ids.fold_in import fit_new_rows
from recsys_nn.tensors import Tensors
from recsys_nn.training import TrainConfig, Trainer

PAIR = ["user", "item"]


def update(predictor: P, ratings: pd.DataFrame | Ratings, training: TrainConfig | None, *, progress: bool) -> P:
    """Goes on training a predictor, as :meth:`Predictor.update` documents."""
    if isinstance(predictor.model, Average):
        raise DataError(
            "an average over the posterior cannot be updated: update a single network, or fold the new users and items "
            "in with predictor.fold_in"
        )
    if predictor.seen is None:
        raise DataError(
            "this predictor does not keep its ratings, which an update trains on with the new ones: pass them to "
            "predictor.with_seen(ratings)"
        )
    known = predictor.encoder
    new = checked_ratings(ratings, known).assign(is_new=True)
    kept = predictor.seen.to_frame(known)
    joined = pd.concat([kept, new], ignore_index=True).drop_duplicates(PAIR, keep="last")
    is_new = joined.pop("is_new").notna()
    added = new[~pd.MultiIndex.from_frame(new[PAIR]).isin(pd.MultiIndex.from_frame(kept[PAIR]))]
    encoder = _learnt_from(with_ids(known, {side: added[side] for side in SIDES}), joined)
    larger = extended(predictor, dict.fromkeys(SIDES, added), encoder)
    config = training or TrainConfig()
    held_out = _held_out(joined[is_new], known, config)
    train = joined.drop(held_out.index)
    fit_new_rows(larger, newly_known(known, train[is_new[train.index]]), known.n_ratings)
    config = (config if len(held_out) else config.until(1)).model_copy(update={"validation": 0.0})
    Trainer(config, progress=progress).fit(larger.model, _encoded(encoder, train), _encoded(encoder, held_out))
    seen = SeenRatings.of(encoder, [joined])
    return type(predictor)(larger.model, encoder, config=predictor.config, calibration=predictor.calibration, seen=seen)


def _held_out(new: pd.DataFrame, known: Encoder, config: TrainConfig) -> pd.DataFrame:
    """New ratings to stop by: the network has been trained on the others. A new id keeps one of its ratings."""
    may_be = np.ones(len(new), dtype=np.bool_)
    for side in SIDES:
        may_be &= new.duplicated(side) | (known.vocabularies[side].lookup(new[side]) > 0)
    return new[may_be].sample(min(may_be.sum(), round(config.validation * len(new))), random_state=config.seed)


def _encoded(encoder: Encoder, table: pd.DataFrame) -> Tensors:
    """Tensors of a table of ratings, with the context that a row has; kept ratings have none."""
    table = table.reset_index(drop=True)
    inputs = encoder.encode_pairs(table["user"], table["item"], context=table)
    return Tensors(inputs, table["rating"].to_numpy(np.float32))


def _learnt_from(encoder: Encoder, ratings: pd.DataFrame) -> Encoder:
    """The encoder with the counts and the closed-form baselines of these ratings.

    Among them are those of a validation part that the run has kept, which its own counts leave out.
    """
    rows = {side: encoder.vocabularies[side].lookup(ratings[side]) for side in SIDES}
    sizes = {f"n_{side}_rows": encoder.vocabularies[side].n_rows for side in SIDES}
    counts = {side: np.bincount(rows[side], minlength=encoder.vocabularies[side].n_rows) for side in SIDES}
    values = ratings["rating"].to_numpy()
    baselines = {name: fit_biases(name, rows["user"], rows["item"], values, **sizes) for name in EFFECTS}
    return replace(
        encoder,
        user_counts=counts["user"].astype(np.int32),
        item_counts=counts["item"].astype(np.int32),
        baselines=baselines,
    )
