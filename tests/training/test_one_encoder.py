"""Rows of one encoder stand for other ids in another one: what mixes them is refused."""

import pickle

import pytest

import recsys_nn as rn

TRAINING = rn.TrainConfig(epochs=1, validation=0.0, patience=None, batch_size=64)
MIXED = "^the model and all parts of a training must come from one encoder"


@pytest.fixture(scope="module")
def split() -> rn.Split:
    """A validation part with users whom training does not have."""
    ratings = rn.load_ratings("synthetic", n_users=60, n_items=30, n_ratings=150)
    return rn.random_split(ratings, validation=0.3, test=0.1)


@pytest.fixture(scope="module")
def encoder(split) -> rn.Encoder:
    return rn.Encoder.fit(split.train)


@pytest.fixture(scope="module")
def other(split) -> rn.Encoder:
    return rn.Encoder.fit(split.validation)


@pytest.fixture
def model(encoder):
    return rn.build_model(rn.SVDConfig(embedding_dim=2), encoder)


def fit(model, train, validation=None):
    return rn.Trainer(TRAINING, progress=False).fit(model, train, validation)


def test_a_predictor_takes_the_encoder_of_its_model(model, encoder, other, split):
    with pytest.raises(rn.DataError, match="^encoder must be the one that the model was built with, .* other users"):
        rn.Predictor(model, other)
    again = rn.Predictor(model, rn.Encoder.fit(split.train))
    pair = split.train.frame.head(1)
    assert again.predict(pair).equals(rn.Predictor(model, encoder).predict(pair))


def test_a_model_and_its_encoder_stand_in_this_order(model, encoder):
    with pytest.raises(
        rn.DataError, match="^encoder must be the Encoder that the model was built with, after the model"
    ):
        rn.Predictor(encoder, model)


def test_all_parts_of_a_training_are_of_one_encoder(model, encoder, other, split):
    with pytest.raises(rn.DataError, match=MIXED):
        fit(model, encoder.encode(split.train), other.encode(split.validation))
    with pytest.raises(rn.DataError, match=MIXED):
        fit(model, other.encode(split.train))
    train, held_out = other.encode(split.train).split(0.2, seed=0)
    with pytest.raises(rn.DataError, match=MIXED):
        fit(model, train, held_out)


def test_an_encoder_that_was_pickled_is_the_same(model, encoder, split):
    copy = pickle.loads(pickle.dumps(encoder))
    run = fit(model, copy.encode(split.train), encoder.encode(split.validation))
    assert rn.Predictor(run.model, copy).encoder is copy
