"""Suggestion of a config for a table of ratings by the rules of thumb, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from recsys_nn.advice.suggest import rules
from recsys_nn.advice.suggest.rate_trial import Trial
from recsys_nn.advice.suggest.suggestion import Choice, Suggestion
from recsys_nn.advice.suggest.table_facts import TableFacts
from recsys_nn.config import DataConfig, FilesSplitConfig, RunConfig
from recsys_nn.data import Ratings, Split, dataset_names
from recsys_nn.errors import ConfigError, DataError, must_be
from recsys_nn.models import BaselineConfig, model_kind
from recsys_nn.runs import fit_encoder

OF_DATA = {
    "source": "Source of the ratings.",
    "options": "Options of the data set.",
    "format": "Layout of the file; columns that are not named here are recognised.",
    "duplicates": "Rule for pairs that occur in the file more than once.",
    "user_features": "File of the features of users.",
    "item_features": "File of the features of items.",
    "liked": "Ratings of at least this value become 1, others 0.",
}


def suggest(
    ratings: Ratings,
    *,
    kind: str | None = None,
    data: DataConfig | None = None,
    seed: int = 0,
    output: str | None = None,
    progress: bool = True,
) -> Suggestion:
    """Suggests a complete config for a table of ratings, each line with its reason and the numbers that it rests on.

    The table's numbers give the kind, its size, head, penalties, batches and samples; a short trial on the training
    part gives the learning rate (:func:`range_test`) and the number of epochs. The test part is not looked at.

    Args:
        ratings: the table of ratings.
        kind: kind of the model; by default the most accurate that is affordable.
        data: where the table was read from, and what is known of it: what is set there stands in the config as it is.
        seed: seed of the split, the trial and the run.
        output: the run folder that the run shall write.
        progress: whether to say on the error output what is being tried out.

    Raises:
        ConfigError: for a kind that is not registered, and for a split without a validation part.
        DataError: where there are too few ratings to be split, or nothing to be learned from them.

    Example:
        >>> suggestion = rn.suggest(ratings, kind="bias", progress=False)  # without a kind: the best that is affordable
        >>> print(suggestion.to_yaml())
        # Suggested by recsys-nn suggest: Ratings(300 ratings, 30 users, 15 items, 1 to 5).
        ...
          kind: bias
        ...
        >>> result = rn.run_experiment(suggestion.config, ratings, progress=False)
    """
    from rich.console import Console

    if not isinstance(ratings, Ratings):
        raise DataError(must_be("ratings", "Ratings (rn.load_ratings makes them)", ratings))
    if kind is not None:
        model_kind(kind)
    console = Console(stderr=True, quiet=not progress, markup=False, highlight=False, soft_wrap=True)
    data = data or DataConfig()
    choices = [
        Choice(
            "seed",
            seed,
            "Seed of the split, the initial weights and the training order: the same seed gives the same run.",
        )
    ]
    if output is not None:
        choices.append(Choice("output", output, "Run folder to write."))
    low, high = ratings.scale
    if low == high:
        raise DataError(f"all ratings are {low:g}, so that nothing can be learned from them")
    choices += _of_data(data, ratings)
    split = _parts(choices, ratings)
    facts = TableFacts.of(split.train)
    chosen = rules.kind_rule(facts, kind)
    console.print(f"{facts} to train on: {chosen.value}")
    if "features" not in data.model_fields_set and (known := _known_beside(ratings)):
        console.print(f"features left out: {', '.join(known)}; name those that the model shall use in data.features")
    config = model_kind(chosen.value).config
    choices += [chosen, *rules.model_rules(config, facts)]
    if "features" not in data.model_fields_set and "features" in config.model_fields:
        choices += rules.drift_rule(facts)
    if not issubclass(config, BaselineConfig):
        choices += rules.training_rules(config, facts, most=len(split.train) + len(split.validation))
        choices += Trial(_so_far(choices), split).choices(console)
    else:
        fit_encoder(split, data.features)  # which refuses what nothing can be learned from, as a trial does
    drifts = _so_far(choices).data.features.drift is not None
    choices += rules.refit_rules(config, facts, drifts=drifts)
    return Suggestion.of(f"Suggested by recsys-nn suggest {data.source or ''}".rstrip() + f": {ratings}.", choices)


def _of_data(data: DataConfig, ratings: Ratings) -> Iterator[Choice]:
    """Yields the data section: what is given, the scale and the split."""
    for name, reason in OF_DATA.items():
        if name in data.model_fields_set and (value := _plain(getattr(data, name))):
            yield Choice(f"data.{name}", value, reason)
    if data.scale is not None:
        yield Choice("data.scale", list(data.scale), "As given.")
    elif data.source is not None and data.source not in dataset_names() and data.liked is None:
        yield Choice(
            "data.scale",
            list(ratings.scale),
            "The lowest and the highest rating found: widen the scale if other ratings are possible.",
        )
    if "features" in data.model_fields_set:
        yield Choice("data.features", _plain(data.features), "As given.")
    if "split" in data.model_fields_set:
        yield Choice("data.split", data.split.model_dump(mode="json"), "As given.")
    else:
        yield rules.split_rule(len(ratings))


def _known_beside(ratings: Ratings) -> list[str]:
    """The features of users and of items that come with the ratings."""
    tables = {"user": ratings.user_features, "item": ratings.item_features}
    return [
        f"{name} of {side}s"
        for side, table in tables.items()
        if table is not None
        for name in table.columns
        if name != side
    ]


def _so_far(choices: list[Choice]) -> RunConfig:
    return Suggestion.of("", choices).config


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_defaults=True) if isinstance(value, BaseModel) else value


def _parts(choices: list[Choice], ratings: Ratings) -> Split:
    config = _so_far(choices)
    if isinstance(config.data.split, FilesSplitConfig):
        raise ConfigError(
            "data.split.kind cannot be files, as a suggestion needs one table: name the training file in data.source"
        )
    split = config.data.split.apply(ratings, config.seed)
    if not len(split.validation):
        raise ConfigError("data.split.validation must be above 0, as a suggestion needs a validation part")
    return split
