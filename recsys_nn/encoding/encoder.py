"""Ids, rating scale, counts and side features, learnt from the training rows before any model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data import Levels, Moments, Ratings, RatingsStream
from recsys_nn.encoding.baselines import EFFECTS, Part, Totals, fit_biases_to_totals
from recsys_nn.encoding.drift import Drift
from recsys_nn.encoding.features import FeatureConfig, FeaturesConfig, Side, SideFeatures, item_names
from recsys_nn.encoding.files import read_encoder, write_encoder
from recsys_nn.encoding.state import EncoderState
from recsys_nn.encoding.vocabulary import DistinctIds, Vocabulary
from recsys_nn.errors import DataError, Where, plain_repr, row_number
from recsys_nn.tensors import Columns, RowFile, StreamedTensors, Tensors


@dataclass(frozen=True, eq=False)
class Encoder(EncoderState):
    """Raw ids <-> table rows, and the statistics of the training ratings that models are built from.

    Row 0 of users and of items stands for every id that has no row. An id has a row where it was rated in training, and
    also where only its features are known. ``user_counts[row]`` and ``item_counts[row]`` tell how often a row was rated
    in training: never (0), for row 0 and for those of ids that are known by their features alone.

    ``levels`` are the distinct training ratings, ascending, and ``level_counts`` how often each occurs; both are None
    where there are more than 100. ``features`` holds the sides (user, item, rating) that have features, ``drift`` the
    knots of the users' drift in time, where that was asked for. ``item_names`` are the names of the items, in the order
    of their ids, where a column of their features (title, name) has them.

    Example:
        >>> encoder = rn.Encoder.fit(split.train)
        >>> encoder.n_users, encoder.n_items, encoder.scale
        (30, 15, (1.0, 5.0))
    """

    @classmethod
    def fit(
        cls, train: Ratings | RatingsStream, *, features: FeaturesConfig | Mapping[str, Any] | None = None
    ) -> Encoder:
        """Fits an encoder on the training part alone, or validation and test would leak into the model.

        The rating scale is the table's: where it was not given, it was observed before the table was split.

        A stream gives the encoder that its ratings in one table would give. It is read first for its scale, where that
        was not given, then for the distinct ids, mean and standard deviation, and then once more for its encoded rows,
        which go to a temporary file (12 bytes a rating, in the folder that the environment variable TMPDIR names): on
        them the baselines are fitted. In memory are the distinct ids and what is known of each, not the ratings.

        Args:
            train: training part of the split.
            features: which columns of the user and item features, and of the ratings themselves, models see, as in
                ``{"user": ["age"], "item": [{"column": "genres", "separator": "|"}], "rating": ["timestamp"]}``, and in
                which times users drift, as in ``{"drift": "timestamp"}``.

        Raises:
            DataError: where there is nothing to learn: no ratings, one user, one item, all ratings equal; and for
                features that the ratings do not have, that are constant, or that are asked of a stream.
        """
        if not len(train):
            raise DataError("the training part has no ratings")
        config = FeaturesConfig.of(features)
        asked = config.by_side()
        tables = {side: _feature_table(train, side) for side in asked}
        drifting = None if config.drift is None else (config.drift, _feature_table(train, "rating"))
        users, items, moments, levels = _first_pass(train)
        for side in (users, items):
            if len(side.ids) == 1:
                only = plain_repr(side.ids.iloc[0])
                raise DataError(f"the training part has only one {side.name}, {only}: give ratings of two or more")
        if moments.lowest == moments.highest:
            raise DataError(f"all {moments.n} training ratings are {moments.lowest:g}: give ratings that differ")
        users, items = (_with_described(side, tables) for side in (users, items))
        totals = Totals(moments.mean, n_user_rows=users.n_rows, n_item_rows=items.n_rows)

        def encoded() -> Iterator[Columns]:
            for part, _ in train.chunks():
                frame = part.frame
                columns = users.lookup(frame["user"]), items.lookup(frame["item"]), frame["rating"].to_numpy()
                totals.add(*columns)
                yield columns

        parts: Iterable[Part] = RowFile.temporary(encoded()) if isinstance(train, RatingsStream) else list(encoded())
        return cls(
            users=users,
            items=items,
            user_counts=totals.counts["user"].astype(np.int32),
            item_counts=totals.counts["item"].astype(np.int32),
            rating_mean=moments.mean,
            rating_std=moments.std,
            scale=train.scale,
            baselines={name: fit_biases_to_totals(name, totals, parts) for name in EFFECTS},
            levels=levels.values,
            level_counts=levels.counts,
            features=_fitted(asked, tables, {"user": users, "item": items}, totals),
            drift=None if drifting is None else Drift.fit(drifting[0], next(iter(parts))[0], drifting[1]),
            item_names=item_names(train.item_features, items.ids),
        )

    def encode(self, ratings: Ratings | pd.DataFrame) -> Tensors:
        """The model's inputs (:meth:`encode_pairs`) and the ratings (float32), in the table's order.

        Example:
            >>> encoder.encode(split.validation)
            Tensors(48 rows, inputs user, item)
        """
        if isinstance(ratings, RatingsStream):
            raise DataError("encode needs ratings in memory, not a stream: call encode_stream")
        if isinstance(ratings, Ratings):
            table = ratings
        else:
            beside = [name for name in self.context_columns if name in ratings.columns and name != "timestamp"]
            table = Ratings(ratings, rating_features=beside)
        frame = table.frame
        inputs = self.encode_pairs(frame["user"], frame["item"], context=frame)
        tensors = Tensors(inputs, frame["rating"].to_numpy())
        tensors.origin = self.vocabularies
        return tensors

    def encode_stream(self, stream: RatingsStream, *, cache: str | Path | None = None) -> StreamedTensors:
        """Encodes ratings larger than memory: the encoded rows lie on disk, 12 bytes a rating.

        Args:
            stream: ratings as :func:`stream_ratings` gives them.
            cache: folder to keep the rows in, for ``StreamedTensors(cache)`` later; what was encoded there before is
                replaced. By default a temporary folder, which is removed with the result.

        Raises:
            DataError: where ratings have features, which need a table in memory.
        """
        if self.context_columns:
            raise DataError("features of ratings need ratings in memory, not a stream: read them with load_ratings")
        parts = (self._encoded(ratings, where) for ratings, where in stream.chunks())
        return StreamedTensors(RowFile.temporary(parts) if cache is None else RowFile.write(parts, cache))

    def _encoded(self, ratings: Ratings, where: Where) -> Columns:
        frame = ratings.frame
        rows = self.encode_pairs(frame["user"], frame["item"], where=where)
        ratings64 = frame["rating"].to_numpy()
        with np.errstate(over="ignore"):
            ratings32 = ratings64.astype(np.float32)
        infinite = ~np.isfinite(ratings32)
        if infinite.any():
            row = int(infinite.argmax())
            raise DataError(f"{where(row)}: the rating must fit into a 32-bit number, not {ratings64[row]:g}")
        return rows["user"], rows["item"], ratings32

    def encode_pairs(
        self, users: Any, items: Any, *, context: pd.DataFrame | None = None, where: Where = row_number
    ) -> dict[str, npt.NDArray[Any]]:
        """The model's inputs for pairs of raw ids: ``{"user": int32 (n,), "item": int32 (n,)}``.

        Where ratings have features, also ``"context_rows"``, int32 (n, K), and ``"context_weights"``, float32 (n, K);
        where users drift, ``"drift_rows"`` and ``"drift_weights"``, the same with K = 2.

        Args:
            users: raw ids of n users.
            items: raw ids of n items.
            context: table with n rows and the :attr:`context_columns`; what it does not have is a missing value of
                each pair, and so is all of it where it is not given. Other columns do not matter.
            where: names a pair in error messages.

        Raises:
            DataError: for ids of another type than in training, unequal lengths, and values that are not of a
                feature's kind.

        Example:
            >>> encoder.encode_pairs(["u0", "new"], ["i2", "i2"])["user"]
            array([1, 0], dtype=int32)
        """
        inputs: dict[str, npt.NDArray[Any]] = {
            "user": self.users.lookup(users, where),
            "item": self.items.lookup(items, where),
        }
        n = len(inputs["user"])
        if n != len(inputs["item"]):
            raise DataError(f"users and items must have the same length, not {n} and {len(inputs['item'])}")
        if self.context_columns:
            context = pd.DataFrame(index=range(n)) if context is None else context
            if len(context) != n:
                raise DataError(f"context must have a row for each of {n} pairs, not {len(context)} rows")
            if "rating" in self.features:
                inputs["context_rows"], inputs["context_weights"] = self.features["rating"].encode(context, where)
            if self.drift is not None:
                inputs["drift_rows"], inputs["drift_weights"] = self.drift.encode(inputs["user"], context, where)
        return inputs

    def save(self, folder: str | Path) -> None:
        """Writes the encoder into an existing folder: ``encoder.json``, ``users.parquet``, ``items.parquet`` and, where
        users drift, ``drift.parquet``."""
        write_encoder(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Encoder:
        """Reads the encoder that :meth:`save` wrote."""
        return cls(**read_encoder(Path(folder)))


def _first_pass(train: Ratings | RatingsStream) -> tuple[Vocabulary, Vocabulary, Moments, Levels]:
    users, items, moments, levels = DistinctIds(), DistinctIds(), Moments(), Levels()
    for part, _ in train.chunks():
        frame = part.frame
        users.add(frame["user"])
        items.add(frame["item"])
        ratings = frame["rating"].to_numpy()
        moments.add(ratings)
        levels.add(ratings)
    return Vocabulary.fit("user", users.merged()), Vocabulary.fit("item", items.merged()), moments, levels


def _feature_table(train: Ratings | RatingsStream, side: Side) -> pd.DataFrame:
    """The columns in which the features of a side are, users and items by their ids."""
    if isinstance(train, RatingsStream):
        raise DataError("features need ratings in memory, not a stream: read them with load_ratings")
    tables: dict[Side, pd.DataFrame | None] = {
        "user": train.user_features,
        "item": train.item_features,
        "rating": train.frame.drop(columns=["user", "item", "rating"]),
    }
    table = tables[side]
    if table is None or not len(table.columns):
        raise DataError(f"the ratings have no {side} features: pass {side}_features to load_ratings, or leave them out")
    return table if side == "rating" else table.set_index(side)


def _with_described(side: Vocabulary, tables: Mapping[Side, pd.DataFrame]) -> Vocabulary:
    """The vocabulary with rows also for the ids that have features only."""
    described = [table.index.to_series() for name, table in tables.items() if name == side.name and len(table)]
    return Vocabulary.fit(side.name, pd.concat([side.ids, *described], ignore_index=True)) if described else side


def _fitted(
    asked: Mapping[Side, tuple[FeatureConfig, ...]],
    tables: Mapping[Side, pd.DataFrame],
    vocabularies: Mapping[Side, Vocabulary],
    totals: Totals,
) -> dict[Side, SideFeatures]:
    features: dict[Side, SideFeatures] = {}
    for side, table in tables.items():
        if side == "rating":
            features[side] = SideFeatures.fit(side, asked[side], table, np.ones(len(table), dtype=np.bool_))
        else:
            ids, known = vocabularies[side].ids, totals.counts[side][1:] > 0
            features[side] = SideFeatures.fit(side, asked[side], table.reindex(ids), known, _owner(side, ids))
    return features


def _owner(side: Side, ids: pd.Series) -> Where:
    return lambda row: f"{side} {plain_repr(ids.iloc[row])}"
