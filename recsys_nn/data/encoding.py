"""What is learnt from the training rows before any model: ids, rating scale, how often each was rated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data.baselines import EFFECTS, BaselineName, Biases, fit_biases
from recsys_nn.data.ids import IdType, Where, plain_repr, row_number
from recsys_nn.data.ratings import Ratings
from recsys_nn.data.tensors import Tensors
from recsys_nn.data.vocabulary import Vocabulary
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
    def fit(cls, train: Ratings) -> Encoder:
        """Fitted on the training part alone, or validation and test would leak into the model.

        The rating scale is the table's: where it was not given, it was observed before the table was split.

        Raises:
            DataError: where there is nothing to learn: no ratings, one user, one item, all ratings equal.
        """
        frame = train.frame
        ratings = frame["rating"].to_numpy()
        if not len(frame):
            raise DataError("the training part is empty")
        users, items = Vocabulary.fit("user", frame["user"]), Vocabulary.fit("item", frame["item"])
        for side in (users, items):
            if len(side.ids) == 1:
                only = plain_repr(side.ids.iloc[0])
                raise DataError(f"the training part has only one {side.name} ({only}): there is nothing to compare")
        if ratings.min() == ratings.max():
            raise DataError(f"all {len(frame)} training ratings are {ratings[0]:g}: there is nothing to predict")
        user_rows, item_rows = users.lookup(frame["user"]), items.lookup(frame["item"])
        sizes = {"n_user_rows": users.n_rows, "n_item_rows": items.n_rows}
        return cls(
            users=users,
            items=items,
            user_counts=np.bincount(user_rows, minlength=users.n_rows).astype(np.int32),
            item_counts=np.bincount(item_rows, minlength=items.n_rows).astype(np.int32),
            rating_mean=float(ratings.mean()),
            rating_std=float(ratings.std()),
            scale=train.scale,
            baselines={name: fit_biases(name, user_rows, item_rows, ratings, **sizes) for name in EFFECTS},
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
        table = ratings if isinstance(ratings, Ratings) else Ratings(ratings)
        frame = table.frame
        return Tensors(self.encode_pairs(frame["user"], frame["item"]), frame["rating"].to_numpy())

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


def _side_frame(side: Vocabulary, counts: Counts, baselines: Mapping[BaselineName, Biases], name: str) -> pd.DataFrame:
    columns: dict[str, Any] = {"id": side.ids, "count": counts[1:]}
    for baseline, values in baselines.items():
        columns[baseline] = getattr(values, name)[1:]
    return pd.DataFrame(columns)


def _with_unknown(column: pd.Series, dtype: type) -> npt.NDArray[Any]:
    return np.concatenate([[0], column.to_numpy()]).astype(dtype)
