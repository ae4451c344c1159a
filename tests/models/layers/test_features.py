import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from recsys_nn import (
    AutoRecConfig,
    BiasConfig,
    DataError,
    DeepFMConfig,
    Encoder,
    FMConfig,
    MLPConfig,
    NeuMFConfig,
    Predictor,
    Ratings,
    SVDConfig,
    SVDPPConfig,
    TrainConfig,
    Trainer,
    build_model,
)
from recsys_nn.models.layers.features import FeatureEmbedding, OwnerFeatureEmbedding
from recsys_nn.training.trainer import prepare
from tests.models.contract import LayersContract, twenty_ratings

FEATURES = {
    "user": ["age", "group"],
    "item": [{"column": "genres", "separator": "|"}],
    "rating": ["timestamp"],
}


def with_features() -> Ratings:
    """The twenty ratings with features of all sides; user 5 and item 106 have features and no ratings."""
    frame = twenty_ratings().frame
    return Ratings(
        frame.assign(timestamp=pd.date_range("2020-01-01", periods=20, freq="11D")),
        scale=(1, 5),
        user_features=pd.DataFrame({"user": range(6), "age": [20, 30, 25, 60, 41, 33], "group": list("abbaca")}),
        item_features=pd.DataFrame({"item": range(100, 107), "genres": ["x|y", "x", "y|z", "z", "x|y|z", "y", "x|z"]}),
    )


class WithFeatures(LayersContract):
    """A kind whose users, items and ratings have features."""

    @pytest.fixture(scope="class")
    @classmethod
    def ratings(cls) -> Ratings:
        return with_features()

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, ratings: Ratings) -> Encoder:
        return Encoder.fit(ratings, features=FEATURES)


class TestNeuMFWithFeatures(WithFeatures):
    config = NeuMFConfig(embedding_dim=4, widths=(8,), activation="tanh", dropout=0.0, head="ordinal")


class TestDeepFMWithFeatures(WithFeatures):
    """In batches of 8, users' features are worked out together, and one by one in the last, of 4; items' always so."""

    batch_size = 8
    config = DeepFMConfig(embedding_dim=4, widths=(8,), activation="tanh", dropout=0.0)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.fit(with_features(), features=FEATURES)


VECTORS = [[0, 0], [1, 10], [2, 20], [3, 30]]
ROWS, WEIGHTS = np.array([[1, 2, 3], [0, 3, 0]], np.int32), np.array([[1, 0.5, 2], [0, 1, 0]], np.float32)


@pytest.mark.parametrize(
    ("by_column", "expected"),
    [
        (False, [[1 + 1 + 6, 10 + 10 + 60], [3, 30]]),
        (True, [[[1, 10], [1 + 6, 10 + 60]], [[0, 0], [3, 30]]]),
    ],
)
def test_vectors_of_values_are_summed_with_their_weights(by_column, expected):
    """Two columns, of one and of two slots."""
    layer = FeatureEmbedding(4, 2, (1, 2), by_column=by_column)
    layer.build()
    layer.vectors.assign(VECTORS)
    np.testing.assert_allclose(layer(ROWS, WEIGHTS), expected)


@pytest.mark.parametrize("by_column", [False, True])
@pytest.mark.parametrize("batch", [[1], [1, 0, 1, 1, 0]])
def test_owners_are_looked_up_in_small_batches_and_worked_out_together_for_large_ones(by_column, batch):
    owners = OwnerFeatureEmbedding(2, 4, 2, (1, 2), by_column=by_column)
    owners.build()
    owners.vectors.assign(VECTORS)
    owners.set_features(ROWS, WEIGHTS)
    each = FeatureEmbedding(4, 2, (1, 2), by_column=by_column)
    each.build()
    each.vectors.assign(VECTORS)
    np.testing.assert_allclose(owners(np.array(batch)), each(ROWS[batch], WEIGHTS[batch]))


@pytest.mark.parametrize("of_owners", [False, True])
def test_the_penalty_runs_over_the_whole_table_and_in_training_alone(of_owners):
    owners = (2,) if of_owners else ()
    layer = (OwnerFeatureEmbedding if of_owners else FeatureEmbedding)(*owners, 4, 2, (1, 2), l2=0.5)
    layer.build()
    layer.vectors.assign(VECTORS)
    inputs = [np.array([1])] if of_owners else [ROWS[:1], WEIGHTS[:1]]
    layer(*inputs, training=True)
    assert [float(loss) for loss in layer.losses] == [pytest.approx(0.5 * 14 * 101)]
    layer(*inputs, training=False)
    assert layer.losses == []


@pytest.mark.parametrize("row", [-1, 4])
def test_a_value_in_a_row_beyond_the_table_is_refused(row):
    layer = OwnerFeatureEmbedding(2, 4, 2, (1, 2), name="moods")
    layer.build()
    layer.set_features(ROWS, WEIGHTS)
    layer.check_weights()
    layer.set_features(np.where(ROWS == 2, row, ROWS), WEIGHTS)
    with pytest.raises(DataError, match="^the rows of the feature values in 'moods' must be from 0 to 3$"):
        layer.check_weights()


def test_an_id_without_ratings_is_the_sum_of_its_features(encoder):
    model = build_model(SVDConfig(embedding_dim=3), encoder)
    features = model.get_layer("user_features")
    features.vectors.assign(np.random.default_rng(0).normal(size=features.vectors.shape))
    user, item = encoder.users.lookup([5]), encoder.items.lookup([100])
    v = features(user).numpy()[0]
    q = model.get_layer("item_factors").embeddings.numpy()[item[0]]
    z = v[0] + v[1:] @ q
    expected = np.clip(encoder.rating_mean + encoder.rating_std * z, 1, 5)
    found = Predictor(model, encoder).predict([(5, 100)])
    assert found["prediction"][0] == pytest.approx(expected, rel=1e-5)
    assert found["source"][0] == "item"


def test_a_factorisation_machine_is_the_sum_over_all_pairs_of_fields(encoder):
    """Fields: user, item, age, group, genres, timestamp."""
    model = build_model(FMConfig(embedding_dim=3, init_std=0.5), encoder)
    rng = np.random.default_rng(0)
    sides = ("user", "item", "rating")
    for side in sides:
        vectors = model.get_layer(f"{side}_features").vectors
        vectors.assign(rng.normal(0, 0.3, vectors.shape))
    inputs = encoder.encode(with_features()).inputs
    user, item = inputs["user"], inputs["item"]
    columns = np.concatenate(
        [
            model.get_layer("user_features")(user),
            model.get_layer("item_features")(item),
            model.get_layer("rating_features")(inputs["context_rows"], inputs["context_weights"]),
        ],
        axis=1,
    )
    own = [model.get_layer(f"{side}_factors").embeddings.numpy() for side in ("user", "item")]
    fields = [own[0][user], own[1][item], *np.moveaxis(columns[:, :, 1:], 1, 0)]
    assert len(fields) == 6
    z = columns[:, :, 0].sum(axis=1)
    for first in range(6):
        for second in range(first + 1, 6):
            z += np.sum(fields[first] * fields[second], axis=1)
    expected = np.clip(encoder.rating_mean + encoder.rating_std * z, 1, 5)
    np.testing.assert_allclose(model(inputs), expected, rtol=1e-5)


@pytest.mark.parametrize("config", [BiasConfig(), SVDConfig(features=False), MLPConfig(features=False)])
def test_a_model_without_features_trains_and_predicts_beside_an_encoder_with_them(config, encoder):
    tensors = encoder.encode(with_features())
    settings = TrainConfig(epochs=1, patience=None, validation=0)
    model = Trainer(settings, progress=False).fit(build_model(config, encoder), tensors).model
    assert not [layer.name for layer in model.layers if layer.name.endswith(("_features", "_context"))]
    assert np.isfinite(Predictor(model, encoder).predict([(0, 100)])["prediction"]).all()


def test_a_date_moves_both_sides(encoder):
    """z = a + b + w + w' + (p + c)·(q + d) with (w, c) and (w', d) the vectors of the rating's date."""
    model = build_model(SVDConfig(embedding_dim=2), encoder, seed=1)
    rng = np.random.default_rng(0)
    for side in ("user", "item"):
        vectors = model.get_layer(f"{side}_context").vectors
        vectors.assign(rng.normal(size=vectors.shape))
    dated = pd.DataFrame({"user": [0], "item": [100], "timestamp": ["2020-03-01"]})
    inputs = encoder.encode_pairs(dated["user"], dated["item"], context=dated)
    vectors = [
        model.get_layer(f"{side}_context")(inputs["context_rows"], inputs["context_weights"]).numpy()[0]
        for side in ("user", "item")
    ]
    assert all(np.abs(vector).min() > 0 for vector in vectors)
    p, q = (model.get_layer(f"{side}_factors").embeddings.numpy()[inputs[side][0]] for side in ("user", "item"))
    z = vectors[0][0] + vectors[1][0] + (p + vectors[0][1:]) @ (q + vectors[1][1:])
    expected = np.clip(encoder.rating_mean + encoder.rating_std * z, 1, 5)
    assert Predictor(model, encoder).predict(dated)["prediction"][0] == pytest.approx(expected, rel=1e-5)


def test_features_join_the_ratings_that_an_autoencoder_reads(encoder):
    """z = a + b + V_u·σ(c + Σ + features of the item), where an item without ratings has no Σ."""
    model = build_model(AutoRecConfig(embedding_dim=3, init_std=0.5), encoder, seed=1)
    features = model.get_layer("item_features")
    features.vectors.assign(np.random.default_rng(0).normal(size=features.vectors.shape))
    item, user = encoder.items.lookup([106]), encoder.users.lookup([0])
    w = features(item).numpy()[0]
    z = w[0] + model.get_layer("user_factors").embeddings.numpy()[user[0]] @ expit(w[1:])
    expected = np.clip(encoder.rating_mean + encoder.rating_std * z, 1, 5)
    assert Predictor(model, encoder).predict([(0, 106)])["prediction"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("config", "c"), [(SVDConfig, 12), (SVDPPConfig, 18), (FMConfig, 12), (DeepFMConfig, 12), (NeuMFConfig, 10)]
)
def test_penalties_that_are_left_out_are_variances_of_the_noise_over_those_of_the_weights(config, c, encoder):
    """As the model holds them: c s² / n for vectors, and 4 s² / n for biases."""
    model = build_model(config(bias_l2=None), encoder)
    names = [layer.name for layer in model.layers]
    of_ids = next(name for name in names if name.startswith("user_") and name.endswith("factors"))
    unit = encoder.rating_std**2 / 20
    assert model.get_layer(of_ids).l2 == pytest.approx(c * unit)
    assert model.get_layer("user_bias").l2 == pytest.approx(4 * unit)
    assert model.get_layer("user_features").l2 == pytest.approx(50 * c * unit)
    if config is SVDPPConfig:
        assert model.get_layer("user_set").l2 == pytest.approx(2.5 * c * unit)


@pytest.mark.parametrize(("config", "unit"), [(SVDConfig, "rating"), (FMConfig, "standard deviation")])
def test_penalties_that_are_given_are_in_the_units_of_the_kind(config, unit, encoder):
    s = encoder.rating_std
    model = build_model(config(l2=0.03, bias_l2=0.02, feature_l2=0.01), encoder)
    of_vectors = s if unit == "rating" else 1
    assert model.get_layer("user_factors").l2 == pytest.approx(0.03 * of_vectors)
    assert model.get_layer("user_features").l2 == pytest.approx(0.01 * of_vectors)
    assert model.get_layer("item_bias").l2 == pytest.approx(0.02 * s**2)


@pytest.mark.parametrize(
    "config", [SVDPPConfig(embedding_dim=3), AutoRecConfig(embedding_dim=3), FMConfig(embedding_dim=3)]
)
def test_features_and_drift_are_on_the_sides_of_a_product(config):
    """z = a + b + p·q, with weights that all differ and the sets of the ratings."""
    encoder = Encoder.fit(with_features(), features=FEATURES | {"drift": "timestamp"})
    model, tensors = build_model(config, encoder), encoder.encode(with_features())
    prepare(model, tensors)
    rng = np.random.default_rng(2)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    sides = model.sides
    (p, a), (q, b) = (sides.networks[side](tensors.inputs) for side in ("user", "item"))
    z = sides.latent_network(tensors.inputs).numpy()
    assert p.shape == q.shape == (20, 3)
    assert sides.is_product
    np.testing.assert_allclose(z, a + b + np.sum(p * q, axis=1, keepdims=True), rtol=1e-4, atol=1e-5)
    assert {table.name for table in sides.tables["user"]} == {"user_bias", "user_factors"}


def test_each_pair_of_tables_has_vectors_of_features_of_its_own(encoder):
    """A bias, then those of the product and of the tower; user 5 and item 106 have no other, without ratings."""
    model = build_model(NeuMFConfig(embedding_dim=3, widths=(4,)), encoder)
    inputs = encoder.encode_pairs([5], [106], context=pd.DataFrame({"timestamp": ["2020-02-01"]}))
    for side in ("user", "item"):
        features = model.get_layer(f"{side}_features")
        features.vectors.assign(np.random.default_rng(0).normal(size=features.vectors.shape))
        (own,) = features(inputs[side]).numpy()
        vectors, bias = model.sides.networks[side](inputs)
        np.testing.assert_allclose(np.concatenate([bias[0], vectors[0]]), own, rtol=1e-6)
        assert len(own) == 1 + 2 * 3
