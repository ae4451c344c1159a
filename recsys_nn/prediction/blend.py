"""Blends: a weighted sum of predictors that is itself a predictor, and its run folder.

    manifest.json      as of any run folder, with size and SHA-256 of every file of the members too
    blend.json         the members' names and weights
    member_1, ...      the members in this order, each a whole run folder
    calibration.json   what intervals need, where the blend is calibrated
    and what ``rn.blend`` adds: metrics.json, data.json, validation.parquet

It is written, verified and read as ``prediction/run_folder.py`` says.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from recsys_nn.data.joint_encoding import JointEncoder
from recsys_nn.data.ratings import Ratings
from recsys_nn.errors import ArtifactError, DataError
from recsys_nn.prediction.calibration import Calibration
from recsys_nn.prediction.manifest import MANIFEST, listed_files, verified_manifest, write_manifest
from recsys_nn.prediction.predictor import Predictor
from recsys_nn.prediction.run_folder import BLEND, Documents, read_calibration, write_documents, write_folder
from recsys_nn.training.config import TrainConfig


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
        from recsys_nn.prediction.blended_model import BlendedModel

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

    def with_seen(self, *ratings: Ratings) -> BlendedPredictor:
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


def read_blend(folder: Path) -> BlendedPredictor:
    """The blend of a run folder.

    Raises:
        ArtifactError: naming the file, of the blend or of a member, and why it cannot be used.
    """
    manifest = verified_manifest(folder, required=(BLEND,))
    try:
        members = json.loads((folder / BLEND).read_text(encoding="utf-8"))["members"]
        weights = {str(member["name"]): float(member["weight"]) for member in members}
        if not weights or len(weights) < len(members) or not all(map(math.isfinite, weights.values())):
            raise ValueError("not a name and a weight for each member")
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{folder / BLEND}: not the members of a blend: {error}") from error
    loaded = {name: Predictor.load(member_folder(folder, place)) for place, name in enumerate(weights, start=1)}
    try:
        return BlendedPredictor(loaded, weights, calibration=read_calibration(folder, manifest))
    except DataError as error:
        raise ArtifactError(f"{folder}: its members do not belong together: {error}") from error


def member_folder(folder: Path, place: int) -> Path:
    """Where the member in this place, from 1 on, lies in the folder of a blend."""
    return folder / f"member_{place}"


def _copy(run: Path, place: Path) -> None:
    for name in (MANIFEST, *listed_files(run)):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(run / name, place / name)
