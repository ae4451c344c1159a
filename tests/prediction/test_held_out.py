from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from recsys_nn import ArtifactError, Encoder, Predictor, Ratings, SVDConfig
from recsys_nn.prediction.held_out import BASELINES, predict_held_out, read_predicted
from recsys_nn.prediction.intervals import Calibration
from tests.prediction.predictors import drawn

TRAIN = Ratings(pd.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1], "rating": [10.0, 30.0, 50.0]}), scale=(0, 99))
HELD_OUT = Ratings(pd.DataFrame({"user": [2, 9], "item": [2, 1], "rating": [20.0, 40.0]}), scale=(0, 99))


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """Predicts 10 u + i of the rows, which are the ids here, and 0 of unknown ones."""
    inputs = {name: keras.Input((), dtype="int32", name=name) for name in ("user", "item")}
    return Predictor(
        keras.Model(inputs, keras.ops.cast(10 * inputs["user"] + inputs["item"], "float32")), Encoder.fit(TRAIN)
    )


def test_a_row_a_rating_with_its_predictions_without_its_ids(predictor):
    expected = {
        "user": [2, 9],
        "item": [2, 1],
        "rating": [20.0, 40.0],
        "user_ratings": [1, 0],
        "item_ratings": [1, 2],
        "prediction": [22.0, 1.0],
        "std": [0.0, 0.0],
        "global_baseline": [30.0, 30.0],
        "user_baseline": [30 + (50 - 30) / (15 + 1), 30.0],
        "item_baseline": [30.0, 30.0],
        "bias_baseline": predictor.encoder.baselines["bias"].predict([2, 0], [2, 1]),
        "prediction_without_user": [2.0, 1.0],
        "std_without_user": [0.0, 0.0],
        "prediction_without_item": [20.0, 0.0],
        "std_without_item": [0.0, 0.0],
        "prediction_without_both": [0.0, 0.0],
        "std_without_both": [0.0, 0.0],
    }
    pd.testing.assert_frame_equal(predict_held_out(predictor, HELD_OUT), pd.DataFrame(expected), check_dtype=False)


def test_baselines_are_within_the_scale(predictor):
    far = {name: SimpleNamespace(predict=lambda users, items: np.array([-5.0, 120.0])) for name in BASELINES}
    within = Predictor(predictor.model, replace(predictor.encoder, baselines=far))
    found = predict_held_out(within, HELD_OUT)[list(BASELINES.values())]
    assert found.to_numpy().tolist() == [[0.0] * 4, [99.0] * 4]


def test_what_the_model_reads_beside_the_ids_is_read_of_masked_ratings_too():
    frame = TRAIN.frame.assign(hour=[1, 2, 3], user=list("aab"))
    ratings = Ratings(frame, scale=(0, 99), rating_features=["hour"])
    by_hour = drawn(SVDConfig(embedding_dim=1), ratings, {"rating": ["hour"]})
    table = predict_held_out(by_hour, ratings)
    expected = by_hour.predict(frame.assign(user="nobody"))["prediction"]
    pd.testing.assert_series_equal(table["prediction_without_user"], expected, check_names=False)
    assert expected.nunique() == 3
    pd.testing.assert_frame_equal(read_predicted(table.to_parquet(index=False), list(table), "a.parquet"), table)


def test_intervals_rest_on_it_alone(predictor):
    table = predict_held_out(predictor, HELD_OUT)
    kept = read_predicted(table.to_parquet(index=False), list(table.columns), "validation.parquet")
    assert Calibration.of(kept, (0, 99)) == predictor.calibrated(HELD_OUT).calibration


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"user,item\n", "Parquet magic bytes not found"),
        (HELD_OUT.frame.to_parquet(), "the column 'prediction' is missing"),
        (
            HELD_OUT.frame.assign(prediction=[1, float("nan")]).to_parquet(),
            "the column 'prediction' must hold finite numbers",
        ),
    ],
)
def test_another_file_is_refused(content, message):
    with pytest.raises(ArtifactError, match=rf"validation\.parquet is damaged: {message}"):
        read_predicted(content, ["user", "prediction"], "validation.parquet")
