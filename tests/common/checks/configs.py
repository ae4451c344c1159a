"""What a kind's config promises."""

import copy
import pickle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pydantic import ValidationError

import recsys_nn as rn
from tests.common.subject import Subject


def of_run(config: rn.ModelConfig, **changed: Any) -> dict[str, Any]:
    """The config of a run as a mapping, whose data nothing has read yet."""
    return {"data": {"source": "no such file.csv"}, "model": {"kind": config.kind, **changed}}


def settings(config: rn.ModelConfig) -> list[str]:
    """The names of all but its kind, which :func:`check_a_config_has_no_other_kind` is about."""
    return [name for name in type(config).model_fields if name != "kind"]


def check_the_kind_is_its_defaults(subject: Subject) -> None:
    """A run that names the kind alone has the config without any setting."""
    assert rn.load_config(of_run(subject.config)).model == subject.config


def check_a_run_comes_back_from_yaml(subject: Subject) -> None:
    """A run's config, written as YAML and read, is the same config."""
    config = rn.load_config(of_run(subject.config))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "run.yaml"
        file.write_text(config.to_yaml(), encoding="utf-8")
        assert rn.load_config(file) == config


def check_an_unknown_setting_is_refused_before_anything_is_read(subject: Subject) -> None:
    """A setting that the kind does not have is a ConfigError with its path, though the data do not exist either."""
    with pytest.raises(rn.ConfigError, match="model.no_such_setting"):
        rn.run_experiment(of_run(subject.config, no_such_setting=1))


def check_nonsense_is_refused(subject: Subject) -> None:
    """Each setting but free texts refuses a text that means nothing, naming the path."""
    for name in settings(subject.config):
        if type(subject.config).model_fields[name].annotation is not str:
            with pytest.raises(rn.ConfigError, match=f"model.{name}"):
                rn.load_config(of_run(subject.config, **{name: "no such value"}))


def check_numbers_are_finite(subject: Subject) -> None:
    """Each setting refuses NaN and infinity, naming the path."""
    for name in settings(subject.config):
        for value in (float("nan"), float("inf")):
            with pytest.raises(rn.ConfigError, match=f"model.{name}"):
                rn.load_config(of_run(subject.config, **{name: value}))


def check_a_config_does_not_change(subject: Subject) -> None:
    """No field of a config can be assigned to."""
    for name, value in subject.config:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(subject.config, name, value)


def check_a_config_is_a_value(subject: Subject) -> None:
    """Copied and pickled configs are equal to it."""
    for other in (copy.deepcopy(subject.config), pickle.loads(pickle.dumps(subject.config))):
        assert other == subject.config


def check_a_config_has_no_other_kind(subject: Subject) -> None:
    """The config class refuses the name of another kind."""
    with pytest.raises(ValidationError, match="kind"):
        type(subject.config)(kind="another")
