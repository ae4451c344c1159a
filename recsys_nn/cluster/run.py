"""A run that all workers carry out, and the first of them writes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_nn.cluster.training import on_workers
from recsys_nn.config import RunConfig
from recsys_nn.data.ratings import Ratings
from recsys_nn.data.splits import Split
from recsys_nn.errors import ConfigError
from recsys_nn.run_data import load_split
from recsys_nn.unfinished import Unfinished

if TYPE_CHECKING:
    from recsys_nn.training.workers import Workers


def run_on_workers(
    run_on_split: Callable[..., Any],
    config: RunConfig,
    data: Split | Ratings | None,
    *,
    unfinished: Unfinished,
    progress: bool,
) -> Path:
    """The run folder that the workers of a config's cluster have left.

    Args:
        run_on_split: what each of them does with its parts; a function of a module.
        config: of the run.
        data: as ``run_experiment`` takes it.
        unfinished: the folder of the run until it is finished, which this process has taken up.
        progress: whether the first worker prints a line an epoch.

    Raises:
        ConfigError: where the config names no output.
        RecsysError: what a worker has found wrong.
    """
    assert config.cluster is not None
    if config.output is None or unfinished.folder is None:
        raise ConfigError("cluster: the workers leave what they have trained in a run folder; name an output")
    work = partial(_run_as_worker, run_on_split, config, data, unfinished, progress)
    on_workers(config.cluster, work, folder=unfinished.folder)
    return Path(config.output).expanduser()


def _run_as_worker(
    run_on_split: Callable[..., Any],
    config: RunConfig,
    data: Split | Ratings | None,
    unfinished: Unfinished,
    progress: bool,
    workers: Workers | None,
) -> None:
    """The first worker's run is written, also over what an attempt before this one has left; nobody else's is."""
    leads = workers is None or workers.leads
    if not leads:
        config = config.model_copy(update={"output": None, "tracking": None})
    split, progress = load_split(config.data, config.seed, data), progress and leads
    run_on_split(config, split, unfinished=unfinished, overwrite=True, progress=progress, workers=workers)
