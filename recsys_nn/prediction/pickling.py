"""A pickled or deeply copied predictor is the files of its run folder, from which its network is built anew."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_nn.prediction.saving.folder import read_run_folder
from recsys_nn.prediction.saving.manifest import files_in

if TYPE_CHECKING:
    from recsys_nn.prediction.predictor import Predictor


def to_files(predictor: Predictor) -> dict[str, bytes]:
    """The files of the predictor's run folder, by their paths in it.

    Raises:
        ArtifactError: where it cannot be saved.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = predictor.save(Path(folder) / "run")
        return {name: (run / name).read_bytes() for name in sorted(files_in(run))}


def from_files(files: Mapping[str, bytes]) -> Predictor:
    """The predictor that has these files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            file = Path(folder) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return read_run_folder(folder)
