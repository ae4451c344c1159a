"""The common checks, by name: functions ``check_...`` of a :class:`Subject`, in modules by what they are about."""

from collections.abc import Callable

from tests.common.checks import asking, configs, evaluating, growing, learning, listing, predicting, saving, training
from tests.common.subject import Subject

MODULES = (configs, learning, training, predicting, asking, listing, evaluating, growing, saving)

CHECKS: dict[str, Callable[[Subject], None]] = {
    name: check for module in MODULES for name, check in vars(module).items() if name.startswith("check_")
}
