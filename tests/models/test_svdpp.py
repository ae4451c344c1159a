import numpy as np
import pytest

from recsys_nn import DataError, Encoder, SVDPPConfig, TrainConfig, Trainer, TrainingError, build_model
from recsys_nn.models.layers.rated_sets import RatedSet
from tests.models.contract import NetworkContract, twenty_ratings


class TestSVDPP(NetworkContract):
    config = SVDPPConfig(embedding_dim=8, set_l2=0.01)


def test_a_set_is_the_sum_of_its_members_over_the_root_of_their_number():
    """User 1 rated the items 1, 2 and 3, user 2 item 3; user 3 nothing, and row 0 stands for the unknown."""
    layer = RatedSet("user", {"user": 4, "item": 4}, 6, 2)
    layer.build()
    layer.vectors.assign([[9, 9], [1, 10], [2, 20], [4, 40]])
    ratings = np.zeros(4, np.float32)
    layer.set_pairs(np.array([2, 1, 1, 1], np.int32), np.array([3, 1, 2, 3], np.int32), ratings)
    expected = [[0, 0], [7 / np.sqrt(3), 70 / np.sqrt(3)], [4, 40], [0, 0]]
    np.testing.assert_allclose(layer(np.array([0, 1, 2, 3])), expected, rtol=1e-6)


def test_a_set_of_ratings_weighs_its_members_by_them():
    layer = RatedSet("item", {"user": 3, "item": 3}, 2, 1, standard=(3.0, 2.0))
    layer.build()
    layer.vectors.assign([[0], [1], [10]])
    layer.set_pairs(np.array([2, 2], np.int32), np.array([1, 2], np.int32), np.array([5.0, 2.0], np.float32))
    np.testing.assert_allclose(layer(np.array([1, 2])), [[0], [(1 * 1 + 10 * -0.5) / np.sqrt(2)]], rtol=1e-6)


def test_more_pairs_than_were_announced_are_refused():
    layer = RatedSet("item", {"user": 3, "item": 3}, 1, 1)
    layer.build()
    two = np.array([1, 2], np.int32)
    with pytest.raises(
        DataError,
        match=("the model was built for an encoder of 1 ratings, not of 2: fit the encoder on these ratings$"),
    ):
        layer.set_pairs(two, two, np.zeros(2, np.float32))


def test_a_prediction_is_mean_biases_and_the_product_of_vectors_with_their_sets():
    ratings = twenty_ratings()
    encoder = Encoder.fit(ratings)
    tensors = encoder.encode(ratings)
    settings = TrainConfig(epochs=3, patience=None, validation=0, learning_rate=0.05)
    model = Trainer(settings, progress=False).fit(build_model(SVDPPConfig(embedding_dim=3), encoder), tensors).model
    p, q, a, b = (
        model.get_layer(f"{side}_{name}").embeddings.numpy()
        for name in ("factors", "bias")
        for side in ("user", "item")
    )
    y, x = (model.get_layer(f"{side}_set").vectors.numpy() for side in ("user", "item"))
    rated = np.zeros((len(p), len(q)))
    rated[tensors.inputs["user"], tensors.inputs["item"]] = 1
    with np.errstate(invalid="ignore"):
        p += np.nan_to_num(rated @ y / np.sqrt(rated.sum(axis=1, keepdims=True)))
        q += np.nan_to_num(rated.T @ x / np.sqrt(rated.T.sum(axis=1, keepdims=True)))
    users, items = np.array([1, 2, 5, 0], np.int32), np.array([6, 1, 3, 2], np.int32)
    z = a[users, 0] + b[items, 0] + np.sum(p[users] * q[items], axis=1)
    expected = np.clip(encoder.rating_mean + encoder.rating_std * z, 1, 5)
    np.testing.assert_allclose(model({"user": users, "item": items}), expected, rtol=1e-5)


def test_the_vectors_of_members_in_no_set_are_zero():
    layer = RatedSet("user", {"user": 3, "item": 4}, 2, 2)
    layer.build()
    layer.set_pairs(np.array([1, 2], np.int32), np.array([1, 3], np.int32), np.zeros(2, np.float32))
    assert np.any(layer.vectors, axis=1).tolist() == [False, True, False, True]


@pytest.mark.slow
def test_training_with_empty_sets_is_refused():
    encoder = Encoder.fit(twenty_ratings())
    tensors = encoder.encode(twenty_ratings())
    model = build_model(SVDPPConfig(embedding_dim=2), encoder)
    model.compile(loss="mse")
    with pytest.raises(
        TrainingError, match="the sets of '(user|item)_set' are empty: train with rn.Trainer, or before model.fit call"
    ):
        model.fit(tensors.inputs, tensors.targets, verbose=0)
    for name in ("user_set", "item_set"):
        model.get_layer(name).before_training(tensors.inputs, tensors.targets)
    model.compile(loss="mse")
    model.fit(tensors.inputs, tensors.targets, verbose=0)


@pytest.mark.slow
def test_what_is_held_out_is_in_no_set():
    encoder = Encoder.fit(twenty_ratings())
    model = build_model(SVDPPConfig(embedding_dim=2), encoder)
    tensors = encoder.encode(twenty_ratings())
    settings = TrainConfig(epochs=1, validation=0.25, seed=4)
    Trainer(settings, progress=False).fit(model, tensors)
    kept, _ = tensors.split(0.25, seed=4)
    pairs = sorted(zip(kept.inputs["user"].tolist(), kept.inputs["item"].tolist(), strict=True))
    layer = model.get_layer("user_set")
    found = sorted(zip(layer.owners.numpy().tolist(), layer.members.numpy().tolist(), strict=True))
    assert found == [(0, 0)] * 5 + pairs


def set_of_items(n_pairs: int = 5, **options) -> RatedSet:
    """Of four users (row 0 included) and four items."""
    layer = RatedSet("user", {"user": 4, "item": 4}, n_pairs, 1, name="fans", **options)
    layer.build()
    return layer


OWNERS, MEMBERS = np.array([2, 1, 1, 1], np.int32), np.array([3, 1, 2, 3], np.int32)


def test_an_empty_set_cannot_be_trained_with():
    layer = set_of_items()
    message = (
        r"the sets of 'fans' are empty: train with rn\.Trainer, or before model\.fit call "
        r"model\.get_layer\('fans'\)\.before_training\(tensors\.inputs, tensors\.targets\)"
    )
    with pytest.raises(TrainingError, match=message):
        layer(np.array([1]), training=True)
    layer(np.array([1]), training=False)
    layer.before_training({"user": OWNERS, "item": MEMBERS}, np.zeros(4, np.float32))
    layer(np.array([1]), training=True)


def test_the_penalty_of_a_set_runs_over_all_its_vectors_in_training_alone():
    layer = set_of_items(l2=0.5)
    layer.set_pairs(OWNERS, MEMBERS, np.zeros(4, np.float32))
    layer.vectors.assign([[0], [1], [2], [4]])
    layer(np.array([1]), training=True)
    assert [float(loss) for loss in layer.losses] == [pytest.approx(0.5 * 21)]
    layer(np.array([1]))
    assert layer.losses == []


def test_a_prediction_moves_with_as_many_vectors_as_its_set_has():
    """Of three ratings by a set of three and one by a set of one: (9 + 1) / 4."""
    layer = set_of_items()
    assert layer.coupling == 0
    layer.set_pairs(OWNERS, MEMBERS, np.zeros(4, np.float32))
    assert layer.coupling == 2.5


@pytest.mark.parametrize(("weight", "row", "what"), [("owners", 4, "owner"), ("members", -1, "member")])
def test_sets_of_rows_that_are_not_there_are_refused(weight, row, what):
    layer = set_of_items()
    layer.set_pairs(OWNERS, MEMBERS, np.zeros(4, np.float32))
    layer.check_weights()
    getattr(layer, weight).assign([0, 1, 1, row, 2])
    message = f"^the rows of each {what} in the sets of 'fans' must be from 0 to 3$"
    with pytest.raises(DataError, match=message):
        layer.check_weights()


@pytest.mark.parametrize("standard", [None, (3.0, 2.0)])
def test_further_pairs_are_as_if_they_had_been_among_the_first(standard):
    ratings = np.array([5, 1, 2, 4], np.float32)
    first, grown, whole = (set_of_items(standard=standard) for _ in range(3))
    whole.set_pairs(OWNERS, MEMBERS, ratings)
    first.set_pairs(OWNERS[:2], MEMBERS[:2], ratings[:2])
    grown.add_pairs(OWNERS[2:], MEMBERS[2:], ratings[2:], to=first)
    for one, other in zip(grown.weights[1:], whole.weights[1:], strict=True):
        np.testing.assert_allclose(one, other, err_msg=one.name)
    config = whole.get_config()
    assert (config["standard"], config["n_pairs"], config["side"]) == (standard, 5, "user")
