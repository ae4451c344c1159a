"""The leader board: RMSE and MAE on official and stated splits, beside Surprise and myFM, each a fresh process.

    pip install -e . -r benchmarks/accuracy/requirements.txt
    RECSYS_NN_DATA=FOLDER python -m benchmarks.accuracy [--tables u1,netflix] [--contestants myfm,best] [--log FILE]

Every scoring of a test file is appended to the log, a JSON object a line; the report beside it (FILE with .md) is made
anew from all of the log. All contestants are run on all tables but large, which has to be named. FOLDER holds ml-100k/,
ml-latest-small/ and netflix-course/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.accuracy.contestants import ROOT, Contestant
from benchmarks.accuracy.ours import ours
from benchmarks.accuracy.peers import peers
from benchmarks.accuracy.report import read_log, write_report
from benchmarks.accuracy.tables import TABLES, Table, load_table

CONTESTANTS = {contestant.name: contestant for contestant in [*peers(), *ours()]}
SLOW = ("large",)


def names_of(valid: Sequence[str]) -> Callable[[str], list[str]]:
    """A parser of names with commas between them."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in valid:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(valid)}")
        return names

    return parse


def scored(contestant: Contestant, table: Table, run: int, folder: Path) -> dict:
    """A line of the log: ``run`` counts the times that this script was started, so that seconds can be compared."""
    figures = contestant.score(table, folder)
    versions = {name: version(name) for name in contestant.packages} | {"python": platform.python_version()}
    return {"run": run, "table": table.name, "contestant": contestant.name, **figures, "versions": versions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    quick = [name for name in TABLES if name not in SLOW]
    for option, valid, default in (("--tables", TABLES, quick), ("--contestants", CONTESTANTS, list(CONTESTANTS))):
        parser.add_argument(option, type=names_of(list(valid)), default=default, help=f"of {', '.join(valid)}")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("RECSYS_NN_DATA", "data")))
    parser.add_argument("--log", type=Path, default=ROOT / "benchmarks" / "results" / "accuracy.jsonl")
    arguments = parser.parse_args()
    os.environ["RECSYS_NN_DATA"] = str(arguments.data.resolve())
    run = 1 + max((line["run"] for line in read_log(arguments.log)), default=0)
    for name in arguments.tables:
        table = load_table(name)
        with tempfile.TemporaryDirectory() as folder:
            table.write(Path(folder))
            for contestant in map(CONTESTANTS.__getitem__, arguments.contestants):
                if not contestant.suits(table):
                    continue
                line = scored(contestant, table, run, Path(folder))
                with arguments.log.open("a", encoding="utf-8") as log:
                    log.write(json.dumps(line) + "\n")
                figures = f"{line['rmse']:.4f} {line['mae']:.4f} {line['seconds']:7.1f}"
                print(f"{name:<11} {contestant.name:<23} {figures}", flush=True)
    write_report(arguments.log)


if __name__ == "__main__":
    main()
