"""The item map: the items' latent factors in two dimensions, coloured by a feature, with names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.encoding import is_name
from recsys_nn.hooks import Average, network_of
from recsys_nn.plots import BLUE, COLOURS, GREEN, ORANGE, PURPLE, SKY, VERMILLION
from recsys_nn.runs import FinishedRun

MAX_ITEMS = 1000
MAX_GROUPS, MAX_VALUES = 6, 40
OTHER = "#b0b0b0"
SHADES = (BLUE, SKY, GREEN, ORANGE, VERMILLION)
MARGIN = 10
_OF_ITEMS = re.compile(r"(^|/)item_(?!bias|set|features|context)\w+/embeddings$")


@dataclass(frozen=True)
class Point:
    """An item of the map, x from its left and y from its top."""

    x: float
    y: float
    name: str
    group: str
    color: str


@dataclass(frozen=True)
class ItemMap:
    """Map of the most rated items, where their vectors put them.

    Attributes:
        points: the items, the most often rated first.
        legend: the groups and their colours.
        by: name of what the groups are.
        explained: share of the vectors' variance that the two dimensions hold.
        n_items: number of all items.
        width, height: size of the map, the unit of which is the same on both sides.
    """

    points: Sequence[Point]
    legend: dict[str, str]
    by: str
    explained: float
    n_items: int
    width: int = 600
    height: int = 440

    @classmethod
    def of(cls, run: FinishedRun) -> ItemMap | None:
        """Makes the map of a run; None for a blend, or where the items have no vectors of two dimensions or more."""
        vectors = None if run.predictor.config is None else item_vectors(run.predictor.model)
        encoder = run.predictor.encoder
        if vectors is None or vectors.shape[1] < 2 or len(vectors) != len(encoder.item_counts):
            return None
        rows = np.argsort(-encoder.item_counts[1:], kind="stable")[:MAX_ITEMS] + 1
        rows = rows[encoder.item_counts[rows] > 0]
        if len(rows) < 3:
            return None
        places, explained = principal(vectors[rows])
        middle = np.array([cls.width, cls.height]) / 2
        low, high = places.min(axis=0), places.max(axis=0)
        unit = ((middle - MARGIN) / np.maximum(high - low, 1e-9)).min() * 2
        at = middle + unit * (places - (low + high) / 2) * (1, -1)
        ids = encoder.items.ids.iloc[rows - 1]
        known = run.item_features
        table = None if known is None else known.set_index("item").reindex(ids)
        names = ids.astype("str") if encoder.item_names is None else encoder.item_names.iloc[rows - 1]
        by, groups, legend = _groups(table, encoder.item_counts[rows])
        return cls(
            points=[
                Point(float(x), float(y), name, group, legend[group])
                for (x, y), name, group in zip(at, names, groups, strict=True)
            ],
            legend=legend,
            by=by,
            explained=explained,
            n_items=encoder.n_items,
        )


def item_vectors(model: Any) -> npt.NDArray[np.float32] | None:
    """The table of the items' vectors, (rows, dim), averaged over members; None where the model has none."""
    for place, variable in enumerate(network_of(model).trainable_variables):
        if _OF_ITEMS.search(variable.path) and variable.shape[-1] > 1:
            stacked = model.stacks[place].numpy().mean(axis=0) if isinstance(model, Average) else variable.numpy()
            return np.asarray(stacked, dtype=np.float32)
    return None


def principal(vectors: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], float]:
    """The first two principal components of vectors (n, dim), (n, 2), and the share of the variance that they hold.

    Axes point to where their largest entry is positive.
    """
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1, keepdims=True), axis=1)
    variances = np.square(spread)
    return centred @ (axes * np.sign(largest))[:2].T, float(variances[:2].sum() / variances.sum())


def _groups(table: pd.DataFrame | None, counts: npt.NDArray[np.integer]) -> tuple[str, list[str], dict[str, str]]:
    """Groups the items by a feature of few values, else by how often they were rated.

    Returns what they are grouped by, the group of each, and the groups' colours.
    """
    for name in () if table is None else table.columns:
        assert table is not None
        if not pd.api.types.is_string_dtype(table[name]) or is_name(name):
            continue
        first = table[name].fillna("").str.split("|").str[0].replace("", "none")
        if 2 <= first.nunique() <= MAX_VALUES and first.nunique() < len(first) / 3:
            common = first.value_counts().index[:MAX_GROUPS]
            legend = {str(value): color for value, color in zip(common, (*COLOURS, PURPLE), strict=False)}
            groups = [value if value in legend else "other" for value in first]
            by = f"{name}, the first of several" if table[name].str.contains("|", regex=False).any() else str(name)
            return by, groups, legend | ({"other": OTHER} if "other" in groups else {})
    edges = np.unique(np.quantile(counts, (0.2, 0.4, 0.6, 0.8)).astype(int))
    bounds = [int(counts.min()), *(int(edge) + 1 for edge in edges if counts.min() <= edge < counts.max())]
    names = [
        f"{low:,} to {high:,}" if low < high else f"{low:,}"
        for low, high in zip(bounds, [*(bound - 1 for bound in bounds[1:]), int(counts.max())], strict=True)
    ]
    place = np.searchsorted(bounds, counts, side="right") - 1
    return "ratings in training", [names[k] for k in place], dict(zip(names, SHADES, strict=False))
