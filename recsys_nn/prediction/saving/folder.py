"""The run folder: all that is needed to predict and to know where a model came from, nothing executable.

    manifest.json         format, version, model kind, shapes, size and SHA-256 of every other file, versions
    model.json            the model's config
    weights.safetensors   its weights, by place and path; of an average over members, theirs
    encoder.json, users.parquet, items.parquet, perhaps drift.parquet   the encoder
    calibration.json      what intervals need, where the predictor is calibrated
    seen.parquet          the known ratings by rows of the encoder, where the predictor keeps them
    and what an experiment adds: config.yaml, history.csv, training.json, metrics.json, data.json, test.parquet and
    validation.parquet, what was predicted of these parts by a network not trained on them (prediction/held_out.py)

A blend, a weighted sum of predictors that is itself a predictor, has in place of a model

    blend.json            the members' names and weights
    member_1, ...         the members in this order, each a whole run folder

It is written beside its final place, synced and renamed into it, so that a crash leaves the old run or none.
Reading verifies the manifest first, reads all parts without TensorFlow (``prediction/saving/parts.py``), and rebuilds
the model from its config with the registered builder of its kind, which may make no weight that the file does not hold:
no pickle, no keras.models.load_model, no name imported from a file.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_nn.errors import OR_OVERWRITE, ArtifactError
from recsys_nn.files import atomic_folder
from recsys_nn.hooks import Average
from recsys_nn.models import ModelConfig, build_model, import_keras, model_kinds
from recsys_nn.prediction.core import PredictorCore
from recsys_nn.prediction.saving.manifest import MANIFEST, files_in, listed_files, write_manifest
from recsys_nn.prediction.saving.parts import BLEND, CALIBRATION, MODEL, SEEN, RunParts, member_folder
from recsys_nn.prediction.saving.weights import WEIGHTS, Weights, no_larger_than, set_weights, weights_of, write_weights

if TYPE_CHECKING:
    import keras

Documents = Mapping[str, str | bytes]
"""The content of files by name; texts become UTF-8."""


def write_run_folder(
    path: str | Path, predictor: PredictorCore, *, documents: Documents | None = None, overwrite: bool = False
) -> Path:
    """Writes ``predictor`` and further files (``documents``) as one run folder.

    Raises:
        ArtifactError: where the place is taken (with ``overwrite``: by something that is not a run folder), the
            model's kind is not registered, a weight is not finite, the disk refuses, or the folder, read back before
            it takes its place, could not be loaded.
    """
    config, weights = _registered_config(predictor), weights_of(predictor.model)

    def fill(draft: Path) -> None:
        _write_files(draft, predictor, config, weights, documents or {})
        try:
            parts = RunParts.read(draft)
            if not type(config).__module__.startswith("recsys_nn."):  # a builder of somebody else's
                rebuilt_model(parts)
        except ArtifactError as error:
            raise ArtifactError(f"{path} is not written, since it could not be loaded again: {error}") from error

    return write_folder(path, fill, overwrite=overwrite)


def write_blend_folder(
    path: str | Path,
    blend: PredictorCore,
    members: Mapping[str, Callable[[Path], object]],
    weights: Mapping[str, float],
    *,
    documents: Documents | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes a blend, its members and further files as one run folder.

    Args:
        path: path of the run folder.
        blend: blend that is written.
        members: function, by name, that writes a member's run folder to a place (its ``save``, a :func:`run_copier`).
        weights: weights of the members, by name.
        documents: content of further files, by name.
        overwrite: whether a run that already stands there is replaced.

    Raises:
        ArtifactError: as of ``write_run_folder``.
    """

    def fill(draft: Path) -> None:
        for place, write in enumerate(members.values(), start=1):
            write(member_folder(draft, place))
        state = {"members": [{"name": name, "weight": weights[name]} for name in members]}
        _write_documents(draft, blend, {BLEND: json.dumps(state, indent=2) + "\n", **(documents or {})})
        sizes = {"users": blend.encoder.n_users, "items": blend.encoder.n_items}
        write_manifest(draft, model_kind="blend", sizes=sizes, shapes={})

    return write_folder(path, fill, overwrite=overwrite)


def write_folder(path: str | Path, fill: Callable[[Path], None], *, overwrite: bool) -> Path:
    """Writes a run folder at ``path``, of the files that ``fill`` writes into its draft.

    Raises:
        ArtifactError: where the place is taken (with ``overwrite``: by something that is not a run folder), or the disk
            refuses.
    """
    target = Path(path).expanduser().resolve()
    check_place(target, overwrite=overwrite)
    with atomic_folder(target, replace=overwrite) as draft:
        fill(draft)
    return target


def run_copier(run: Path) -> Callable[[Path], None]:
    """Returns a function that writes the files of a run folder, with all that they record, to a place."""

    def copy(place: Path) -> None:
        for name in (MANIFEST, *listed_files(run)):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(run / name, place / name)

    return copy


def check_place(path: str | Path, *, overwrite: bool) -> None:
    """Raises an ArtifactError where a run must not or cannot be written; called before the training starts."""
    target = Path(path).expanduser()
    if target.is_dir():
        _check_replaceable(target, overwrite=overwrite)
    elif os.path.lexists(target):
        raise ArtifactError(f"{target} exists and is not a run folder: choose another output")
    ancestor = next(folder for folder in target.absolute().parents if folder.exists())
    if not (ancestor.is_dir() and os.access(ancestor, os.W_OK | os.X_OK)):
        raise ArtifactError(f"{target} cannot be written: {ancestor} is not a writable folder")


def _check_replaceable(folder: Path, *, overwrite: bool) -> None:
    found = files_in(folder)
    if not found:
        return
    if MANIFEST not in found:
        raise ArtifactError(f"{folder} exists and is not a run folder: choose another output")
    if not overwrite:
        raise ArtifactError(f"{folder} already holds a run: {OR_OVERWRITE}")
    foreign = sorted(found - {MANIFEST} - listed_files(folder))
    if foreign:
        raise ArtifactError(
            f"{folder} holds {foreign[0]}, which is not part of its run and would be lost: move it away"
        )


def rebuilt_model(parts: RunParts) -> keras.Model:
    """The model that is made of these parts, by the builder of its kind.

    Raises:
        ArtifactError: where the weights are not those of the model.
    """
    import_keras()
    from recsys_nn.models import AveragedModel

    file = parts.folder / WEIGHTS
    try:
        with no_larger_than(parts.weights, file):
            model = build_model(parts.config, parts.encoder)
            if parts.n_members is not None:
                if not model.trainable_weights:
                    raise ArtifactError(
                        f"{parts.folder / MANIFEST} is damaged: an average needs weights that are trained"
                    )
                model = AveragedModel(model, parts.n_members)
    except ArtifactError:
        raise
    except Exception as error:  # a builder, perhaps a user's own, may stumble in any way over values that nobody meant
        raise ArtifactError(f"{parts.folder} is damaged: no model can be built from its parts: {error}") from error
    set_weights(model, parts.weights, file)
    return model


def _registered_config(predictor: PredictorCore) -> ModelConfig:
    config = predictor.config
    if config is None or config.kind not in model_kinds():
        raise ArtifactError(
            "this model cannot be saved as a run folder, as loading could not rebuild it: make it a kind of your "
            "own (a ModelConfig and a builder with @rn.register_model), build it with rn.build_model and train it; or "
            "save the network alone with model.save"
        )
    return config


def _write_files(
    draft: Path, predictor: PredictorCore, config: ModelConfig, weights: Weights, documents: Documents
) -> None:
    write_weights(weights, draft)
    predictor.encoder.save(draft)
    kept = {} if predictor.seen is None else {SEEN: predictor.seen.to_parquet()}
    _write_documents(draft, predictor, {MODEL: config.model_dump_json(indent=2) + "\n", **kept, **documents})
    shutil.copymode(draft / MODEL, draft / WEIGHTS)  # safetensors makes files that only their owner reads
    sizes = {"users": predictor.encoder.n_users, "items": predictor.encoder.n_items}
    if isinstance(predictor.model, Average):
        sizes["members"] = predictor.model.n_members
    shapes = {name: list(values.shape) for name, values in sorted(weights.items())}
    write_manifest(draft, model_kind=config.kind, sizes=sizes, shapes=shapes)


def _write_documents(draft: Path, predictor: PredictorCore, documents: Documents) -> None:
    """Writes files into a draft, and the predictor's calibration where it has one."""
    calibration = predictor.calibration
    calibrated = {} if calibration is None else {CALIBRATION: calibration.model_dump_json() + "\n"}
    for name, content in {**documents, **calibrated}.items():
        (draft / name).write_bytes(content.encode() if isinstance(content, str) else content)
