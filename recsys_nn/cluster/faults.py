"""Errors of this package on their way from a worker to the process that began it, as what JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping

from recsys_nn.errors import ArtifactError, ConfigError, DataError, RecsysError, TrainingError

_KINDS = {kind.__name__: kind for kind in (ConfigError, DataError, TrainingError, ArtifactError, RecsysError)}


def as_told(error: RecsysError) -> dict[str, str]:
    """Converts an error to its kind and its message, for JSON."""
    kind = next(name for name, known in _KINDS.items() if isinstance(error, known))
    return {"kind": kind, "message": str(error)}


def as_raised(told: Mapping[str, str]) -> RecsysError:
    """Rebuilds an error from its kind and its message."""
    return _KINDS[told["kind"]](told["message"])
