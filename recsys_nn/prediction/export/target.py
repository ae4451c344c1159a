"""Check of the place for an exported model, before the work that makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from recsys_nn.errors import OR_OVERWRITE, ArtifactError, ConfigError, must_be_one_of, required

Format = Literal["savedmodel", "onnx", "litert"]

SAVEDMODEL_DOCUMENT = Path("assets.extra", "recsys_nn.json")
"""In the folder of a SavedModel, what tells that it is an exported one."""


def check_export(path: Path, format: Format, *, overwrite: bool) -> None:
    """Raises an error where a model must not or cannot be written in this format.

    Raises:
        ConfigError: for another format, and where its converter is not installed.
        ArtifactError: where a folder stands there; with ``overwrite``, one that is no exported model.
        DataError: where a file stands there.
    """
    from recsys_nn.files import check_file_place

    if format not in get_args(Format):
        raise ConfigError(must_be_one_of("format", format, get_args(Format)))
    if format == "onnx":
        required("tf2onnx", "onnx", needed_by="onnx")
    if format != "savedmodel":
        check_file_place(path, overwrite=overwrite)
    elif path.exists() and not (path / SAVEDMODEL_DOCUMENT).is_file():
        raise ArtifactError(f"{path} exists and is not an exported model: choose another output")
    elif path.exists() and not overwrite:
        raise ArtifactError(f"{path} already holds a model: {OR_OVERWRITE}")
