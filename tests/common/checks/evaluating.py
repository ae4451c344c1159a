"""What judging a predictor promises: errors, intervals, probabilities."""

import numpy as np
import pandas as pd
import pytest

import recsys_nn as rn
from tests.common.subject import NEW, PAIRS, Subject, unless_refused


def check_errors_are_those_of_the_predictions(subject: Subject) -> None:
    """RMSE and MAE are worked out from the predictions, and evaluating again gives the same."""
    evaluation = rn.evaluate(subject.predictor, subject.ratings)
    frame = subject.ratings.frame
    errors = frame["rating"] - subject.predictor.predict(frame)["prediction"]
    assert evaluation.n == 20
    assert evaluation.rmse == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert evaluation.mae == pytest.approx(np.mean(np.abs(errors)))
    assert rn.evaluate(subject.predictor, subject.ratings).metrics == evaluation.metrics


def check_new_ids_are_judged_apart(subject: Subject) -> None:
    """Ratings of ids that training did not have are judged, in the segment of those with no ratings."""
    evaluation = rn.evaluate(subject.predictor, rn.Ratings(NEW.assign(rating=[1, 5, 3]), scale=(1, 5)))
    assert np.isfinite([evaluation.rmse, evaluation.mae, *evaluation.baselines.values()]).all()
    segments = evaluation.segments.set_index(["side", "ratings"])["n"]
    assert segments["user", "0"] == 2
    assert segments["item", "0"] == 2


def check_nothing_to_judge_is_refused(subject: Subject) -> None:
    """An empty part has no errors, and calibrates no intervals."""
    empty = subject.ratings.take([])
    with pytest.raises(rn.DataError, match="no ratings to evaluate on"):
        rn.evaluate(subject.predictor, empty)
    with pytest.raises(rn.DataError, match="no ratings to calibrate"):
        subject.predictor.calibrated(empty)


def check_another_scale_is_refused(subject: Subject) -> None:
    """Ratings that the model cannot predict are not judged."""
    with pytest.raises(rn.DataError, match="outside the training scale 1 to 5"):
        rn.evaluate(subject.predictor, rn.Ratings(PAIRS.assign(rating=np.linspace(0, 10, 30))))


def check_intervals_lie_in_the_scale_and_in_wider_ones(subject: Subject) -> None:
    """Intervals hold the prediction and end within the scale; that of a smaller share lies in that of a larger one."""
    pairs = pd.concat([PAIRS, NEW])
    half, most = (subject.predictor.predict(pairs, interval=share) for share in (0.5, 0.95))
    for predicted in (half, most):
        assert (predicted["lower"] >= 1).all()
        assert (predicted["upper"] <= 5).all()
        assert predicted["prediction"].between(predicted["lower"], predicted["upper"]).all()
    assert (most["lower"] <= half["lower"]).all()
    assert (most["upper"] >= half["upper"]).all()


def check_intervals_change_no_prediction(subject: Subject) -> None:
    """Predictions with intervals are those without."""
    np.testing.assert_array_equal(subject.predictor.predict(PAIRS, interval=0.9)["prediction"], subject.predicted)


def check_an_interval_is_of_a_share(subject: Subject) -> None:
    """0, 1, more, NaN and a text are no shares; without calibration there are no intervals."""
    for share in (0, 1, 90, -0.5, float("nan"), "0.9"):
        with pytest.raises(rn.DataError, match="interval must be a share between 0 and 1"):
            subject.predictor.predict(PAIRS, interval=share)
    with pytest.raises(rn.DataError, match="no intervals"):
        rn.Predictor(subject.predictor.model, subject.encoder).predict(PAIRS, interval=0.9)


def check_probabilities_are_some_or_there_are_none(subject: Subject) -> None:
    """Probabilities of the levels sum to one; a head without them says so."""
    table = unless_refused(
        lambda: subject.predictor.predict_probabilities(PAIRS).drop(columns=["user", "item"]),
        rn.DataError,
        "without probabilities",
    )
    if table is not None:
        assert table.columns.tolist() == [1, 2, 3, 4, 5]
        np.testing.assert_allclose(table.sum(axis=1), 1, rtol=1e-5)
