"""What users' YAML, saved runs and calls rely on: the fields of configs and file formats, and arguments' defaults."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import recsys_nn


def values() -> Iterator[Any]:
    """All that the modules define, but those of the cluster, which need Ray and hold no config."""
    for found in pkgutil.walk_packages(recsys_nn.__path__, "recsys_nn."):
        if not found.name.startswith("recsys_nn.cluster."):
            for value in vars(importlib.import_module(found.name)).values():
                if getattr(value, "__module__", "") == found.name:
                    yield value


def is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


MODELS = {f"{model.__module__}.{model.__qualname__}": model for model in values() if is_model(model)}


@pytest.mark.parametrize("name", MODELS)
def test_fields(name, snapshot):
    model = MODELS[name]
    settings = ", ".join(f"{setting}={value!r}" for setting, value in sorted(model.model_config.items()))
    assert [settings, *(f"{field}: {described(info)}" for field, info in model.model_fields.items())] == snapshot


def described(info: FieldInfo) -> str:
    default = "required" if info.is_required() else repr(info.get_default(call_default_factory=True))
    return f"{info.annotation} = {default} {info.metadata or ''}".rstrip()


def test_defaults(snapshot):
    """Of every argument of every function and method."""
    told = set()
    for function in functions():
        parameters = inspect.signature(function).parameters.values()
        defaults = [f"{each.name}={shown(each.default)}" for each in parameters if each.default is not each.empty]
        if defaults:
            told.add(f"{function.__module__}.{function.__qualname__}: {', '.join(defaults)}")
    assert sorted(told) == snapshot


def functions() -> Iterator[Callable[..., Any]]:
    for value in values():
        for each in vars(value).values() if isinstance(value, type) and not is_model(value) else [value]:
            function = inspect.unwrap(getattr(each, "__func__", each))
            if inspect.isfunction(function) and function.__module__ == value.__module__:
                yield function


def shown(value: Any) -> str:
    """A value without its address in memory."""
    return getattr(value, "__name__", type(value).__name__) if " at 0x" in repr(value) else repr(value)
