"""State that a run keeps beside its folder until it is finished, so that it can go on after it was killed.

``runs/svd.unfinished`` has a lock, which ends with its process, what the run is (``run.json``) and a folder of
checkpoints for each of its stages. It goes when the run folder is there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from recsys_nn.config import RunConfig
from recsys_nn.data import AnySplit, fingerprints
from recsys_nn.errors import OR_START_OVER, ArtifactError, ConfigError, TrainingError
from recsys_nn.files import atomic_file, remove_locked, sweep
from recsys_nn.models import import_keras
from recsys_nn.prediction import MANIFEST, check_place, versions
from recsys_nn.training import SUFFIX, Checkpoints

Stage = Literal["training", "posterior", "refit", "refit-posterior"]
STAGES: tuple[Stage, ...] = ("training", "posterior", "refit", "refit-posterior")

_ENDING, _LOCK, _RUN = ".unfinished", "lock", "run.json"
_ELSEWHERE = ("output", "tracking", "cluster")
"""Sections that may change in the config of a run that goes on. (Another number of workers draws other dropout, as
another seed does, and else changes the last digits alone.)"""


def identity(config: RunConfig, split: AnySplit) -> dict[str, Any]:
    """All that decides the numbers of a run, by dotted paths: its config and its data."""
    settings = {name: value for name, value in config.values().items() if name not in _ELSEWHERE}
    return json.loads(json.dumps(dict(_flat(settings)) | fingerprints(split)))


def digest(of_run: Mapping[str, Any]) -> str:
    """SHA-256 of an :func:`identity`."""
    return hashlib.sha256(json.dumps(of_run, sort_keys=True).encode()).hexdigest()


class Unfinished:
    """The folder of an unfinished run; without one, nothing is kept.

    Attributes:
        folder: the folder of the run's state.
        run: the digest of its :func:`identity`, once it has been taken up.
        seconds: the seconds that its stages took, as far as they had come.
        is_to_stay: whether the folder stays after the run, which Ctrl-C has cut short.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.run: str | None = None
        self.seconds = 0.0
        self.is_to_stay = False

    def checkpoints(self, stage: Stage) -> Path | None:
        """The folder of a stage's checkpoints."""
        return None if self.folder is None else self.folder / stage

    @property
    def is_begun(self) -> bool:
        """True where an epoch has been saved."""
        return self.folder is not None and any(self.folder.glob(f"*/*{SUFFIX}"))

    def clear(self) -> None:
        """Removes all but the lock."""
        assert self.folder is not None
        for entry in self.folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != _LOCK:
                entry.unlink()

    def take_up(self, of_run: Mapping[str, Any], *, anew: bool) -> None:
        """Goes on with what is there, if it is of this run.

        Args:
            of_run: the :func:`identity` of the run.
            anew: whether the state of another run is removed.

        Raises:
            ArtifactError: where it is of another run, saying in what.
        """
        self.run = digest(of_run)
        if self.folder is None:
            return
        if self.is_begun:
            before = self._recorded()
            changed = _changes(before.get("run", {}), of_run)
            if not changed:
                _warn_of_versions(before["versions"])
                found = (Checkpoints(self.folder / stage).latest() for stage in STAGES)
                self.seconds = sum(state["seconds"] for _, state in filter(None, found))
                return
            if not anew:
                raise ArtifactError(
                    f"{self.folder} holds the unfinished training of another run: {changed}; restore it, or "
                    f"{OR_START_OVER}"
                )
        self.clear()
        with atomic_file(self.folder / _RUN) as stream:
            stream.write(json.dumps({"run": dict(of_run), "versions": _versions()}, indent=2).encode())

    def _recorded(self) -> dict[str, dict[str, Any]]:
        assert self.folder is not None
        file = self.folder / _RUN
        try:
            recorded = json.loads(file.read_bytes())
            return {"run": dict(recorded["run"]), "versions": dict(recorded["versions"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{file} is damaged ({error}): {OR_START_OVER}") from error


NOTHING_KEPT = Unfinished()


@contextmanager
def unfinished_run(output: str | None, *, resume: bool, overwrite: bool) -> Iterator[Unfinished]:
    """Locks the place of a run, which no other process can train into meanwhile.

    What was saved of the training stays where it was interrupted, killed or the disk refused; it goes with the end of
    the run, and with a loss that is no number, which would come again.

    Args:
        output: the run folder; without one, nothing is kept.
        resume: whether an unfinished training is gone on with; a finished run may stand there then.
        overwrite: whether what stands there may be replaced.

    Raises:
        ArtifactError: where another process trains into the place, it cannot be written or is taken, or an unfinished
            training is neither to be gone on with nor replaced.
        ConfigError: where nothing could be gone on with, as there is no output.
    """
    if output is None:
        if resume:
            raise ConfigError("output is missing: name the run folder beside which the unfinished training was saved")
        yield Unfinished()
        return
    target = Path(output).expanduser().resolve()
    if not (resume and (target / MANIFEST).exists()):
        check_place(target, overwrite=overwrite)
    folder = target.with_name(target.name + _ENDING)
    lock = _locked(folder, target)
    try:
        unfinished = Unfinished(folder)
        if unfinished.is_begun and not (resume or overwrite):
            raise ArtifactError(
                f"{folder} holds an unfinished training: resume it (--resume, in Python resume=True), or "
                f"{OR_START_OVER}"
            )
        sweep(target)
        if not resume:
            unfinished.clear()
        try:
            yield unfinished
        except BaseException as error:
            if isinstance(error, TrainingError) or not unfinished.is_begun:
                remove_locked(folder, lock)
            raise
        if not unfinished.is_to_stay:
            remove_locked(folder, lock)
    finally:
        lock.release()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignores Ctrl-C within the block: saving takes a moment, and the training before it took long."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _locked(folder: Path, target: Path) -> FileLock:
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise ArtifactError(f"{target} is in use by another training: wait for it, or choose another output") from None
    except OSError as error:
        raise ArtifactError(f"{folder} cannot be written: {error.strerror or error}") from error
    return lock


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Differences of two identities in words; empty where there are none."""
    told = []
    for name in dict.fromkeys([*before, *now]):
        if before.get(name) != now.get(name):
            of_data = " part" in name or "table of" in name
            told.append(
                f"the {name} has changed" if of_data else f"{name} was {before.get(name)} and is {now.get(name)}"
            )
    return ", ".join(told)


def _versions() -> dict[str, str]:
    import_keras()
    return versions()


def _warn_of_versions(before: Mapping[str, str]) -> None:
    now = _versions()
    changed = [f"{name} {before.get(name)} -> {now[name]}" for name in now if before.get(name) != now[name]]
    if changed:
        warnings.warn(
            f"the unfinished training started with other versions ({', '.join(changed)}): its results may differ in "
            "their last digits from those of an uninterrupted training",
            stacklevel=4,
        )


def _flat(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(values, Mapping) and values:
        for name, value in values.items():
            yield from _flat(value, f"{path}.{name}" if path else str(name))
    else:
        yield path, values
