"""YAML read strictly: plain types only, names for keys, none of them twice."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from recsys_nn.errors import ConfigError


class _StrictLoader(yaml.SafeLoader):
    """YAML's plain types only, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise ConfigError(f"line {line}: merging (<<) is not supported; write the keys out")
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise ConfigError(f"line {line}: the key {key!r} is not a name")
            if key in seen:
                raise ConfigError(f"line {line}: the key {key!r} stands twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


# YAML 1.1 takes 1e-8, without a dot, for a text.
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping in a YAML file, or a ConfigError with the line that is wrong."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{file} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None
    return parse_yaml(text, str(file))


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """The mapping in a text of this name, or a ConfigError with the line that is wrong."""
    try:
        values = yaml.load(text, Loader=_StrictLoader)
    except ConfigError as error:
        raise ConfigError(f"{name}, {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{name} does not hold a mapping of sections (seed, output, data, model, training)")
    return values


def with_override(values: Mapping[str, Any], override: str) -> dict[str, Any]:
    """``values`` with one of them changed by ``"dotted.path=value"``."""
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise ConfigError(f"{override!r} is not of the form dotted.path=value, like training.epochs=5")
    try:
        value = yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        if text[:1] in ("{", "["):
            raise ConfigError(f"{override!r}: the value is not YAML: {' '.join(str(error).split())}") from None
        value = text
    if value == "":
        value = text  # such as the separator |, with which YAML begins a block
    return with_value(values, path, value)


def with_value(values: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """``values`` with that at a dotted path in the place of what was there."""
    return _set(values, path.split("."), value)


def _set(values: Any, path: list[str], value: Any) -> dict[str, Any]:
    section = dict(values) if isinstance(values, Mapping) else {}
    head, *rest = path
    section[head] = _set(section.get(head), rest, value) if rest else value
    return section
