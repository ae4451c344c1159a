"""A whole run as one value: RunConfig, and YAML to and from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from recsys_nn.config.cluster import ClusterConfig
from recsys_nn.config.search import SearchConfig
from recsys_nn.config.sections import Section, validated
from recsys_nn.config.tracking import TrackingConfig
from recsys_nn.data import (
    Duplicates,
    Ratings,
    Split,
    TableFormat,
    dataset_names,
    leave_last_out_split,
    random_split,
    stratified_split,
    temporal_split,
)
from recsys_nn.encoding import FeaturesConfig
from recsys_nn.errors import ConfigError
from recsys_nn.files import dump_yaml, read_yaml, with_override, with_value
from recsys_nn.models import ModelConfig, SVDConfig, model_kind, model_kinds
from recsys_nn.posterior import PosteriorConfig
from recsys_nn.training import TrainConfig

YAML_SUFFIXES = (".yaml", ".yml")
Fraction = Annotated[float, Field(ge=0, lt=1)]


class RandomSplitConfig(Section):
    """Holds out ratings drawn at random; ``test`` of all, ``validation`` of the rest."""

    kind: Literal["random"] = "random"
    validation: Fraction = 0.1
    test: Fraction = 0.1

    def apply(self, ratings: Ratings, seed: int) -> Split:
        return random_split(ratings, validation=self.validation, test=self.test, seed=seed)


class StratifiedSplitConfig(RandomSplitConfig):
    """Holds out the same fractions of every user's ratings, drawn at random."""

    kind: Literal["stratified"] = "stratified"  # type: ignore[assignment]

    def apply(self, ratings: Ratings, seed: int) -> Split:
        return stratified_split(ratings, validation=self.validation, test=self.test, seed=seed)


class TemporalSplitConfig(RandomSplitConfig):
    """Holds out the latest ratings."""

    kind: Literal["temporal"] = "temporal"  # type: ignore[assignment]

    def apply(self, ratings: Ratings, seed: int) -> Split:
        return temporal_split(ratings, validation=self.validation, test=self.test)


class LeaveLastOutSplitConfig(Section):
    """Holds out each user's last ``n`` ratings."""

    kind: Literal["leave_last_out"] = "leave_last_out"
    validation: Fraction = 0.1
    n: int = Field(default=1, ge=1)

    def apply(self, ratings: Ratings, seed: int) -> Split:
        return leave_last_out_split(ratings, validation=self.validation, n=self.n)


class FilesSplitConfig(Section):
    """Takes the parts from given files, in the format of ``source`` where that names a data set (and in its folder).

    ``validation`` is a file or the fraction of the training file that is held out at random. With ``data.stream``
    ``train`` may be a folder of Parquet files, and a fraction is drawn in the same proportion from every million of
    their ratings, so that it is not that of a table in memory.
    """

    kind: Literal["files"] = "files"
    train: str
    test: str | None = None
    validation: Fraction | str = 0.1


SplitConfig = Annotated[
    RandomSplitConfig | StratifiedSplitConfig | TemporalSplitConfig | LeaveLastOutSplitConfig | FilesSplitConfig,
    Field(discriminator="kind"),
]


class DataConfig(Section):
    """Source of the ratings, and how they are split.

    Args:
        source: a named data set or a file; left out where the split names files of one's own, and for ratings in
            memory.
        options: options of a named data set, such as the size of ``synthetic``.
        format: how a file of one's own is laid out; ``format.features`` are further columns to keep.
        scale: (lowest, highest) possible rating, for a file of one's own.
        duplicates: what to do with repeated pairs: error, last or mean.
        user_features: beside files of one's own, a CSV or Parquet file of what is known of users, with their ids.
        item_features: a file of what is known of items, likewise.
        features: columns of these, and of the ratings, that models shall see, and times in which users drift.
        liked: threshold that makes ratings 1 where they are at least this, and 0 where they are below, for a binary
            model.
        split: the training, validation and test parts.
        stream: whether the training ratings are read part by part, from Parquet that need not fit into memory
            (``split.train``, a file or a folder). Repeated pairs are not looked for, features and times are not read.
    """

    source: str | None = None
    options: dict[str, Any] = {}
    format: TableFormat = TableFormat()
    scale: tuple[float, float] | None = None
    duplicates: Duplicates = "error"
    user_features: str | None = None
    item_features: str | None = None
    features: FeaturesConfig = FeaturesConfig()
    liked: float | None = None
    split: SplitConfig = RandomSplitConfig()
    stream: bool = False

    @field_validator("split", mode="before")
    @classmethod
    def _random_unless_said(cls, value: Any) -> Any:
        return {"kind": "random", **value} if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _has_no_setting_without_effect(self) -> DataConfig:
        of_files = isinstance(self.split, FilesSplitConfig)
        named = self.source in dataset_names()
        if of_files and self.source is not None and not named:
            raise ConfigError("data.source must be left out or name a data set, as data.split names files")
        if self.options and (of_files or not named):
            raise ConfigError("data.options must be left out, as only named data sets have options")
        if named:
            for name in ("format", "scale", "duplicates", "user_features", "item_features"):
                if getattr(self, name) != DataConfig.model_fields[name].default:
                    raise ConfigError(f"data.{name} must be left out, as the data set {self.source!r} sets its own")
        elif self.source is not None or of_files:
            for side in ("user", "item"):
                if getattr(self.features, side) and getattr(self, f"{side}_features") is None:
                    raise ConfigError(
                        f"data.features.{side} needs a file of features: name it with data.{side}_features"
                    )
        for side in ("user", "item"):
            if getattr(self, f"{side}_features") is not None and not getattr(self.features, side):
                raise ConfigError(
                    f"data.{side}_features needs data.features.{side}: name there the columns that are features"
                )
        if self.scale is not None and self.scale[0] >= self.scale[1]:
            raise ConfigError(f"data.scale must be [lowest, highest] with lowest < highest, not {list(self.scale)}")
        return self

    @model_validator(mode="after")
    def _can_be_streamed(self) -> DataConfig:
        if not self.stream:
            return self
        if not isinstance(self.split, FilesSplitConfig):
            raise ConfigError(
                "data.stream needs Parquet files of training ratings: name them, such as with "
                "data.split: {kind: files, train: ratings.parquet, validation: 0.1, test: test.csv}"
            )
        if self.source is not None:
            raise ConfigError("data.source cannot be streamed: leave it out, or leave data.stream out")
        for name in ("features", "user_features", "item_features", "duplicates"):
            if getattr(self, name) != DataConfig.model_fields[name].default:
                raise ConfigError(f"data.{name} needs all ratings in memory: leave it out, or leave data.stream out")
        if self.format.features:
            raise ConfigError("data.format.features cannot be streamed: leave it out, or leave data.stream out")
        return self


class RunConfig(Section):
    """Config of one run: data, model, training. A YAML file is one RunConfig.

    Args:
        seed: seed of the split, the initial weights and the training order.
        output: the run folder to write; none where left out.
        data: source and split of the ratings.
        model: a config of any registered kind.
        training: the Trainer's settings; its ``seed`` is the run's unless given.
        ensemble: samples of the posterior whose predictions are averaged; a single network where left out.
        refit: whether, once validation has given the number of epochs, its figures and the intervals, the model is
            trained anew on the training and validation parts together, for so many epochs.
        keep_ratings: whether the run folder keeps the training and validation ratings (about 2 bytes each), so that
            recommendations leave out what a user has rated. It needs them in memory: of a stream none are kept.
        search: the values that `recsys-nn tune` tries; a single run does without them.
        tracking: places where the run is logged as it goes; none where left out.
        cluster: the workers that train it together, or that carry out the trials of a search; where left out, this
            machine does without them.

    Example:
        >>> config = rn.RunConfig(model=rn.GMFConfig(), refit=True)
        >>> config.with_values({"model.embedding_dim": 4}).model.embedding_dim
        4
        >>> print(config.to_yaml())
        seed: 0
        output: null
        data:
        ...
        refit: true
        ...
    """

    seed: int = Field(default=0, ge=0, lt=2**31)
    output: str | None = None
    data: DataConfig = DataConfig()
    model: SerializeAsAny[ModelConfig] = SVDConfig()
    training: TrainConfig = TrainConfig()
    ensemble: PosteriorConfig | None = None
    refit: bool = False
    keep_ratings: bool = True
    search: SearchConfig | None = None
    tracking: TrackingConfig | None = None
    cluster: ClusterConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_what_follows(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = {name: value for name, value in values.items() if value is not None}  # an empty section
        training = values.get("training", {})
        if isinstance(training, Mapping):
            if "validation" in training:
                raise ConfigError(
                    "training.validation must be left out: in a run, data.split.validation sets the held-out part"
                )
            values["training"] = {"seed": values.get("seed", 0), **training}
        data = values.get("data")
        if data.stream if isinstance(data, DataConfig) else isinstance(data, Mapping) and data.get("stream") is True:
            values.setdefault("keep_ratings", False)
        return values

    @field_validator("model", mode="before")
    @classmethod
    def _of_its_kind(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        if "kind" not in value:
            raise ConfigError(f"model.kind is missing: choose one of {', '.join(model_kinds())}")
        try:
            config = model_kind(str(value["kind"])).config
        except ConfigError as error:
            raise ConfigError(f"model.kind: {error}") from None
        return validated(config, value, ("model",))

    @model_validator(mode="after")
    def _is_shared_by_workers(self) -> RunConfig:
        if self.cluster is not None and self.search is not None and self.search.workers > 1:
            raise ConfigError(
                "search.workers must be left out with cluster, as cluster.workers sets the number of trials at a time"
            )
        return self

    @model_validator(mode="after")
    def _can_be_streamed(self) -> RunConfig:
        if not self.data.stream:
            return self
        if self.model.needs_table:
            kinds = [name for name, kind in model_kinds().items() if not kind.config.needs_table]
            raise ConfigError(
                f"model.kind: {self.model.kind} needs all training ratings in memory; with data.stream, choose one of "
                f"{', '.join(kinds)}"
            )
        for name in ("ensemble", "keep_ratings"):
            if getattr(self, name):
                raise ConfigError(f"{name} needs all ratings in memory: leave it out, or leave data.stream out")
        return self

    def to_yaml(self) -> str:
        """The whole resolved config, defaults included, as YAML that reads back equal."""
        return dump_yaml(self.values())

    def with_values(self, values: Mapping[str, Any]) -> RunConfig:
        """Copies the config with other values at dotted keys, ``{"model.embedding_dim": 8, "training.epochs": 5}``.

        A model of another kind (``"model.kind"``) keeps what was set of the one before, and else has its defaults. The
        seed of the training follows that of the run, as long as the two are the same.

        Raises:
            ConfigError: for each wrong key or value, its dotted path and the nearest valid name.
        """
        changed = self.values()
        if "seed" in values and self.training.seed == self.seed:
            values = {"training.seed": values["seed"], **values}
        if "model.kind" in values:
            changed["model"] = self.model.model_dump(exclude_unset=True)
        for key, value in values.items():
            changed = with_value(changed, key, value)
        return validated(RunConfig, changed)

    def below(self, folder: str | Path, place: str) -> RunConfig:
        """Copies the config for a run that is part of a larger whole, in ``folder``.

        The run is written to ``place`` in it, and tracked under both names.
        """
        changes: dict[str, Any] = {"output": str(Path(folder) / place)}
        if self.tracking is not None:
            name = f"{self.tracking.name or Path(folder).name}/{place}"
            changes["tracking"] = self.tracking.model_copy(update={"name": name})
        return self.model_copy(update=changes)

    def values(self) -> dict[str, Any]:
        """The whole resolved config, defaults included, as nested plain values."""
        return self.model_dump(mode="json", exclude={"training": {"validation"}})


def load_config(source: str | Path | Mapping[str, Any], *, overrides: Sequence[str] = ()) -> RunConfig:
    """Reads a RunConfig from a YAML file or a mapping; ``overrides`` are ``"dotted.path=value"``, as in ``--set``.

    Raises:
        ConfigError: for each wrong key or value, its dotted path and the nearest valid name.

    Example:
        >>> config = rn.load_config("run.yaml", overrides=["training.epochs=30"])
        >>> config.model.kind, config.training.epochs, config.data.source
        ('svd', 30, 'ratings.csv')
    """
    values = dict(source) if isinstance(source, Mapping) else read_yaml(Path(source))
    for override in overrides:
        values = with_override(values, override)
    return validated(RunConfig, values)


def as_run_config(
    source: RunConfig | ModelConfig | str | Path | Mapping[str, Any], *, overrides: Sequence[str] = ()
) -> RunConfig:
    """Makes a RunConfig of one, of a model's config, with defaults for all else, or by :func:`load_config`.

    Raises:
        ConfigError: as :func:`load_config`, and for overrides of what is already a config.
    """
    if not isinstance(source, RunConfig | ModelConfig):
        return load_config(source, overrides=overrides)
    if overrides:
        raise ConfigError("overrides must be left out for a config: change a config with model_copy")
    return source if isinstance(source, RunConfig) else RunConfig(model=source)


def config_schema() -> dict[str, Any]:
    """The JSON schema of the YAML files, which editors complete from."""
    schema = RunConfig.model_json_schema()
    kinds = {name: kind.config for name, kind in model_kinds().items()}
    for name, config in kinds.items():
        own = config.model_json_schema()
        own["properties"]["kind"]["const"] = name  # which a kind of a user's own may declare as any str
        schema["$defs"] |= own.pop("$defs", {})
        schema["$defs"][config.__name__] = own
    for split in get_args(get_args(SplitConfig)[0]):
        if split is not RandomSplitConfig:  # which a split without a kind is
            definition = schema["$defs"][split.__name__]
            definition["required"] = sorted({*definition.get("required", []), "kind"})
    for name in ("OptimizerConfig", "CallbackConfig", "FeatureConfig", "DriftConfig", "MlflowConfig"):
        schema["$defs"][name] = {"anyOf": [schema["$defs"][name], {"type": "string"}]}
    schema["properties"]["model"] = {"oneOf": [{"$ref": f"#/$defs/{config.__name__}"} for config in kinds.values()]}
    for definition in (schema, *schema["$defs"].values()):
        if "description" in definition:  # the docstring of its class, whose example is for Python
            definition["description"] = definition["description"].partition("\n\nExample:")[0]
    return schema
