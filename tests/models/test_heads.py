import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from pydantic import TypeAdapter
from scipy.special import expit, softmax
from sklearn.metrics import log_loss, roc_auc_score

from recsys_nn import (
    ConfigError,
    DataError,
    Encoder,
    Ratings,
    SVDConfig,
    TrainConfig,
    Trainer,
    build_model,
)
from recsys_nn.models.heads import AutoHead, BinaryHead, Head, MultiClassHead, OrdinalHead
from recsys_nn.models.layers.basic import BoundedScale
from recsys_nn.models.layers.likelihood import (
    METRICS,
    ClassLogits,
    CumulativeLogits,
    ExpectedRating,
    NegativeLogLikelihood,
    level_of,
)
from tests.models.contract import LayersContract, twenty_ratings

KAPPA = np.pi / np.sqrt(3)
LEVELS = (1.0, 2.0, 4.0)


class TestSVDWithAnOrdinalHead(LayersContract):
    config = SVDConfig(embedding_dim=8, init_std=0.5, head="ordinal")


class TestSVDWithAMultiClassHead(LayersContract):
    config = SVDConfig(embedding_dim=8, init_std=0.5, head="multiclass")


class TestSVDWithABinaryHead(LayersContract):
    config = SVDConfig(embedding_dim=8, init_std=0.5, head="binary")

    @pytest.fixture(scope="class")
    @classmethod
    def ratings(cls) -> Ratings:
        return twenty_ratings().liked(3)


def test_a_head_is_given_by_its_name_or_its_config():
    head = TypeAdapter(Head)
    assert head.validate_python("ordinal") == head.validate_python({"kind": "ordinal"}) == OrdinalHead()


def test_cumulative_logits_are_differences_of_logistic_functions():
    """P(r = l_k) = σ(θ_k - κ z) - σ(θ_{k-1} - κ z)."""
    thresholds, z = np.array([-1.0, 0.5, 2.0]), np.array([[-1.2], [0.0], [0.7]])
    below = np.hstack([np.zeros((3, 1)), expit(thresholds - KAPPA * z), np.ones((3, 1))])
    layer = CumulativeLogits(thresholds)
    np.testing.assert_allclose(np.exp(layer(z.astype(np.float32))), np.diff(below), rtol=1e-5)
    np.testing.assert_allclose(layer.thresholds, thresholds, rtol=1e-6)


def test_far_from_the_thresholds_probabilities_keep_their_logarithms():
    log_p = CumulativeLogits([-1.0, 1.0])(np.array([[-60.0], [60.0]], dtype=np.float32)).numpy()
    assert np.isfinite(log_p).all()
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1, rtol=1e-6)
    # log P(highest) = log σ(-κ 60 - 1), linear in z
    np.testing.assert_allclose(log_p[0, -1], -60 * KAPPA - 1, rtol=1e-5)


def test_class_logits_are_a_softmax_of_scores():
    z = np.array([[0.3], [-1.0]], dtype=np.float32)
    found = np.exp(ClassLogits([0.1, 0.2, -0.3], [-1.0, 0.5, 2.0])(z))
    expected = softmax(np.array([[0.1, 0.2, -0.3]]) + z * np.array([[-1.0, 0.5, 2.0]]), axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_prediction_is_the_expected_rating():
    p = np.array([[0.2, 0.3, 0.5]], dtype=np.float32)
    assert ExpectedRating(LEVELS)(np.log(p)).numpy() == pytest.approx([0.2 * 1 + 0.3 * 2 + 0.5 * 4])


def test_a_bounded_rating_starts_as_the_mean_with_the_slope_of_the_spread_and_ends_in_the_scale():
    layer = BoundedScale(3.5, 1.1, (1.0, 5.0))
    below, at, above, least, most = layer(np.array([-0.001, 0, 0.001, -99, 99], dtype=np.float32)).numpy()
    assert at == pytest.approx(3.5)
    assert (above - below) / 0.002 == pytest.approx(1.1, rel=1e-3)
    assert (least, most) == (1.0, 5.0)


@pytest.mark.parametrize("head", ["ordinal", "multiclass"])
def test_before_training_every_rating_is_as_probable_as_it_is_frequent(head):
    ratings = twenty_ratings()
    encoder = Encoder.fit(ratings)
    model = build_model(SVDConfig(init_std=1e-6, head=head), encoder)
    shares = ratings.frame["rating"].value_counts(normalize=True).sort_index()
    log_p = model.likelihood.model({"user": np.array([0]), "item": np.array([0])})
    np.testing.assert_allclose(np.exp(log_p)[0], shares, rtol=1e-5)


@pytest.mark.parametrize("head", [OrdinalHead(), MultiClassHead(), BinaryHead()])
def test_the_curvature_is_that_of_the_expected_loss(head):
    """½ d²/dz² of the expected -log P at z = 0, where P are the shares; over that of the squared error, s²."""
    ratings = twenty_ratings().liked(3) if head.kind == "binary" else twenty_ratings()
    encoder = Encoder.fit(ratings)
    _, log_p = head.output(np.array([[-0.05], [0.0], [0.05]], dtype=np.float32), encoder)
    shares = np.array(encoder.level_counts) / 20
    before, at, after = -np.asarray(log_p, dtype=np.float64) @ shares
    second = (before - 2 * at + after) / 0.05**2
    assert head.curvature(encoder) == pytest.approx(second / 2 / encoder.rating_std**2, rel=1e-2)


def test_loss_and_metrics_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 2, 3], size=200).astype(np.float32)
    levels = np.array(LEVELS)
    ratings = levels[rng.integers(0, 3, 200)].astype(np.float32)
    loss = NegativeLogLikelihood(LEVELS)(ratings, np.log(p))
    assert float(loss) == pytest.approx(log_loss(ratings, p, labels=levels), rel=1e-4)
    errors = ratings - p @ levels
    expected = {
        "rmse": np.sqrt(np.mean(errors**2)),
        "mae": np.mean(np.abs(errors)),
        "accuracy": np.mean(levels[p.argmax(axis=1)] == ratings),
    }
    for name, value in expected.items():
        metric = METRICS[name](LEVELS, name=name)
        metric.update_state(ratings, np.log(p))
        assert float(metric.result()) == pytest.approx(value, rel=1e-5), name


def test_the_area_under_the_curve_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    liked = rng.integers(0, 2, 500).astype(np.float32)
    p = expit(rng.normal(liked, 1)).astype(np.float32)
    metric = METRICS["auc"]((0.0, 1.0), name="auc")
    metric.update_state(liked, np.log(np.stack([1 - p, p], axis=1)))
    assert float(metric.result()) == pytest.approx(roc_auc_score(liked, p), abs=0.005)


def test_training_lowers_the_loss_that_the_head_brings():
    ratings = twenty_ratings()
    encoder = Encoder.fit(ratings)
    settings = TrainConfig(epochs=20, patience=None, validation=0, batch_size=20, learning_rate=0.02)
    model = build_model(SVDConfig(head="ordinal", l2=0.0), encoder, seed=1)
    run = Trainer(settings, progress=False).fit(model, encoder.encode(ratings))
    log_p = model.likelihood.model(encoder.encode(ratings).inputs)
    expected = log_loss(ratings.frame["rating"], np.exp(log_p))
    assert run.history["loss"].iloc[-1] == pytest.approx(expected, abs=0.05)
    assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[0] - 0.1
    assert list(run.history)[:5] == ["epoch", "accuracy", "loss", "mae", "rmse"]
    assert run.loss == "negative log-likelihood"


def test_the_same_penalty_has_the_strength_of_the_heads_loss():
    encoder = Encoder.fit(twenty_ratings())
    layers = {
        head: build_model(SVDConfig(l2=0.1, head=head), encoder).get_layer("user_factors")
        for head in ("regression", "bounded", "ordinal")
    }
    assert layers["bounded"].l2 == layers["regression"].l2 == pytest.approx(0.1 * encoder.rating_std)
    assert layers["ordinal"].l2 == pytest.approx(layers["regression"].l2 * OrdinalHead().curvature(encoder))


def test_two_values_are_refused_where_there_are_more():
    with pytest.raises(
        ConfigError,
        match=(
            r"model.head: 'binary' needs ratings with two distinct values, and these have 5 \(1, 2, 3, 4, 5\): convert "
            r"them with ratings\.liked\(4\), in YAML data\.liked: 4"
        ),
    ):
        build_model(SVDConfig(head="binary"), Encoder.fit(twenty_ratings()))


def test_probabilities_are_refused_where_ratings_are_continuous():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"user": np.repeat(range(20), 10), "item": np.tile(range(10), 20), "rating": rng.random(200)})
    with pytest.raises(
        ConfigError,
        match=(
            "'multiclass' needs ratings with few distinct values, and these have too many: choose 'regression' or "
            "'bounded'$"
        ),
    ):
        build_model(SVDConfig(head="multiclass"), Encoder.fit(Ratings(frame)))


@pytest.mark.parametrize(
    ("head", "rating", "message"),
    [
        (
            "ordinal",
            2.5,
            r"has the rating 2\.5, which is none of the 5 that the head was built for \(1, 2, 3, 4, 5\)",
        ),
        ("bounded", 6.0, "has the rating 6, which is outside the scale 1 to 5 of the head"),
    ],
)
def test_a_rating_that_does_not_fit_the_head_is_refused_before_training(head, rating, message):
    encoder = Encoder.fit(twenty_ratings())
    tensors = encoder.encode(twenty_ratings())
    odd = encoder.encode(Ratings(twenty_ratings().frame.assign(rating=rating)))
    trainer = Trainer(TrainConfig(epochs=1), progress=False)
    with pytest.raises(DataError, match=f"the validation part {message}"):
        trainer.fit(build_model(SVDConfig(head=head), encoder), tensors, odd)


@pytest.mark.parametrize(("name", "value"), [("loss", "mae"), ("metrics", ("mae",))])
def test_a_loss_beside_the_heads_own_is_refused(name, value):
    encoder = Encoder.fit(twenty_ratings())
    with pytest.raises(
        ConfigError, match=f"^training.{name} must be left out, as the model's head sets its own {name}$"
    ):
        Trainer(TrainConfig(**{name: value}), progress=False).fit(
            build_model(SVDConfig(head="ordinal"), encoder), encoder.encode(twenty_ratings())
        )


def test_gradients_of_certain_ratings_are_finite():
    layer = CumulativeLogits([-1.0, 1.0])
    z = tf.constant([[-80.0], [80.0]])
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = NegativeLogLikelihood(LEVELS)(tf.constant([4.0, 1.0]), layer(z))
    np.testing.assert_allclose(tape.gradient(loss, z), [[-KAPPA / 2], [KAPPA / 2]], rtol=1e-5)


@pytest.mark.parametrize(
    ("ratings", "chosen"),
    [
        ([1, 2, 3, 4, 5] * 5, "ordinal"),
        ([1, 2, 3, 4, 5] * 4, "regression"),  # four of each are too few to learn thresholds from
        (list(range(20)) * 5, "ordinal"),
        (list(range(21)) * 5, "regression"),
    ],
)
def test_the_ratings_decide_on_the_automatic_head(ratings, chosen):
    n = len(ratings)
    encoder = Encoder.fit(Ratings(pd.DataFrame({"user": range(n), "item": np.arange(n) % 2, "rating": ratings})))
    head = AutoHead().of(encoder)
    assert head.kind == chosen
    assert head.of(encoder) is head


def test_a_head_s_schema_has_the_names_beside_the_configs():
    configs, names = TypeAdapter(Head).json_schema()["anyOf"]
    assert names == {"enum": ["regression", "bounded", "ordinal", "multiclass", "binary", "auto"]}
    assert configs["discriminator"]["propertyName"] == "kind"


@pytest.mark.parametrize(
    ("n_levels", "shown"),
    [(101, "more than 100"), (11, r"11 \(0, 1, 2, 3, \.\.\., 10\)"), (10, r"10 \(0, 1, 2, 3, 4, 5, 6, 7, 8, 9\)")],
)
def test_ratings_that_are_not_two_are_counted_and_shown(n_levels, shown):
    frame = pd.DataFrame({"user": range(n_levels), "item": np.arange(n_levels) % 2, "rating": range(n_levels)})
    with pytest.raises(
        ConfigError, match=f"binary' needs ratings with two distinct values, and these have {shown}: convert"
    ):
        build_model(SVDConfig(head="binary"), Encoder.fit(Ratings(frame)))


def test_the_level_of_a_rating_is_the_nearest():
    found = level_of(tf.constant([0.0, 1.4, 1.6, 3.1, 9.0]), LEVELS)
    assert (found.numpy().tolist(), found.dtype) == ([0, 0, 1, 2, 2], tf.int32)
