"""The common checks themselves: each of these predictors breaks a promise, and the checks of it must say so."""

import keras
import numpy as np
import pytest
from keras import ops

import recsys_nn as rn
from tests.common.checks import CHECKS
from tests.common.subject import Subject


class BatchMean(keras.layers.Layer):
    """Depends on who else is asked for."""

    def call(self, z):
        return 3 + z - ops.mean(z)


class Counter(keras.layers.Layer):
    """Learns while it predicts."""

    def build(self, _):
        self.asked = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, z):
        self.asked.assign_add(0.01)
        return z + self.asked


class NotANumber(keras.layers.Layer):
    def call(self, z):
        return z * np.float32("nan")


class WritesIntoTheFrame(rn.Predictor):
    def predict(self, pairs=None, **options):
        if hasattr(pairs, "columns"):
            pairs["item"] = pairs["item"].to_numpy()[::-1]
        return super().predict(pairs, **options)


class Forgetful(rn.Predictor):
    """Is unpickled without its intervals."""

    def __reduce__(self):
        return rn.Predictor, (self.model, self.encoder)


def subject_of(layer: type[keras.layers.Layer], predictor: type[rn.Predictor] = rn.Predictor) -> Subject:
    """Of a network that no kind has built."""
    subject = Subject(rn.GlobalMeanConfig())
    inputs = {side: keras.Input((), dtype="int32", name=side) for side in ("user", "item")}
    z = ops.cast(inputs["user"] + inputs["item"], "float32") / 4
    model = keras.Model(inputs, layer()(z))
    vars(subject)["predictor"] = predictor(model, subject.encoder).with_seen(subject.ratings)
    return subject


@pytest.mark.parametrize(
    ("layer", "predictor", "name"),
    [
        (BatchMean, rn.Predictor, "check_company_does_not_matter"),
        (BatchMean, rn.Predictor, "check_a_pair_alone_is_predicted_as_among_others"),
        (Counter, rn.Predictor, "check_predicting_again_gives_the_same"),
        (Counter, rn.Predictor, "check_the_order_of_pairs_does_not_matter"),
        (NotANumber, rn.Predictor, "check_predictions_are_ratings"),
        (NotANumber, rn.Predictor, "check_new_ids_are_predicted_and_marked"),
        (keras.layers.Identity, WritesIntoTheFrame, "check_what_is_asked_is_not_changed"),
        (keras.layers.Identity, Forgetful, "check_copies_predict_the_same"),
    ],
)
def test_a_broken_promise_is_found(layer, predictor, name):
    with pytest.raises((AssertionError, rn.DataError)):
        CHECKS[name](subject_of(layer, predictor))


@pytest.mark.parametrize("name", ["check_company_does_not_matter", "check_predictions_are_ratings"])
def test_a_kept_promise_is_not(name):
    CHECKS[name](subject_of(keras.layers.Identity))
