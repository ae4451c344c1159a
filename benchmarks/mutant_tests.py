"""Which tests of ``make test`` reach which line of the package, and how long each takes."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coverage import CoverageData

MARKS = "not slow and not cluster"
OF_DEFINITIONS = ("tests/config/test_fields.py", "tests/test_architecture.py", "tests/cli/test_options.py")
"""Files of tests that look at what importing defines, which no test is seen to reach."""
_TOOK = re.compile(r"^([\d.]+)s (setup|call|teardown) +(\S.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Reach:
    """What one run of the tests has shown.

    Attributes:
        lines: of each file of the package, the tests that reach each line (a text, as in JSON).
        setup, call: seconds of processors that each test takes.
    """

    lines: dict[str, dict[str, list[str]]]
    setup: dict[str, float]
    call: dict[str, float]

    @classmethod
    def of(cls, copy: Path, kept: Path) -> Reach:
        """What the tests of a copy of the repository reach, as kept of an earlier run where nothing has changed since.
        Where files of tests have, but neither the package nor what tests share, these alone are run again."""
        tests = {str(file.relative_to(copy)): _digest([file]) for file in (copy / "tests").rglob("test_*.py")}
        shared = [file for file in (copy / "tests").rglob("*.py") if str(file.relative_to(copy)) not in tests]
        package = _digest(sorted([*(copy / "recsys_nn").rglob("*.py"), *shared]))
        known = json.loads(kept.read_text()) if kept.is_file() else {}
        reach, changed = cls({}, {}, {}), sorted(tests)
        if known.get("package") == package:
            changed = [file for file in changed if known["tests"].get(file) != tests[file]]
            reach = cls(**known["reach"])._of_files(tests.keys() - set(changed))
        if changed:
            reach = reach._with(_measured(copy, changed if reach.call else []))
            kept.write_text(json.dumps({"package": package, "tests": tests, "reach": asdict(reach)}))
        return reach

    def _of_files(self, files: Set[str]) -> Reach:
        """That of the tests of some files alone."""
        lines = {
            file: {line: [test for test in tests if file_of(test) in files] for line, tests in of_file.items()}
            for file, of_file in self.lines.items()
        }
        setup, call = (
            {test: seconds for test, seconds in took.items() if file_of(test) in files}
            for took in (self.setup, self.call)
        )
        return Reach(lines, setup, call)

    def _with(self, other: Reach) -> Reach:
        lines = {file: dict(of_file) for file, of_file in self.lines.items()}
        for file, of_file in other.lines.items():
            mine = lines.setdefault(file, {})
            for line, tests in of_file.items():
                mine[line] = [*mine.get(line, []), *tests]
        return Reach(lines, self.setup | other.setup, self.call | other.call)

    @cached_property
    def by_test_file(self) -> dict[str, list[str]]:
        """The tests of each file."""
        files: dict[str, list[str]] = {}
        for test in self.call:
            files.setdefault(file_of(test), []).append(test)
        return files

    @cached_property
    def fixtures(self) -> dict[str, float]:
        """Seconds that the fixtures of each file of tests take, about: the longest of its setups."""
        return {file: max(self.setup.get(test, 0.0) for test in tests) for file, tests in self.by_test_file.items()}

    def candidates(self, file: str, lines: Iterable[int], *, of_definition: bool) -> list[list[str]]:
        """The tests that may notice a change of these lines of a file, in the order in which they are to be tried.

        Those that reach the lines come first; then the others of their files, since what a fixture that they share does
        is counted for the first of them alone. Lines that are run when the module is imported, such as constants and
        the fields of configs, are reached by the test that happened to import it, or by none: then they are those that
        look at definitions, those that reach anything of the module, and those of the folder of its tests.
        """
        of_file = self.lines.get(file, {})
        reaching = set() if of_definition else {test for line in lines for test in of_file.get(str(line), ())}
        folder = str(Path("tests", *Path(file).parts[1:-1]))
        if reaching:
            sharing = {test for one in {file_of(test) for test in reaching} for test in self.by_test_file.get(one, ())}
        else:
            reaching = {test for tests in of_file.values() for test in tests}
            reaching |= {test for test in self.call if file_of(test) in OF_DEFINITIONS}
            sharing = {test for test in self.call if str(Path(file_of(test)).parent) == folder}
        own = f"test_{Path(file).stem}.py"

        def rank(test: str) -> tuple[bool, bool, float]:
            of_test = file_of(test)
            near = of_test.rpartition("/")[2] == own or of_test in OF_DEFINITIONS
            return not near, not of_test.startswith(f"{folder}/"), self.call.get(test, 0.0)

        return [sorted(tests, key=rank) for tests in (reaching, sharing - reaching)]

    def within(self, seconds: float, candidates: Iterable[list[str]]) -> Iterator[str]:
        """As many of them as take so long, the first of all in any case."""
        left, files, any_yet = seconds, set[str](), False
        for tests in candidates:
            for test in tests:
                costs = self.call.get(test, 0.0)
                if file_of(test) not in files:
                    costs += self.fixtures.get(file_of(test), 0.0) + 0.2  # its import
                if costs <= left or not any_yet:
                    files.add(file_of(test))
                    left, any_yet = left - costs, True
                    yield test


def file_of(test: str) -> str:
    return test.partition("::")[0]


def statement_of(source: str, line: int) -> range:
    """The lines of the innermost statement around a line; of one with a body, those before it."""
    best = range(line, line + 1)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            found = range(node.lineno, max(last, node.lineno) + 1)
            if line in found and (best.start == line or found.start >= best.start):
                best = found
    return best


def is_definition(source: str, line: int) -> bool:
    """Whether a line is run when the module is imported: it is in the body of no function."""
    functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    return not any(node.body[0].lineno <= line <= (node.end_lineno or line) for node in functions)


def _digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _measured(copy: Path, files: Sequence[str]) -> Reach:
    """That of the tests in some files of a copy, or in all. Tests that fail in it are left out."""
    from coverage import CoverageData

    settings = copy / ".coveragerc-of-mutants"
    settings.write_text("[run]\nsource = recsys_nn\nrelative_files = true\n")
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal", "-m", MARKS, "-p", "no:cacheprovider"]
    command += ["--cov", "--cov-context=test", "--cov-report=", f"--cov-config={settings}"]
    command += ["-vv", "--durations=0", "--durations-min=0", *files]
    before = _processor_seconds()
    told = subprocess.run(command, cwd=copy, env=environment(copy), stdout=subprocess.PIPE, text=True).stdout
    took = _processor_seconds() - before
    (copy / ".reach.log").write_text(told)
    return _read(told, took, CoverageData(str(copy / ".coverage")))


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _read(told: str, took: float, data: CoverageData) -> Reach:
    """What pytest has told of a run that took so many seconds of processors, and coverage found."""
    phases: dict[str, dict[str, float]] = {"setup": {}, "call": {}, "teardown": {}}
    for seconds, phase, test in _TOOK.findall(told):
        phases[phase][test] = float(seconds)
    failed = [line.split(" ", 1)[1] for line in told.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    passed = {
        test for test in phases["call"] if not any(line == test or line.startswith(f"{test} - ") for line in failed)
    }
    share = took / sum(sum(of_phase.values()) for of_phase in phases.values())
    call = {test: share * phases["call"][test] for test in sorted(passed)}
    setup = {test: share * phases["setup"].get(test, 0.0) for test in call}
    data.read()
    lines = {
        file: {
            str(line): sorted({context.rpartition("|")[0] for context in contexts} & passed)
            for line, contexts in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    return Reach(lines, setup, call)


def environment(copy: Path) -> dict[str, str]:
    """For a process whose package is the copy's."""
    data = Path(__file__).parents[2] / "shared" / "data"
    return {"RECSYS_NN_DATA": str(data), **os.environ, "PYTHONPATH": str(copy)}
