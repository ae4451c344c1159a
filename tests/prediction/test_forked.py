"""In a process forked after TensorFlow has begun, whatever would make it wait for ever is an error that names spawn."""

import multiprocessing
import os
import pickle

import pandas as pd
import pytest

import recsys_nn as rn
from tests.models.contract import twenty_ratings

OF_A_NEW_USER = pd.DataFrame({"user": [77, 77], "item": [100, 101], "rating": [3, 4]})
FORKED = "^this process was forked from one in which TensorFlow had begun, .*get_context\\('spawn'\\)"


@pytest.fixture(scope="module")
def predictor() -> rn.Predictor:
    encoder = rn.Encoder.fit(twenty_ratings())
    return rn.Predictor(rn.build_model(rn.SVDConfig(embedding_dim=2), encoder), encoder)


CALLS = {
    "predict": lambda predictor: predictor.predict([(0, 100)]),
    "recommend": lambda predictor: predictor.recommend([0], 2, exclude_seen=False),
    "fold_in": lambda predictor: predictor.fold_in(OF_A_NEW_USER),
    "build": lambda predictor: rn.build_model(rn.SVDConfig(), predictor.encoder),
    "train": lambda predictor: rn.Trainer().fit(predictor.model, predictor.encoder.encode(twenty_ratings())),
    "unpickle": lambda predictor: pickle.loads(PICKLED[0]),
}
PICKLED: list[bytes] = []


@pytest.mark.parametrize("call", CALLS)
def test_it_is_refused_in_another_process(predictor, monkeypatch, call):
    PICKLED[:] = [pickle.dumps(predictor)]
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(rn.ConfigError, match=FORKED):
        CALLS[call](predictor)


def told(predictor, answers) -> None:
    try:
        predictor.predict([(0, 100)])
    except rn.ConfigError as error:
        answers.put(str(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_answers_at_once(predictor):
    predictor.predict([(0, 100)])
    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()
    child = fork.Process(target=told, args=(predictor, answers))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert "spawn" in answers.get()
