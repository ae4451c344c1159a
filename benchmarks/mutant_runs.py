"""The tests of mutants, each run in a process forked from this one."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import resource
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from mutant_sources import Mutant
from mutant_tests import MARKS, Reach, environment, file_of, is_definition, statement_of

SLOW_TO_IMPORT = ("tensorflow", "keras", "hypothesis.strategies", "fastapi.testclient", "matplotlib.pyplot", "optuna")
MEMORY = 16 * 2**30
"""Bytes that a process may address, so that a change that asks for more fails alone."""
NOT_FOUND, BROKEN = 4, 70
"""Exit codes: pytest's where a test is not there, as where its parameters have other names; and of a fault of ours."""


@dataclass(frozen=True)
class Outcome:
    """What came of a mutant: ``killed``, by which test; ``timeout``; ``survived``; or ``unreached``, where no test is.

    Attributes:
        seconds: of processors.
    """

    what: str
    by: str = ""
    seconds: float = 0.0


@dataclass
class Trial:
    """A mutant that is being tried in a copy of the repository.

    Attributes:
        stages: the tests that are still to be run, and the seconds that they are thought to take.
        spent: seconds of processors so far.
        pid: of the process that runs a stage, which may take until ``deadline``.
    """

    mutant: Mutant
    copy: Path
    stages: list[tuple[list[str], float]]
    spent: float = 0.0
    pid: int = 0
    deadline: float = 0.0

    def begin(self) -> None:
        """Runs the tests of the next stage."""
        tests, seconds = self.stages.pop(0)
        self._told.write_text("")
        self.deadline = time.monotonic() + 120 + 10 * seconds
        self.pid = os.fork()
        if not self.pid:
            code = BROKEN
            try:
                code = _tested(self.copy, tests, self._told, limit=int(30 + 4 * seconds))
            except BaseException:
                (self.copy / ".broken").write_text(traceback.format_exc())
            os._exit(code)

    def look(self) -> Outcome | None:
        """What has come of it, if it is over; where there is a further stage, that is begun."""
        if time.monotonic() > self.deadline:
            os.killpg(self.pid, signal.SIGKILL)
        pid, status, used = os.wait4(self.pid, os.WNOHANG)
        if not pid:
            return None
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # what it has started
        self.spent += used.ru_utime + used.ru_stime
        code, by = os.waitstatus_to_exitcode(status), self._told.read_text()
        if code == BROKEN:
            raise RuntimeError(f"{self.mutant.name}: {(self.copy / '.broken').read_text()}")
        if by or code:
            endless = not by and -code in (signal.SIGXCPU, signal.SIGKILL)
            return Outcome("timeout" if endless else "killed", by or f"exit code {code}", self.spent)
        if not self.stages:
            return Outcome("survived", seconds=self.spent)
        self.begin()
        return None

    @property
    def _told(self) -> Path:
        return self.copy / ".killed-by"


def carried_out(
    mutants: Iterable[Mutant], reach: Reach, copies: Sequence[Path], seconds: Sequence[float]
) -> Iterator[tuple[Mutant, Outcome]]:
    """What comes of each mutant, by as many at once as there are copies.

    Args:
        mutants: the changes.
        reach: the tests that may notice them.
        copies: folders that hold the repository, bytecode included.
        seconds: that the tests of each stage may take.
    """
    waiting, free, running = deque(mutants), list(copies), list[Trial]()
    originals: dict[Path, tuple[bytes, os.stat_result]] = {}
    if waiting:
        _import_what_is_slow()
    try:
        while waiting or running:
            while waiting and free:
                mutant = waiting.popleft()
                stages = list(_stages(mutant, reach, seconds))
                if not stages:
                    yield mutant, Outcome("unreached")
                    continue
                trial = Trial(mutant, free.pop(), stages)
                place = trial.copy / mutant.file
                originals[place] = place.read_bytes(), place.stat()
                place.write_text(mutant.source)
                trial.begin()
                running.append(trial)
            time.sleep(0.02)
            for trial in list(running):
                if (outcome := trial.look()) is not None:
                    running.remove(trial)
                    place = trial.copy / trial.mutant.file
                    content, about = originals.pop(place)
                    place.write_bytes(content)
                    os.utime(place, ns=(about.st_atime_ns, about.st_mtime_ns))  # for which its bytecode was written
                    free.append(trial.copy)
                    yield trial.mutant, outcome
    finally:
        for trial in running:
            with suppress(ProcessLookupError):
                os.killpg(trial.pid, signal.SIGKILL)


def _stages(mutant: Mutant, reach: Reach, seconds: Sequence[float]) -> Iterator[tuple[list[str], float]]:
    lines = statement_of(mutant.source, mutant.line)
    left = reach.candidates(mutant.file, lines, of_definition=is_definition(mutant.source, mutant.line))
    for of_stage in seconds:
        tests = list(reach.within(of_stage, left))
        left = [[test for test in some if test not in set(tests)] for some in left]
        if tests:
            yield tests, of_stage


def _import_what_is_slow() -> None:
    """All that the package imports, but not the package, which each process imports with its change. Nothing computes:
    a process that is forked from one in which TensorFlow has computed does not end."""
    import recsys_nn

    for name in (*SLOW_TO_IMPORT, *(module.name for module in pkgutil.walk_packages(recsys_nn.__path__, "recsys_nn."))):
        with suppress(ImportError):  # of extras
            importlib.import_module(name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "recsys_nn"]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()


def _tested(copy: Path, tests: list[str], told: Path, *, limit: int) -> int:
    """Runs tests in a copy, in this process, until one fails; pytest's exit code."""
    os.setsid()
    os.chdir(copy)
    here = Path(__file__).parent
    sys.path[:] = [str(copy), *(path for path in sys.path if path not in (str(here), str(here.parent)))]
    os.environ.update(environment(copy), PYTHONDONTWRITEBYTECODE="1", TF_CPP_MIN_LOG_LEVEL="3")
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    log = os.open(copy / ".log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    options = [
        "-x",
        "-q",
        "-m",
        MARKS,
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--snapshot-warn-unused",
        f"--rootdir={copy}",
    ]
    code = pytest.main([*options, *tests], plugins=[_Told(told)])
    if code == NOT_FOUND:
        code = pytest.main([*options, *{file_of(test): None for test in tests}], plugins=[_Told(told)])
    return int(code)


class _Told:
    """Writes down which test failed."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._file.write_text(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._file.write_text(report.nodeid or "collection")
