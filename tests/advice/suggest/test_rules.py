from dataclasses import replace

import pytest

from recsys_nn import AutoRecConfig, BiasConfig, MLPConfig, NeuMFConfig, SVDConfig, SVDPPConfig
from recsys_nn.advice.suggest import rules
from recsys_nn.advice.suggest.table_facts import TableFacts

STARS = {1.0: 100, 2.0: 200, 3.0: 300, 4.0: 300, 5.0: 100}
FACTS = TableFacts(n_ratings=1_000, n_users=100, n_items=50, per_user=10, per_item=20, levels=STARS, dated=False)


def table(**numbers) -> TableFacts:
    return replace(FACTS, **numbers)


def by_key(choices) -> dict:
    return {choice.key: choice.value for choice in choices}


@pytest.mark.parametrize(("number", "power"), [(0.3, 1), (1, 1), (2.8, 2), (2.9, 4), (45, 32), (46, 64), (1000, 1024)])
def test_the_nearest_power_of_two_on_a_logarithmic_scale(number, power):
    assert rules.power_of_two(number) == power


@pytest.mark.parametrize(
    ("n", "validation", "test"),
    [
        (100_000, 0.05, 0.1),
        (44_445, 0.05, 0.1),  # 0.05 of 40,000 are 2,000
        (44_000, 0.1, 0.1),
        (22_223, 0.1, 0.1),
        (22_000, 0.2, 0.1),
        (20_000, 0.2, 0.1),
        (19_999, 0.2, 0.2),
        (1_000, 0.2, 0.2),
    ],
)
def test_parts_are_as_small_as_can_judge(n, validation, test):
    assert rules.split_rule(n).value == {"kind": "random", "validation": validation, "test": test}


def test_the_split_says_how_many_ratings_judge():
    assert "10% are kept" in rules.split_rule(100_000).reason
    assert "5% of the others, 4,500, are for validation" in rules.split_rule(100_000).reason


@pytest.mark.parametrize(
    ("n", "kind"),
    [(199, "bias"), (200, "svdpp"), (2_000_000, "svdpp"), (2_000_001, "svd")],
)
def test_the_most_accurate_kind_that_is_affordable(n, kind):
    assert rules.kind_rule(table(n_ratings=n)).value == kind


def test_the_kind_that_was_asked_for():
    assert rules.kind_rule(table(n_ratings=10), "neumf").value == "neumf"


@pytest.mark.parametrize(
    ("n", "time"),
    [(80_000, "44 seconds"), (200_000, "98 seconds"), (500_000, "4 minutes"), (600_000, "68 seconds")],
)
def test_the_reason_of_a_kind_says_how_long_a_run_takes(n, time):
    assert f"With these {n:,} a run takes about {time}" in rules.kind_rule(table(n_ratings=n)).reason


@pytest.mark.parametrize(
    ("levels", "head"),
    [
        (STARS, "ordinal"),
        ({0.0: 900, 1.0: 100}, "binary"),
        ({0.0: 996, 1.0: 4}, "regression"),
        ({float(level): 50 for level in range(20)}, "ordinal"),
        ({float(level): 50 for level in range(21)}, "regression"),
        (STARS | {5.0: 5}, "ordinal"),
        (STARS | {5.0: 4}, "regression"),
        (None, "regression"),
    ],
)
def test_the_ratings_decide_on_the_head(levels, head):
    assert rules.head_rule(table(levels=levels)).value == head


def test_the_reason_of_a_head_tells_the_shares_of_the_levels():
    assert "5 distinct ratings (1 10.0%, 2 20.0%, 3 30.0%, 4 30.0%, 5 10.0%)" in rules.head_rule(FACTS).reason
    assert "6 distinct ratings, 9 only 4 times" in rules.head_rule(table(levels=STARS | {9.0: 4})).reason
    assert rules.head_rule(table(levels=None)).reason.startswith("More than 100 distinct ratings: numbers")


@pytest.mark.parametrize(
    ("config", "ids", "dim"),
    [
        (SVDConfig, 1_000, 16),  # 2 · 5.6 are nearest to 8, and 16 is the least
        (SVDPPConfig, 16_600, 32),  # 2 · 11.35 = 22.7, just above 16 · sqrt(2)
        (SVDPPConfig, 16_300, 16),
        (NeuMFConfig, 1_000, 8),
        (NeuMFConfig, 16_600, 16),
        (AutoRecConfig, 1_000, 64),
    ],
)
def test_dimensions_grow_with_the_fourth_root_of_the_ids(config, ids, dim):
    choice = rules.dimension_rule(config, table(n_users=ids, n_items=10))
    assert choice.value == dim
    assert f"{ids:,} users" in choice.reason
    assert rules.dimension_rule(config, table(n_users=10, n_items=ids)).value == dim


def test_towers_halve_and_have_relu():
    found = by_key(rules.model_rules(MLPConfig, FACTS))
    assert (found["model.embedding_dim"], found["model.widths"]) == (8, [32, 16])
    assert (found["model.activation"], found["model.dropout"]) == ("relu", 0.5)


def test_a_kind_gets_what_it_has():
    assert list(rules.model_rules(BiasConfig, FACTS)) == []
    found = by_key(rules.model_rules(SVDConfig, FACTS))
    assert list(found) == ["model.head", "model.embedding_dim", "model.l2", "model.bias_l2"]
    assert found["model.l2"] is None
    assert found["model.bias_l2"] is None


@pytest.mark.parametrize(
    ("n", "size"),
    [(100, 16), (1_024, 16), (1_500, 32), (64_000, 1024), (80_000, 1024), (3_000_000, 32768), (10**8, 32768)],
)
def test_batches_are_powers_of_two_and_grow_with_the_table(n, size):
    assert rules.batch_rule(table(n_ratings=n, levels=None)).value == size


def test_a_batch_has_one_of_the_rarest_rating():
    balanced = rules.batch_rule(table(n_ratings=10_000, levels={0.0: 9_950, 1.0: 50}))
    assert balanced.value == 256  # near 10,000 / 64 = 156 is 128, and every 200th is rare
    assert "1 is rare, 50 times, and a batch should have one of them: 256" in balanced.reason
    assert rules.batch_rule(table(n_ratings=10_000, levels={0.0: 9_900, 1.0: 100})).value == 128
    one_each = rules.batch_rule(table(n_ratings=8_192, levels={0.0: 8_128, 1.0: 64}))
    assert (one_each.value, "rare" in one_each.reason) == (128, False)
    assert rules.batch_rule(table(n_ratings=10**6, levels={0.0: 10**6 - 1, 1.0: 1})).value == 32768


def test_sets_see_all_ratings_in_a_step():
    found = by_key(rules.training_rules(SVDPPConfig, FACTS, most=1_025))
    assert found["training.batch_size"] == 2048
    assert found["training.shuffle"] is False
    assert by_key(rules.training_rules(SVDPPConfig, FACTS, most=1_024))["training.batch_size"] == 1024
    assert by_key(rules.training_rules(SVDConfig, FACTS, most=1_025))["training.batch_size"] == 16


def test_loss_and_metrics_are_named_where_the_head_has_none_of_its_own():
    numbers = by_key(rules.training_rules(SVDConfig, table(levels=None), most=1_000))
    assert (numbers["training.loss"], numbers["training.metrics"]) == ("mse", ["rmse", "mae"])
    assert "training.loss" not in by_key(rules.training_rules(SVDConfig, FACTS, most=1_000))


@pytest.mark.parametrize(("dated", "per_user", "drifts"), [(True, 20, True), (True, 19, False), (False, 100, False)])
def test_drift_needs_times_and_some_ratings_of_a_user(dated, per_user, drifts):
    found = by_key(rules.drift_rule(table(dated=dated, per_user=per_user)))
    assert found == ({"data.features": {"drift": "timestamp"}} if drifts else {})


@pytest.mark.parametrize(
    ("config", "n", "sampled"),
    [
        (SVDPPConfig, 500_000, True),
        (SVDPPConfig, 500_001, False),
        (SVDConfig, 1_000, True),
        (NeuMFConfig, 1_000, False),
        (BiasConfig, 1_000, False),
    ],
)
def test_samples_of_the_posterior_where_they_are_affordable(config, n, sampled):
    found = by_key(rules.refit_rules(config, table(n_ratings=n), drifts=False))
    assert ("ensemble" in found) == sampled
    assert found["refit"] is True


def test_chains_make_shorter_steps_where_users_drift():
    assert "step_size" not in by_key(rules.refit_rules(SVDPPConfig, FACTS, drifts=False))["ensemble"]
    assert by_key(rules.refit_rules(SVDPPConfig, FACTS, drifts=True))["ensemble"]["step_size"] == 0.18
