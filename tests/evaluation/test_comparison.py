import re

import numpy as np
import pandas as pd
import pytest

from recsys_nn import (
    BiasConfig,
    Comparison,
    DataError,
    Encoder,
    GlobalMeanConfig,
    ItemMeanConfig,
    Predictor,
    Ratings,
    SVDConfig,
    Trainer,
    build_model,
    evaluate,
    load_ratings,
    random_split,
)
from recsys_nn.evaluation.comparison import compare_predictors
from recsys_nn.evaluation.paired import ErrorSums, clustered_t_test, holm
from tests.figures import described

SPLIT = random_split(load_ratings("synthetic", n_users=60, n_items=40, n_ratings=1500), seed=7)


@pytest.fixture(scope="module")
def predictors() -> dict[str, Predictor]:
    encoder = Encoder.fit(SPLIT.train)
    configs = {"mean": GlobalMeanConfig(), "bias": BiasConfig(), "item": ItemMeanConfig()}
    models = {name: build_model(config, encoder) for name, config in configs.items()}
    for model in models.values():
        Trainer(progress=False).fit(model, encoder.encode(SPLIT.train))
    return {name: Predictor(model, encoder) for name, model in models.items()}


@pytest.fixture(scope="module")
def comparison(predictors) -> Comparison:
    return compare_predictors(predictors, SPLIT.test, resamples=200, seconds={"bias": 1.5})


def raw_p(predictors: dict[str, Predictor], one: str, other: str) -> float:
    actual = SPLIT.test.frame["rating"].to_numpy()
    errors = [predictors[name].predict(SPLIT.test)["prediction"].to_numpy() - actual for name in (one, other)]
    sums = ErrorSums.of(SPLIT.test.frame["user"].factorize()[0], errors)
    return clustered_t_test(sums.squared_differences([(0, 1)]), sums.counts)[0]


def test_the_figures_are_those_of_evaluate(predictors, comparison):
    table = comparison.table.set_index("model")
    for name, predictor in predictors.items():
        evaluation = evaluate(predictor, SPLIT.test)
        assert table.loc[name, "rmse"] == pytest.approx(evaluation.rmse, rel=1e-12)
        assert table.loc[name, "mae"] == pytest.approx(evaluation.mae, rel=1e-12)
        assert comparison.baselines == evaluation.baselines
        assert comparison.oracle == evaluation.oracle
    assert (comparison.n, comparison.n_users) == (150, SPLIT.test.n_users)


def test_the_best_stands_first_and_is_the_reference(comparison):
    table = comparison.table
    assert table["rmse"].is_monotonic_increasing
    assert comparison.reference == table["model"][0] == "bias"
    assert table.loc[0, ["difference", "difference_low", "difference_high", "p_value"]].isna().all()
    np.testing.assert_allclose(table["difference"][1:], (table["rmse"] - table["rmse"][0])[1:], rtol=1e-9)
    for figure in ("rmse", "mae", "difference"):
        others = table[1:]
        assert (others[f"{figure}_low"] < others[figure]).all()
        assert (others[figure] < others[f"{figure}_high"]).all()


def test_beside_the_best_p_values_are_corrected_for_all_pairs(predictors, comparison):
    pairs = [("item", "bias"), ("mean", "bias"), ("mean", "item")]
    expected = holm([raw_p(predictors, *pair) for pair in pairs])
    found = comparison.pairs.set_index(["model", "other"])["p_value"]
    assert [found[pair] for pair in pairs] == pytest.approx(expected.tolist(), rel=1e-9)
    assert comparison.table.set_index("model")["p_value"]["mean"] == found["mean", "bias"]


def test_beside_a_named_reference_they_are_corrected_for_the_models_compared_with_it(predictors):
    named = compare_predictors(predictors, SPLIT.test, reference="mean", resamples=200)
    table = named.table.set_index("model")
    assert named.reference == "mean"
    assert table.loc["bias", "difference"] == pytest.approx(table.loc["bias", "rmse"] - table.loc["mean", "rmse"])
    expected = holm([raw_p(predictors, name, "mean") for name in ("bias", "item")])
    assert table.loc[["bias", "item"], "p_value"].tolist() == pytest.approx(expected.tolist(), rel=1e-9)
    assert set(zip(named.pairs["model"], named.pairs["other"], strict=True)) == {
        ("bias", "mean"),
        ("item", "mean"),
        ("item", "bias"),
    }


def test_a_model_beside_itself_differs_by_nothing(predictors):
    twice = compare_predictors({"a": predictors["bias"], "b": predictors["bias"]}, SPLIT.test, resamples=50)
    row = twice.table.loc[1, ["difference", "difference_low", "difference_high", "p_value"]]
    assert row.tolist() == [0, 0, 0, 1]


def test_the_order_of_the_rows_changes_nothing(predictors, comparison):
    shuffled = SPLIT.test.take(np.random.default_rng(0).permutation(len(SPLIT.test)))
    again = compare_predictors(predictors, shuffled, resamples=200, seconds={"bias": 1.5})
    pd.testing.assert_frame_equal(again.table, comparison.table, rtol=1e-9)


def test_seconds_and_what_was_learnt_are_told(predictors, comparison):
    table = comparison.table.set_index("model")
    assert table["seconds"].isna().tolist() == [name != "bias" for name in table.index]
    encoder = predictors["bias"].encoder
    assert table.loc["bias", "parameters"] == 1 + encoder.users.n_rows + encoder.items.n_rows
    svd = Predictor(build_model(SVDConfig(embedding_dim=3), encoder), encoder)
    both = compare_predictors({"svd": svd, "bias": predictors["bias"]}, SPLIT.test, resamples=10).table
    assert both.set_index("model").loc["svd", "parameters"] == 4 * (encoder.users.n_rows + encoder.items.n_rows)


@pytest.fixture
def by_hand() -> Comparison:
    """Of two models, the one that was named the second best."""
    nan = np.nan
    errors = {"rmse": [0.9, 1.0], "rmse_low": [0.85, 0.96], "rmse_high": [0.97, 1.05], "mae": [0.7, 0.8]}
    errors |= {"mae_low": [0.68, 0.77], "mae_high": [0.72, 0.84]}
    differences = {"difference": [-0.1, nan], "difference_low": [-0.15, nan], "difference_high": [-0.06, nan]}
    beside = {"p_value": [0.01234, nan], "seconds": [12.34, nan], "parameters": [12345, 67]}
    table = pd.DataFrame({"model": ["svd", "gmf"], **errors, **differences, **beside})
    baselines = {"bias": 1.2, "global": 1.3, "item": 1.1, "user": 1.15}
    return Comparison(table, table.head(0), "gmf", baselines, 0.8, 1234, 5678, {})


def test_the_plot_shows_every_model_the_best_on_top(by_hand, snapshot):
    assert described(by_hand.plot()) == snapshot
    assert by_hand.plot().axes[0].yaxis_inverted()


def test_notebooks_show_the_table(by_hand):
    cells = re.findall("<t[hd]>(.*?)</t[hd]>", by_hand._repr_html_())
    names = "model rmse rmse_low rmse_high mae mae_low mae_high difference difference_low difference_high"
    assert cells == [
        *(*names.split(), "p_value", "seconds", "parameters"),
        *("svd", "0.9000", "0.8500", "0.9700", "0.7000", "0.6800", "0.7200", "-0.1000", "-0.1500", "-0.0600"),
        *("0.012", "12.3", "12,345"),
        *("gmf", "1.0000", "0.9600", "1.0500", "0.8000", "0.7700", "0.8400", "", "", "", "", "", "67"),
    ]


def test_ratings_of_one_user_are_refused(predictors):
    frame = SPLIT.test.frame
    one = SPLIT.test.take((frame["user"] == frame["user"][0]).to_numpy())
    with pytest.raises(DataError, match="intervals and tests need ratings of two users or more, not of 1$"):
        compare_predictors(predictors, one)


def test_ratings_off_the_scale_of_one_of_the_trainings_are_refused(predictors):
    other = Ratings(pd.DataFrame({"user": ["u", "v"], "item": ["i", "j"], "rating": [80, 100]}))
    with pytest.raises(DataError, match="are outside the training scale 1 to 5"):
        compare_predictors(predictors, other)
