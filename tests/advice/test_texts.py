"""All that the advice says, of tables and runs by hand."""

import math

import numpy as np
import pytest
from rich.console import Console

from recsys_nn import (
    AutoRecConfig,
    BiasConfig,
    MLPConfig,
    RunConfig,
    SVDConfig,
    SVDPPConfig,
    load_ratings,
    random_split,
)
from recsys_nn.advice.doctor.finding import Diagnosis
from recsys_nn.advice.doctor.pitfalls import PITFALLS
from recsys_nn.advice.suggest import rate_trial, rules
from recsys_nn.advice.suggest.rate_trial import epochs_rule, rate_rule
from recsys_nn.advice.suggest.suggesting import _of_data
from recsys_nn.config.run import DataConfig
from recsys_nn.training.input_scales import InputScale
from tests.advice.cases import FALLING, evidence, part, predicted, trained, with_parts
from tests.advice.suggest.test_rate_trial import FOUND, run_of
from tests.advice.suggest.test_rules import FACTS, STARS, table

TABLES = {
    "ordered levels with times": table(n_ratings=80_000, n_users=2_000, dated=True, per_user=20, levels=STARS),
    "yes or no": table(levels={0.0: 990, 1.0: 10}),
    "a rare level": table(levels=STARS | {9.0: 4}),
    "many levels": table(n_ratings=600_000, levels=None),
    "few ratings": table(n_ratings=199),
    "many ratings": table(n_ratings=2_000_001, levels=None),
}
KINDS = {"svdpp": SVDPPConfig, "svd": SVDConfig, "mlp": MLPConfig, "autorec": AutoRecConfig, "bias": BiasConfig}


@pytest.mark.parametrize("name", TABLES)
def test_choices_of_a_table(name, snapshot):
    facts = TABLES[name]
    kind = rules.kind_rule(facts)
    drift = list(rules.drift_rule(facts))
    config = KINDS[kind.value]
    choices = [
        rules.split_rule(facts.n_ratings),
        *drift,
        kind,
        *rules.model_rules(config, facts),
        *rules.training_rules(config, facts, most=facts.n_ratings + 1_000),
        *rules.refit_rules(config, facts, drifts=bool(drift)),
    ]
    assert [str(facts), *map(told, choices)] == snapshot


@pytest.mark.parametrize("kind", ["mlp", "autorec", "svd"])
def test_choices_of_a_kind(kind, snapshot):
    choices = [*rules.model_rules(KINDS[kind], FACTS), *rules.training_rules(KINDS[kind], FACTS, most=1_000)]
    assert [told(choice) for choice in [rules.kind_rule(FACTS, kind), *choices]] == snapshot


GIVEN = {
    "all": {
        "source": "stars.csv",
        "format": {"user": "who"},
        "duplicates": "last",
        "user_features": "users.csv",
        "item_features": "items.csv",
        "liked": 4,
        "scale": (1, 6),
        "features": {"user": ["age"], "item": ["genres"]},
        "split": {"kind": "stratified"},
    },
    "a data set": {"source": "synthetic", "options": {"n_users": 10}},
    "a file": {"source": "stars.csv"},
    "a file of what is liked": {"source": "stars.csv", "liked": 4},
    "nothing": {},
}


@pytest.mark.parametrize("name", GIVEN)
def test_choices_of_data_that_are_given(name, snapshot):
    ratings = load_ratings("synthetic", n_users=20, n_items=15, n_ratings=200)
    assert [told(choice) for choice in _of_data(DataConfig(**GIVEN[name]), ratings)] == snapshot


RISING = (*FALLING[:6], 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)
BARELY = tuple(np.linspace(1.25, 1.2, 10))
STEEP = (2.0, 1.8, 1.6, 1.4, 1.2)
AT_RANDOM = {"after": 0.95, "after_all": 0.05, "users": 90, "users_in_order": 0.02, "users_reversed": 0.02}
PATIENTS = {
    "raw inputs": evidence(trained(inputs={"inputs": InputScale(column=4, mean=1425.0, std=1132.0)})),
    "diverged": evidence(trained((2.0, math.nan), (2.0, math.nan), stop_reason="diverged", learning_rate=3.0)),
    "exploded": evidence(trained((2.0, 1.0, 40.0), (2.0, 1.0, 40.0))),
    "up and down": evidence(trained(*[(2.0, 1.0, 1.3, 1.0, 1.3, 1.0, 1.2, 1.0)] * 2)),
    "too slow": evidence(trained(BARELY, BARELY, stop_reason="epochs")),
    "too short": evidence(trained(STEEP, STEEP, stop_reason="epochs", epochs=5)),
    "too short without patience": evidence(trained(STEEP, STEEP, stop_reason="epochs", epochs=5, patience=None)),
    "too long": evidence(trained(val_loss=RISING, stop_reason="epochs", patience=None)),
    "patience for the training loss": evidence(
        trained(val_loss=RISING, stop_reason="epochs", epochs=12, patience=3, monitor="loss")
    ),
    "patience as long as the training": evidence(
        trained(FALLING[:5], FALLING[:5], stop_reason="epochs", epochs=5, patience=5)
    ),
    "no validation": evidence(trained(val_loss=None, stop_reason="epochs")),
    "batches of one": evidence(trained(batch_size=1)),
    "batches of all": evidence(trained(batch_size=10_000)),
    "many dimensions": evidence(
        model=SVDConfig(embedding_dim=64), data={"merged": 0, "parts": {"train": part(900)}}, tables={}
    ),
    "many dimensions without a penalty": evidence(
        model=SVDConfig(embedding_dim=64, l2=0), data={"merged": 0, "parts": {"train": part(3_000)}}, tables={}
    ),
    "leakage": with_parts(test=part(pairs_in_training=250)),
    "some of the future": with_parts(test=part(order={**AT_RANDOM, "after": 0.03, "after_all": 0.0})),
    "reversed": with_parts(test=part(order={**AT_RANDOM, "after": 1.0, "after_all": 0.99})),
    "the future of some users": with_parts(test=part(order={**AT_RANDOM, "users_in_order": 0.97})),
    "of each user reversed": with_parts(test=part(order={**AT_RANDOM, "users_reversed": 0.95})),
    "duplicates": evidence(data={**evidence().data, "merged": 3_000}),
    "another scale": evidence(scale=(0.0, 100.0)),
    "a part on another scale": with_parts(test=part(mean=1.0, std=0.2)),
    "strangers for validation": evidence(tables={"validation": predicted(user_ratings=0), "test": predicted()}),
    "constant": evidence(tables={"test": predicted().assign(prediction=3.0)}),
    "worse than biases": evidence(tables={"validation": predicted(error=1.0, bias_error=0.8)}),
    "strangers": evidence(
        tables={"test": predicted(10, user_ratings=[0, 0, 0, *[5] * 7], item_ratings=[5, 5, 0, 0, *[5] * 6])}
    ),
}


@pytest.mark.parametrize("name", PATIENTS)
def test_what_the_doctor_says(name, snapshot):
    diagnosis = Diagnosis([finding for pitfall in PITFALLS for finding in pitfall(PATIENTS[name])])
    assert [*str(diagnosis).splitlines(), diagnosis.summary] == snapshot


def test_choices_that_were_tried_out(snapshot):
    runs = {0.01: run_of(3), 0.02: run_of(5, least=0.9), 0.04: run_of(18, least=0.95)}
    choices = [
        *(rate_rule(FOUND, {}, n=1200), rate_rule(FOUND, runs, n=1200)),
        *(epochs_rule({}, 1), epochs_rule({}, 3), epochs_rule(runs, 64), epochs_rule({0.01: run_of(18)}, 64)),
    ]
    assert [told(choice) for choice in choices] == snapshot


@pytest.mark.parametrize("batch_size", [16, 128])
def test_a_trial_says_what_it_does(monkeypatch, snapshot, capsys, batch_size):
    """An epoch of 160 ratings has ten steps, or two."""
    monkeypatch.setattr(rate_trial, "range_test", lambda *_: FOUND)
    monkeypatch.setattr(rate_trial.Trial, "_model", lambda _: None)
    monkeypatch.setattr(rate_trial.Trial, "_run", lambda *_: run_of(5))
    split = random_split(load_ratings("synthetic", n_users=20, n_items=15, n_ratings=200), validation=0.2, test=0.0)
    choices = list(rate_trial.Trial(RunConfig(training={"batch_size": batch_size}), split).choices(Console(width=200)))
    assert [*capsys.readouterr().out.splitlines(), *map(told, choices)] == snapshot


def told(choice: rules.Choice) -> str:
    return f"{choice.key}: {choice.value} # {choice.reason}"
