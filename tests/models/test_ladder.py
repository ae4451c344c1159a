"""The rungs on generated ratings whose truth is known: all rungs and truths stand in benchmarks/ladder_truth.py."""

import pytest

import recsys_nn as rn

TABLE = {
    "n_users": 300,
    "n_items": 120,
    "n_ratings": 30_000,
    "embedding_dim": 1,
    "activity": 0,
    "mean": 0.5,
    "user_bias": 0.01,
    "item_bias": 0.01,
    "strength": 0.02,  # without clipping at the ends of the scale
    "noise": 0.005,
    "nonlinear_share": 0.15,
    "step": None,
}
WEAK = {"embedding_dim": 1, "l2": 0.0, "interaction_l2": 1e-8}
RUNGS = {
    "polynomial": rn.PolynomialConfig(degree=2, **WEAK),
    "spline": rn.BSplineConfig(**WEAK),
    "radial": rn.KernelConfig(structure="difference", **WEAK),
}
TRAINING = rn.TrainConfig(
    learning_rate=0.03, batch_size=256, epochs=10, patience=None, schedule={"kind": "cosine"}, metrics=()
)


def errors(truth: str, *configs: rn.ModelConfig) -> list[float]:
    """RMSE on the test part over that of the true expectation."""
    split = rn.random_split(rn.load_ratings("synthetic", nonlinear=truth, seed=1, **TABLE), seed=1)
    encoder = rn.Encoder.fit(split.train)
    train, validation = encoder.encode(split.train), encoder.encode(split.validation)
    ratios = []
    for config in configs:
        model = rn.build_model(config, encoder, seed=1)
        run = rn.Trainer(TRAINING, progress=False).fit(model, train, validation)
        found = rn.evaluate(rn.Predictor(run.model, encoder), split.test)
        ratios.append(found.rmse / found.oracle)
    return ratios


def svd(dim: int) -> rn.SVDConfig:
    return rn.SVDConfig(embedding_dim=dim, l2=0.0)


@pytest.mark.slow
@pytest.mark.parametrize("truth", RUNGS)
def test_the_rung_of_the_truth_comes_close_to_the_oracle_and_svd_does_not(truth):
    """svd's dimensions are those of the truth, and twice as many, with which it needs more ratings."""
    of_its_rung, *of_svd = errors(truth, RUNGS[truth], svd(1), svd(2))
    assert of_its_rung < 1.03
    assert of_its_rung < min(of_svd)


@pytest.mark.slow
def test_where_the_truth_is_a_product_svd_ties_with_every_rung():
    of_svd, *of_rungs = errors("none", svd(1), *RUNGS.values())
    assert of_svd < 1.03
    assert of_svd < min(of_rungs) + 0.002
