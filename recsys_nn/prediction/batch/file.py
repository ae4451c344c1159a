"""Files of any size predicted part by part: one is read, one predicted and one written at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

import pyarrow as pa

from recsys_nn.data import LeftOut, PairsPart, PairsSource, TableFormat
from recsys_nn.encoding import SOURCES
from recsys_nn.errors import DataError, RowError, must_be_one_of
from recsys_nn.files import check_file_place, check_output, table_writer
from recsys_nn.prediction.core import PredictorCore

OnError = Literal["stop", "skip"]
Progress = Callable[[int, float], None]
T = TypeVar("T")

_LEFT_OUT = pa.schema([(name, pa.string()) for name in ("where", "why", "row")])


@dataclass(frozen=True)
class PredictedFile:
    """Result of predicting a file (:meth:`Predictor.predict_file`).

    Args:
        output: path of the written file.
        rows: number of pairs that it holds.
        sources: number of them by what they rest on: ``model``, ``user``, ``item``, ``global``.
        skipped: number of rows that were left out.
        skipped_file: file that lists these rows; None where there are none.
        missing: columns that the model reads and the pairs do not have: these values are missing of each pair.
    """

    output: Path
    rows: int
    sources: Mapping[str, int]
    skipped: int = 0
    skipped_file: Path | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Predicted:
    table: pa.Table
    sources: dict[str, int]
    left_out: list[LeftOut]
    done: float
    missing: tuple[str, ...]


def predict_file(
    predictor: PredictorCore,
    pairs: str | Path,
    output: str | Path,
    *,
    layout: TableFormat | Mapping[str, Any] | None,
    interval: float | None,
    on_error: OnError,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> PredictedFile:
    """Predicts a file of pairs into a file, as :meth:`Predictor.predict_file` documents."""
    if on_error not in get_args(OnError):
        raise DataError(must_be_one_of("on_error", on_error, get_args(OnError)))
    skip = on_error == "skip"
    place = Path(output).expanduser()
    beside = skipped_file_of(place)
    check_output(place, overwrite=overwrite)
    if skip:
        check_file_place(beside, overwrite=overwrite)
    encoder = predictor.encoder
    source = PairsSource(
        pairs,
        TableFormat.of(layout),
        encoder.id_types,
        context=encoder.context_columns,
        ragged="leave out" if skip else "refuse",
    )
    if source.path.absolute() in place.absolute().parents:
        raise DataError(f"{place} lies in the folder of the pairs, {source.path}: choose another folder")
    rows, skipped, sources = 0, 0, Counter[str]()
    write_skipped: Callable[[pa.Table], None] | None = None
    predicted_parts = (_predicted(predictor, source, part, interval, skip) for part in _one_ahead(source.parts()))
    with ExitStack() as stack:
        parts = stack.enter_context(closing(_one_ahead(predicted_parts)))
        first = next(parts)
        write = stack.enter_context(table_writer(place, first.table.schema))
        for part in chain([first], parts):
            write(part.table)
            rows += part.table.num_rows
            sources.update(part.sources)
            if part.left_out:
                skipped += len(part.left_out)
                if write_skipped is None:
                    write_skipped = stack.enter_context(table_writer(beside, _LEFT_OUT))
                write_skipped(pa.Table.from_pylist(list(map(asdict, part.left_out)), _LEFT_OUT))
            if progress is not None:
                progress(rows, part.done)
    if skip and not skipped:
        beside.unlink(missing_ok=True)
    by_source = {name: sources[name] for name in reversed(SOURCES) if sources[name]}
    return PredictedFile(place, rows, by_source, skipped, beside if skipped else None, first.missing)


def skipped_file_of(output: Path) -> Path:
    """File that lists the rows left out of an output: beside it, as CSV."""
    return output.with_name(f"{output.name}.skipped.csv")


def _predicted(
    predictor: PredictorCore, source: PairsSource, part: PairsPart, interval: float | None, skip: bool
) -> _Predicted:
    """The columns of a part and behind them the predictions; rows that cannot be predicted are left out if asked."""
    while True:
        try:
            pairs = source.pairs(part.table)
            found = predictor.predict(pairs, interval=interval, where=part.table.where)
            break
        except RowError as error:  # of all rows with this fault, so that there are few turns
            if not skip:
                raise
            part = part.without(error.rows, error.reason)
    added = pa.Table.from_pandas(found.drop(columns=["user", "item"]))
    table = source.columns(part.table)
    for name in added.column_names:
        if name in table.column_names:
            raise DataError(
                f"{part.table.name} has a column {name!r}, the name of a column of predictions: rename it or leave "
                "it out"
            )
        table = table.append_column(added.schema.field(name), added.column(name))
    missing = tuple(name for name in predictor.encoder.context_columns if name not in pairs)
    sources = {str(name): int(count) for name, count in found["source"].value_counts().items()}
    left_out = [part.left_out[number] for number in sorted(part.left_out)]
    return _Predicted(table, sources, left_out, part.done, missing)


def _one_ahead(values: Iterator[T]) -> Generator[T]:
    """Yields the given values, each of which is made in a thread while the one before is used."""
    end = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, values, end)
        while (value := coming.result()) is not end:
            coming = thread.submit(next, values, end)
            yield cast(T, value)
