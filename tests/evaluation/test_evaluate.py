import re

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from recsys_nn import BiasConfig, DataError, Encoder, Predictor, Ratings, SVDConfig, Trainer, build_model, evaluate
from recsys_nn.evaluation.evaluate import judged
from tests.models.contract import twenty_ratings


def ratings(rows: list[tuple[str, str, float]], **options) -> Ratings:
    return Ratings(pd.DataFrame(rows, columns=["user", "item", "rating"]), scale=(1, 5), **options)


# u rated 20 items (so does nobody else but v), v one.
TRAIN = ratings([("u", f"i{k}", 4 if k % 2 else 2) for k in range(20)] + [("v", "i0", 5), ("w", "i0", 1)])
TEST = ratings([("v", "i1", 4), ("new", "i0", 3), ("new", "nowhere", 1), ("w", "i2", 2)])


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    encoder = Encoder.fit(TRAIN)
    model = Trainer(progress=False).fit(build_model(BiasConfig(), encoder), encoder.encode(TRAIN)).model
    return Predictor(model, encoder)


def test_the_errors_are_those_of_the_predictions(predictor):
    evaluation = evaluate(predictor, TEST)
    errors = TEST.frame["rating"] - predictor.predict(TEST)["prediction"]
    assert evaluation.n == 4
    assert evaluation.rmse == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert evaluation.mae == pytest.approx(np.mean(np.abs(errors)))


def test_the_four_baselines_stand_beside(predictor):
    evaluation = evaluate(predictor, TEST)
    assert list(evaluation.baselines) == ["global", "user", "item", "bias"]
    mean = TRAIN.frame["rating"].mean()
    assert evaluation.baselines["global"] == pytest.approx(np.sqrt(np.mean((TEST.frame["rating"] - mean) ** 2)))


def test_the_lift_is_over_the_best_baseline(predictor):
    evaluation = evaluate(predictor, TEST)
    best = min(evaluation.baselines.values())
    assert evaluation.baselines[evaluation.best_baseline] == best
    assert evaluation.lift == pytest.approx(1 - evaluation.rmse / best)
    figures = {name: getattr(evaluation, name) for name in ("n", "rmse", "mae", "r2", "lift")}
    assert evaluation.metrics == figures | {f"{name}_rmse": value for name, value in evaluation.baselines.items()}


def test_segments_go_by_how_often_a_side_was_rated_in_training(predictor):
    segments = evaluate(predictor, TEST).segments.set_index(["side", "ratings"])
    assert segments.loc["user", "n"].to_dict() == {"0": 2, "1-4": 2, "5-19": 0, "20+": 0}
    assert segments.loc["item", "n"].to_dict() == {"0": 1, "1-4": 3, "5-19": 0, "20+": 0}
    errors = TEST.frame["rating"] - predictor.predict(TEST)["prediction"]
    assert segments.loc[("user", "0"), "rmse"] == pytest.approx(np.sqrt(np.mean(errors[1:3] ** 2)))
    assert np.isnan(segments.loc[("user", "20+"), "rmse"])
    assert segments["n"].groupby("side").sum().tolist() == [4, 4]


def test_segments_begin_and_end_with_these_numbers_of_ratings():
    times = [0, 1, 4, 5, 19, 20, 21]
    table = pd.DataFrame({"user_ratings": times, "item_ratings": 0, "rating": 3.0, "prediction": 2.0, "std": 1.0})
    table = table.assign(**dict.fromkeys([f"{name}_baseline" for name in ("global", "user", "item", "bias")], 1.0))
    evaluation = judged(table, (1, 5))
    shares = {"0": 1, "1-4": 2, "5-19": 2, "20+": 2}
    of_items = {"0": 7, "1-4": 0, "5-19": 0, "20+": 0}
    expected = [
        {"side": side, "ratings": name, "n": n, "rmse": 1.0, "mae": 1.0, "bias": 2.0}
        if n
        else {"side": side, "ratings": name, "n": 0}
        for side, numbers in (("user", shares), ("item", of_items))
        for name, n in numbers.items()
    ]
    pd.testing.assert_frame_equal(evaluation.segments, pd.DataFrame(expected))
    assert evaluation.interval is None


def test_the_oracle_is_told_where_the_truth_is_known(predictor):
    class Truth:
        def expected(self, users, items):
            return np.full(len(users), 3.0)

    assert evaluate(predictor, TEST).oracle is None
    known = evaluate(predictor, ratings([("u", "i1", 4), ("u", "i2", 1)], truth=Truth()))
    assert known.oracle == pytest.approx(np.sqrt((1 + 4) / 2))
    assert "oracle (best possible)" in known.summary["predictor"].tolist()


def test_the_summary_is_sorted_and_shown_in_notebooks(predictor):
    evaluation = evaluate(predictor, TEST)
    assert evaluation.summary["rmse"].is_monotonic_increasing
    assert set(evaluation.summary["predictor"]) == {"model", *(f"{name} baseline" for name in evaluation.baselines)}
    shown = zip(evaluation.summary["predictor"], evaluation.summary["rmse"], strict=True)
    cells = re.findall("<t[hd]>(.*?)</t[hd]>", evaluation._repr_html_())
    assert cells == ["predictor", "rmse", *(cell for name, rmse in shown for cell in (name, f"{rmse:.4f}"))]


def test_ratings_off_the_training_scale_are_refused(predictor):
    other = Ratings(pd.DataFrame({"user": ["u", "v"], "item": ["i0", "i1"], "rating": [80, 100]}))
    with pytest.raises(
        DataError,
        match=(
            "2 of 2 ratings, the first 80, are outside the training scale 1 to 5: convert them "
            "to it, or train on a scale that holds both$"
        ),
    ):
        evaluate(predictor, other)


def test_a_perfect_baseline_leaves_no_lift_to_tell(predictor):
    """An unknown pair is predicted the training mean; here it is exactly that."""
    mean = float(TRAIN.frame["rating"].mean())
    evaluation = evaluate(predictor, ratings([("new", "nowhere", mean)]))
    assert evaluation.baselines["global"] == 0
    assert np.isnan(evaluation.lift)


def test_what_are_no_ratings_is_refused(predictor):
    with pytest.raises(DataError, match=r"ratings must be Ratings \(rn.load_ratings makes them\), not DataFrame$"):
        evaluate(predictor, TEST.frame)


def test_nothing_to_judge_is_refused(predictor):
    with pytest.raises(DataError, match="there are no ratings to evaluate on"):
        evaluate(predictor, TEST.take([]))


def test_the_context_of_a_rating_is_that_of_its_table():
    table = Ratings(
        pd.DataFrame({"user": list("aabb"), "item": [1, 2, 1, 2], "rating": [1, 2, 3, 4], "hour": [1, 2, 3, 4]}),
        rating_features=["hour"],
    )
    encoder = Encoder.fit(table, features={"rating": ["hour"]})
    inputs = {"context_weights": keras.Input((1,), name="context_weights")}
    model = keras.Model(inputs, 2.5 + 1.25**0.5 * inputs["context_weights"])
    assert evaluate(Predictor(model, encoder), table).rmse == pytest.approx(0, abs=1e-6)


def test_the_context_of_ratings_is_not_made_up():
    frame = pd.DataFrame({"user": list("aabb"), "item": [1, 2, 1, 2], "rating": [1, 2, 3, 4], "hour": [1, 2, 3, 4]})
    encoder = Encoder.fit(Ratings(frame, rating_features=["hour"]), features={"rating": ["hour"]})
    predictor = Predictor(build_model(SVDConfig(), encoder), encoder)
    with pytest.raises(DataError, match="the ratings have no column 'hour', which the model reads: add it$"):
        evaluate(predictor, Ratings(frame))


@pytest.mark.parametrize("head", ["ordinal", "binary"])
def test_probabilities_are_judged_too(head):
    table = twenty_ratings().liked(3) if head == "binary" else twenty_ratings()
    encoder = Encoder.fit(table)
    predictor = Predictor(build_model(SVDConfig(head=head, init_std=0.5), encoder), encoder)
    p = predictor.predict_probabilities(table).drop(columns=["user", "item"])
    rating = table.frame["rating"]
    expected = {"log_loss": log_loss(rating, p), "accuracy": np.mean(p.columns[p.to_numpy().argmax(axis=1)] == rating)}
    if head == "binary":
        expected["auc"] = roc_auc_score(rating, p[1.0])
    evaluation = evaluate(predictor, table)
    assert evaluation.of_probabilities == pytest.approx(expected, rel=1e-5)
    assert evaluation.metrics["log_loss"] == evaluation.of_probabilities["log_loss"]


def test_intervals_are_judged_where_there_are_some(predictor):
    held_out = ratings([("u", f"i{k}", 1 + k % 5) for k in range(20)] + [("v", "i0", 4)])
    calibrated = predictor.calibrated(held_out)
    evaluation = evaluate(calibrated, TEST, interval=0.5)
    found = calibrated.predict(TEST, interval=0.5)
    covered, width = TEST.frame["rating"].between(found["lower"], found["upper"]), found["upper"] - found["lower"]
    assert (evaluation.interval, evaluation.coverage) == (0.5, covered.mean())
    assert evaluation.width == pytest.approx(width.mean())
    assert evaluation.metrics["interval_coverage"] == evaluation.coverage
    assert evaluation.metrics["interval_width"] == evaluation.width
    segments = evaluation.segments.set_index(["side", "ratings"])
    assert segments.loc[("user", "0"), "coverage"] == covered[1:3].mean()
    assert segments.loc[("user", "0"), "width"] == pytest.approx(width[1:3].mean())
    assert np.isnan(segments.loc[("user", "20+"), "width"])
    without = evaluate(predictor, TEST)
    assert without.interval is without.coverage is without.width is None
    assert "interval_coverage" not in without.metrics
    assert "coverage" not in without.segments


def test_a_rating_that_is_no_level_has_no_probability():
    encoder = Encoder.fit(twenty_ratings())
    predictor = Predictor(build_model(SVDConfig(head="ordinal"), encoder), encoder)
    odd = Ratings(twenty_ratings().frame.assign(rating=2.5), scale=(1, 5))
    assert evaluate(predictor, odd).of_probabilities == {
        "log_loss": pytest.approx(-np.log(1.17549435e-38)),
        "accuracy": 0.0,
    }
