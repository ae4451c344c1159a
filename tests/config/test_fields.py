"""Every field of every config and file format: its type, default and bounds, as users' YAML and saved runs rely on."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import recsys_nn


def models() -> Iterator[type[BaseModel]]:
    """Those of all modules but the cluster's, which hold none."""
    for found in pkgutil.walk_packages(recsys_nn.__path__, "recsys_nn."):
        if not found.name.startswith("recsys_nn.cluster."):
            for value in vars(importlib.import_module(found.name)).values():
                if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == found.name:
                    yield value


MODELS = {f"{model.__module__}.{model.__qualname__}": model for model in models()}


@pytest.mark.parametrize("name", MODELS)
def test_fields(name, snapshot):
    model = MODELS[name]
    settings = ", ".join(f"{setting}={value!r}" for setting, value in sorted(model.model_config.items()))
    assert [settings, *(f"{field}: {described(info)}" for field, info in model.model_fields.items())] == snapshot


def described(info: FieldInfo) -> str:
    default = "required" if info.is_required() else repr(info.get_default(call_default_factory=True))
    return f"{info.annotation} = {default} {info.metadata or ''}".rstrip()
