"""Folding in: new users and items by their ratings, against closed forms and the objective itself."""

from typing import Literal

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import recsys_nn as rn
from recsys_nn.models import base
from recsys_nn.models.factors import FactorConfig, Parts
from recsys_nn.models.layers.averaged import AveragedModel
from recsys_nn.prediction.new_ids import fold_in
from recsys_nn.prediction.predictor import BlendedPredictor
from tests.models.contract import twenty_ratings
from tests.models.layers.test_features import with_features
from tests.prediction.predictors import drawn

# User 7 is new and rated items 100, 102 and 104; item 900 is new and was rated by users 3 and 1; 8 and 901 know nobody.
RATINGS = pd.DataFrame(
    {"user": [7, 7, 7, 3, 1, 8], "item": [100, 102, 104, 900, 900, 901], "rating": [5, 2, 4, 4, 1, 3]}
)
OF_7, OF_900 = RATINGS[RATINGS["user"] == 7], RATINGS[RATINGS["item"] == 900]


@pytest.fixture(scope="module")
def svd() -> rn.Predictor:
    return drawn(rn.SVDConfig(embedding_dim=3, l2=0.02, bias_l2=0.05))


def ridge(predictor: rn.Predictor, vectors, biases, ratings, penalties):
    """θ = (XᵀX + D)⁻¹ Xᵀ y of r = μ + s (b_i + p·q_i + a): the columns s q_i and s."""
    s, mu = predictor.encoder.rating_std, predictor.encoder.rating_mean
    design = s * np.column_stack([vectors, np.ones(len(vectors))])
    return np.linalg.solve(design.T @ design + np.diag(penalties), design.T @ (ratings - mu - s * biases))


@pytest.mark.parametrize(("side", "other", "of_new", "new"), [("user", "item", OF_7, 7), ("item", "user", OF_900, 900)])
def test_a_row_of_a_product_is_the_ridge_regression_on_the_other_side_s_vectors(svd, side, other, of_new, new):
    """The penalties are n λ in rating units; the model holds the factors in units of √s, the bias in s."""
    encoder, layers = svd.encoder, {name: svd.model.get_layer(name) for name in (f"{other}_factors", f"{other}_bias")}
    vectors, biases = (
        layer.embeddings.numpy()[encoder.vocabularies[other].lookup(of_new[other])] for layer in layers.values()
    )
    s, n = encoder.rating_std, encoder.n_ratings
    theta = ridge(svd, vectors, biases[:, 0], of_new["rating"], [n * 0.02 * s] * 3 + [n * 0.05 * s**2])
    folded = svd.fold_in(RATINGS)
    row = folded.encoder.vocabularies[side].lookup([new])[0]
    for name, expected in (("factors", theta[:3]), ("bias", theta[3:])):
        found = folded.model.get_layer(f"{side}_{name}").embeddings.numpy()[row]
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_one_step_is_enough_where_the_model_is_linear_in_the_row(svd, monkeypatch):
    """A step without damping is the solution of the normal equations."""
    whole = svd.fold_in(RATINGS)
    monkeypatch.setattr(fold_in, "STEPS", 1)
    for name in ("user_factors", "user_bias", "item_factors", "item_bias"):
        found, expected = (each.model.get_layer(name).embeddings.numpy() for each in (svd.fold_in(RATINGS), whole))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_a_table_without_a_penalty_is_fitted_with_that_of_its_rule():
    """12 s² and 4 s² in units of the model, as where the config leaves l2 and bias_l2 out."""
    svd = drawn(rn.SVDConfig(embedding_dim=3, l2=0, bias_l2=0))
    rows = svd.encoder.items.lookup(OF_7["item"])
    vectors, biases = (svd.model.get_layer(f"item_{name}").embeddings.numpy()[rows] for name in ("factors", "bias"))
    s = svd.encoder.rating_std
    theta = ridge(svd, vectors, biases[:, 0], OF_7["rating"], [12 * s**2] * 3 + [4 * s**2])
    found = svd.fold_in(RATINGS).model.get_layer("user_factors").embeddings.numpy()[-1]
    np.testing.assert_allclose(found, theta[:3], rtol=1e-4)


def test_a_bias_is_the_shrunken_mean_of_what_is_left():
    """a_u = Σ_i (r_ui - μ - b_i) / (κ_u + n_u), κ_u = 15."""
    bias = drawn(rn.BiasConfig())
    items = bias.model.get_layer("biases").item_bias.numpy()[bias.encoder.items.lookup(OF_7["item"])]
    expected = (OF_7["rating"] - bias.encoder.rating_mean - items).sum() / (15 + 3)
    assert bias.fold_in(RATINGS).model.get_layer("biases").user_bias.numpy()[-1] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        rn.NeuMFConfig(embedding_dim=2, widths=(6,), activation="tanh"),
        rn.KernelConfig(embedding_dim=2, n_features=8),
        rn.SVDConfig(embedding_dim=2, head="ordinal"),
        rn.SVDConfig(embedding_dim=2, head="bounded"),
        rn.SVDPPConfig(embedding_dim=2),
        rn.GMFConfig(embedding_dim=2),
        rn.AutoRecConfig(embedding_dim=4),
    ],
    ids=lambda config: f"{config.kind}-{config.head.kind}",
)
def test_no_other_row_has_a_smaller_objective(config):
    """Σ (r - r̂)² + Σ n λ θ² of user 7, at the row and at rows near to it."""
    predictor = drawn(config)
    folded = predictor.fold_in(RATINGS)
    encoder, s = predictor.encoder, predictor.encoder.rating_std
    curvature = config.head.of(encoder).curvature(encoder)
    tables = [table.embeddings for table in folded.model.sides.tables["user"]]
    of_rule = [4.0 if table.shape[1] == 1 else config.prior for table in tables]
    penalties = [
        encoder.n_ratings * table.l2 / curvature or rule * s**2
        for table, rule in zip(folded.model.sides.tables["user"], of_rule, strict=True)
    ]
    inputs = folded.encoder.encode_pairs(OF_7["user"], OF_7["item"])

    def objective() -> float:
        error = OF_7["rating"].to_numpy() - folded.model(inputs).numpy()
        rows = [table.numpy()[inputs["user"][0]] for table in tables]
        return float(error @ error + sum(weight * row @ row for weight, row in zip(penalties, rows, strict=True)))

    least = objective()
    for table in tables:
        trained_values = table.numpy()
        for column in range(table.shape[1]):
            for step in (-0.03, 0.03):
                moved = trained_values.copy()
                moved[inputs["user"][0], column] += step
                table.assign(moved)
                assert objective() > least - 1e-5
        table.assign(trained_values)
    unknown = predictor.predict(OF_7)["prediction"] - OF_7["rating"].to_numpy()
    assert least < np.sum(unknown**2)


def test_everything_known_stays_as_it_was(svd):
    known = twenty_ratings()
    before, folded = svd.predict(known), svd.fold_in(RATINGS)
    pd.testing.assert_frame_equal(folded.predict(known), before, check_exact=True)
    pd.testing.assert_frame_equal(svd.predict(known), before, check_exact=True)
    assert svd.predict([(7, 100)])["source"].tolist() == ["item"]
    assert folded.predict([(7, 100), (3, 900), (7, 900), (8, 901)])["source"].tolist() == ["model"] * 3 + ["global"]


def test_each_member_of_an_average_gets_rows_of_its_own(svd):
    weights = [[1.0 * w for w in svd.model.get_weights()], [0.5 * w for w in svd.model.get_weights()]]
    trainable = [place for place, variable in enumerate(svd.model.weights) if variable.trainable]
    members = [[values[place] for place in trainable] for values in weights]
    alone = []
    for values in members:
        network = rn.build_model(svd.config, svd.encoder, seed=1)
        network.set_weights(svd.model.get_weights())
        for variable, value in zip(network.trainable_variables, values, strict=True):
            variable.assign(value)
        alone.append(rn.Predictor(network, svd.encoder).fold_in(RATINGS).predict([(7, 101), (2, 900)])["prediction"])
    average = rn.Predictor(AveragedModel.of(svd.model, members), svd.encoder, config=svd.config)
    found = average.fold_in(RATINGS).predict([(7, 101), (2, 900)])["prediction"]
    np.testing.assert_allclose(found, np.mean(alone, axis=0), rtol=1e-5)


def test_a_blend_folds_its_members_in(svd):
    bias = drawn(rn.BiasConfig())
    blend = BlendedPredictor({"svd": svd, "bias": bias}, {"svd": 0.7, "bias": 0.3})
    pairs = [(7, 101), (2, 900), (0, 100)]
    mean = svd.encoder.rating_mean
    parts = [member.fold_in(RATINGS).predict(pairs)["prediction"] - mean for member in (svd, bias)]
    found = blend.fold_in(RATINGS).predict(pairs)["prediction"]
    np.testing.assert_allclose(found, mean + 0.7 * parts[0] + 0.3 * parts[1], rtol=1e-5)


def test_what_features_say_of_a_rating_is_left_out_of_the_row():
    """The bias alone (embedding_dim 1, held at 0 by its penalty): Σ (r - r̂ without it) s / (Σ s² + n λ)."""
    features = {"user": ["age"], "item": ["genres"], "rating": ["timestamp"]}
    predictor = drawn(rn.SVDConfig(embedding_dim=1, l2=1e6, bias_l2=0.05), with_features(), features)
    encoder = predictor.encoder
    of_5 = OF_7.assign(user=5, rating=[3, 3, 2], timestamp=pd.Timestamp("2020-02-01"))  # 5 has features and no ratings
    left = of_5["rating"] - predictor.predict(of_5)["prediction"].to_numpy()
    s = encoder.rating_std
    expected = (left * s).sum() / (3 * s**2 + 20 * 0.05 * s**2)
    folded = predictor.fold_in(of_5)
    assert folded.model.get_layer("user_bias").embeddings.numpy()[6, 0] == pytest.approx(expected, rel=1e-3)
    assert folded.encoder.n_users == encoder.n_users


def test_what_a_folded_user_has_rated_is_not_recommended(svd):
    folded = svd.with_seen(twenty_ratings()).fold_in(RATINGS)
    assert sorted(folded.seen_by(7)["item"]) == [100, 102, 104]
    assert set(folded.recommend(7)["item"]) == {101, 103, 105, 900}


def test_what_a_new_user_has_rated_is_not_recommended_to_them(svd):
    """Also a new item, of which the user's own rating says nothing yet, and what a known user has rated by the way."""
    ratings = pd.concat([RATINGS, pd.DataFrame({"user": [7, 0], "item": [900, 105], "rating": [5, 1]})])
    folded = svd.with_seen(twenty_ratings()).fold_in(ratings)
    assert sorted(folded.seen_by(7)["item"]) == [100, 102, 104, 900]
    assert {100, 102, 104, 900}.isdisjoint(folded.recommend([7], 20)["item"])
    assert 105 not in set(folded.recommend([0], 20)["item"])
    assert len(folded.seen_by(0)) == len(set(folded.seen_by(0)["item"]))


def test_many_users_are_folded_in_as_each_alone(svd):
    rng = np.random.default_rng(0)
    many = pd.DataFrame(
        [(user, item, rng.integers(1, 6)) for user in range(50, 90) for item in rng.choice(range(100, 106), 3, False)],
        columns=["user", "item", "rating"],
    )
    together = svd.fold_in(many)
    for user in (50, 77, 89):
        alone = svd.fold_in(many[many["user"] == user])
        pairs = [(user, item) for item in range(100, 106)]
        np.testing.assert_allclose(together.predict(pairs)["prediction"], alone.predict(pairs)["prediction"], rtol=1e-5)


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ([1, 1, 2, 2, 3], [[0, 1, 2, 3], [4]]),
        ([1, 2, 1, 3, 2], [[0, 2, 1, 4], [3]]),
        ([1, 1, 1, 1, 1, 2], [[0, 1, 2, 3, 4], [5]]),
        ([2, 1, 1, 1, 1, 1], [[1, 2, 3, 4, 5], [0]]),
        ([1, 2, 2, 2, 2, 2], [[0], [1, 2, 3, 4, 5]]),
    ],
)
def test_parts_hold_all_ratings_of_their_rows_and_four_ratings_or_a_row(rows, parts, monkeypatch):
    monkeypatch.setattr(fold_in, "PAIRS", 4)
    assert [part.tolist() for part in fold_in._parts(np.array(rows, np.int32))] == parts


def test_ratings_that_tell_of_nobody_new_are_refused(svd):
    with pytest.raises(
        rn.DataError,
        match="^none of the 20 ratings has a new user with a known item, or a new item with a "
        r"known user: learn from ratings of known ids with predictor.update\(ratings\)$",
    ):
        svd.fold_in(twenty_ratings())
    with pytest.raises(rn.DataError, match="row 0: the rating must be a finite number, not nan"):
        svd.fold_in(pd.DataFrame({"user": [7], "item": [100], "rating": [np.nan]}))
    with pytest.raises(rn.DataError, match="ratings must be a DataFrame or Ratings, not list$"):
        svd.fold_in([(7, 100, 5)])
    with pytest.raises(rn.DataError, match="the user ids must be of type integer, as in training, not string"):
        svd.fold_in(pd.DataFrame({"user": ["7"], "item": [100], "rating": [3]}))


def test_a_kind_that_shows_no_rows_is_refused(svd, monkeypatch):
    """One of a user's own, built without Parts."""
    monkeypatch.setattr(base, "_kinds", dict(base._kinds))

    class PlainConfig(rn.ModelConfig):
        kind: Literal["plain-table"] = "plain-table"

    @rn.register_model(PlainConfig)
    def build(config, encoder):
        user, item = (tf.keras.Input((), dtype="int32", name=name) for name in ("user", "item"))
        table = tf.keras.layers.Embedding(encoder.items.n_rows, 1, name="table")
        return tf.keras.Model({"user": user, "item": item}, tf.keras.ops.squeeze(table(item), axis=-1))

    plain = rn.Predictor(rn.build_model(PlainConfig(), svd.encoder), svd.encoder)
    with pytest.raises(
        rn.DataError, match="nothing of a new user can be fitted, as this model was not built by Parts.model$"
    ):
        plain.fold_in(OF_7)


def test_layers_without_names_are_known_by_their_places(svd, monkeypatch):
    """Keras names them dense, dense_1, ... by how many it has made before."""
    monkeypatch.setattr(base, "_kinds", dict(base._kinds))

    class UnnamedConfig(FactorConfig):
        kind: Literal["unnamed-layers"] = "unnamed-layers"
        embedding_dim: int = 2

    @rn.register_model(UnnamedConfig)
    def build(config, encoder):
        parts = Parts(config, encoder)
        both = tf.keras.layers.Concatenate()(list(parts.factors()))
        hidden = tf.keras.layers.Dense(3, "tanh")(both)
        return parts.model(tf.keras.layers.Dense(1)(tf.keras.layers.Dense(3)(hidden)))

    unnamed = drawn(UnnamedConfig())
    folded = unnamed.fold_in(OF_7)
    pairs = [(0, 100), (1, 101), (2, 102)]
    expected = unnamed.predict(pairs)["prediction"]
    np.testing.assert_allclose(folded.predict(pairs)["prediction"], expected, rtol=1e-6)
    assert folded.predict([(7, 101)])["source"].tolist() == ["model"]
    frozen = rn.TrainConfig(epochs=1, patience=None, validation=0.0, learning_rate=1e-12)
    updated = unnamed.with_seen(twenty_ratings()).update(OF_7, training=frozen)
    np.testing.assert_allclose(updated.predict(pairs)["prediction"], expected, atol=1e-5)


def test_a_model_that_cannot_be_built_anew_is_refused(svd):
    user = tf.keras.Input((), dtype="int32", name="user")
    item = tf.keras.Input((), dtype="int32", name="item")
    foreign = tf.keras.Model({"user": user, "item": item}, tf.keras.ops.cast(user + item, "float32"))
    with pytest.raises(
        rn.DataError,
        match="^this model has no config to build a larger one from: load it from a run folder$",
    ):
        rn.Predictor(foreign, svd.encoder).fold_in(RATINGS)
