"""Reading of the models that a comparison or a blend is given, by name, each as what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from recsys_nn.config import YAML_SUFFIXES, RunConfig, load_config
from recsys_nn.errors import ConfigError, must_be
from recsys_nn.models import ModelConfig
from recsys_nn.prediction import Predictor
from recsys_nn.runs import Concluded, FinishedRun

Model = ModelConfig | RunConfig | Predictor | FinishedRun | Concluded | str | Path
Sort = TypeVar("Sort", ModelConfig, RunConfig, FinishedRun)


def opened_by_name(models: Mapping[str, Model] | Sequence[Model]) -> dict[str, ModelConfig | RunConfig | FinishedRun]:
    """Reads files and folders, and names a list's models: by kinds, files or folders, numbered where repeated.

    Raises:
        ConfigError: where they are neither a list nor a dict, or one is no model.
        ArtifactError: of a run folder that cannot be used.
    """
    return {name: _opened(model) for name, model in _named(models).items()}


def all_of(sort: type[Sort], models: Mapping[str, object]) -> dict[str, Sort]:
    """The models, if all are of this sort; else none."""
    chosen = {name: model for name, model in models.items() if isinstance(model, sort)}
    return chosen if len(chosen) == len(models) else {}


def sorts(models: Mapping[str, object]) -> str:
    """Names the type of each model, for error messages."""
    return ", ".join(f"{name!r} is of type {type(model).__name__}" for name, model in models.items())


def _named(models: Mapping[str, Model] | Sequence[Model]) -> dict[str, Model]:
    if isinstance(models, Mapping):
        return dict(models)
    if isinstance(models, str) or not isinstance(models, Sequence):
        raise ConfigError(must_be("models", "a list of models, or a dict of them by name", models))
    short = [_short_name(model) for model in models]
    names = [
        str(model) if isinstance(model, str | Path) and short.count(name) > 1 else name
        for name, model in zip(short, models, strict=True)
    ]
    numbered = (
        f"{name} {names[: place + 1].count(name)}" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    )
    return dict(zip(numbered, models, strict=True))


def _short_name(model: Model) -> str:
    if isinstance(model, str | Path):
        path = Path(model)
        return path.stem if path.suffix in YAML_SUFFIXES else path.resolve().name
    if isinstance(model, RunConfig):
        return model.model.kind
    if isinstance(model, Concluded):
        return _short_name(model.finished)
    if isinstance(model, FinishedRun):
        return _short_name(model.predictor if model.folder is None else model.folder)
    if isinstance(model, Predictor):
        return model.model.name
    return getattr(model, "kind", type(model).__name__)


def _opened(model: Model) -> ModelConfig | RunConfig | FinishedRun:
    if isinstance(model, ModelConfig | RunConfig | FinishedRun):
        return model
    if isinstance(model, Concluded):
        return model.finished
    if isinstance(model, Predictor):
        return FinishedRun(model)
    if isinstance(model, str | Path):
        return load_config(model) if Path(model).suffix in YAML_SUFFIXES else FinishedRun.load(Path(model))
    raise ConfigError(
        must_be("a model", "a model config (rn.SVDConfig()), a YAML file, a run folder or a Predictor", model)
    )
