"""Hint in a training's output that a cluster would be worth it, by the cost of a step to several (docs/scale.md)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from rich.console import Console

MIN_GAIN, MIN_SECONDS = 0.3, 600.0
"""Share of the time that two machines have to save, and seconds that have to be left, for the hint to be given."""


@dataclass(frozen=True)
class Network:
    """Costs of a message: measured between processes of one machine by ``benchmarks/cluster.py``.

    Args:
        latency: seconds that a message takes, however short.
        bandwidth: bytes a second that a worker packs, sends and takes in.
    """

    latency: float = 5e-4
    bandwidth: float = 2.7e8


def told_bytes(tables: Sequence[int], others: int, batch_size: int) -> int:
    """Number of bytes V that are summed over all workers in a step.

    V = 4 (W + B Σ_t (d_t + 2)): of the weights that are no rows of tables all gradients, of each table a row for each
    example, its d_t values and its number as two.

    Args:
        tables: the dimensions d_t of the rows of each table.
        others: the number W of the other weights.
        batch_size: the examples B of a step.
    """
    return 4 * (others + batch_size * sum(dim + 2 for dim in tables))


def step_seconds(alone: float, told: int, workers: int, network: Network) -> float:
    """Seconds of a step: t_n = t_1 / n + 2 (n - 1) (λ + V / (n β)), which is the cost of a ring all-reduce.

    A sum over a ring of n takes 2 (n - 1) messages, one behind the other, of V / n bytes each (Patarasuk and Yuan,
    Bandwidth optimal all-reduce algorithms for clusters of workstations, 2009).

    Args:
        alone: seconds t_1 of one worker, for the whole batch.
        told: bytes V that are summed (:func:`told_bytes`).
        workers: number n of the workers.
        network: its latency λ and bandwidth β.
    """
    return alone / workers + 2 * (workers - 1) * (network.latency + told / (workers * network.bandwidth))


def told_by(model: keras.Model, batch_size: int) -> int:
    """Bytes V of a model, each of whose tables is looked up once for an example."""
    from recsys_nn.training import is_table

    def size(variable: Any) -> int:
        return int(variable.shape.num_elements())

    weights = model.trainable_weights
    tables = [int(weight.shape[1]) for weight in weights if is_table(weight)]
    return told_bytes(tables, sum(map(size, (weight for weight in weights if not is_table(weight)))), batch_size)


class ClusterHint(keras.callbacks.Callback):
    """Says after the first epoch what two machines would save, where they are worth their trouble.

    What a step takes of them comes from what it takes here (:func:`step_seconds`): they are as this one, whose cores
    compute it.

    Args:
        batch_size: number of examples in a step.
        console: console that the line is printed on.
    """

    def __init__(self, batch_size: int, console: Console) -> None:
        super().__init__()
        self._batch_size, self._console = batch_size, console
        self._began = self._trained = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._began, self._trained = time.perf_counter(), 0.0

    def on_test_begin(self, logs: Any = None) -> None:
        self._trained = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch:
            return
        seconds = (self._trained or time.perf_counter()) - self._began
        step = seconds / self.params["steps"]
        share = step_seconds(step, told_by(self.model, self._batch_size), 2, Network()) / step
        if share <= 1 - MIN_GAIN and seconds * (self.params["epochs"] - 1) >= MIN_SECONDS:
            self._console.print(
                f"a step takes {1000 * step:.0f} ms: on two machines like this one {share:.2f} of that "
                "(cluster: {workers: 2}; docs/scale.md)",
                soft_wrap=True,
                highlight=False,
            )
