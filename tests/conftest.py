"""What tests of all parts share."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Iterator[Path]:
    """The folder with the public data sets in their publishers' formats, which the project does not ship.

    From its first use on, named data sets are found there too.
    """
    named = os.environ.get("RECSYS_NN_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder} with the public data sets; RECSYS_NN_DATA can name another")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECSYS_NN_DATA", str(folder))
        yield folder


@pytest.fixture
def untraced() -> Iterator[None]:
    """TensorFlow's functions run line by line, where tracing them would take longer than the few steps."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def pytest_configure() -> None:
    """Ctrl-C reaches the programs of the tests where these run in the background, where a shell has it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Modules are not looked through for garbage again and again: a tenth of the time of tests that trace networks."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs that folder, so that ``-m "not real_data"`` leaves it out; and keeps the tests of a file
    together, in whatever order they were asked for, so that what they share is made once."""
    items.sort(key=lambda item: item.path)
    for item in items:
        if "real_data" in getattr(item, "fixturenames", ()):
            item.add_marker("real_data")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The list of scikit-learn's own checks of RatingRegressor: how each ended and, where it is excused, why."""
    lines = [
        f"{outcome:8} {report.nodeid.partition('-')[2].removesuffix(']')} {reason_of(report)}".rstrip()
        for outcome in ("passed", "xfailed", "xpassed", "skipped", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if "::test_scikit_learns_own_checks[" in report.nodeid and report.when == "call"
    ]
    if lines:
        terminalreporter.section("scikit-learn's checks of RatingRegressor")
        terminalreporter.write_line("\n".join(lines))


def reason_of(report: pytest.TestReport) -> str:
    """Why a test was skipped or expected to fail."""
    if hasattr(report, "wasxfail"):
        return report.wasxfail
    return report.longrepr[2] if report.skipped else ""
