"""A whole run as one value: RunConfig, and YAML to and from it."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, field_validator, model_validator

from recsys_nn.data.datasets import dataset_names
from recsys_nn.data.ratings import Duplicates, Ratings
from recsys_nn.data.readers import TableFormat
from recsys_nn.data.splits import Split, leave_last_out_split, random_split, stratified_split, temporal_split
from recsys_nn.errors import ConfigError, did_you_mean
from recsys_nn.models import ModelConfig, SVDConfig, model_kind, model_kinds
from recsys_nn.training.config import TrainConfig

Fraction = Annotated[float, Field(ge=0, lt=1)]
Model = TypeVar("Model", bound=BaseModel)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RandomSplitConfig(_Section):
    """Ratings drawn at random; ``test`` of all, ``validation`` of the rest."""

    kind: Literal["random"] = "random"
    validation: Fraction = 0.1
    test: Fraction = 0.1

    def apply(self, ratings: Ratings, seed: int) -> Split:
        return random_split(ratings, validation=self.validation, test=self.test, seed=seed)


class StratifiedSplitConfig(RandomSplitConfig):
    """The same fractions of every user's ratings."""

    kind: Literal["stratified"] = "stratified"  # type: ignore[assignment]

    def apply(self, ratings: Ratings, seed: int) -> Split:
        return stratified_split(ratings, validation=self.validation, test=self.test, seed=seed)


class TemporalSplitConfig(RandomSplitConfig):
    """The latest ratings held out."""

    kind: Literal["temporal"] = "temporal"  # type: ignore[assignment]

    def apply(self, ratings: Ratings, seed: int) -> Split:
        return temporal_split(ratings, validation=self.validation, test=self.test)


class LeaveLastOutSplitConfig(_Section):
    """Each user's last ``n`` ratings held out."""

    kind: Literal["leave_last_out"] = "leave_last_out"
    validation: Fraction = 0.1
    n: int = Field(1, ge=1)

    def apply(self, ratings: Ratings, seed: int) -> Split:
        return leave_last_out_split(ratings, validation=self.validation, n=self.n)


class FilesSplitConfig(_Section):
    """Given files, in the format of ``source`` where that names a data set (and in its folder).

    ``validation`` is a file or the fraction of the training file that is held out at random.
    """

    kind: Literal["files"] = "files"
    train: str
    test: str | None = None
    validation: Fraction | str = 0.1


SplitConfig = Annotated[
    RandomSplitConfig | StratifiedSplitConfig | TemporalSplitConfig | LeaveLastOutSplitConfig | FilesSplitConfig,
    Field(discriminator="kind"),
]


class DataConfig(_Section):
    """Where the ratings come from and how they are split.

    Args:
        source: a named data set or a file; left out where the split names files of one's own.
        options: of a named data set, such as the size of ``synthetic``.
        format: how a file of one's own is laid out.
        scale: (lowest, highest) possible rating, for a file of one's own.
        duplicates: what to do with repeated pairs: error, last or mean.
        split: the training, validation and test parts.
    """

    source: str | None = None
    options: dict[str, Any] = {}
    format: TableFormat = TableFormat()
    scale: tuple[float, float] | None = None
    duplicates: Duplicates = "error"
    split: SplitConfig = RandomSplitConfig()

    @field_validator("split", mode="before")
    @classmethod
    def _random_unless_said(cls, value: Any) -> Any:
        return {"kind": "random", **value} if isinstance(value, Mapping) else value

    @property
    def is_dataset(self) -> bool:
        """Whether ``source`` is a named data set."""
        return self.source in dataset_names()

    @model_validator(mode="after")
    def _has_no_setting_without_effect(self) -> DataConfig:
        of_files = isinstance(self.split, FilesSplitConfig)
        if self.source is None and not of_files:
            raise ConfigError("data.source: say which ratings to read: a file, or one of `recsys-nn datasets`")
        if of_files and self.source is not None and not self.is_dataset:
            raise ConfigError("data.source: the split names files of its own; leave the source out, or name a data set")
        if self.options and (of_files or not self.is_dataset):
            raise ConfigError("data.options: they are a named data set's, and files have none")
        if self.is_dataset:
            for name in ("format", "scale", "duplicates"):
                if getattr(self, name) != DataConfig.model_fields[name].default:
                    raise ConfigError(f"data.{name}: that of the data set {self.source!r} is known; leave it out")
        if self.scale is not None and self.scale[0] >= self.scale[1]:
            raise ConfigError(f"data.scale: {list(self.scale)} is not [lowest, highest] with lowest < highest")
        return self


class RunConfig(_Section):
    """One run: data, model, training. A YAML file is one RunConfig.

    Args:
        seed: of the split, the initial weights and the training order.
        output: the run folder to write; none where left out.
        data: the ratings.
        model: a config of any registered kind.
        training: the Trainer's settings; its ``seed`` is the run's unless given.
    """

    seed: int = Field(0, ge=0, lt=2**31)
    output: str | None = None
    data: DataConfig
    model: SerializeAsAny[ModelConfig] = SVDConfig()
    training: TrainConfig = TrainConfig()

    @model_validator(mode="before")
    @classmethod
    def _one_seed(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = {name: value for name, value in values.items() if value is not None}  # an empty section
        training = values.get("training", {})
        if isinstance(training, Mapping):
            if "validation" in training:
                raise ConfigError("training.validation: in a run, data.split.validation says what is held out")
            values["training"] = {"seed": values.get("seed", 0), **training}
        return values

    @field_validator("model", mode="before")
    @classmethod
    def _of_its_kind(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        if "kind" not in value:
            raise ConfigError(f"model.kind: say which: {', '.join(model_kinds())}")
        try:
            config = model_kind(str(value["kind"])).config
        except ConfigError as error:
            raise ConfigError(f"model.kind: {error}") from None
        return _validated(config, value, ("model",))

    def to_yaml(self) -> str:
        """The whole resolved config, defaults included, as YAML that reads back equal."""
        values = self.model_dump(mode="json", exclude={"training": {"validation"}})
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def load_config(source: str | Path | Mapping[str, Any], *, overrides: Sequence[str] = ()) -> RunConfig:
    """A RunConfig from a YAML file or a mapping; ``overrides`` are ``"dotted.path=value"``, as in ``--set``.

    Raises:
        ConfigError: for each wrong key or value, its dotted path and the nearest valid name.
    """
    values = dict(source) if isinstance(source, Mapping) else _read_yaml(Path(source))
    for override in overrides:
        values = _with_override(values, override)
    return _validated(RunConfig, values)


def config_schema() -> dict[str, Any]:
    """The JSON schema of the YAML files, which editors complete from."""
    schema = RunConfig.model_json_schema()
    kinds = [kind.config for kind in model_kinds().values()]
    for config in kinds:
        own = config.model_json_schema()
        schema["$defs"] |= own.pop("$defs", {})
        schema["$defs"][config.__name__] = own
    for name in ("StratifiedSplitConfig", "TemporalSplitConfig", "LeaveLastOutSplitConfig", "FilesSplitConfig"):
        required = schema["$defs"][name].setdefault("required", [])
        schema["$defs"][name]["required"] = sorted({*required, "kind"})  # a split without a kind is a random one
    schema["properties"]["model"] = {"oneOf": [{"$ref": f"#/$defs/{config.__name__}"} for config in kinds]}
    return schema


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


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        values = yaml.load(file.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except FileNotFoundError:
        raise ConfigError(f"{file} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"{file}, {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{file} does not hold a mapping of sections (seed, output, data, model, training)")
    return values


def _with_override(values: dict[str, Any], override: str) -> dict[str, Any]:
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
    return _set(values, path.split("."), value)


def _set(values: Any, path: list[str], value: Any) -> dict[str, Any]:
    section = dict(values) if isinstance(values, Mapping) else {}
    head, *rest = path
    section[head] = _set(section.get(head), rest, value) if rest else value
    return section


def _validated(config: type[Model], values: Any, path: tuple[str, ...] = ()) -> Model:
    try:
        return config.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_message(config, problem, path) for problem in error.errors())) from None


def _message(config: type[BaseModel], problem: Any, path: tuple[str, ...]) -> str:
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, ConfigError):
        return str(cause)
    location, known = _walk(config, problem["loc"])
    dotted = ".".join((*path, *location))
    if problem["type"] == "extra_forbidden":
        return f"{dotted}: there is no such key{did_you_mean(location[-1], known)}"
    if problem["type"] == "union_tag_invalid":
        return f"{dotted}.kind: there is no kind {problem['ctx']['tag']!r}{did_you_mean(*_tags(problem))}"
    if problem["type"] == "union_tag_not_found":
        return f"{dotted}.kind: is missing"
    if problem["type"] == "literal_error":
        expected = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
        return f"{dotted}: {problem['input']!r} is not known{did_you_mean(str(problem['input']), expected)}"
    if problem["type"] == "missing":
        return f"{dotted}: is missing"
    return f"{dotted}: {problem['msg'][0].lower()}{problem['msg'][1:]}, not {problem['input']!r}"


def _tags(problem: Any) -> tuple[str, list[str]]:
    expected = problem["ctx"]["expected_tags"]
    return problem["ctx"]["tag"], [tag.strip().strip("'") for tag in expected.split(",")]


def _walk(config: Any, location: tuple[str | int, ...]) -> tuple[list[str], list[str]]:
    """The path of a problem as the YAML has it, and the names that are known where it ends.

    Pydantic's location also has steps that the YAML has not: the kind of a section, the type of a value.
    """
    path: list[str] = []
    known: list[str] = []
    options = _section_types(config)
    for step in location:
        of_kind = [option for option in options if _kind(option) == step]
        if of_kind and len(options) > 1:
            options = of_kind
        elif options:
            known = [name for option in options for name in option.model_fields]
            fields = [option.model_fields[step] for option in options if step in option.model_fields]
            options = [option for field in fields for option in _section_types(field.annotation)]
            path.append(str(step))
        elif isinstance(step, int):
            path.append(str(step))
    return path, known


def _kind(section: type[BaseModel]) -> Any:
    field = section.model_fields.get("kind")
    return None if field is None else field.default


def _section_types(annotation: Any) -> list[type[BaseModel]]:
    """The config classes that an annotation allows."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [option for argument in get_args(annotation) for option in _section_types(argument)]
