"""Going on training with new ratings."""

import numpy as np
import pandas as pd
import pytest

import recsys_nn as rn
from recsys_nn.models.layers.averaged import AveragedModel
from recsys_nn.prediction.new_ids.update import _held_out
from recsys_nn.prediction.predictor import BlendedPredictor
from tests.models.contract import twenty_ratings
from tests.prediction.predictors import drawn, trained

NEW = pd.DataFrame({"user": [7, 7, 3, 0, 8], "item": [100, 102, 900, 100, 901], "rating": [5, 2, 4, 1, 3]})
FEW = rn.TrainConfig(epochs=3, validation=0.0, patience=None, learning_rate=0.01)


@pytest.fixture(scope="module")
def svd() -> rn.Predictor:
    return trained(rn.SVDConfig(embedding_dim=3), twenty_ratings()).with_seen(twenty_ratings())


@pytest.fixture(scope="module")
def updated(svd) -> rn.Predictor:
    return svd.update(NEW, training=FEW)


def joined() -> pd.DataFrame:
    """The twenty ratings and the new ones, of which one may replace one of them."""
    both = pd.concat([twenty_ratings().frame, NEW])
    return both.drop_duplicates(["user", "item"], keep="last", ignore_index=True)


def test_it_knows_all_ids_and_how_often_they_are_rated(svd, updated):
    counts = joined()["user"].value_counts()
    encoder = updated.encoder
    assert {user: encoder.user_counts[encoder.users.lookup([user])[0]] for user in counts.index} == counts.to_dict()
    assert updated.predict(NEW)["source"].tolist() == ["model"] * 5
    assert svd.predict(NEW)["source"].tolist().count("model") == 1
    assert encoder.n_ratings == len(joined())


def test_a_new_rating_of_a_known_pair_replaces_the_old_one(updated):
    kept = updated.seen.to_frame(updated.encoder)
    pd.testing.assert_frame_equal(
        kept.sort_values(["user", "item"], ignore_index=True),
        joined().sort_values(["user", "item"], ignore_index=True),
        check_dtype=False,
    )


def test_its_baselines_are_those_of_all_ratings(updated):
    fresh = rn.Encoder.fit(rn.Ratings(joined(), scale=(1, 5)))
    pairs = joined()
    for name, biases in fresh.baselines.items():
        rows = [
            (each.users.lookup(pairs["user"]), each.items.lookup(pairs["item"])) for each in (updated.encoder, fresh)
        ]
        found, expected = updated.encoder.baselines[name].predict(*rows[0]), biases.predict(*rows[1])
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_training_goes_on_from_the_weights_of_the_old_predictor_which_stay(svd):
    """With a learning rate of nothing, known ratings are predicted as before, and new ids as folded in."""
    known = twenty_ratings()
    before = svd.predict(known)
    still = svd.update(NEW, training=FEW.model_copy(update={"learning_rate": 1e-12}))
    pd.testing.assert_frame_equal(svd.predict(known), before, check_exact=True)
    np.testing.assert_allclose(still.predict(known)["prediction"], svd.predict(known)["prediction"], atol=1e-5)
    pairs = [(7, 101), (2, 900)]
    np.testing.assert_allclose(
        still.predict(pairs)["prediction"], svd.fold_in(NEW).predict(pairs)["prediction"], atol=1e-5
    )


def test_it_stops_by_new_ratings_alone(svd, capsys):
    """Of 60 new ratings of known users a tenth is held out."""
    rng = np.random.default_rng(0)
    new = pd.DataFrame([(user, item, rng.integers(1, 6)) for user in range(5) for item in range(200, 212)])
    svd.update(new.set_axis(["user", "item", "rating"], axis=1), training=rn.TrainConfig(epochs=2), progress=True)
    assert "val_loss" in capsys.readouterr().out


def test_new_ratings_are_held_out_but_the_first_of_a_new_user_or_item(svd):
    new = pd.DataFrame({"user": [9, 9, 9, 0, 0], "item": [900, 900, 100, 901, 101], "rating": 3.0})
    may_be = {1, 2, 4}  # the first of 9 and of 900, and the one of 901, are what is known of them
    half = _held_out(new, svd.encoder, rn.TrainConfig(validation=0.4))
    assert len(half) == 2
    assert set(half.index) < may_be
    assert set(_held_out(new, svd.encoder, rn.TrainConfig(validation=0.9)).index) == may_be
    assert len(_held_out(new, svd.encoder, rn.TrainConfig(validation=0.0))) == 0
    choices = {
        tuple(_held_out(new, svd.encoder, rn.TrainConfig(validation=0.4, seed=seed)).index) for seed in range(20)
    }
    assert len(choices) > 1


def test_a_single_rating_is_trained_on_for_one_epoch(svd):
    updated = svd.update(pd.DataFrame({"user": [0], "item": [101], "rating": [5]}))
    before, after = (each.model.get_layer("user_bias").embeddings.numpy() for each in (svd, updated))
    assert 0 < np.abs(after - before).max() <= 0.003 * 1.01  # one step of Adam


def test_sets_of_who_rated_what_are_those_of_all_ratings():
    svdpp = drawn(rn.SVDPPConfig(embedding_dim=3, init_std=0.5)).with_seen(twenty_ratings())
    updated = svdpp.update(NEW, training=FEW)
    layer, encoder = updated.model.get_layer("user_set"), updated.encoder
    sets = pd.DataFrame({"owner": layer.owners.numpy(), "member": layer.members.numpy()}).query("owner > 0")
    assert {
        (encoder.users.ids[owner - 1], encoder.items.ids[member - 1]) for owner, member in sets.itertuples(index=False)
    } == set(joined()[["user", "item"]].itertuples(index=False, name=None))


@pytest.mark.parametrize("config", [rn.SVDPPConfig(embedding_dim=2), rn.AutoRecConfig(embedding_dim=4)])
def test_sets_have_room_for_a_validation_part_that_the_run_has_kept(config):
    """The encoder of a run counts its training part alone; the update trains on both parts and the new ratings."""
    split = rn.random_split(twenty_ratings(), validation=0.3, test=0.0)
    kept = drawn(config, split.train).with_seen(split.train, split.validation)
    both = pd.concat([kept.seen.to_frame(kept.encoder), NEW]).drop_duplicates(["user", "item"], keep="last")
    assert len(both) - len(NEW) > kept.encoder.n_ratings
    encoder = kept.update(NEW, training=FEW).encoder
    assert encoder.n_ratings == len(both)
    for side in ("user", "item"):
        counts = both[side].value_counts()
        rows = encoder.vocabularies[side].lookup(counts.index)
        assert encoder.counts[side][rows].tolist() == counts.tolist()


def test_a_blend_updates_its_members(svd, capsys):
    bias = drawn(rn.BiasConfig())
    blend = BlendedPredictor({"svd": svd, "bias": bias}, {"svd": 0.5, "bias": 0.5}).with_seen(twenty_ratings())
    assert blend.update(NEW, training=FEW, progress=True).predict(NEW)["source"].tolist() == ["model"] * 5
    assert "epoch 1/1" in " ".join(capsys.readouterr().out.split())


def test_what_cannot_go_on_training_says_so(svd):
    with pytest.raises(
        rn.DataError,
        match=(
            "^this predictor does not keep its ratings, which an update trains on with the new "
            r"ones: pass them to predictor.with_seen\(ratings\)$"
        ),
    ):
        rn.Predictor(svd.model, svd.encoder).update(NEW)
    weights = [variable.numpy() for variable in svd.model.trainable_variables]
    average = rn.Predictor(AveragedModel.of(svd.model, [weights, weights]), svd.encoder, config=svd.config)
    with pytest.raises(
        rn.DataError,
        match=(
            "^an average over the posterior cannot be updated: update a single network, or fold "
            "the new users and items in with predictor.fold_in$"
        ),
    ):
        average.update(NEW)
