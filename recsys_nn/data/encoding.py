"""What is learnt from the training rows before any model: ids, rating scale, how often each was rated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data.baselines import EFFECTS, BaselineName, Biases, Part, Totals, fit_biases_to_totals
from recsys_nn.data.ids import IdType, Where, plain_repr, row_number
from recsys_nn.data.moments import Moments
from recsys_nn.data.ratings import Ratings
from recsys_nn.data.row_file import Columns, RowFile
from recsys_nn.data.stream import RatingsStream
from recsys_nn.data.streamed_tensors import StreamedTensors
from recsys_nn.data.tensors import Tensors
from recsys_nn.data.vocabulary import DistinctIds, Vocabulary
from recsys_nn.errors import DataError

ENCODER_FILES = ("encoder.json", "users.parquet", "items.parquet")

Counts = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Encoder:
    """Raw ids <-> table rows, and the statistics of the training ratings that models are built from.

    Row 0 of users and of items stands for every id that training did not see. ``user_counts[row]`` and
    ``item_counts[row]`` tell how often a row was rated in training (row 0: never).
    """

    users: Vocabulary
    items: Vocabulary
    user_counts: Counts
    item_counts: Counts
    rating_mean: float
    rating_std: float
    scale: tuple[float, float]
    baselines: Mapping[BaselineName, Biases]

    @classmethod
    def fit(cls, train: Ratings | RatingsStream) -> Encoder:
        """Fitted on the training part alone, or validation and test would leak into the model.

        The rating scale is the table's: where it was not given, it was observed before the table was split.

        A stream gives the encoder that its ratings in one table would give. It is read first for its scale, where that
        was not given, then for the distinct ids, mean and standard deviation, and then once more for its encoded rows,
        which go to a temporary file (12 bytes a rating, in the folder that the environment variable TMPDIR names): on
        them the baselines are fitted. In memory are the distinct ids and what is known of each, not the ratings.

        Raises:
            DataError: where there is nothing to learn: no ratings, one user, one item, all ratings equal.
        """
        if not len(train):
            raise DataError("the training part is empty")
        users, items, moments = _ids_and_moments(train)
        for side in (users, items):
            if len(side.ids) == 1:
                only = plain_repr(side.ids.iloc[0])
                raise DataError(f"the training part has only one {side.name} ({only}): there is nothing to compare")
        if moments.lowest == moments.highest:
            raise DataError(f"all {moments.n} training ratings are {moments.lowest:g}: there is nothing to predict")
        totals = Totals(moments.mean, n_user_rows=users.n_rows, n_item_rows=items.n_rows)

        def encoded() -> Iterator[Columns]:
            for part in _parts(train):
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
        )

    @property
    def n_users(self) -> int:
        """Users known from training."""
        return len(self.users.ids)

    @property
    def n_items(self) -> int:
        """Items known from training."""
        return len(self.items.ids)

    @property
    def n_ratings(self) -> int:
        """Training ratings."""
        return int(self.user_counts.sum(dtype=np.int64))

    @property
    def id_types(self) -> dict[str, IdType]:
        return {"user": self.users.type, "item": self.items.type}

    def encode(self, ratings: Ratings | pd.DataFrame) -> Tensors:
        """Rows (int32) of users and items and the ratings (float32), in the table's order."""
        if isinstance(ratings, RatingsStream):
            raise DataError("a stream of ratings is encoded by encode_stream, as its rows may not fit into memory")
        table = ratings if isinstance(ratings, Ratings) else Ratings(ratings)
        frame = table.frame
        return Tensors(self.encode_pairs(frame["user"], frame["item"]), frame["rating"].to_numpy())

    def encode_stream(self, stream: RatingsStream, *, cache: str | Path | None = None) -> StreamedTensors:
        """The same of ratings larger than memory: the encoded rows lie on disk, 12 bytes a rating.

        Args:
            stream: of :func:`stream_ratings`.
            cache: a folder to keep them in, for ``StreamedTensors(cache)`` later; what was encoded there before is
                replaced. By default a temporary folder, which is removed with the result.
        """
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
            raise DataError(
                f"{where(row)}: the rating {ratings64[row]:g} is beyond 32-bit numbers, which training needs"
            )
        return rows["user"], rows["item"], ratings32

    def encode_pairs(self, users: Any, items: Any, *, where: Where = row_number) -> dict[str, npt.NDArray[np.int32]]:
        """The model's inputs for pairs of raw ids: ``{"user": int32 (n,), "item": int32 (n,)}``."""
        rows = {"user": self.users.lookup(users, where), "item": self.items.lookup(items, where)}
        if len(rows["user"]) != len(rows["item"]):
            raise DataError(f"{len(rows['user'])} users and {len(rows['item'])} items do not make pairs")
        return rows

    def save(self, folder: str | Path) -> None:
        """Written as ``encoder.json``, ``users.parquet`` and ``items.parquet`` into an existing folder."""
        folder = Path(folder)
        _side_frame(self.users, self.user_counts, self.baselines, "user").to_parquet(folder / "users.parquet")
        _side_frame(self.items, self.item_counts, self.baselines, "item").to_parquet(folder / "items.parquet")
        values = {"rating_mean": self.rating_mean, "rating_std": self.rating_std, "scale": list(self.scale)}
        (folder / "encoder.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Encoder:
        """The encoder that :meth:`save` wrote."""
        folder = Path(folder)
        values = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        users, items = (pd.read_parquet(folder / f"{side}s.parquet") for side in ("user", "item"))
        baselines: dict[BaselineName, Biases] = {}
        for name in EFFECTS:
            user_bias, item_bias = (_with_unknown(side[name], np.float64) for side in (users, items))
            baselines[name] = Biases(values["rating_mean"], user_bias, item_bias)
        return cls(
            users=Vocabulary("user", users["id"]),
            items=Vocabulary("item", items["id"]),
            user_counts=_with_unknown(users["count"], np.int32),
            item_counts=_with_unknown(items["count"], np.int32),
            rating_mean=values["rating_mean"],
            rating_std=values["rating_std"],
            scale=(values["scale"][0], values["scale"][1]),
            baselines=baselines,
        )


def _parts(train: Ratings | RatingsStream) -> Iterable[Ratings]:
    return train if isinstance(train, RatingsStream) else [train]


def _ids_and_moments(train: Ratings | RatingsStream) -> tuple[Vocabulary, Vocabulary, Moments]:
    users, items, moments = DistinctIds(), DistinctIds(), Moments()
    for part in _parts(train):
        frame = part.frame
        users.add(frame["user"])
        items.add(frame["item"])
        moments.add(frame["rating"].to_numpy())
    return Vocabulary.fit("user", users.merged()), Vocabulary.fit("item", items.merged()), moments


def _side_frame(side: Vocabulary, counts: Counts, baselines: Mapping[BaselineName, Biases], name: str) -> pd.DataFrame:
    columns: dict[str, Any] = {"id": side.ids, "count": counts[1:]}
    for baseline, values in baselines.items():
        columns[baseline] = getattr(values, name)[1:]
    return pd.DataFrame(columns)


def _with_unknown(column: pd.Series, dtype: type) -> npt.NDArray[Any]:
    return np.concatenate([[0], column.to_numpy()]).astype(dtype)
