"""The run folder: all that is needed to predict and to know where a model came from, nothing executable.

    manifest.json         format, version, model kind, shapes, size and SHA-256 of every other file, versions
    model.json            the model's config
    weights.safetensors   its weights, by place and path; of an average over members, theirs
    encoder.json, users.parquet, items.parquet, perhaps drift.parquet   the encoder
    calibration.json      what intervals need, where the predictor is calibrated
    seen.parquet          the known ratings by rows of the encoder, where the predictor keeps them
    and what an experiment adds: config.yaml, history.csv, training.json, metrics.json, data.json, test.parquet and
    validation.parquet, what was predicted of these parts by a network not trained on them (prediction/held_out.py)

That of a blend (``prediction/blend.py``) has blend.json and the folders of its members in place of a model.
It is written beside its final place, synced and renamed into it, so that a crash leaves the old run or none.
Reading verifies the manifest first, and rebuilds the model from its config with the registered builder of its
kind: no pickle, no keras.models.load_model, no name imported from a file.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys_nn.data.atomic import atomic_folder
from recsys_nn.data.encoder_files import ENCODER_FILES
from recsys_nn.data.encoding import Encoder
from recsys_nn.errors import ArtifactError, ConfigError
from recsys_nn.models.backend import import_keras
from recsys_nn.models.base import ModelConfig, build_model, model_kind, model_kinds
from recsys_nn.prediction.calibration import Calibration
from recsys_nn.prediction.manifest import MANIFEST, files_in, listed_files, verified_manifest, write_manifest
from recsys_nn.prediction.seen import SeenRatings

if TYPE_CHECKING:
    import keras

    from recsys_nn.prediction.predictor import Predictor

MODEL = "model.json"
WEIGHTS = "weights.safetensors"
CALIBRATION = "calibration.json"
SEEN = "seen.parquet"
BLEND = "blend.json"

Documents = Mapping[str, str | bytes]
"""The content of files by name; texts become UTF-8."""


def write_run_folder(
    path: str | Path, predictor: Predictor, *, documents: Documents | None = None, overwrite: bool = False
) -> Path:
    """Writes ``predictor`` and further files (``documents``) as one run folder.

    Raises:
        ArtifactError: where the place is taken (with ``overwrite``: by something that is not a run folder), the
            model's kind is not registered, or the disk refuses.
    """
    config = _registered_config(predictor)
    return write_folder(
        path, lambda draft: _write_files(draft, predictor, config, documents or {}), overwrite=overwrite
    )


def write_folder(path: str | Path, fill: Callable[[Path], None], *, overwrite: bool) -> Path:
    """A run folder at ``path``, of the files that ``fill`` writes into its draft.

    Raises:
        ArtifactError: where the place is taken (with ``overwrite``: by something that is not a run folder), or the disk
            refuses.
    """
    target = Path(path).expanduser().resolve()
    check_place(target, overwrite=overwrite)
    with atomic_folder(target, replace=overwrite) as draft:
        fill(draft)
    return target


def check_place(path: str | Path, *, overwrite: bool) -> None:
    """An ArtifactError where a run must not or cannot be written; asked before a training, whose work is at stake."""
    target = Path(path).expanduser()
    if target.is_dir():
        _check_replaceable(target, overwrite=overwrite)
    elif os.path.lexists(target):
        raise ArtifactError(f"{target} exists and is not a run folder; choose another output")
    ancestor = next(folder for folder in target.absolute().parents if folder.exists())
    if not (ancestor.is_dir() and os.access(ancestor, os.W_OK | os.X_OK)):
        raise ArtifactError(f"{target} cannot be written: {ancestor} is not a folder that can be written to")


def _check_replaceable(folder: Path, *, overwrite: bool) -> None:
    found = files_in(folder)
    if not found:
        return
    if MANIFEST not in found:
        raise ArtifactError(f"{folder} exists and is not a run folder; choose another output")
    if not overwrite:
        raise ArtifactError(f"{folder} already holds a run; choose another output, or overwrite it (--overwrite)")
    foreign = sorted(found - {MANIFEST} - listed_files(folder))
    if foreign:
        raise ArtifactError(f"{folder} holds {foreign[0]}, which is no part of its run and would be lost; move it away")


def read_run_folder(path: str | Path) -> Predictor:
    """The predictor of a run folder.

    Raises:
        ArtifactError: naming the file and why it cannot be used.
    """
    import_keras()  # before what imports TensorFlow by itself, with its greetings
    from recsys_nn.models.averaged import AveragedModel
    from recsys_nn.prediction.blend import read_blend
    from recsys_nn.prediction.predictor import Predictor

    folder = Path(path)
    if BLEND in listed_files(folder):
        return read_blend(folder)
    manifest = verified_manifest(folder, required=(MODEL, WEIGHTS, *ENCODER_FILES))
    config = _model_config(folder / MODEL, manifest)
    try:
        encoder = Encoder.load(folder)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ArtifactError(f"{folder}: the encoder's files cannot be read: {error}") from error
    sizes = dict(manifest["sizes"])
    n_members = sizes.pop("members", None)
    if {"users": encoder.n_users, "items": encoder.n_items} != sizes:
        raise ArtifactError(f"{folder}: the encoder's files do not have the sizes that {MANIFEST} states")
    model = build_model(config, encoder)
    if n_members is not None:
        if n_members < 1:
            raise ArtifactError(f"{folder / MANIFEST} is damaged: an average over {n_members} members")
        model = AveragedModel(model, n_members)
    _set_weights(model, folder / WEIGHTS)
    calibration, seen = read_calibration(folder, manifest), _read_seen(folder, manifest, encoder)
    return Predictor(model, encoder, config=config, calibration=calibration, seen=seen)


def _registered_config(predictor: Predictor) -> ModelConfig:
    config = predictor.config
    if config is None or config.kind not in model_kinds():
        raise ArtifactError(
            "this model cannot be saved as a run folder, since loading could not rebuild it: make it a kind of your "
            "own (a ModelConfig and a builder decorated with @rn.register_model), build it with rn.build_model and "
            "train that; or save the bare network with model.save"
        )
    return config


def _write_files(draft: Path, predictor: Predictor, config: ModelConfig, documents: Documents) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    weights = {name: np.asarray(variable.numpy()) for name, variable in _named_weights(predictor.model).items()}
    try:
        save_file(weights, draft / WEIGHTS)
    except SafetensorError as error:
        raise ArtifactError(f"{WEIGHTS} cannot be written: {error}") from error
    predictor.encoder.save(draft)
    kept = {} if predictor.seen is None else {SEEN: predictor.seen.to_parquet()}
    write_documents(draft, predictor, {MODEL: config.model_dump_json(indent=2) + "\n", **kept, **documents})
    shutil.copymode(draft / MODEL, draft / WEIGHTS)  # safetensors makes files that only their owner reads
    sizes = {"users": predictor.encoder.n_users, "items": predictor.encoder.n_items}
    if n_members := getattr(predictor.model, "n_members", None):
        sizes["members"] = n_members
    shapes = {name: list(values.shape) for name, values in sorted(weights.items())}
    write_manifest(draft, model_kind=config.kind, sizes=sizes, shapes=shapes)


def _model_config(file: Path, manifest: dict[str, Any]) -> ModelConfig:
    kind = manifest["model_kind"]
    try:
        config_class = model_kind(kind).config
    except ConfigError as error:
        raise ArtifactError(f"{file}: {error}; import the module that registers it before loading") from error
    try:
        return config_class.model_validate_json(file.read_bytes())
    except ValueError as error:
        raise ArtifactError(f"{file}: not a config of kind {kind!r}: {error}") from error


def write_documents(draft: Path, predictor: Predictor, documents: Documents) -> None:
    """Writes files into a draft, and the predictor's calibration where it has one."""
    calibration = predictor.calibration
    calibrated = {} if calibration is None else {CALIBRATION: calibration.model_dump_json() + "\n"}
    for name, content in {**documents, **calibrated}.items():
        (draft / name).write_bytes(content.encode() if isinstance(content, str) else content)


def read_calibration(folder: Path, manifest: Mapping[str, Any]) -> Calibration | None:
    """The calibration in a run folder; None where its manifest lists none."""
    file = folder / CALIBRATION
    if file.name not in manifest["files"]:
        return None
    try:
        return Calibration.model_validate_json(file.read_bytes())
    except ValueError as error:
        raise ArtifactError(f"{file}: not the calibration of intervals: {error}") from error


def _read_seen(folder: Path, manifest: Mapping[str, Any], encoder: Encoder) -> SeenRatings | None:
    """The known ratings in a run folder; None where its manifest lists none."""
    file = folder / SEEN
    if file.name not in manifest["files"]:
        return None
    try:
        return SeenRatings.from_parquet(file.read_bytes(), encoder)
    except (ValueError, KeyError, OSError) as error:
        raise ArtifactError(f"{file}: not the ratings of this encoder's users and items: {error}") from error


def _set_weights(model: keras.Model, file: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        saved = load_file(file)
    except (SafetensorError, OSError) as error:
        raise ArtifactError(f"{file}: {error}") from error
    variables = _named_weights(model)
    if len(saved) != len(variables):
        raise ArtifactError(f"{file}: {len(saved)} weights, where the model in {MODEL} has {len(variables)}")
    for (name, variable), (saved_name, values) in zip(variables.items(), sorted(saved.items()), strict=True):
        if values.shape != tuple(variable.shape):
            raise ArtifactError(
                f"{file}: {saved_name} has shape {values.shape}, where {name} has {tuple(variable.shape)}"
            )
        variable.assign(values)


def _named_weights(model: keras.Model) -> dict[str, Any]:
    """Weights by place and path. The place identifies them: Keras numbers the paths of unnamed layers anew in
    every model of a process."""
    return {f"{place:04d} {variable.path}": variable for place, variable in enumerate(model.weights)}
