"""The command that recommends items."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from recsys_nn.cli.shared import ManifestHash, Overwrite, RunFolder, out
from recsys_nn.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from recsys_nn.encoding import Vocabulary


def recommend(
    run: RunFolder,
    user: Annotated[
        list[str] | None, typer.Option(help="Id of a user. May be repeated. By default all users.", metavar="ID")
    ] = None,
    n: Annotated[int, typer.Option("-n", help="Number of items to recommend to each user.", min=1)] = 10,
    item: Annotated[
        list[str] | None,
        typer.Option(help="Id of an item to choose from. May be repeated. By default all items.", metavar="ID"),
    ] = None,
    seen: Annotated[bool, typer.Option("--seen", help="Recommend also items that the user has rated.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="CSV or Parquet file to write. By default printed.", metavar="FILE")
    ] = None,
    overwrite: Overwrite = False,
    manifest_sha256: ManifestHash = None,
) -> None:
    """Recommend the items with the highest predicted ratings."""
    from recsys_nn.files import check_output, write_table
    from recsys_nn.prediction import Predictor

    if output is not None:
        check_output(output, overwrite=overwrite)
    elif not user:
        raise ConfigError("no user is named: give --user ID, or --output FILE to recommend to all users")
    predictor = Predictor.load(run, manifest_sha256=manifest_sha256)
    encoder = predictor.encoder
    users, items = _ids(user, encoder.users), _ids(item, encoder.items)
    found = predictor.recommend(users, n, exclude_seen=not seen, candidates=items)
    if output is None:
        _print(found)
        return
    write_table(found, output)
    told = f"{len(found):,} recommendations for {found['user'].nunique():,} users written to {output}"
    out.print(told, highlight=False, soft_wrap=True)


def _ids(texts: list[str] | None, vocabulary: Vocabulary) -> pd.Series | None:
    """The ids of an option, as the type that they had in training."""
    import pandas as pd

    from recsys_nn.data import parse_ids

    name = vocabulary.name
    return parse_ids(pd.Series(texts), vocabulary.type, name, lambda _: f"--{name}") if texts else None


def _print(found: pd.DataFrame) -> None:
    from rich.table import Table

    for user, rows in found.groupby("user", sort=False):
        columns = [name for name in rows.columns if name not in ("user", "rank", "source")]
        out.print(f"user {user} ({_KNOWN_BY[rows['source'].iloc[0]]})", highlight=False, markup=False, soft_wrap=True)
        table = Table("rank", *columns)
        for row in rows.to_dict("records"):
            table.add_row(str(row["rank"]), *(escape(_shown(row[name])) for name in columns))
        out.print(table, highlight=False)


_KNOWN_BY = {
    "model": "known from training",
    "user": "known from training",
    "item": "unknown: items that are rated highest",
    "global": "unknown: items that are rated highest",
}


def _shown(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
