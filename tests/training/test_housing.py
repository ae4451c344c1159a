"""The Trainer knows nothing about ratings: the lecture's network for house prices, on the real table."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from recsys_nn import Tensors, TrainConfig, Trainer
from recsys_nn.evaluation.metrics import rmse


@pytest.mark.real_data
def test_a_network_beats_the_linear_regression_on_house_prices(real_data):
    train, test = (pd.read_csv(real_data / "housing" / f"{part}.csv").to_numpy() for part in ("train", "test"))
    scaler = StandardScaler().fit(train[:, :-1])
    x, y = scaler.transform(train[:, :-1]), train[:, -1]
    x_test, y_test = np.clip(scaler.transform(test[:, :-1]), -5, 5), test[:, -1]
    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(32, "relu"), keras.layers.Dense(1)]
    )
    settings = TrainConfig(learning_rate=0.005, batch_size=256, epochs=20, patience=5, seed=1)
    run = Trainer(settings, progress=False).fit(network, Tensors(np.clip(x, -5, 5), y))
    linear = LinearRegression().fit(x, y)
    assert rmse(y_test, run.model.predict(x_test, verbose=0)[:, 0]) < 0.9 * rmse(y_test, linear.predict(x_test))
