"""The trials of a search, kept in Optuna's SQLite storage so that a search that was ended goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from recsys_nn.config import Range, RunConfig, SearchConfig, label
from recsys_nn.errors import OR_START_OVER, ArtifactError, ConfigError
from recsys_nn.selection.search.judge import STUDY, Judge, judged, opened_storage
from recsys_nn.selection.search.trial import Outcome, Trial

BUDGET = {"trials", "timeout", "workers"}
"""Keys of the search section that may change between the parts of a search."""
PRUNER = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=10)
MAX_LOSSES = 3
_FILE, _ABOUT, _OUTCOME, _LOSSES = "search.db", "about", "outcome", "losses"
_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "diverged": TrialState.COMPLETE}


class Study:
    """The study of a search in a folder, begun or gone on with.

    Trial n is drawn with a seed of its own, from the run's and n, out of what is known then: a search that goes on
    draws as one that was never ended. What of the config's own values lies in the space is tried first.

    Args:
        config: config of the search.
        data: the fingerprints of the ratings and features that trials are trained and judged on.
        folder: folder of the search.

    Attributes:
        file: file that the trials are kept in.

    Raises:
        ArtifactError: where the folder holds another search.
    """

    def __init__(self, config: RunConfig, data: Mapping[str, str], folder: Path) -> None:
        assert config.search is not None
        self._config, self._search, self._folder = config, config.search, folder
        self.file = (folder / _FILE).resolve()
        self._url = f"sqlite:///{self.file}"
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._storage = opened_storage(self._url)
        self._study = optuna.create_study(study_name=STUDY, storage=self._storage, load_if_exists=True)
        about = json.loads(json.dumps(_about(config, data)))
        if _ABOUT not in self._study.user_attrs:
            self._begin(about)
        elif (kept := self._study.user_attrs[_ABOUT]) != about:
            changed = next(name for name in about if kept.get(name) != about[name])
            raise ArtifactError(
                f"{folder} holds a search with another {changed}: choose another output, or {OR_START_OVER}"
            )
        self._begin_again_what_was_lost()

    def close(self) -> None:
        """Ends the connection to the storage."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    @property
    def judge(self) -> Judge:
        """Judge of the trials, for processes that can open the storage."""
        return partial(judged, self._url, PRUNER if self._search.prune else None)

    def trials(self) -> Iterator[Trial]:
        """Yields the trials to come, each drawn when it is asked for, until all of the budget or the grid are begun.

        Values that a config refuses together are told as a failed trial.
        """
        most, began = self._search.most_trials, time.monotonic()
        while (most is None or len(self._counted()) < most) and not self._exhausted():
            if self._search.timeout is not None and time.monotonic() - began >= self._search.timeout:
                return
            drawn = self._drawn()
            try:
                config = self._config_of(drawn.params)
            except ConfigError as error:
                self.tell(Outcome(drawn.number, "failed", np.nan, message=str(error)))
                continue
            config = config.below(self._folder, f"trials/{drawn.number:04d}")
            config = config.model_copy(update={"refit": False, "cluster": None})
            yield Trial(drawn.number, self._id(drawn.number), config)

    def tell(self, outcome: Outcome) -> None:
        """Records how a trial ended."""
        self._storage.set_trial_user_attr(self._id(outcome.number), _OUTCOME, _as_attribute(outcome))
        self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        state = _STATES.get(outcome.state, TrialState.FAIL)
        self._study.tell(outcome.number, outcome.score if state == TrialState.COMPLETE else None, state)

    @property
    def best(self) -> RunConfig | None:
        """The config of the best trial that came to its end; None where there is none."""
        table = self.table
        done = table[table["state"] == "complete"].sort_values("rmse", kind="stable")
        return self._config_of(self._study.trials[int(done["trial"].iloc[0])].params) if len(done) else None

    @property
    def table(self) -> pd.DataFrame:
        """Table of the trials: trial, state, rmse, best_epoch, epochs, seconds, message, and a column for each key."""
        rows = []
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state == TrialState.WAITING:
                continue
            kept = trial.user_attrs.get(_OUTCOME, {})
            running = "running" if trial.state == TrialState.RUNNING else "lost"
            rows.append(
                {
                    "trial": trial.number,
                    "state": kept.get("state", running),
                    "rmse": np.nan if kept.get("score") is None else kept["score"],
                    **{name: kept.get(name, 0) for name in ("best_epoch", "epochs", "seconds")},
                    "message": kept.get("message", ""),
                    **{key: trial.params.get(key) for key in self._search.space},
                }
            )
        columns = ["trial", "state", "rmse", "best_epoch", "epochs", "seconds", "message", *self._search.space]
        table = pd.DataFrame(rows, columns=columns)
        for key in self._search.space:
            values = pd.Series([row[key] for row in rows], dtype=object)
            table[key] = values.infer_objects() if values.map(_is_number).all() else values  # None stays None
        return table

    def _begin(self, about: Mapping[str, Any]) -> None:
        if self._search.method == "grid":
            for point in self._search.grid:
                self._study.enqueue_trial({key: label(value) for key, value in point.items()}, skip_if_exists=True)
        elif own := {key: label(value) for key, value in self._own_values() if value in self._search.space[key]}:
            self._study.enqueue_trial(own, skip_if_exists=True)
        self._study.set_user_attr(_ABOUT, about)

    def _own_values(self) -> Iterator[tuple[str, Any]]:
        values = self._config.model_dump(mode="json")
        for key in self._search.space:
            value: Any = values
            for name in key.split("."):
                value = value.get(name) if isinstance(value, Mapping) else None
            if value is not None:
                yield key, value

    def _begin_again_what_was_lost(self) -> None:
        """Has the trials that were lost tried again.

        No process is at work on this study, so that a trial that still runs was lost; but it is not tried for ever,
        since it may be what the process was lost by.
        """
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if _OUTCOME in trial.user_attrs:
                self._end(_from_attribute(trial.user_attrs[_OUTCOME]))
                continue
            losses = trial.user_attrs.get(_LOSSES, 0) + 1
            if losses == MAX_LOSSES:
                told = f"lost {losses} times with the process that was at work on it"
                self.tell(Outcome(trial.number, "failed", np.nan, message=told))
            else:
                self._study.enqueue_trial(trial.params, user_attrs={_LOSSES: losses})
                self._study.tell(trial.number, state=TrialState.FAIL)

    def _counted(self) -> list[FrozenTrial]:
        """Trials that have come to an end, or still can."""
        trials = self._study.get_trials(deepcopy=False)
        ended = [trial for trial in trials if _OUTCOME in trial.user_attrs]
        return ended + [trial for trial in trials if trial.state == TrialState.RUNNING]

    def _exhausted(self) -> bool:
        """Tells whether all of a grid is begun."""
        return self._search.method == "grid" and not self._study.get_trials(False, states=(TrialState.WAITING,))

    def _drawn(self) -> optuna.Trial:
        seed = int(np.random.SeedSequence([self._config.seed, len(self._counted())]).generate_state(1)[0])
        self._study.sampler = (
            optuna.samplers.TPESampler(seed=seed)
            if self._search.method == "tpe"
            else optuna.samplers.RandomSampler(seed=seed)
        )
        return self._study.ask({key: _distribution(values) for key, values in self._search.space.items()})

    def _id(self, number: int) -> int:
        study = self._storage.get_study_id_from_name(STUDY)
        return self._storage.get_trial_id_from_study_id_trial_number(study, number)

    def _config_of(self, params: Mapping[str, Any]) -> RunConfig:
        chosen = {
            key: params[key]
            if isinstance(values, Range)
            else next(each for each in values if label(each) == params[key])
            for key, values in self._search.space.items()
        }
        return self._config.with_values(chosen).model_copy(update={"search": None})


def check_space(config: RunConfig) -> SearchConfig:
    """Checks that a config takes each value of its search, and returns the search.

    Raises:
        ConfigError: where there is none, or naming the first value that is refused.
    """
    if config.search is None:
        raise ConfigError(
            "search is missing: name the values to try, such as search: {space: {model.embedding_dim: [8, 16, 32], "
            "training.learning_rate: {low: 0.001, high: 0.1, log: true}}}"
        )
    for key in config.search.space:
        if key.split(".")[0] in ("data", "search", "output", "tracking", "cluster", "refit"):
            raise ConfigError(f"search.space.{key} must be a setting of model, training or ensemble")
    for sample in config.search.samples:
        try:
            config.with_values(sample)
        except ConfigError as error:
            raise ConfigError(f"search.space: {error}") from None
    if config.search.method == "grid":
        _ = config.search.grid
    return config.search


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _distribution(values: Range | tuple[Any, ...]) -> BaseDistribution:
    if not isinstance(values, Range):
        return CategoricalDistribution([label(value) for value in values])
    if values.whole:
        return IntDistribution(int(values.low), int(values.high), log=values.log, step=int(values.step or 1))
    return FloatDistribution(values.low, values.high, log=values.log, step=values.step)


def _about(config: RunConfig, data: Mapping[str, str]) -> dict[str, Any]:
    """All that makes trials comparable: the config without its places and budget, and the ratings."""
    beside: Any = {"output": True, "tracking": True, "cluster": True, "refit": True, "search": BUDGET}
    values = config.model_dump(mode="json", exclude=beside)
    return {**values, **data}


def _as_attribute(outcome: Outcome) -> dict[str, Any]:
    """Converts an outcome for JSON, which has no infinite numbers."""
    return {**vars(outcome), "score": outcome.score if np.isfinite(outcome.score) else None}


def _from_attribute(kept: Mapping[str, Any]) -> Outcome:
    missing = np.inf if kept["state"] == "diverged" else np.nan
    return Outcome(**{**kept, "score": missing if kept["score"] is None else kept["score"]})
