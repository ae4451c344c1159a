"""Top-n lists, against brute force. That every kind ranks by its own scores is in tests/models/contract.py."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import recsys_nn as rn
from recsys_nn.models.layers.averaged import AveragedModel
from recsys_nn.prediction.lists import recommend
from recsys_nn.prediction.lists.side_vectors import ranks_by_products
from recsys_nn.prediction.predictor import BlendedPredictor
from tests.models.contract import twenty_ratings
from tests.prediction.predictors import drawn


@pytest.fixture(scope="module")
def svd() -> rn.Predictor:
    return drawn(rn.SVDConfig(embedding_dim=3)).with_seen(twenty_ratings())


def test_a_list_is_ranked_and_says_what_it_rests_on(svd):
    found = svd.recommend([3, 77], n=2)
    assert list(found.columns) == ["user", "rank", "item", "prediction", "source"]
    assert found["user"].tolist() == [3, 3, 77, 77]
    assert found["rank"].tolist() == [1, 2, 1, 2]
    assert found["source"].tolist() == ["model", "model", "item", "item"]
    pd.testing.assert_series_equal(
        found["prediction"], svd.predict(users=found["user"], items=found["item"])["prediction"], check_exact=True
    )


def test_what_a_user_has_rated_is_left_out_unless_it_is_asked_for(svd):
    seen = set(svd.seen_by(3)["item"])
    assert seen == set(twenty_ratings().frame.query("user == 3")["item"])
    assert set(svd.recommend(3, n=6)["item"]) == set(range(100, 106)) - seen
    assert set(svd.recommend(3, n=6, exclude_seen=False)["item"]) == set(range(100, 106))


def test_one_user_several_or_all_of_the_training(svd):
    all_of_them = svd.recommend(n=1)
    assert all_of_them["user"].tolist() == [0, 1, 2, 3, 4]
    pd.testing.assert_frame_equal(svd.recommend(np.int64(4), n=1), all_of_them.tail(1).reset_index(drop=True))
    pd.testing.assert_frame_equal(svd.recommend(pd.Series([0, 1, 2, 3, 4]), n=1), all_of_them)
    assert len(svd.recommend([], n=3)) == 0


def test_candidates_alone_are_chosen_from(svd):
    assert set(svd.recommend(2, exclude_seen=False, candidates=[105, 101, 105])["item"]) == {101, 105}
    assert len(svd.recommend(2, candidates=[])) == 0
    with pytest.raises(rn.DataError, match="the candidate 999 is an item that is unknown in training: leave it out$"):
        svd.recommend(2, candidates=[101, 999])


def test_blocks_of_users_give_what_all_users_at_once_give(svd, monkeypatch):
    at_once = svd.recommend()
    monkeypatch.setattr(recommend, "SCORES", 12)  # two users
    pd.testing.assert_frame_equal(svd.recommend(), at_once)


def test_nothing_is_left_out_at_random_where_items_are_ranked():
    found = drawn(rn.MLPConfig(dropout=0.9)).recommend(3, n=6, exclude_seen=False)
    assert found["prediction"].is_monotonic_decreasing


def test_equal_scores_come_in_the_order_of_ids():
    """Item means: of an unknown user's list, items with equal means stand as their ids do."""
    frame = pd.DataFrame({"user": [1, 1, 1, 2, 2, 2], "item": [30, 20, 10, 30, 20, 10], "rating": [2, 4, 4, 2, 4, 4]})
    predictor = drawn(rn.ItemMeanConfig(), rn.Ratings(frame, scale=(1, 5)))
    assert predictor.recommend(99, exclude_seen=False)["item"].tolist() == [10, 20, 30]


def test_ratings_cut_off_at_the_end_of_the_scale_are_told_apart():
    """Latent values 1, 3 and 2 standard deviations above the mean are all predicted as 5."""
    frame = pd.DataFrame({"user": [1, 1, 2, 2, 2], "item": [10, 20, 10, 20, 30], "rating": [4, 5, 4, 5, 5]})
    encoder = rn.Encoder.fit(rn.Ratings(frame, scale=(1, 5)))
    model = rn.build_model(rn.SVDConfig(embedding_dim=1, init_std=1e-9), encoder)
    model.get_layer("item_bias").embeddings.assign([[0], [2], [4], [3]])
    found = rn.Predictor(model, encoder).recommend(1, exclude_seen=False)
    assert found["prediction"].tolist() == [5, 5, 5]
    assert found["item"].tolist() == [20, 30, 10]


def test_without_the_ratings_nobody_knows_what_is_seen(svd):
    forgetful = rn.Predictor(svd.model, svd.encoder)
    with pytest.raises(
        rn.DataError,
        match="^this predictor does not keep its training ratings, so that it cannot leave out "
        r"what a user has rated: pass them to predictor.with_seen\(ratings\), or recommend "
        r"without leaving out \(exclude_seen=False, --seen\)$",
    ):
        forgetful.recommend(3)
    with pytest.raises(
        rn.DataError,
        match="^this predictor does not keep its ratings: pass them to "
        r"predictor.with_seen\(ratings\)$",
    ):
        forgetful.seen_by(3)
    with pytest.raises(rn.DataError, match="^n must be a positive integer such as 10, not 0$"):
        svd.recommend(3, n=0)
    with pytest.raises(rn.DataError, match="^row 0: the user ids must be integers or strings, not floating"):
        svd.recommend([1.5])
    with pytest.raises(rn.DataError, match="the user ids must be of type integer, as in training, not string"):
        svd.recommend("3")


def test_a_blend_ranks_by_its_weighted_sum(svd):
    bias = drawn(rn.BiasConfig())
    blend = BlendedPredictor({"svd": svd, "bias": bias}, {"svd": 0.5, "bias": 0.5})
    items = list(range(100, 106))
    predicted = blend.predict(users=[4] * 6, items=items)["prediction"]
    found = blend.recommend(4, n=6, exclude_seen=False)
    assert found["item"].tolist() == [items[place] for place in np.argsort(-predicted, kind="stable")]
    assert set(blend.recommend(4, n=6)["item"]) == set(svd.recommend(4, n=6)["item"])


def test_names_are_shown_and_saved(tmp_path):
    frame = twenty_ratings().frame
    titles = pd.DataFrame({"item": range(100, 106), "Title": ["Alien", None, "Brazil", "Clue", "Dune", "Eraserhead"]})
    ratings = rn.Ratings(frame, scale=(1, 5), item_features=titles)
    result = rn.run_experiment(
        {"model": {"kind": "bias"}, "output": str(tmp_path / "run"), "data": {"split": {"test": 0.1}}},
        ratings,
        progress=False,
    )
    loaded = rn.Predictor.load(tmp_path / "run")
    found = loaded.recommend(3, exclude_seen=False)
    names = dict(zip(range(100, 106), ["Alien", "101", "Brazil", "Clue", "Dune", "Eraserhead"], strict=True))
    assert found["name"].tolist() == [names[item] for item in found["item"]]
    known = pd.concat([result.split.train.frame, result.split.validation.frame])
    assert set(loaded.seen_by(3)["item"]) == set(known.loc[known["user"] == 3, "item"])
    assert list(loaded.seen_by(3).columns) == ["item", "name", "rating"]


def test_the_ratings_may_be_left_out_of_the_run_folder(tmp_path):
    config = {"model": {"kind": "bias"}, "keep_ratings": False, "output": str(tmp_path / "run")}
    rn.run_experiment(config, twenty_ratings(), progress=False)
    assert not (tmp_path / "run" / "seen.parquet").exists()
    assert rn.Predictor.load(tmp_path / "run").seen is None


def test_similar_items_are_those_at_the_smallest_angle(svd):
    q = svd.model.get_layer("item_factors").embeddings.numpy()
    unit = q[1:] / np.linalg.norm(q[1:], axis=1, keepdims=True)
    cosines = unit @ unit[2]
    order = [place for place in np.argsort(-cosines) if place != 2]
    found = svd.similar_items(102, n=3)
    assert found["item"].tolist() == [100 + place for place in order[:3]]
    np.testing.assert_allclose(found["similarity"], cosines[order[:3]], rtol=1e-5)
    assert list(svd.similar_users(3, n=10).columns) == ["user", "similarity"]
    assert set(svd.similar_users(3, n=10)["user"]) == {0, 1, 2, 4}


def test_equally_similar_items_come_in_the_order_of_their_ids():
    """A third of the items has one vector, whose cosine with itself is above 1 in float32, the others its opposite."""
    frame = pd.DataFrame({"user": [1, 2] * 50, "item": range(100), "rating": [1, 5, 2, 4] * 25})
    encoder = rn.Encoder.fit(rn.Ratings(frame))
    model = rn.build_model(rn.SVDConfig(embedding_dim=3), encoder)
    vector = np.array([0.1, 0.7, 0.4], dtype=np.float32)
    assert vector @ vector / np.linalg.norm(vector) ** 2 > 1
    alike = np.arange(100) % 3 == 0
    model.get_layer("item_factors").embeddings.assign(np.where([[False], *alike[:, None]], vector, -vector))
    found = rn.Predictor(model, encoder).similar_items(0, n=99)
    assert found["item"].tolist() == [*np.flatnonzero(alike)[1:], *np.flatnonzero(~alike)]
    assert found["similarity"].tolist() == [1.0] * 33 + [-1.0] * 66


def test_nothing_is_similar_to_what_has_no_vector(svd):
    with pytest.raises(rn.DataError, match="the item 999 has no vector"):
        svd.similar_items(999)
    with pytest.raises(rn.DataError, match="no vectors of items"):
        drawn(rn.BiasConfig()).similar_items(100)


def test_products_rank_where_the_score_is_one(svd):
    average = rn.Predictor(
        AveragedModel.of(svd.model, [list(map(np.asarray, svd.model.trainable_variables))] * 2), svd.encoder
    )
    others = (average, drawn(rn.MLPConfig()), drawn(rn.GlobalMeanConfig()))
    assert [ranks_by_products(each) for each in (svd, *others)] == [True, False, False, False]


SCORES = st.lists(
    st.lists(st.integers(-3, 3), min_size=70, max_size=70), min_size=1, max_size=3
)  # many ties, in chunks of 8


@settings(max_examples=60, deadline=None)
@example(scores=[[-1] * 70], n=6, excluded=set())
@given(scores=SCORES, n=st.integers(1, 6), excluded=st.sets(st.tuples(st.integers(0, 2), st.integers(0, 69))))
def test_ranking_by_chunks_is_ranking(scores, n, excluded):
    table = np.array(scores, dtype=np.float32)
    cells = np.array(sorted(cell for cell in excluded if cell[0] < len(table)), dtype=np.int32).reshape(-1, 2)
    expected = table.copy()
    expected[tuple(cells.T)] = -np.inf
    best = np.argsort(-expected, axis=1, kind="stable")[:, :n]
    for ranked in recommend.rankers(8):
        values, places = (found.numpy() for found in ranked(table, cells, n))
        np.testing.assert_array_equal(values, np.take_along_axis(expected, best, axis=1))
        finite = np.isfinite(values)
        np.testing.assert_array_equal(places[finite], best[finite])


def test_similar_to_an_average_is_by_the_mean_of_its_members(svd):
    network = svd.model
    values = [variable.numpy() for variable in network.trainable_variables]
    members = [[np.float32(k) * value for value in values] for k in (0.5, 1.5)]
    average = rn.Predictor(AveragedModel.of(network, members), svd.encoder)
    pd.testing.assert_frame_equal(average.similar_items(102, n=3), svd.similar_items(102, n=3))
