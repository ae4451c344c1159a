"""What predictions promise, whatever has been learnt."""

import copy
import io
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

import recsys_nn as rn
from tests.common.subject import NEW, PAIRS, Subject, assert_equal, numbers, weights

SAME = {"rtol": 1e-6}
"""Batches of another size or order are summed by other instructions."""


def check_predictions_are_ratings(subject: Subject) -> None:
    """Every pair of known ids has a finite float32 within the scale."""
    assert subject.predicted.dtype == np.float32
    assert np.all((subject.predicted >= 1) & (subject.predicted <= 5))


def check_new_ids_are_predicted_and_marked(subject: Subject) -> None:
    """Pairs with new ids have ratings within the scale, and the source says what they rest on."""
    predicted = subject.predictor.predict(NEW)
    assert predicted["source"].tolist() == ["user", "item", "global"]
    assert predicted["prediction"].between(1, 5).all()


def check_all_new_ids_are_alike(subject: Subject) -> None:
    """What is predicted for a new id does not depend on which it is."""
    others = NEW.replace({"user": {7: -(2**63)}, "item": {107: 2**63 - 1}})
    np.testing.assert_array_equal(numbers(subject.predictor, others), numbers(subject.predictor, NEW))


def check_predicting_again_gives_the_same(subject: Subject) -> None:
    """The same question has the same answer, bit for bit."""
    np.testing.assert_array_equal(numbers(subject.predictor, PAIRS), subject.predicted)


def check_predicting_changes_no_weight(subject: Subject) -> None:
    """Weights are after predictions and lists what they were before."""
    before = weights(subject.predictor)
    subject.predictor.predict(PAIRS, interval=0.5)
    subject.predictor.recommend([0, 7], n=2)
    assert_equal(weights(subject.predictor), before)


def check_the_order_of_pairs_does_not_matter(subject: Subject) -> None:
    """Pairs in another order have the same predictions."""
    order = np.random.default_rng(1).permutation(len(PAIRS))
    found = numbers(subject.predictor, PAIRS.iloc[order])
    np.testing.assert_allclose(found, subject.predicted[order], **SAME)


def check_a_pair_alone_is_predicted_as_among_others(subject: Subject) -> None:
    """Batches of one give what a batch of all gives."""
    alone = [numbers(subject.predictor, PAIRS.iloc[[row]])[0] for row in (0, 13, 29)]
    np.testing.assert_allclose(alone, subject.predicted[[0, 13, 29]], **SAME)


def check_company_does_not_matter(subject: Subject) -> None:
    """Known pairs are predicted among new ones as they are without."""
    found = numbers(subject.predictor, pd.concat([NEW, PAIRS, NEW]))
    np.testing.assert_allclose(found[3:-3], subject.predicted, **SAME)


def check_many_pairs_are_predicted_as_few(subject: Subject) -> None:
    """Thirty pairs a thousand times are predicted as they are once."""
    found = numbers(subject.predictor, pd.concat([PAIRS] * 1000))
    np.testing.assert_allclose(found.reshape(1000, -1), np.tile(subject.predicted, (1000, 1)), **SAME)


def check_nothing_asked_is_an_empty_table(subject: Subject) -> None:
    """No pairs have no predictions, in a table of the same columns and types."""
    predicted = subject.predictor.predict([], interval=0.9)
    whole = subject.predictor.predict(PAIRS, interval=0.9)
    assert len(predicted) == 0
    assert predicted.dtypes.drop(["user", "item"]).equals(whole.dtypes.drop(["user", "item"]))


def check_threads_get_the_same(subject: Subject) -> None:
    """Four threads that ask a predictor at once, which has never been asked, get what one gets."""
    fresh = rn.Predictor(subject.predictor.model, subject.encoder, seen=subject.predictor.seen)

    def asked(_: int) -> tuple[np.ndarray, list[int]]:
        return numbers(fresh, PAIRS), fresh.recommend([0], n=3)["item"].tolist()

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(asked, range(8)))
    for found, listed in answers:
        np.testing.assert_array_equal(found, subject.predicted)
        assert listed == answers[0][1]


def check_copies_predict_the_same(subject: Subject) -> None:
    """A copy, a deep copy, with weights of its own, and an unpickled predictor give the same numbers and intervals."""
    predictor = subject.predictor
    expected = predictor.predict(PAIRS, interval=0.9)
    deep = copy.deepcopy(predictor)
    for other in (copy.copy(predictor), deep, pickle.loads(pickle.dumps(predictor))):
        pd.testing.assert_frame_equal(other.predict(PAIRS, interval=0.9), expected, check_exact=True)
    deep.model.set_weights([np.full_like(values, 1) for values in weights(deep)])
    np.testing.assert_array_equal(numbers(predictor, PAIRS), subject.predicted)


def check_the_network_is_a_keras_model_with_a_summary(subject: Subject) -> None:
    """The network prints its layers and takes a batch by itself."""
    printed = io.StringIO()
    model = subject.predictor.model
    model.summary(print_fn=lambda line, **_: printed.write(line))
    assert subject.config.kind in printed.getvalue()
    found = np.asarray(model(subject.encoder.encode_pairs(PAIRS["user"], PAIRS["item"])))
    np.testing.assert_allclose(found, subject.predicted, **SAME)
