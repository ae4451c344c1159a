"""The rungs on generated ratings whose truth is known: all rungs and truths stand in benchmarks/ladder_truth.py."""

import pytest

import recsys_nn as rn

TABLE = {
    "n_users": 500,
    "n_items": 120,
    "n_ratings": 50_000,
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
WINNER = {
    "polynomial": rn.PolynomialConfig(degree=2, **WEAK),
    "spline": rn.BSplineConfig(**WEAK),
    "radial": rn.KernelConfig(structure="difference", **WEAK),
}


@pytest.mark.parametrize("truth", WINNER)
def test_the_rung_of_the_truth_comes_close_to_the_oracle_and_svd_does_not(truth):
    """svd's dimensions are those of the truth, and twice as many, with which it needs more ratings."""
    split = rn.random_split(rn.load_ratings("synthetic", nonlinear=truth, seed=1, **TABLE), seed=1)
    encoder = rn.Encoder.fit(split.train)
    train, validation = encoder.encode(split.train), encoder.encode(split.validation)
    training = rn.TrainConfig(learning_rate=0.03, batch_size=256, epochs=20, patience=None, schedule={"kind": "cosine"})

    def error(config):
        model = rn.build_model(config, encoder, seed=1)
        run = rn.Trainer(training, progress=False).fit(model, train, validation)
        found = rn.evaluate(rn.Predictor(run.model, encoder), split.test)
        return found.rmse / found.oracle

    of_its_rung = error(WINNER[truth])
    assert of_its_rung < 1.03
    assert of_its_rung < min(error(rn.SVDConfig(embedding_dim=dim, l2=0.0)) for dim in (1, 2))
