"""YAML read strictly: plain values only, names for keys, none of them twice; and written so that it reads back equal.

What a text can do is bounded before it is done: 1 MiB, 20 levels, 10,000 values, and neither anchors, aliases nor tags,
so that it cannot grow, refer to itself or name a type. Nothing in it is replaced by the environment.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from recsys_nn.errors import ConfigError

MAX_BYTES, MAX_DEPTH, MAX_VALUES, _MAX_DIGITS = 2**20, 20, 10_000, 300
_YAML = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)$")
_FLOAT = re.compile(
    r"[-+]?([0-9][0-9_]*\.[0-9_]*([eE][-+]?[0-9]+)?|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)$"
    r"|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"
)


class _NotYamlError(ConfigError):
    """A text that breaks YAML's own rules."""


class _StrictLoader(yaml.SafeLoader):
    """YAML loader that knows only texts, numbers, booleans, nulls, lists and mappings.

    Of what YAML 1.1 takes for other things, 2004-02-10, 1:30, 0x1f and 007 are texts, and 1e-8 is a number.
    """

    yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in forms if tag.removeprefix(_YAML) in ("bool", "null", "merge")]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._n_values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _refused(event, "anchors (&) and aliases (*) are not supported: write the value out")
        if event.tag is not None:
            raise _refused(event, f"tags ({_shortened(event.tag)}) are not supported: write a plain value")
        self._n_values += 1
        if self._n_values > MAX_VALUES:
            raise _refused(event, f"the text has more than {MAX_VALUES:,} values")
        nested = isinstance(event, yaml.CollectionStartEvent)
        if nested and self._depth == MAX_DEPTH:
            raise _refused(event, f"values are nested more than {MAX_DEPTH} levels deep")
        self._depth += nested
        node = super().compose_node(parent, index)
        self._depth -= nested
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.tag == _YAML + "merge":
                raise _refused(key_node, "merging (<<) is not supported: write the keys out")
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _refused(key_node, f"the key {_shortened(repr(key))} must be a name: write it in quotes")
            if key in seen:
                raise _refused(key_node, f"the key {_shortened(repr(key))} occurs twice: remove one")
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > _MAX_DIGITS:
            raise _refused(node, f"{_shortened(node.value)} has more than {_MAX_DIGITS} digits")
        return super().construct_yaml_int(node)

    def construct_yaml_str(self, node: yaml.ScalarNode) -> str:
        if re.search("[\ud800-\udfff]", node.value):
            raise _refused(node, f"{_shortened(repr(node.value))} holds half a character")
        return super().construct_yaml_str(node)


class _PlainDumper(yaml.SafeDumper):
    """YAML dumper that quotes texts which :class:`_StrictLoader` would otherwise read as something else."""

    def represent_str(self, text: str) -> yaml.ScalarNode:
        # PyYAML folds a text at the line end U+0085 in a way in which it cannot be read back; escaped, it can.
        return self.represent_scalar(_YAML + "str", text, style='"' if "\x85" in text else None)


_StrictLoader.add_implicit_resolver(_YAML + "int", _INT, list("-+0123456789"))
for _class in (_StrictLoader, _PlainDumper):
    _class.add_implicit_resolver(_YAML + "float", _FLOAT, list("-+.0123456789"))
_PlainDumper.add_representer(str, _PlainDumper.represent_str)
_StrictLoader.add_constructor(_YAML + "int", _StrictLoader.construct_yaml_int)
_StrictLoader.add_constructor(_YAML + "str", _StrictLoader.construct_yaml_str)


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping in a YAML file, or a ConfigError with the line and column that are wrong."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{file} does not exist") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(file)!r} cannot be read: {error}") from None
    return parse_yaml(content, str(file))


def parse_yaml(content: bytes, name: str) -> dict[str, Any]:
    """The mapping in the bytes of a file of this name, or a ConfigError with the line and column that are wrong."""
    try:
        values = _value(_decoded(content))
    except ConfigError as error:
        raise ConfigError(f"{name}, {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{name} must hold a mapping of sections, such as seed, output, data, model and training")
    return values


def dump_yaml(values: Any, **options: Any) -> str:
    """Plain values as YAML that reads back equal, keys in their order; the options are those of ``yaml.dump``."""
    return yaml.dump(values, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, **options)


def with_override(values: Mapping[str, Any], override: str) -> dict[str, Any]:
    """``values`` with one of them changed by ``"dotted.path=value"``."""
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise ConfigError(f"{override!r} must have the form dotted.path=value, such as training.epochs=5")
    try:
        value = _value(text)
    except _NotYamlError as error:
        if text[:1] in ("{", "["):
            raise ConfigError(f"{override!r}: {error}") from None
        value = text
    except ConfigError as error:
        raise ConfigError(f"{_shortened(repr(override))}: {error}") from None
    if value == "":
        value = text  # such as the separator |, with which YAML begins a block
    return with_value(values, path, value)


def with_value(values: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """``values`` with the one at a dotted path set to ``value``."""
    steps = path.split(".")
    if len(steps) > MAX_DEPTH:
        raise ConfigError(f"{_shortened(repr(path))} has more than {MAX_DEPTH} parts")
    return _set(values, steps, value)


def _set(values: Any, path: list[str], value: Any) -> dict[str, Any]:
    section = dict(values) if isinstance(values, Mapping) else {}
    head, *rest = path
    section[head] = _set(section.get(head), rest, value) if rest else value
    return section


def _decoded(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise ConfigError(f"line 1, column 1: the text is larger than {MAX_BYTES >> 20} MiB")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        place = _place_after(content[: error.start].decode())
        raise ConfigError(f"{place}: the byte 0x{content[error.start]:02x} is not UTF-8") from None


def _value(text: str) -> Any:
    """The value of a text, or a ConfigError that begins with the line and column."""
    if len(text) > MAX_BYTES:
        raise ConfigError(f"line 1, column 1: the text is larger than {MAX_BYTES >> 20} MiB")
    try:
        loader = _StrictLoader(text)
    except yaml.reader.ReaderError as error:
        problem = f"the character {chr(error.character)!r} is not allowed"
        raise _NotYamlError(f"{_place_after(text[: error.position])}: this is not YAML: {problem}") from None
    try:
        return loader.get_single_data()
    except ConfigError:
        raise
    except yaml.MarkedYAMLError as error:
        problem = " ".join(filter(None, (error.context, error.problem)))
        raise _NotYamlError(f"{_place(error.problem_mark)}: this is not YAML: {problem}") from None
    except (ValueError, OverflowError) as error:  # of escapes and directives with absurd numbers
        raise _NotYamlError(f"{_place(loader.get_mark())}: this is not YAML: {error}") from None


def _refused(found: yaml.Event | yaml.Node, problem: str) -> ConfigError:
    return ConfigError(f"{_place(found.start_mark)}: {problem}")


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _place_after(text: str) -> str:
    lines = text.split("\n")
    return f"line {len(lines)}, column {len(lines[-1]) + 1}"


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
