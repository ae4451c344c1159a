"""The ``cluster`` section of a run: how many workers train it, and where these are."""

from __future__ import annotations

from pydantic import Field

from recsys_nn.config.sections import Section


class ClusterConfig(Section):
    """The workers that train one model together, each on its share of every batch, or the trials of a search, each one.

    Every worker goes on from the states beside the output, and reads its part of ratings that are streamed there: on
    several machines the output lies on storage that all of these see under the same path.

    Args:
        workers: number of workers, which share the batch of a step.
        address: address of a running Ray cluster, such as ``auto`` or ``ray://head:10001``; by default one is started
            on this machine for the time of the run.
        cpus: CPUs of a worker, which is as many threads.
        gpu: whether each worker has a GPU of its own.
        max_failures: how often the training goes on from its last finished epoch after workers were lost.
    """

    workers: int = Field(ge=1)
    address: str | None = Field(default=None, min_length=1)
    cpus: int = Field(default=1, ge=1)
    gpu: bool = False
    max_failures: int = Field(default=3, ge=0)

    @property
    def resources(self) -> dict[str, float]:
        """Resources of a worker, by Ray's names."""
        return {"CPU": float(self.cpus)} | ({"GPU": 1} if self.gpu else {})
