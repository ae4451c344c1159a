"""Formats of tables: the layout of one, as its user describes it, and the reader of a file, by its suffix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from recsys_nn import files
from recsys_nn.data.ids import IdType
from recsys_nn.data.ratings import COLUMNS
from recsys_nn.errors import DataError, did_you_mean, shown, worded
from recsys_nn.files import PARQUET_SUFFIXES

TableReader = Callable[[Path], pd.DataFrame | pa.Table]
READERS: dict[str, TableReader] = dict.fromkeys(PARQUET_SUFFIXES, lambda file: files.read_parquet(file))
"""Readers of files by suffix; a file with any other suffix is delimited text. Parquet's is loaded by its first call."""


def register_format(*suffixes: str) -> Callable[[TableReader], TableReader]:
    """Decorates a reader: files with these suffixes are then tables wherever ratings, features or pairs are read.

    ::

        @register_format(".feather")
        def read_feather(file):
            return pd.read_feather(file)

    The reader returns a DataFrame or a pyarrow Table whose columns have names. Ids keep the type that they have in it.

    Args:
        suffixes: suffixes of the format's files, such as ``".feather"``; capitals make no difference.

    Raises:
        DataError: for a suffix without its dot.
    """
    for suffix in suffixes:
        if not suffix.startswith(".") or len(suffix) < 2:
            raise DataError(f"suffixes must begin with a dot, such as '.feather', not {suffix!r}")

    def register(read: TableReader) -> TableReader:
        READERS.update(dict.fromkeys(map(str.lower, suffixes), read))
        return read

    return register


class TableFormat(BaseModel):
    """Layout of a table of ratings; what is left out is recognised, or asked for in the error.

    ``user``, ``item``, ``rating``, ``timestamp`` name the columns (or give their positions, from 0, where the
    file has no header). ``id_type`` says how ids written in a text file are read: ``"string"`` takes them
    exactly as written, ``"integer"`` refuses whatever is not a plain 64-bit integer. Of all texts, the apostrophe is
    taken away that is written before what a spreadsheet would else run (``'=a``), as this package writes it.

    ``features`` are further columns to keep beside the ratings. In a text file such a column holds numbers where each
    of its texts is written as one (7, -0.5, 1e3, but not 007), else texts; an empty text is a missing value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str | int | None = None
    item: str | int | None = None
    rating: str | int | None = None
    timestamp: str | int | None = None
    separator: str | None = None
    encoding: str | None = None
    header: bool | None = None
    id_type: IdType = "string"
    features: tuple[str, ...] = ()

    @classmethod
    def of(cls, layout: TableFormat | Mapping[str, Any] | None) -> TableFormat:
        """The layout that a mapping describes; without one, all is recognised.

        Raises:
            DataError: where it describes none.
        """
        try:
            return cls.model_validate(layout or {})
        except ValidationError as error:
            problem = error.errors()[0]
            name = ".".join(map(str, problem["loc"]))
            if problem["type"] == "extra_forbidden":
                raise DataError(f"layout.{name}: there is no such key{did_you_mean(name, cls.model_fields)}") from None
            raise DataError(worded(f"layout.{name}", problem, shown(problem["input"]))) from None

    def columns(self) -> dict[str, str | int | None]:
        """The given column of each role."""
        return {role: getattr(self, role) for role in COLUMNS}


RECOGNISED = TableFormat()
