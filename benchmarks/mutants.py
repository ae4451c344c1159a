"""Mutation testing: how many small changes of the package ``make test`` notices.

    make mutants [MUTANTS=1000]
    python benchmarks/mutants.py --sample 1000 [--only "recsys_nn/data/*"] [--seconds 6] [--more 20]
    python benchmarks/mutants.py --sample 1000 --again

The changes are mutmut's (``mutant_sources.py``). One run of the tests shows which of them reach which line
(``mutant_tests.py``). Each change is then made in a copy of the repository, and a process of its own, forked from one
that has imported TensorFlow, runs the quickest of the tests that reach the changed line, its own test file first, and,
where it survives these, more of them (``mutant_runs.py``). So a change that is killed is killed by ``make test`` too;
one that survives may yet be killed by tests for which there was no time.

It goes on where it was cut short: what came of each change stands in mutants/outcomes.jsonl. The table goes to
benchmarks/results/mutants.md, the survivors to mutants/survivors.txt; ``--again`` tries these once more,
after tests have been added.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from fnmatch import fnmatch
from pathlib import Path

from mutant_runs import carried_out
from mutant_sources import Mutant, sample
from mutant_tests import Reach

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "mutants"
REACH, OUTCOMES, SURVIVORS = FOLDER / "reach.json", FOLDER / "outcomes.jsonl", FOLDER / "survivors.txt"
RESULTS = ROOT / "benchmarks" / "results" / "mutants.md"
COLUMNS = ("killed", "timeout", "survived", "unreached")
LIVING = COLUMNS[2:]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sample", type=int, help="so many mutants, drawn at random; by default all")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="*", help="a pattern of their files")
    options.add_argument("--again", action="store_true", help="try the survivors of the sample once more")
    options.add_argument("--seconds", type=float, default=6.0, help="that the tests of a mutant may take")
    options.add_argument("--more", type=float, default=20.0, help="that further tests of a survivor may take")
    options.add_argument("--jobs", type=int, default=2)
    given = options.parse_args()
    first = copied(FOLDER / "0", ROOT)
    reach = Reach.of(first, REACH)
    copies = [first, *(copied(FOLDER / str(number), first) for number in range(1, given.jobs))]
    files = sorted(str(file.relative_to(ROOT)) for file in (ROOT / "recsys_nn").rglob("*.py"))
    drawn = list(sample(ROOT, [file for file in files if fnmatch(file, given.only)], given.sample, given.seed))
    known = known_outcomes()
    asked = [one for one in drawn if known.get(key(one)) in (LIVING if given.again else (None,))]
    unchanged = [replace(one, source=(ROOT / one.file).read_text(), change="") for one in asked[::100]]
    with OUTCOMES.open("a") as kept:
        outcomes = carried_out([*unchanged, *asked], reach, copies, (given.seconds, given.more))
        for number, (one, outcome) in enumerate(outcomes, 1 - len(unchanged)):
            if not one.change:
                if outcome.what not in LIVING:
                    raise SystemExit(f"{one.file} is {outcome.what} as it is, by {outcome.by}: mend that test first")
                continue
            known[key(one)] = outcome.what
            kept.write(json.dumps({"key": key(one), **asdict(outcome)}) + "\n")
            kept.flush()
            told = f"{number}/{len(asked)} {outcome.what} after {outcome.seconds:.1f} s: {one.name} {outcome.by}"
            print(told, flush=True)
    found = {one: known[key(one)] for one in drawn if key(one) in known}
    living = [f"{one.name} ({what})\n{one.change}\n" for one, what in found.items() if what in LIVING]
    SURVIVORS.write_text("\n".join(living))
    print(table := "".join(report(found)))
    if given.only == "*":
        RESULTS.write_text(table)


def copied(to: Path, repository: Path) -> Path:
    """A copy of the repository, without what git ignores; in a copy of a copy, its bytecode too."""
    if repository != ROOT:
        return shutil.copytree(repository, to, dirs_exist_ok=True)
    listed = ["git", "ls-files", "-co", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    for name in names:
        source, target = ROOT / name, to / name
        if source.is_file() and not (target.is_file() and same(source, target)):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    for file in [*to.glob("recsys_nn/**/*.py"), *to.glob("tests/**/*.py")]:
        if not (ROOT / file.relative_to(to)).is_file():
            file.unlink()
    return to


def same(source: Path, target: Path) -> bool:
    """Whether they are so even to Python, which takes bytecode for a source by its time."""
    times = [file.stat().st_mtime_ns for file in (source, target)]
    return times[0] == times[1] and source.read_bytes() == target.read_bytes()


def known_outcomes() -> dict[str, str]:
    """What has come of each mutant the last time."""
    lines = OUTCOMES.read_text().splitlines() if OUTCOMES.is_file() else []
    return {record["key"]: record["what"] for record in map(json.loads, lines)}


def key(mutant: Mutant) -> str:
    return f"{mutant.name} {hashlib.sha256(mutant.source.encode()).hexdigest()[:12]}"


def report(found: dict[Mutant, str]) -> Iterator[str]:
    folders: dict[str, Counter[str]] = {}
    for mutant, what in found.items():
        folder = mutant.file.split("/")[1]
        folders.setdefault(folder if not folder.endswith(".py") else "the loose modules", Counter())[what] += 1
    whole = sum(folders.values(), Counter())
    yield f"# Mutants\n\nBy `python benchmarks/mutants.py`: {whole.total():,} changes, drawn at random.\n\n"
    yield f"| folder | {' | '.join(COLUMNS)} | killed of all |\n|---|---|---|---|---|---|\n"
    yield from map(row, ["**all**", *sorted(folders)], [whole, *(folders[name] for name in sorted(folders))])


def row(name: str, counts: Counter[str]) -> str:
    numbers = [counts[what] for what in COLUMNS]
    killed = counts["killed"] + counts["timeout"]
    return f"| {name} | {' | '.join(map(str, numbers))} | {killed / counts.total():.1%} |\n"


if __name__ == "__main__":
    main()
