"""The ratings of a run: read and split as its config says, and what its folder records of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import pandas as pd

from recsys_nn.config import DataConfig, FilesSplitConfig
from recsys_nn.data.datasets import get_dataset
from recsys_nn.data.encoding import Encoder
from recsys_nn.data.features import FeaturesConfig
from recsys_nn.data.ids import id_type
from recsys_nn.data.loading import is_dataset
from recsys_nn.data.ratings import Ratings
from recsys_nn.data.readers import read_features, read_ratings
from recsys_nn.data.relation import Order, shared_pairs
from recsys_nn.data.splits import Split
from recsys_nn.errors import ConfigError, DataError
from recsys_nn.evaluation.evaluate import check_scale


def load_split(data: DataConfig, seed: int, given: Split | Ratings | None = None) -> Split:
    """The training, validation and test parts that a config's data section describes.

    Args:
        data: the section.
        seed: of what is drawn at random.
        given: ratings in memory, which are split as the section says, or parts in memory; without them they are read.

    Raises:
        ConfigError: where there are ratings in memory and a source of others, or neither.
        DataError: where the ratings cannot be used.
    """
    if isinstance(given, Split):
        _check_in_memory(data)
        return given
    if isinstance(given, Ratings):
        _check_in_memory(data)
        if isinstance(data.split, FilesSplitConfig):
            raise ConfigError("data.split: ratings in memory are not split by files")
        return data.split.apply(_targets(data, given), seed)
    if given is not None:
        raise DataError(f"ratings in memory are Ratings or a Split, not a {type(given).__name__}")
    if isinstance(data.split, FilesSplitConfig):
        return _split_of_files(data, data.split, seed)
    return data.split.apply(load_whole(data), seed)


def load_whole(data: DataConfig) -> Ratings:
    """All ratings that a config's data section names, as a model sees them, before they are split.

    Raises:
        ConfigError: where there is no source.
        DataError: where the ratings cannot be used.
    """
    if data.source is None:
        raise ConfigError("data.source: say which ratings to read: a file, or one of `recsys-nn datasets`")
    if is_dataset(data.source):
        ratings = get_dataset(data.source).load(**data.options)
    else:
        ratings = _with_features(data, _read(data, data.source))
    return _targets(data, ratings)


def fit_encoder(split: Split, features: FeaturesConfig | Mapping[str, Any] | None = None) -> Encoder:
    """The encoder of the training part, on whose scale the other parts have to be."""
    for part in (split.validation, split.test):
        check_scale(part, split.train.scale)
    return Encoder.fit(split.train, features=features)


def _check_in_memory(data: DataConfig) -> None:
    if data.source is not None:
        raise ConfigError(f"data.source: the ratings are given in memory; leave {data.source!r} out")


def _read(data: DataConfig, file: str) -> Ratings:
    return read_ratings(file, data.format, scale=data.scale, duplicates=data.duplicates)


def _with_features(data: DataConfig, ratings: Ratings) -> Ratings:
    """With the features in files of one's own, whose ids are read as those of the ratings."""
    files: dict[str, str | None] = {"user": data.user_features, "item": data.item_features}
    tables = {
        f"{side}_features": read_features(file, side, id_type(ratings.frame[side]))
        for side, file in files.items()
        if file is not None
    }
    return ratings.with_features(**tables)


def _targets(data: DataConfig, ratings: Ratings) -> Ratings:
    return ratings if data.liked is None else ratings.liked(data.liked)


def _split_of_files(data: DataConfig, files: FilesSplitConfig, seed: int) -> Split:
    of_format = get_dataset(data.source).read if data.source else partial(_read, data)

    def read(file: str) -> Ratings:
        return _targets(data, of_format(file))

    train, test = _with_features(data, read(files.train)), read(files.test) if files.test else None
    if isinstance(files.validation, str):
        return Split(train, read(files.validation), test)
    return Split(train, test=test).with_validation(files.validation, seed=seed)


def provenance(source: str | None, split: Split) -> dict[str, Any]:
    """What data.json says: where the ratings came from, and of each part."""
    held_out = {"validation": split.validation, "test": split.test}
    parts = {name: described(part) | related(part, split.train) for name, part in held_out.items()}
    return {"source": source, "merged": split.train.n_merged, "parts": {"train": described(split.train), **parts}}


def described(part: Ratings) -> dict[str, Any]:
    """What data.json says of a part: its size, its ratings, its fingerprint."""
    sizes = {"ratings": len(part), "users": part.n_users, "items": part.n_items}
    ratings = part.frame["rating"]
    figures = {name: float(getattr(ratings, name)()) for name in ("mean", "std", "min", "max")} if len(part) > 1 else {}
    return {**sizes, **figures, "sha256": fingerprint(part)}


def related(part: Ratings, train: Ratings) -> dict[str, Any]:
    """What data.json says of how a held-out part lies to the training part (``data/relation.py``)."""
    order = Order.of(part, train)
    return {"pairs_in_training": shared_pairs(part, train)} | ({} if order is None else {"order": asdict(order)})


def fingerprint(ratings: Ratings) -> str:
    """SHA-256 over 64-bit hashes of the rows (ids, ratings, timestamps and features of ratings) in their order."""
    return _of_frame(ratings.frame)


def _of_frame(frame: pd.DataFrame) -> str:
    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return hashlib.sha256(hashes.astype("<u8").tobytes()).hexdigest()


def fingerprints(split: Split) -> dict[str, str]:
    """Of the parts of a split and of the features of users and items, by what they are of."""
    parts = {"training": split.train, "validation": split.validation, "test": split.test}
    tables = {"users": split.train.user_features, "items": split.train.item_features}
    return {f"{name} part": fingerprint(part) for name, part in parts.items()} | {
        f"table of features of {side}": _of_frame(table) for side, table in tables.items() if table is not None
    }


def as_json(values: Mapping[str, Any]) -> str:
    """JSON, in which a figure that is not a number (R² of one rating) is null."""
    finite = {name: None if value != value else value for name, value in values.items()}
    return json.dumps(finite, indent=2, allow_nan=False) + "\n"
