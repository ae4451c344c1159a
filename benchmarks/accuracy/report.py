"""The leader board's report from its log.

python -m benchmarks.accuracy.report FILE
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.accuracy.tables import FOLDS, TABLES
from benchmarks.accuracy.tables import __doc__ as OF_TABLES

Line = dict[str, Any]
MEAN = "u1 .. u5"

HEAD = """# Accuracy: the leader board

Made by `python -m benchmarks.accuracy` from its log, [{log}]({log}), which keeps every scoring of a test file that the
script made: {n}, in {runs} runs of it. Below is the last one of each contestant on each table.

Nothing is chosen on test rows: hyper-parameters, epochs and weights come from validation parts of the training files.
Rated-by sets hold training rows alone. A preset (best-ratings-only, best) is the same on every table but for its data
section. Surprise runs with its defaults; myFM with ids and rated-by sets, rank 10 and 300 Gibbs samples, as regression
and, where there are ten different ratings or fewer, as ordered probit; with everything (ages, occupations, regions,
genres, years, dates; 512 samples) as in its authors' example on u1. On the scale 1 to 100, for which their defaults are
not made, both see ratings mapped to 1 to 5.
"""


def read_log(log: Path) -> list[Line]:
    if not log.exists():
        return []
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


class Board:
    """The last line of the log for each contestant and table."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.last = {(line["contestant"], line["table"]): line for line in lines}
        self.lines = lines
        self.contestants = list(dict.fromkeys(line["contestant"] for line in lines))
        found = {line["table"] for line in lines}
        self.tables = [name for name in TABLES if name in found]

    def figure(self, contestant: str, table: str, value: Callable[[Line], float | None]) -> float | None:
        """A figure of a cell; of ``MEAN``, the mean over all five folds. None where it was not measured."""
        if table != MEAN:
            line = self.last.get((contestant, table))
            return None if line is None else value(line)
        values = [self.figure(contestant, fold, value) for fold in FOLDS]
        return None if None in values else statistics.fmean(values)

    def over_myfm(self, line: Line) -> float | None:
        """The seconds of a line over those of myFM in the same run and on the same table."""
        for other in self.lines:
            if (other["run"], other["table"], other["contestant"]) == (line["run"], line["table"], "myfm"):
                return line["seconds"] / other["seconds"]
        return None

    def section(self, title: str, value: Callable[[Line], float | None], form: str, best: bool = False) -> str:
        """A table with a row a contestant, without rows that have no figure; ``best`` marks the least of a column."""
        columns = [name for table in self.tables for name in ([table, MEAN] if table == FOLDS[-1] else [table])]
        rows = {name: [self.figure(name, column, value) for column in columns] for name in self.contestants}
        rows = {name: row for name, row in rows.items() if any(cell is not None for cell in row)}
        least = [
            min((cell for cell in column if cell is not None), default=None)
            for column in zip(*rows.values(), strict=True)
        ]

        def shown(cell: float | None, lowest: float | None) -> str:
            if cell is None:
                return ""
            return f"**{cell:{form}}**" if best and cell == lowest else f"{cell:{form}}"

        lines = [[name, *map(shown, row, least)] for name, row in rows.items()]
        return f"## {title}\n\n{markdown(['', *columns], lines)}\n" if lines else ""


def of_cold(side: str) -> Callable[[Line], float | None]:
    """The coverage of a line for those that are rarely rated in training, where it rests on enough test ratings."""

    def value(line: Line) -> float | None:
        cold = line.get(f"cold_{side}", {"n": 0})
        return cold["coverage"] if cold["n"] >= 100 else None

    return value


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])


def write_report(log: Path) -> None:
    board = Board(read_log(log))
    versions = {name: number for line in board.lines for name, number in line["versions"].items()}
    sections = [
        board.section("RMSE", lambda line: line["rmse"], ".4f", best=True),
        board.section("MAE", lambda line: line["mae"], ".4f", best=True),
        board.section("Coverage of nominal 90% intervals", lambda line: line.get("interval_coverage"), ".3f"),
        *(
            board.section(
                f"Coverage for {side} with under 20 training ratings, 100 test ratings or more", of_cold(side), ".3f"
            )
            for side in ("users", "items")
        ),
        board.section("Mean width of these intervals", lambda line: line.get("interval_width"), ".3f"),
        board.section("Seconds of the whole process, start-up included", lambda line: line["seconds"], ".1f"),
        board.section("Seconds over myFM's in the same run", board.over_myfm, ".2f"),
    ]
    text = "\n".join(
        [
            HEAD.format(log=log.name, n=len(board.lines), runs=len({line["run"] for line in board.lines})),
            "## Tables\n",
            OF_TABLES.split("\n\n", 1)[1],
            *filter(None, sections),
            ", ".join(f"{name} {number}" for name, number in sorted(versions.items())) + ".\n",
        ]
    )
    log.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_report(Path(sys.argv[1]))
