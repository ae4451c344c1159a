"""Mutation testing: how many small changes of what reads tables, configs and run folders the tests notice.

    make mutants [MUTANTS=1000]
    python benchmarks/mutants.py --sample 1000 [--only "recsys_nn.data.text*"]
    python benchmarks/mutants.py --again

mutmut (https://mutmut.readthedocs.io) makes the mutants of the files that pyproject.toml names, and finds out which
tests reach which function. Of those that reach a function, a random choice that takes a few seconds is run against its
mutants, its own test file before the others: a mutant that these kill is killed by the whole suite too, while one that
survives may yet be killed by it, and ``--again`` gives it to all the tests that reach its function. (Of what is done
while a module's fixtures are made, mutmut takes the first test alone for one that reaches it.) The table goes to
benchmarks/results/mutants.md, the names of the survivors to mutants/survivors.txt; ``mutmut show NAME`` shows one.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
MUTANTS = ROOT / "mutants"
REACHED, CHOSEN = MUTANTS / "mutmut-stats.json", MUTANTS / "all-tests.json"
SAMPLE, SURVIVORS = MUTANTS / "sample.txt", MUTANTS / "survivors.txt"
RESULTS = ROOT / "benchmarks" / "results" / "mutants.md"
ANY = "recsys_nn.data.regular_file.x_refuse_pipe__mutmut_1"
"""A mutant that is tested so that mutmut makes all of them."""

SURVIVED, UNREACHED = (0,), (5, 33)
"""mutmut's exit codes; all others are of tests that failed, crashed or did not end."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sample", type=int, help="so many mutants, drawn at random; by default all")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="*", help="a pattern of their names")
    options.add_argument("--again", action="store_true", help="the survivors of the last sample, by all their tests")
    options.add_argument("--seconds", type=float, default=6.0, help="that the tests of a mutant may take")
    given = options.parse_args()
    if not CHOSEN.is_file():
        mutmut("run", "--max-children", "1", ANY)
        REACHED.rename(CHOSEN)
    reached = json.loads(CHOSEN.read_text())
    if given.again:
        names = SURVIVORS.read_text().split()
    else:
        reached["tests_by_mangled_function_name"] = {
            function: chosen(function, tests, reached["duration_by_test"], given.seconds)
            for function, tests in reached["tests_by_mangled_function_name"].items()
        }
        all_names = [name for name in mutants() if fnmatch(name, given.only)]
        names = random.Random(given.seed).sample(all_names, min(given.sample or len(all_names), len(all_names)))
        SAMPLE.write_text("\n".join(names))
    REACHED.write_text(json.dumps(reached))
    mutmut("run", "--max-children", "2", *names)
    codes = mutants()
    found = {name: codes[name] for name in SAMPLE.read_text().split() if codes[name] is not None}
    SURVIVORS.write_text("\n".join(name for name, code in found.items() if code in SURVIVED + UNREACHED))
    RESULTS.write_text("".join(report(found, len(codes))))
    print(RESULTS.read_text())


def mutmut(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "mutmut", *words], cwd=ROOT, check=True)


def mutants() -> dict[str, int | None]:
    """The names of all, with what came of testing them."""
    found: dict[str, int | None] = {}
    for file in sorted(MUTANTS.rglob("*.py.meta")):
        found |= json.loads(file.read_text())["exit_code_by_key"]
    return found


def chosen(function: str, tests: Iterable[str], took: dict[str, float], seconds: float) -> list[str]:
    own = f"test_{module_of(function).rpartition('.')[2]}.py"
    rng = random.Random(function)
    ranked = sorted(tests, key=lambda test: (own not in test, rng.random()))
    kept, left = ranked[:1], seconds
    for test in ranked[1:]:
        if took.get(test, 0.0) <= min(left, 1.0):
            kept.append(test)
            left -= took.get(test, 0.0)
    return kept


def module_of(name: str) -> str:
    """Of the name of a function or a mutant, ``package.module.x_function`` or ``package.module.xǁClassǁmethod``."""
    return name.rpartition(".")[0]


def report(found: dict[str, int | None], n_all: int) -> Iterator[str]:
    modules: dict[str, Counter[str]] = {}
    for name, code in found.items():
        outcome = "unreached" if code in UNREACHED else "survived" if code in SURVIVED else "killed"
        modules.setdefault(module_of(name), Counter())[outcome] += 1
    whole = sum(modules.values(), Counter())
    yield f"# Mutants\n\nBy `python benchmarks/mutants.py`: {whole.total():,} of {n_all:,}, drawn at random.\n\n"
    yield "| module | killed | survived | reached by no test | killed of all |\n|---|---|---|---|---|\n"
    yield from map(row, ["**all**", *sorted(modules)], [whole, *(modules[name] for name in sorted(modules))])


def row(name: str, counts: Counter[str]) -> str:
    numbers: Sequence[int] = [counts[outcome] for outcome in ("killed", "survived", "unreached")]
    return f"| {name} | {' | '.join(map(str, numbers))} | {numbers[0] / sum(numbers):.1%} |\n"


if __name__ == "__main__":
    main()
