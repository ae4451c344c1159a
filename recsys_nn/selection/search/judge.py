"""The judge of a search's trials, which keeps their errors by epoch in Optuna's storage and prunes them by these."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import optuna

STUDY = "search"
IsBad = Callable[[int, int, float], bool]
"""Function that notes a trial's validation RMSE after an epoch (from 1), and says whether it is to be ended there;
trials are named by their ids in the storage."""
Judge = Callable[[], AbstractContextManager[IsBad]]


@contextmanager
def judged(storage: str, pruner: optuna.pruners.BasePruner | None) -> Iterator[IsBad]:
    """Opens the storage of a study for a judge of its trials.

    Args:
        storage: the URL of Optuna's storage.
        pruner: rule that finds the bad ones; None lets every trial come to its end.
    """
    opened = opened_storage(storage)
    study = optuna.load_study(study_name=STUDY, storage=opened)

    def is_bad(trial: int, epoch: int, rmse: float) -> bool:
        opened.set_trial_intermediate_value(trial, epoch, rmse)
        return pruner is not None and pruner.prune(study, opened.get_trial(trial))

    try:
        yield is_bad
    finally:
        opened.remove_session()


def opened_storage(url: str) -> optuna.storages.RDBStorage:
    """Opens a storage in which processes wait for each other's writing."""
    return optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})
