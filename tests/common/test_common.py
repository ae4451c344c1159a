"""All common checks of all registered kinds."""

import inspect
from collections.abc import Iterator

import pytest

from tests.common.checks import CHECKS
from tests.common.expected_failures import EXPECTED_FAILURES
from tests.common.subject import SUBJECTS

WHOLES = {
    "bias": ("global_mean", "item_mean", "user_mean"),
    "deepfm": ("fm",),
    "neumf": ("gmf", "mlp"),
}
"""Kinds with all layers of other kinds. Their checks are slow ones for that, and those that train anew are left to
the wholes: the contract (``tests/models``) tests the training of a part."""
PARTS = {part for parts in WHOLES.values() for part in parts}


pytestmark = pytest.mark.usefixtures("untraced")
"""The contract (``tests/models``) is about the engines, that trace."""


def cases() -> Iterator[object]:
    """A kind's checks stand together, so that those of a worker share its training."""
    for kind in SUBJECTS:
        for name, check in CHECKS.items():
            marks = [*getattr(check, "pytestmark", ())]
            if kind in PARTS:
                if marks:
                    continue
                marks.append(pytest.mark.slow)
            if reason := EXPECTED_FAILURES.get(kind, {}).get(name):
                marks.append(pytest.mark.xfail(reason=reason, strict=True))
            yield pytest.param(kind, name, id=f"{kind}-{name}", marks=marks)


@pytest.mark.parametrize(("kind", "name"), list(cases()))
def test_a_kind_passes_the_common_checks(kind, name):
    CHECKS[name](SUBJECTS[kind])


def test_each_check_says_in_a_line_what_it_checks():
    assert len(CHECKS) >= 40
    for name, check in CHECKS.items():
        assert len(inspect.getdoc(check).splitlines()) == 1, name


def test_wholes_and_parts_are_kinds_that_exist():
    assert PARTS | set(WHOLES) <= set(SUBJECTS)


def test_expected_failures_are_of_checks_that_are_run():
    run = {case.id for case in cases()}
    assert {f"{kind}-{name}" for kind, reasons in EXPECTED_FAILURES.items() for name in reasons} <= run
