import numpy as np
import pytest
from scipy import stats

from recsys_nn import DataError
from recsys_nn.evaluation import paired
from recsys_nn.evaluation.paired import ErrorSums, bootstrap, clustered_t_test, holm

USERS = np.array([0, 0, 1, 2, 2, 2])
FIRST = np.array([1.0, -1.0, 2.0, 0.0, 1.0, -2.0])
SECOND = np.array([0.0, 1.0, 1.0, 1.0, 1.0, 0.0])


def users_with_effects(seed: int, n_users: int, n_models: int = 1) -> tuple[np.ndarray, list[np.ndarray]]:
    """Errors of models that differ from user to user, on 1 to 9 ratings of each."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(n_users), rng.integers(1, 10, size=n_users))
    spread = np.exp(0.25 * rng.normal(size=n_users))
    return users, [spread[users] * rng.normal(size=len(users)) for _ in range(n_models)]


def test_sums_by_hand():
    sums = ErrorSums.of(USERS, [FIRST, SECOND])
    assert sums.counts.tolist() == [2, 1, 3]
    assert sums.squared.tolist() == [[2, 1], [4, 1], [5, 2]]
    assert sums.absolute.tolist() == [[2, 1], [2, 1], [3, 2]]
    np.testing.assert_allclose(sums.rmse, np.sqrt([11 / 6, 4 / 6]))
    np.testing.assert_allclose(sums.mae, [7 / 6, 4 / 6])
    assert sums.squared_differences([(0, 1), (1, 0)]).tolist() == [[1, -1], [3, -3], [3, -3]]


def test_one_user_tells_nothing_of_others():
    with pytest.raises(DataError, match="intervals and tests need ratings of two users or more, not of 1$"):
        ErrorSums.of(np.array([0, 0]), [np.array([1.0, 2.0])])


def test_the_intervals_are_those_of_tables_put_together_from_the_drawn_users():
    """The slow way: in every resample the ratings of each drawn user, as often as drawn."""
    users, (first, second) = users_with_effects(0, 12, n_models=2)
    (weights,) = paired._weights(12, 50, seed=3)
    rmse, mae, difference = [], [], []
    for row in weights.astype(int):
        taken = np.concatenate([np.flatnonzero(users == user) for user in np.repeat(np.arange(12), row)])
        rmse.append([np.sqrt(np.mean(errors[taken] ** 2)) for errors in (first, second)])
        mae.append([np.mean(np.abs(errors[taken])) for errors in (first, second)])
        difference.append([rmse[-1][0] - rmse[-1][1]])
    intervals = bootstrap(ErrorSums.of(users, [first, second]), [(0, 1)], resamples=50, seed=3)
    for found, expected in ((intervals.rmse, rmse), (intervals.mae, mae), (intervals.difference, difference)):
        np.testing.assert_allclose(found, np.percentile(expected, [2.5, 97.5], axis=0), rtol=1e-12)


def test_as_many_users_are_drawn_as_there_are_each_alike(monkeypatch):
    blocks = list(paired._weights(5, 4000, seed=1))
    weights = np.concatenate(blocks)
    assert (weights.sum(axis=1) == 5).all()
    # w_u ~ Binomial(5, 1/5): mean 1, variance 4/5; four standard errors of 4000 draws.
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=4 * np.sqrt(0.8 / 4000))
    monkeypatch.setattr(paired, "BLOCK", 5 * 7)
    smaller = list(paired._weights(5, 4000, seed=1))
    assert len(smaller) == 572
    np.testing.assert_array_equal(np.concatenate(smaller), weights)


def test_with_one_rating_a_user_the_interval_of_mae_is_that_of_a_mean():
    """Closed form: the mean of n resampled values has the standard deviation s / sqrt(n), and is nearly normal."""
    errors = np.random.default_rng(2).normal(size=2000)
    sums = ErrorSums.of(np.arange(2000), [errors, errors])
    low, high = bootstrap(sums, [(0, 1)], resamples=4000, seed=0).mae[:, 0]
    half = stats.norm.ppf(0.975) * np.abs(errors).std() / np.sqrt(2000)
    assert low == pytest.approx(sums.mae[0] - half, abs=0.06 * half)
    assert high == pytest.approx(sums.mae[0] + half, abs=0.06 * half)


def test_intervals_cover_the_truth_as_often_as_they_say():
    """95% of 300 samples of 400 users, within four standard errors (1.3%)."""
    truth = np.exp(0.25**2)  # sqrt(E spread²), with spread log-normal (0, 0.25)
    covered = 0
    for seed in range(300):
        users, errors = users_with_effects(seed, 400)
        sums = ErrorSums.of(users, errors * 2)
        low, high = bootstrap(sums, [(0, 1)], resamples=200, seed=seed).rmse[:, 0]
        covered += low <= truth <= high
    assert covered / 300 == pytest.approx(0.95, abs=0.05)


def test_resampling_ratings_instead_of_users_would_be_too_sure():
    """Ten equal errors of a user are one observation."""
    errors = np.repeat(np.random.default_rng(0).normal(size=50), 10)
    by_user = ErrorSums.of(np.repeat(np.arange(50), 10), [errors, errors])
    by_rating = ErrorSums.of(np.arange(500), [errors, errors])
    widths = [np.ptp(bootstrap(sums, [(0, 1)], resamples=1000, seed=0).rmse[:, 0]) for sums in (by_user, by_rating)]
    assert widths[0] / widths[1] == pytest.approx(np.sqrt(10), rel=0.15)


def test_the_test_by_hand():
    """D = (1, 3, 3), n_u = (2, 1, 3): d = 7/6, D_u - n_u d = (-8, 11, -3)/6, SE² = 3/2 · 194/36 / 36."""
    sums = ErrorSums.of(USERS, [FIRST, SECOND])
    t = (7 / 6) / np.sqrt(1.5 * 194 / 36 / 36)
    expected = 2 * stats.t.sf(t, df=2)
    np.testing.assert_allclose(
        clustered_t_test(sums.squared_differences([(0, 1), (1, 0)]), sums.counts), [expected, expected]
    )


def test_with_one_rating_a_user_it_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 30))
    sums = ErrorSums.of(np.arange(30), [first, 1.3 * second])
    expected = stats.ttest_rel(first**2, (1.3 * second) ** 2).pvalue
    assert clustered_t_test(sums.squared_differences([(0, 1)]), sums.counts) == pytest.approx(expected, rel=1e-12)


def test_equal_models_are_equally_often_found_different_as_the_level_says():
    """Two models of the same distribution on 400 samples: p < .05 in 5%, within four standard errors (1.1%)."""
    found = 0
    for seed in range(400):
        users, errors = users_with_effects(seed, 60, n_models=2)
        sums = ErrorSums.of(users, errors)
        found += clustered_t_test(sums.squared_differences([(0, 1)]), sums.counts)[0] < 0.05
    assert found / 400 == pytest.approx(0.05, abs=0.044)


def test_identical_models_have_no_difference_whatsoever():
    users, (errors,) = users_with_effects(0, 40)
    sums = ErrorSums.of(users, [errors, errors.copy(), -errors])
    pairs = [(0, 1), (0, 2), (1, 2)]
    assert (bootstrap(sums, pairs, resamples=100, seed=0).difference == 0).all()
    assert clustered_t_test(sums.squared_differences(pairs), sums.counts).tolist() == [1, 1, 1]


def test_models_without_errors_are_equal_too():
    sums = ErrorSums.of(np.array([0, 1]), [np.zeros(2), np.zeros(2)])
    assert (bootstrap(sums, [(0, 1)], resamples=10, seed=0).difference == 0).all()


@pytest.mark.parametrize(
    ("p_values", "corrected"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),  # 3 · .01; 2 · .03; max(.06, 1 · .04)
        ([0.5, 0.4], [0.8, 0.8]),  # max(2 · .4, .5)
        ([0.9, 0.8, 0.02], [1.0, 1.0, 0.06]),  # 2 · .8 is more than a probability
        ([0.03], [0.03]),
    ],
)
def test_holm_by_hand(p_values, corrected):
    np.testing.assert_allclose(holm(p_values), corrected)
