import pytest

from recsys_nn.advice.doctor.pitfalls import data
from tests.advice.cases import evidence, part, predicted, with_parts

AT_RANDOM = {"after": 0.95, "after_all": 0.05, "users": 90, "users_in_order": 0.02, "users_reversed": 0.02}


def found(pitfall, case_):
    return list(pitfall(case_))


def codes(pitfall, **order):
    return [finding.code for finding in pitfall(with_parts(test=part(order={**AT_RANDOM, **order})))]


def test_leakage():
    (finding,) = found(data.leakage, with_parts(test=part(pairs_in_training=250)))
    assert (finding.code, finding.severity) == ("leakage", "error")
    assert finding.evidence == "250 of the 1,000 ratings in it (25.0%) are of such pairs."
    assert not found(data.leakage, evidence())


def test_of_a_refit_the_validation_part_is_looked_at_as_it_was():
    assert not found(data.leakage, with_parts(validation=part(0), refitted=part()))
    assert found(data.leakage, with_parts(validation=part(0), refitted=part(pairs_in_training=1)))


@pytest.mark.parametrize(
    "order",
    [
        {"after": 0.03, "after_all": 0.0, "users_in_order": 0.4},
        {"users_in_order": 0.97},
        {"after": 1.0, "after_all": 0.99},
        {"users_reversed": 0.95},
    ],
    ids=["some of the future", "the future of some users", "reversed", "of each user reversed"],
)
def test_a_broken_order_in_time(order):
    assert codes(data.time_order_broken, **order) == ["time-order-broken"]


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"after": 0.0, "after_all": 0.0, "users_in_order": 1.0},
        {"after": 0.05, "users_in_order": 1.0},
        {"users_in_order": 0.97, "users": 10},
    ],
    ids=["at random", "by time", "each user's last", "too few users to tell"],
)
def test_other_orders_are_sound(order):
    assert not codes(data.time_order_broken, **order)
    assert not found(data.time_order_broken, evidence())


def test_duplicate_pairs():
    merged = {**evidence().data, "merged": 3_000}
    (finding,) = found(data.duplicate_pairs, evidence(data=merged))
    assert finding.evidence == "3,000 of 15,000 rows (20.0%) were merged with others."
    assert not found(data.duplicate_pairs, evidence())


def test_a_scale_that_is_not_that_of_the_ratings():
    (finding,) = found(data.scale_mismatch, evidence(scale=(0.0, 100.0)))
    assert finding.evidence == "The scale is 0 to 100, but the ratings are from 1 to 5, 4% of it."
    assert finding.settings == {"data.scale": [1.0, 5.0]}
    assert not found(data.scale_mismatch, evidence())


def test_a_part_on_another_scale():
    (finding,) = found(data.scale_mismatch, with_parts(test=part(mean=1.0, std=0.2)))
    assert finding.severity == "error"
    assert finding.evidence == "The test part has mean 1 and standard deviation 0.2, the training part has 3 and 1."
    assert not found(data.scale_mismatch, with_parts(test=part(mean=3.5, std=0.9)))


def test_a_validation_part_of_unseen_users_only():
    strangers = predicted(user_ratings=0)
    (finding,) = found(
        data.validation_not_representative, evidence(tables={"validation": strangers, "test": predicted()})
    )
    assert finding.evidence == (
        "100.0% of the 1,000 validation ratings are of unknown users, and 0.0% of the test ratings."
    )


def test_where_the_test_part_is_of_unseen_users_too_so_may_validation_be():
    strangers = predicted(user_ratings=0)
    assert not found(data.validation_not_representative, evidence(tables={"validation": strangers, "test": strangers}))
    assert not found(data.validation_not_representative, evidence())
