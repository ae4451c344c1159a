"""Search: many trials of a run, the best of them refitted and then judged once on the test part."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from filelock import FileLock, Timeout
from rich.console import Console

from recsys_nn.cluster import answered_here, check_seen, connected, jobs_on_workers
from recsys_nn.config import RunConfig, SearchConfig, as_run_config, load_config
from recsys_nn.data import Ratings, Split, fingerprints
from recsys_nn.errors import ArtifactError, ConfigError, TrainingError, required
from recsys_nn.experiment import run_on_split
from recsys_nn.files import atomic_file, defused_frame
from recsys_nn.models import import_keras
from recsys_nn.prediction import MANIFEST, Predictor
from recsys_nn.runs import load_split
from recsys_nn.selection.cross_validation import cross_validated, refit
from recsys_nn.selection.processes import results
from recsys_nn.selection.search.display import SearchProgress
from recsys_nn.tracking import trackers_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from recsys_nn.selection.search.study import Study
    from recsys_nn.selection.search.trial import Outcome, Trial

SUFFIX, WINNER, BEST, PLOT, TRIALS, _LOCK = "-search", "winner", "best.yaml", "search.png", "trials.csv", ".lock"


@dataclass(frozen=True, eq=False)
class SearchResult:
    """Result of a search: its trials and its refitted winner.

    Attributes:
        config: config of the search.
        trials: a row a trial: trial, state, rmse (of the held-out ratings), best_epoch, epochs, seconds, message, and a
            column for each key of the search.
        best: the config of the best trial, with ``refit``.
        predictor: the winner, refitted on all training rows.
        metrics: figures of the winner, flat; where there is a test part ``rmse`` and so on, judged once.
        path: the search's folder; None where none was asked for.

    Example:
        >>> search = {"method": "grid", "space": {"model.item_shrinkage": [1, 100]}}
        >>> found = rn.tune({"model": {"kind": "item_mean"}, "search": search}, ratings, progress=False)
        >>> found.trials["model.item_shrinkage"].tolist(), found.best.refit
        ([1, 100], True)
        >>> found.best.model.item_shrinkage
        1.0
    """

    config: RunConfig
    trials: pd.DataFrame = field(repr=False)
    best: RunConfig
    predictor: Predictor = field(repr=False)
    metrics: dict[str, float] = field(repr=False)
    path: Path | None

    @property
    def score(self) -> float:
        """The best trial's RMSE of the held-out ratings, a little better than it is, since it is the best of many."""
        return float(self.trials.loc[self.trials["state"] == "complete", "rmse"].min())

    def plot(self) -> Figure:
        """Plots the trials in their order with the best so far, and by each key of the search."""
        from recsys_nn.selection.search.display import plotted

        return plotted(self.trials)

    def _repr_html_(self) -> str:
        best_first = self.trials.sort_values("rmse", kind="stable").drop(columns="message")
        return best_first.to_html(index=False, float_format="{:.4g}".format)


def tune(
    config: RunConfig | str | Path | Mapping[str, Any],
    data: Ratings | Split | None = None,
    *,
    output: str | Path | None = None,
    overrides: Sequence[str] = (),
    overwrite: bool = False,
    progress: bool = True,
) -> SearchResult:
    """Searches the space of the config's ``search`` section for the least RMSE of held-out ratings.

    Each trial is an ordinary run, judged on its validation part or on ``folds``. The best is trained anew on all
    training rows, for as many epochs as were best there, and only then judged on the test part, once. A search that was
    ended, by Ctrl-C or in any other way, goes on where it was when it is begun in the same folder again: finished
    trials are kept, those that were at work are tried again. So does one of which more trials are asked for.

    Where the config has a ``cluster``, each of its workers carries out a trial, and this process alone
    trains the winner, as it was trained in its trial. ``random`` and ``grid`` try the same trials as without a cluster,
    and so does ``tpe`` with one worker; with several it draws each trial from those that have ended by then, and in
    which order they end is up to chance, as it is with several processes. A trial whose process is lost is begun anew,
    at most ``max_failures`` times.

    Args:
        config: config with a ``search`` section.
        data: ratings in memory, split as the config says, or a split of them; the config then names no source.
        output: the folder for the search: its trials (``trials/0000`` and so on are run folders), their table and plot,
            ``best.yaml`` and the ``winner``; by default the config's ``output`` with "-search" behind, if it has one.
        overrides: ``"search.trials=50"`` and the like, for a mapping or a file.
        overwrite: whether a search that stands there is removed first.
        progress: whether to print trials as they end, in a terminal as a live table.

    Raises:
        ConfigError: where nothing is searched, or naming a value of the space that the config refuses.
        ArtifactError: where the folder holds something else, or another process is at work in it.
        TrainingError: where no trial comes to its end.

    Example:
        >>> search = {
        ...     "method": "random",  # or "tpe", "grid"
        ...     "trials": 2,  # or "timeout": 300, in seconds
        ...     "workers": 1,  # processes, or leave it out and have a cluster section
        ...     "space": {"model.item_shrinkage": [5, 25], "model.user_shrinkage": {"low": 1, "high": 99, "log": True}},
        ... }
        >>> config = {"model": {"kind": "bias"}, "search": search}
        >>> rn.tune(config, ratings, output="runs/search", progress=False).trials["state"].tolist()
        ['complete', 'complete']
        >>> rn.Predictor.load("runs/search/winner").predict([("u0", "i0")])["source"].item()
        'model'
    """
    required("optuna", "search", needed_by="search")
    import_keras()
    from recsys_nn.selection.search.study import check_space

    config = as_run_config(config, overrides=overrides)
    search = check_space(config)
    trackers_of(config.tracking)  # one that cannot be used is an error of the search, not of every trial
    if output is None and config.output is not None:
        output = config.output + SUFFIX
    cluster = config.cluster
    if cluster is not None and cluster.address is not None and cluster.address.startswith("ray://"):
        raise ConfigError(
            f"cluster.address must be auto in a search, not {cluster.address}, as the trials are stored where the "
            "search starts: start it on a machine of the cluster"
        )
    split = load_split(config.data, config.seed, data)
    if search.folds is not None:
        split = split.without_validation()
    elif not len(split.validation):
        raise ConfigError("search needs a validation part: set data.split.validation above 0, or set search.folds")
    with connected(cluster), _folder(output, overwrite=overwrite) as folder:
        return _searched(config, search, split, folder, kept=output is not None, progress=progress)


def _searched(
    config: RunConfig, search: SearchConfig, split: Split, folder: Path, *, kept: bool, progress: bool
) -> SearchResult:
    from recsys_nn.selection.search.study import Study

    study = Study(config, fingerprints(split), folder)
    try:
        with SearchProgress(search, study, enabled=progress) as shown:

            def ended(outcome: Outcome) -> None:
                study.tell(outcome)
                shown.update(outcome)

            _carry_out(config, study, Split(split.train, split.validation), ended)
        trials, best = study.table, study.best
    finally:
        study.close()
    if best is None:
        raise TrainingError(f"no trial was completed: {_reasons(trials)}")
    best = best.model_copy(update={"refit": True})
    winner = best.below(folder, WINNER).model_copy(update={"cluster": None})
    predictor, metrics = _winner(winner, search, split, folder, progress=progress)
    result = SearchResult(config, trials, best, predictor, metrics, folder if kept else None)
    if kept:
        _write(folder, result)
    return result


def _carry_out(config: RunConfig, study: Study, split: Split, ended: Callable[[Outcome], None]) -> None:
    """Carries out the trials of a study, in this process, in several beside it, or by the workers of a cluster.

    These ask a judge here, since SQLite is not safe where several machines write to a file that they share.
    """
    assert config.search is not None
    folds, cluster = config.search.folds, config.cluster
    if cluster is None:
        work = methodcaller("carried_out", split, folds, study.judge)
        for outcome in results(work, study.trials(), workers=config.search.workers):
            ended(outcome)
        return
    with answered_here(study.judge) as is_bad:
        work = methodcaller("carried_out", split, folds, lambda: nullcontext(is_bad))
        seen, lost = partial(check_seen, study.file), partial(_lost, cluster.max_failures)
        jobs_on_workers(cluster, work, study.trials(), ended=ended, lost=lost, check=seen)


def _lost(most: int, trial: Trial, times: int) -> Outcome | None:
    from recsys_nn.selection.search.trial import Outcome

    if times <= most:
        return None
    told = f"more than {most} times its process was lost (cluster.max_failures)"
    return Outcome(trial.number, "failed", float("nan"), message=told)


def _winner(
    config: RunConfig, search: SearchConfig, split: Split, folder: Path, *, progress: bool
) -> tuple[Predictor, dict[str, float]]:
    """Trains and judges the winner, unless it has been: a test part is not looked at twice."""
    place = folder / WINNER
    if place.is_dir():
        predictor, kept = Predictor.load(place), load_config(place / "config.yaml")
        if kept.model_copy(update={"output": config.output, "tracking": config.tracking}) == config:
            return predictor, json.loads((place / "metrics.json").read_text(encoding="utf-8"))
        shutil.rmtree(place)
    if progress:
        Console().print("The best trial is trained again with validation, and then on all training rows:", style="bold")
    if search.folds is None:
        result = run_on_split(config, split, progress=progress)
    else:
        folds = cross_validated(config, split, folds=search.folds, workers=search.workers, progress=progress)
        result = refit(folds, progress=progress)
    if result.run.stop_reason == "interrupted":
        raise KeyboardInterrupt
    return result.predictor, result.metrics


def _write(folder: Path, result: SearchResult) -> None:
    documents: dict[str, Callable[[Any], object]] = {
        TRIALS: lambda stream: stream.write(_csv(result.trials)),
        BEST: lambda stream: stream.write(result.best.to_yaml().encode()),
        PLOT: lambda stream: result.plot().savefig(stream, format="png", dpi=120),
    }
    for name, write in documents.items():
        with atomic_file(folder / name) as stream:
            write(stream)


def _csv(trials: pd.DataFrame) -> bytes:
    text: str = defused_frame(trials).to_csv(index=False, lineterminator="\n")
    return text.encode()


def _reasons(trials: pd.DataFrame) -> str:
    counts = trials["state"].value_counts()
    told = [message for message in trials["message"] if message]
    return ", ".join(f"{n} {state}" for state, n in counts.items()) + (f"; {told[-1]}" if told else "")


@contextmanager
def _folder(output: str | Path | None, *, overwrite: bool) -> Iterator[Path]:
    """Locks the search's folder, which no other can use meanwhile; without an output it is a temporary one."""
    if output is None:
        with tempfile.TemporaryDirectory(prefix="recsys_nn.search.") as place:
            yield Path(place)
        return
    folder = Path(output).expanduser()
    if (folder / MANIFEST).exists() or (folder.exists() and not _is_search(folder)):
        raise ArtifactError(f"{folder} exists and is not the folder of a search: choose another output")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        with lock:
            if overwrite:
                _empty(folder)
            yield folder
    except Timeout:
        raise ArtifactError(f"{folder} is in use by another process: wait for it, or choose another output") from None


def _is_search(folder: Path) -> bool:
    return folder.is_dir() and (not any(folder.iterdir()) or (folder / _LOCK).exists())


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != _LOCK:
            entry.unlink()
