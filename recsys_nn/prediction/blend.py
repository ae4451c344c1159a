"""Blends: a weighted sum of predictors that is itself a predictor, and its run folder.

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
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from recsys_nn.data.ratings import Ratings
from recsys_nn.data.stream import RatingsStream
from recsys_nn.encoding.joint import JointEncoder
from recsys_nn.errors import ArtifactError, DataError
from recsys_nn.files.strict_json import read_json
from recsys_nn.prediction.intervals import Calibration
from recsys_nn.prediction.predictor import Predictor
from recsys_nn.prediction.saving.folder import Documents, write_documents, write_folder
from recsys_nn.prediction.saving.manifest import MANIFEST, listed_files, verified, write_manifest
from recsys_nn.prediction.saving.parts import BLEND, read_calibration
from recsys_nn.training.config import TrainConfig

MOST_MEMBERS = 100


class _Member(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str
    weight: float


class _State(BaseModel):
    """What blend.json holds."""

    model_config = ConfigDict(extra="forbid")

    members: list[_Member] = Field(min_length=1, max_length=MOST_MEMBERS)

    @field_validator("members")
    @classmethod
    def _have_names_of_their_own(cls, members: list[_Member]) -> list[_Member]:
        if len({member.name for member in members}) < len(members):
            raise ValueError("two members have one name")
        return members


class BlendedPredictor(Predictor):
    """Predicts r̂ = μ + Σ_k w_k (r̂_k − μ), clipped to the rating scale; μ is the mean of the training ratings.

    What it knows of ids (``source``, counts, baselines) is what its first member knows. It gives no probabilities.

    Args:
        members: predictors by name, trained on the same ratings; their features may differ.
        weights: w_k by name.
        calibration: what its intervals rest on, where it has some; :meth:`calibrated` makes it.

    Raises:
        DataError: where the members were not trained on the same ratings.
    """

    def __init__(
        self,
        members: Mapping[str, Predictor],
        weights: Mapping[str, float],
        *,
        calibration: Calibration | None = None,
    ) -> None:
        from recsys_nn.models.layers.blended import BlendedModel

        encoder = JointEncoder.of({name: member.encoder for name, member in members.items()})
        model = BlendedModel(
            [(member.model, member.input_names) for member in members.values()],
            [weights[name] for name in members],
            mean=encoder.rating_mean,
            scale=encoder.scale,
        )
        seen = next((member.seen for member in members.values()), None)
        super().__init__(model, encoder, calibration=calibration, seen=seen)
        self.members = dict(members)
        self.weights = {name: float(weights[name]) for name in members}

    def with_history(self, history: pd.DataFrame | Ratings) -> BlendedPredictor:
        """The blend of the members that also know these ids (:meth:`Predictor.with_history`).

        Args:
            history: as of :meth:`Predictor.with_history`.

        Raises:
            DataError: naming a member whose kind takes no history.
        """
        return self._of(lambda member: member.with_history(history))

    def fold_in(self, ratings: pd.DataFrame | Ratings) -> BlendedPredictor:
        """The blend of the members that also know these ids (:meth:`Predictor.fold_in`); its weights stay.

        Args:
            ratings: as of :meth:`Predictor.fold_in`.

        Raises:
            DataError: naming a member that cannot.
        """
        return self._of(lambda member: member.fold_in(ratings))

    def update(
        self, ratings: pd.DataFrame | Ratings, *, training: TrainConfig | None = None, progress: bool = False
    ) -> BlendedPredictor:
        """The blend of the members that have gone on training (:meth:`Predictor.update`); its weights stay.

        Args:
            ratings: as of :meth:`Predictor.update`.
            training: likewise.
            progress: likewise.

        Raises:
            DataError: naming a member that cannot.
        """
        return self._of(lambda member: member.update(ratings, training=training, progress=progress))

    def with_seen(self, *ratings: Ratings | RatingsStream) -> BlendedPredictor:
        """The blend of the members that know what their users have rated (:meth:`Predictor.with_seen`).

        Args:
            ratings: as of :meth:`Predictor.with_seen`.
        """
        return self._of(lambda member: member.with_seen(*ratings))

    def _of(self, change: Callable[[Predictor], Predictor]) -> BlendedPredictor:
        """The blend of changed members; a DataError of one of them names it."""
        changed = {}
        for name, member in self.members.items():
            try:
                changed[name] = change(member)
            except DataError as error:
                raise DataError(f"{name}: {error}") from error
        return BlendedPredictor(changed, self.weights, calibration=self.calibration)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Writes the run folder that :meth:`Predictor.load` reads (see ``prediction/blend.py``).

        Raises:
            ArtifactError: where the folder exists, or the kind of a member's model is not registered.
        """
        return write_blend(path, self, overwrite=overwrite)


def write_blend(
    path: str | Path,
    blend: BlendedPredictor,
    *,
    folders: Mapping[str, Path] | None = None,
    documents: Documents | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes a blend, its members and further files as one run folder.

    Args:
        path: of the folder.
        blend: what is written.
        folders: run folders of members by name, which are copied with all that they record; other members are saved.
        documents: the further files.
        overwrite: whether a run that already stands there is replaced.

    Raises:
        ArtifactError: as of ``write_run_folder``.
    """

    def fill(draft: Path) -> None:
        for place, (name, member) in enumerate(blend.members.items(), start=1):
            if folders and name in folders:
                _copy(folders[name], member_folder(draft, place))
            else:
                member.save(member_folder(draft, place))
        state = {"members": [{"name": name, "weight": weight} for name, weight in blend.weights.items()]}
        write_documents(draft, blend, {BLEND: json.dumps(state, indent=2) + "\n", **(documents or {})})
        sizes = {"users": blend.encoder.n_users, "items": blend.encoder.n_items}
        write_manifest(draft, model_kind="blend", sizes=sizes, shapes={})

    return write_folder(path, fill, overwrite=overwrite)


def read_blend(path: Path, *, sha256: str | None = None) -> BlendedPredictor:
    """The blend of a run folder.

    Args:
        path: of the folder.
        sha256: of its manifest, where the caller knows it.

    Raises:
        ArtifactError: naming the file, of the blend or of a member, and why it cannot be used.
    """
    folder = verified(path, required=(BLEND,), sha256=sha256)
    state: _State = read_json(folder.read(BLEND), _State, str(path / BLEND))
    calibration = read_calibration(folder)
    loaded = {
        member.name: Predictor.load(member_folder(path, place)) for place, member in enumerate(state.members, start=1)
    }
    sizes = folder.manifest.sizes
    try:
        blend = BlendedPredictor(
            loaded, {member.name: member.weight for member in state.members}, calibration=calibration
        )
    except DataError as error:
        raise ArtifactError(f"{path}: its members do not belong together: {error}") from error
    if (sizes.users, sizes.items) != (blend.encoder.n_users, blend.encoder.n_items):
        raise ArtifactError(f"{path}: its members do not have the sizes that {MANIFEST} states")
    return blend


def member_folder(folder: Path, place: int) -> Path:
    """Where the member in this place, from 1 on, lies in the folder of a blend."""
    return folder / f"member_{place}"


def _copy(run: Path, place: Path) -> None:
    for name in (MANIFEST, *listed_files(run)):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(run / name, place / name)
