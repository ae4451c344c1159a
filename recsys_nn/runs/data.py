"""The ratings of a run: read and split as its config says, and what its folder records of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from recsys_nn.config import DataConfig, FilesSplitConfig
from recsys_nn.data import (
    AnySplit,
    Moments,
    Order,
    Ratings,
    RatingsStream,
    Split,
    Train,
    fingerprint,
    get_dataset,
    id_type,
    is_dataset,
    read_features,
    read_ratings,
    shared_pairs,
    stream_ratings,
)
from recsys_nn.encoding import DistinctIds, Encoder, FeaturesConfig
from recsys_nn.errors import ConfigError, DataError, must_be
from recsys_nn.evaluation import check_scale
from recsys_nn.tensors import FILE_NAME, StreamedTensors, TrainingPart


def load_parts(data: DataConfig, seed: int, given: Split | Ratings | None = None) -> AnySplit:
    """Loads the parts as :func:`load_split` does, or with a training part that is a stream.

    Args:
        data: the config's data section.
        seed: seed of what is drawn at random.
        given: ratings in memory, or parts in memory; without them they are read.

    Raises:
        ConfigError: as :func:`load_split`, and for ratings in memory beside a stream.
    """
    if not data.stream:
        return load_split(data, seed, given)
    if given is not None:
        raise ConfigError("data.stream must be left out, as the ratings are given in memory")
    assert isinstance(data.split, FilesSplitConfig)
    layout = data.format
    columns = {"user": layout.user, "item": layout.item, "rating": layout.rating}
    train = stream_ratings(data.split.train, **columns, scale=data.scale)
    return _with_held_out(data, data.split, train if data.liked is None else train.liked(data.liked), seed)


def load_split(data: DataConfig, seed: int, given: Split | Ratings | None = None) -> Split:
    """Loads the training, validation and test parts that a config's data section describes, in memory.

    Args:
        data: the config's data section.
        seed: seed of what is drawn at random.
        given: ratings in memory, which are split as the section says, or parts in memory; without them they are read.

    Raises:
        ConfigError: where there are ratings in memory and a source of others, or neither, and for a stream.
        DataError: where the ratings cannot be used.
    """
    if data.stream:
        raise ConfigError(
            "data.stream must be left out, as only a single run (recsys-nn train) can stream: name a sample of the "
            "training ratings in data.split.train"
        )
    if isinstance(given, Split):
        _check_in_memory(data)
        if not isinstance(given.train, Ratings):
            raise DataError(
                must_be("the training part of a Split", "Ratings", given.train)
                + ": to stream, name the files in data.split and set data.stream"
            )
        return given
    if isinstance(given, Ratings):
        _check_in_memory(data)
        if isinstance(data.split, FilesSplitConfig):
            raise ConfigError(
                "data.split.kind cannot be files, as the ratings are given in memory: choose another kind"
            )
        return data.split.apply(_targets(data, given), seed)
    if given is not None:
        raise DataError(must_be("the ratings", "Ratings or a Split", given))
    if isinstance(data.split, FilesSplitConfig):
        train = _with_features(data, _of_format(data, data.split.train))
        return _with_held_out(data, data.split, train, seed)
    return data.split.apply(load_whole(data), seed)


def load_whole(data: DataConfig) -> Ratings:
    """Loads all ratings that a config's data section names, as a model sees them, before they are split.

    Raises:
        ConfigError: where there is no source.
        DataError: where the ratings cannot be used.
    """
    if data.source is None:
        raise ConfigError(
            "data.source is missing: name a file of ratings, or a data set that `recsys-nn datasets` lists"
        )
    if is_dataset(data.source):
        ratings = get_dataset(data.source).load(**data.options)
    else:
        ratings = _with_features(data, _read(data, data.source))
    return _targets(data, ratings)


def fit_encoder(split: AnySplit, features: FeaturesConfig | Mapping[str, Any] | None = None) -> Encoder:
    """Fits an encoder to the training part, on whose scale the other parts have to be."""
    for part in (split.validation, split.test):
        check_scale(part, split.train.scale)
    return Encoder.fit(split.train, features=features)


def encoded(encoder: Encoder, train: Ratings | RatingsStream, folder: Path | None) -> TrainingPart:
    """Encodes a training part as the Trainer takes it, in memory or, of a stream, on disk.

    Args:
        encoder: encoder of its ids.
        train: the training part's ratings.
        folder: folder of what a run keeps of the same training, among it the encoded rows; without it, they go with
            the result.
    """
    if isinstance(train, Ratings):
        return encoder.encode(train)
    if folder is None:
        return encoder.encode_stream(train)
    rows = folder / "encoded"
    return StreamedTensors(rows) if (rows / FILE_NAME).exists() else encoder.encode_stream(train, cache=rows)


def _check_in_memory(data: DataConfig) -> None:
    if data.source is not None:
        raise ConfigError(f"data.source must be left out, as the ratings are given in memory, but is {data.source!r}")


def _read(data: DataConfig, file: str) -> Ratings:
    return read_ratings(file, data.format, scale=data.scale, duplicates=data.duplicates)


def _with_features(data: DataConfig, ratings: Ratings) -> Ratings:
    """Adds the features in files of one's own to ratings; their ids are read as those of the ratings."""
    files: dict[str, str | None] = {"user": data.user_features, "item": data.item_features}
    tables = {
        f"{side}_features": read_features(file, side, id_type(ratings.frame[side]))
        for side, file in files.items()
        if file is not None
    }
    return ratings.with_features(**tables)


def _targets(data: DataConfig, ratings: Ratings) -> Ratings:
    return ratings if data.liked is None else ratings.liked(data.liked)


def _of_format(data: DataConfig, file: str) -> Ratings:
    """Reads a file in the format of the data set that is named, or one's own."""
    return _targets(data, get_dataset(data.source).read(file) if data.source else _read(data, file))


def _with_held_out(data: DataConfig, files: FilesSplitConfig, train: Train, seed: int) -> Split[Train]:
    test = _of_format(data, files.test) if files.test else None
    if isinstance(files.validation, str):
        return Split(train, _of_format(data, files.validation), test)
    return Split(train, test=test).with_validation(files.validation, seed=seed)


def provenance(source: str | None, split: AnySplit) -> dict[str, Any]:
    """Content of data.json: source of the ratings, and a description of each part."""
    held_out = {"validation": split.validation, "test": split.test}
    parts = {name: described(part) | related(part, split.train) for name, part in held_out.items()}
    return {"source": source, "merged": split.train.n_merged, "parts": {"train": described(split.train), **parts}}


def described(part: Ratings | RatingsStream) -> dict[str, Any]:
    """Description of a part in data.json: its size, its ratings' moments, its fingerprint."""
    users, items, ratings = DistinctIds(), DistinctIds(), Moments()
    for chunk, _ in part.chunks():
        users.add(chunk.frame["user"])
        items.add(chunk.frame["item"])
        ratings.add(chunk.frame["rating"].to_numpy())
    n = len(part)
    figures: dict[str, float] = {"ratings": n, "users": len(users.merged()), "items": len(items.merged())}
    if n > 1:
        std = ratings.std * math.sqrt(n / (n - 1))
        figures |= {"mean": ratings.mean, "std": std, "min": ratings.lowest, "max": ratings.highest}
    return {**figures, "sha256": fingerprint(part)}


def related(part: Ratings, train: Ratings | RatingsStream) -> dict[str, Any]:
    """Overlap and order of a held-out part and the training part, for data.json (``data/overlap.py``).

    The order is left out for a stream, whose times are not read.
    """
    order = Order.of(part, train) if isinstance(train, Ratings) else None
    return {"pairs_in_training": shared_pairs(part, train)} | ({} if order is None else {"order": asdict(order)})


def as_json(values: Mapping[str, Any]) -> str:
    """Writes JSON, in which a figure that is no finite number (R² of one rating) is null."""
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()
    }
    return json.dumps(finite, indent=2, allow_nan=False) + "\n"
