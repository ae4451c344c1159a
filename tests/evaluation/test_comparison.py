import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

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


def test_the_plot_shows_every_model_the_best_on_top(comparison):
    figure = comparison.plot()
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == comparison.table["model"].tolist()
    assert left.yaxis_inverted()
    (legend,) = figure.legends  # below both, where it hides no interval
    assert [text.get_text() for text in legend.get_texts()] == ["bias baseline", "oracle (best possible)", "reference"]
    points = left.lines[0]
    assert points.get_xdata() == pytest.approx(comparison.table["rmse"].tolist())
    ends = [segment[:, 0].tolist() for segment in right.collections[0].get_segments()]
    assert ends == comparison.table[["difference_low", "difference_high"]][1:].to_numpy().tolist()
    assert (left.get_xlabel(), right.get_xlabel()) == ("RMSE", "RMSE − RMSE of bias")
    assert left.get_title() == f"{comparison.n} ratings of {comparison.n_users} users, 95% intervals"
    assert right.get_title() == "Paired differences, 95% intervals"
    assert figure.get_size_inches().tolist() == [10, pytest.approx(1.9 + 0.35 * len(comparison.table))]
    assert to_hex(points.get_color()) == "#1f77b4"


def test_notebooks_show_the_table(comparison):
    html = comparison._repr_html_()
    assert f"{comparison.table['rmse'][0]:.4f}" in html
    assert "NaN" not in html


def test_ratings_of_one_user_are_refused(predictors):
    frame = SPLIT.test.frame
    one = SPLIT.test.take((frame["user"] == frame["user"][0]).to_numpy())
    with pytest.raises(DataError, match="the ratings are of 1 users: intervals and tests need two or more"):
        compare_predictors(predictors, one)


def test_ratings_off_the_scale_of_one_of_the_trainings_are_refused(predictors):
    other = Ratings(pd.DataFrame({"user": ["u", "v"], "item": ["i", "j"], "rating": [80, 100]}))
    with pytest.raises(DataError, match="are outside the training scale 1 to 5"):
        compare_predictors(predictors, other)
