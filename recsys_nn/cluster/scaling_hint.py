"""Cost of a step to several workers, by what they compute and what they tell each other (docs/scale.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


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
