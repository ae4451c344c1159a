"""Parts of a run folder, read and checked without TensorFlow: all that a stranger may have written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from recsys_nn.encoding import ENCODER_FILES, Encoder, SeenRatings, read_encoder
from recsys_nn.errors import ArtifactError, ConfigError
from recsys_nn.files import read_json
from recsys_nn.models import ModelConfig, model_kind
from recsys_nn.prediction.intervals import Calibration
from recsys_nn.prediction.saving.manifest import VerifiedFolder, read_manifest, verified
from recsys_nn.prediction.saving.weights import WEIGHTS, Weights, read_weights

MODEL = "model.json"
CALIBRATION = "calibration.json"
SEEN = "seen.parquet"
BLEND = "blend.json"
MAX_MEMBERS = 100


@dataclass(frozen=True, eq=False)
class RunParts:
    """The parts of a predictor, of which each is what its file states and all belong together.

    Attributes:
        folder: folder that they were read from.
        config: config of the model.
        encoder: encoder of the model's ids.
        weights: weights of the model, by place and path.
        n_members: number of members of an average; None for a single network.
        calibration: calibration of its intervals, where it has some.
        seen: the ratings that are known, where they are kept.
    """

    folder: Path
    config: ModelConfig
    encoder: Encoder
    weights: Weights
    n_members: int | None
    calibration: Calibration | None
    seen: SeenRatings | None

    @classmethod
    def read(cls, path: Path, *, sha256: str | None = None) -> RunParts:
        """Reads and checks the parts of a run folder that is no blend.

        Args:
            path: path of the run folder.
            sha256: SHA-256 of its manifest, where the caller knows it.

        Raises:
            ArtifactError: naming the file and why it cannot be used.
        """
        folder = verified(path, required=(MODEL, WEIGHTS, *ENCODER_FILES), sha256=sha256)
        sizes = folder.manifest.sizes
        encoder = Encoder(**read_encoder(path, folder.read, {"user": sizes.users, "item": sizes.items}))
        return cls(
            folder=path,
            config=_model_config(folder),
            encoder=encoder,
            weights=read_weights(folder),
            n_members=sizes.members,
            calibration=_read_calibration(folder),
            seen=_read_seen(folder, encoder),
        )


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
            raise ValueError("two members have the same name")
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
        calibration=_read_calibration(folder),
        members={
            member.name: read_parts(member_folder(path, place)) for place, member in enumerate(state.members, start=1)
        },
        weights={member.name: member.weight for member in state.members},
        sizes=(sizes.users, sizes.items),
    )


def member_folder(folder: Path, place: int) -> Path:
    """Folder of the member in this place, from 1 on, in the folder of a blend."""
    return folder / f"member_{place}"


def _read_calibration(folder: VerifiedFolder) -> Calibration | None:
    """Reads the calibration in a run folder; None where its manifest lists none."""
    if CALIBRATION not in folder:
        return None
    calibration: Calibration = read_json(folder.read(CALIBRATION), Calibration, str(folder.path / CALIBRATION))
    return calibration


def _model_config(folder: VerifiedFolder) -> ModelConfig:
    file, kind = folder.path / MODEL, folder.manifest.model_kind
    try:
        config_class = model_kind(kind).config
    except ConfigError as error:
        raise ArtifactError(f"{file}: {error}; import the module that registers it before loading") from error
    config: ModelConfig = read_json(folder.read(MODEL), config_class, str(file))  # which names its kind
    return config


def _read_seen(folder: VerifiedFolder, encoder: Encoder) -> SeenRatings | None:
    if SEEN not in folder:
        return None
    return SeenRatings.from_parquet(folder.read(SEEN), encoder, str(folder.path / SEEN))
