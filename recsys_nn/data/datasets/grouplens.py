"""Common parts of the data sets of GroupLens: their address, their terms, and tables of features."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from recsys_nn.data.ids import parse_ids
from recsys_nn.files import read_text

GENRE_SEPARATOR = "|"
"""Between the genres of an item: one text ("Comedy|Romance"), which pandas and Parquet keep as it is, where a
column of lists can be neither compared nor grouped. ``column.str.get_dummies("|")`` takes it apart."""


def archive_url(name: str) -> str:
    return f"https://files.grouplens.org/datasets/movielens/{name}.zip"


def terms(redistribution: str) -> str:
    """A summary of the usage terms, which differ from one data set to another in redistribution only."""
    return (
        "Collected by GroupLens Research, University of Minnesota, and free for research. Do not imply that "
        f"the university or GroupLens endorses you; {redistribution}; ask GroupLens before any commercial "
        "use. Publications cite F. M. Harper and J. A. Konstan (2015), The MovieLens Datasets: History and "
        "Context, ACM Transactions on Interactive Intelligent Systems 5(4), article 19, "
        "doi:10.1145/2827872. The archive's README has the full terms."
    )


def read_features(
    file: Path,
    columns: Sequence[str],
    *,
    separator: str,
    encoding: str | None = None,
    integers: Collection[str] = (),
) -> pd.DataFrame:
    """Reads a text file without header or quotes as a table with these columns: text, but for the ``integers``."""
    text = read_text(
        file,
        separator=separator,
        encoding=encoding,
        header=False,
        column_names=columns,
        quoting=False,
    )
    table = text.table.to_pandas()
    for name in integers:
        table[name] = parse_ids(table[name], "integer", name, text.where)
    return table
