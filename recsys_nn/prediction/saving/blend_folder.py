"""The run folder of a blend: a weighted sum of predictors that is itself a predictor.

    manifest.json      as of any run folder, with size and SHA-256 of every file of the members too
    blend.json         the members' names and weights
    member_1, ...      the members in this order, each a whole run folder
    calibration.json   what intervals need, where the blend is calibrated
    and what ``rn.blend`` adds: metrics.json, data.json, validation.parquet

It is written, verified and read as ``prediction/saving/folder.py`` says.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from recsys_nn.files import read_json
from recsys_nn.prediction.core import PredictorCore
from recsys_nn.prediction.intervals import Calibration
from recsys_nn.prediction.saving.folder import Documents, write_documents, write_folder
from recsys_nn.prediction.saving.manifest import MANIFEST, listed_files, read_manifest, verified, write_manifest
from recsys_nn.prediction.saving.parts import BLEND, RunParts, read_calibration

MAX_MEMBERS = 100


class _Member(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str
    weight: float


class _State(BaseModel):
    """Content of blend.json: the members' names and weights."""

    model_config = ConfigDict(extra="forbid")

    members: list[_Member] = Field(min_length=1, max_length=MAX_MEMBERS)

    @field_validator("members")
    @classmethod
    def _have_names_of_their_own(cls, members: list[_Member]) -> list[_Member]:
        if len({member.name for member in members}) < len(members):
            raise ValueError("two members have one name")
        return members


@dataclass(frozen=True, eq=False)
class BlendParts:
    """The parts of a blend, among them those of its members, which may be blends too.

    Attributes:
        folder: folder that they were read from.
        members: parts of each member, by name.
        weights: weights of the members, by name.
        calibration: calibration of its intervals, where it has some.
        sizes: number of users and of items that its manifest states.
    """

    folder: Path
    members: Mapping[str, RunParts | BlendParts]
    weights: Mapping[str, float]
    calibration: Calibration | None
    sizes: tuple[int, int]


def read_parts(path: Path, *, sha256: str | None = None) -> RunParts | BlendParts:
    """Reads and checks the parts of a run folder, of a blend or not, without TensorFlow.

    Args:
        path: path of the run folder.
        sha256: SHA-256 of its manifest, where the caller knows it.

    Raises:
        ArtifactError: naming the file, of the folder or of a member's, and why it cannot be used.
    """
    if BLEND not in read_manifest(path, sha256=sha256).files:
        return RunParts.read(path, sha256=sha256)
    folder = verified(path, required=(BLEND,), sha256=sha256)
    state: _State = read_json(folder.read(BLEND), _State, str(path / BLEND))
    sizes = folder.manifest.sizes
    return BlendParts(
        folder=path,
        calibration=read_calibration(folder),
        members={
            member.name: read_parts(member_folder(path, place)) for place, member in enumerate(state.members, start=1)
        },
        weights={member.name: member.weight for member in state.members},
        sizes=(sizes.users, sizes.items),
    )


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
        write_documents(draft, blend, {BLEND: json.dumps(state, indent=2) + "\n", **(documents or {})})
        sizes = {"users": blend.encoder.n_users, "items": blend.encoder.n_items}
        write_manifest(draft, model_kind="blend", sizes=sizes, shapes={})

    return write_folder(path, fill, overwrite=overwrite)


def member_folder(folder: Path, place: int) -> Path:
    """Folder of the member in this place, from 1 on, in the folder of a blend."""
    return folder / f"member_{place}"


def run_copier(run: Path) -> Callable[[Path], None]:
    """Returns a function that writes the files of a run folder, with all that they record, to a place."""

    def copy(place: Path) -> None:
        for name in (MANIFEST, *listed_files(run)):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(run / name, place / name)

    return copy
