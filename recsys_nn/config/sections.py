"""Base of configs' sections, and pydantic's findings as ConfigErrors: dotted path, what is wrong, the nearest name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from recsys_nn.errors import ConfigError, did_you_mean, must_be_one_of, shown, worded

Model = TypeVar("Model", bound=BaseModel)


class Section(BaseModel):
    """Base of a config's sections: frozen, without unknown keys, and without NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def validated(config: type[Model], values: Any, path: tuple[str, ...] = ()) -> Model:
    """Validates ``values`` as a ``config``; ``path`` is where they stand in the whole.

    Raises:
        ConfigError: with a line for each problem.
    """
    if answers := list(_misplaced_answers([config], values, path)):
        raise ConfigError("\n".join(answers))
    try:
        return config.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_message(config, problem, path) for problem in error.errors())) from None


def _message(config: type[BaseModel], problem: Any, path: tuple[str, ...]) -> str:
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, ConfigError):
        return str(cause)
    location, known = _walk(config, problem["loc"])
    dotted = ".".join(map(str, (*path, *location)))
    if problem["type"] == "extra_forbidden":
        return f"{dotted}: there is no such key{did_you_mean(location[-1], known)}"
    if problem["type"] == "union_tag_invalid":
        tag, kinds = problem["ctx"]["tag"], _quoted(problem["ctx"]["expected_tags"])
        return f"{dotted}.kind: there is no kind {tag!r}{did_you_mean(tag, kinds)}"
    if problem["type"] == "union_tag_not_found":
        return f"{dotted}.kind is missing"
    if problem["type"] == "literal_error":
        return must_be_one_of(dotted, problem["input"], _quoted(problem["ctx"]["expected"]))
    if problem["type"] == "missing":
        return f"{dotted} is missing"
    return worded(dotted, problem, shown(problem["input"]))


def _quoted(text: str) -> list[str]:
    """The names in a list as pydantic writes it, ``'a', 'b' or 'c'``."""
    return re.findall(r"'([^']*)'", text)


def _walk(config: Any, location: tuple[str | int, ...]) -> tuple[list[str], list[str]]:
    """The path of a problem as the YAML has it, and the names that are known where it ends.

    Pydantic's location also has steps that the YAML has not: the kind of a section, the type of a value.
    """
    path: list[str] = []
    known: list[str] = []
    options = _section_types(config)
    for step in location:
        if isinstance(step, int):  # the place in a list of sections, or of values
            path.append(str(step))
            continue
        of_kind = [option for option in options if _kind(option) == step]
        if of_kind and len(options) > 1:
            options = of_kind
        elif options:
            known = [name for option in options for name in option.model_fields]
            fields = [option.model_fields[step] for option in options if step in option.model_fields]
            options = [option for field in fields for option in _section_types(field.annotation)]
            path.append(step)
    return path, known


def _kind(section: type[BaseModel]) -> Any:
    field = section.model_fields.get("kind")
    return None if field is None else field.default


def _misplaced_answers(options: Sequence[type[BaseModel]], values: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Yields a message for each yes or no where a number or a text belongs: pydantic would take them for 1 and 0."""
    for name, value in _named(values):
        taken = [option.model_fields[name].annotation for option in options if name in option.model_fields]
        parts = [part for annotation in taken for part in _parts(annotation)]
        given = value if isinstance(value, list | tuple) else [value]
        takes_answers = not parts or any(part in (bool, Any) for part in parts)
        if not takes_answers and any(isinstance(each, bool) for each in given):
            yield f"{'.'.join((*path, name))} cannot take yes or no, but is {shown(value)}"
        for each in given:
            yield from _misplaced_answers(_sections_among(parts), each, (*path, name))


def _named(values: Any) -> Iterator[tuple[str, Any]]:
    return ((str(name), value) for name, value in values.items()) if isinstance(values, Mapping) else iter(())


def _section_types(annotation: Any) -> list[type[BaseModel]]:
    """The config classes that an annotation allows."""
    return _sections_among(_parts(annotation))


def _sections_among(parts: Sequence[Any]) -> list[type[BaseModel]]:
    return [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]


def _parts(annotation: Any) -> list[Any]:
    """Types that an annotation is made of: int, an ellipsis and None for ``tuple[int, ...] | None``."""
    arguments = get_args(annotation)
    return [part for argument in arguments for part in _parts(argument)] if arguments else [annotation]
