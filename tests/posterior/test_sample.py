import json
from dataclasses import replace

import numpy as np
import pytest

from recsys_nn import (
    BiasConfig,
    ConfigError,
    Encoder,
    PosteriorConfig,
    Predictor,
    SVDConfig,
    TrainConfig,
    Trainer,
    build_model,
    evaluate,
    load_ratings,
    random_split,
    run_experiment,
    sample_posterior,
)
from recsys_nn.experiment.train import train_on_split
from recsys_nn.models.layers.averaged import AveragedModel
from recsys_nn.posterior.chain import posterior_weights
from recsys_nn.posterior.sample import chosen, tempered

SPLIT = random_split(load_ratings("synthetic", n_users=100, n_items=60, n_ratings=2500), seed=3)
ENCODER = Encoder.fit(SPLIT.train)
TRAIN, VALIDATION = (ENCODER.encode(part) for part in (SPLIT.train, SPLIT.validation))
FEW = PosteriorConfig(samples=10, burn_in=30, thin=5)
RUN = {
    "seed": 7,
    "data": {"source": "synthetic", "options": {"n_users": 60, "n_items": 50, "n_ratings": 1500}},
    "model": {"kind": "svd", "embedding_dim": 4, "head": "auto"},
    "training": {"epochs": 20, "batch_size": 10000, "learning_rate": 0.05},
    "ensemble": {"samples": 6, "burn_in": 4, "thin": 2, "temperature": 0.5},
}


@pytest.fixture(scope="module")
def sampled():
    """A training, and the average over samples from there on."""
    settings = TrainConfig(epochs=30, learning_rate=0.01, patience=5, metrics=())
    model = build_model(SVDConfig(embedding_dim=8), ENCODER, seed=1)
    run = Trainer(settings, progress=False).fit(model, TRAIN, VALIDATION)
    return run, sample_posterior(run, TRAIN, FEW)


def test_the_average_over_the_posterior_is_better_than_the_network_and_than_its_samples(sampled):
    run, average = sampled
    actual, inputs = SPLIT.test.frame["rating"].to_numpy(), ENCODER.encode(SPLIT.test).inputs
    each = np.sqrt(np.mean((average.each(inputs).numpy() - actual) ** 2, axis=1))
    found = evaluate(Predictor(average, ENCODER), SPLIT.test)
    assert found.rmse < each.mean() - 0.005
    assert found.rmse < evaluate(Predictor(run.model, ENCODER), SPLIT.test).rmse
    assert found.rmse < found.baselines[found.best_baseline]


def test_what_is_unknown_is_the_same_to_every_sample(sampled):
    _, average = sampled
    each = average.each(ENCODER.encode_pairs(["nobody"] * 2, ["nothing"] * 2))
    np.testing.assert_allclose(each, np.full((FEW.samples, 2), ENCODER.rating_mean), atol=1e-5)


@pytest.mark.parametrize(
    ("errors", "taken"),
    [
        ({1.0: [1, 3], 0.5: [2, 3], 0.25: [3, 4]}, 1.0),  # gains 1 and 0: a mean of .5, a standard error of .35
        ({1.0: [1, 2], 0.5: [2, 3], 0.25: [3, 4]}, 1.0),
        ({1.0: [1, 2], 0.5: [2, 3], 0.25: [0, 1]}, 0.25),
        ({1.0: [1, 3], 0.5: [2, 3], 0.25: [1.5, 1.5]}, 0.25),  # of two that are better the one that gains more
        ({1.0: [0, 2], 0.5: [2, 2], 0.25: [3, 4]}, 1.0),  # gains 2 and 0: a mean of 1 is more than .71
        ({1.0: [0, 4], 0.5: [2, 3], 0.25: [3, 4]}, 0.5),  # gains 2 and -1: a mean of .5, a standard error of 1.06
    ],
)
def test_another_temperature_than_the_usual_has_to_be_better_by_more_than_a_standard_error(errors, taken):
    assert chosen({temperature: np.array(squared, float) for temperature, squared in errors.items()}) == taken


@pytest.mark.slow
def test_validation_decides_on_the_temperature(sampled):
    run, _ = sampled
    averages = {
        temperature: AveragedModel.of(run.model, weights)
        for temperature, weights in posterior_weights(run, TRAIN, FEW, [1.0, 0.5, 0.25]).items()
    }
    predicted = {temperature: average(VALIDATION.inputs).numpy() for temperature, average in averages.items()}
    expected = chosen({temperature: (of_one - VALIDATION.targets) ** 2 for temperature, of_one in predicted.items()})
    temperature, average = tempered(run, TRAIN, FEW, VALIDATION)
    assert temperature == expected
    np.testing.assert_allclose(average(VALIDATION.inputs), predicted[expected], rtol=1e-4)


@pytest.mark.parametrize(
    ("scales", "taken"),
    [
        ({1.0: 9, 0.5: 9, 0.25: 1}, 0.25),
        ({1.0: 1, 0.5: 9, 0.25: 9}, 1.0),
        ({1.0: 1, 0.5: 9}, 0.5),  # interrupted: there is none to compare with
        ({1.0: 1}, 1.0),
    ],
)
def test_the_average_that_errs_least_on_validation_is_taken(sampled, monkeypatch, scales, taken):
    """Weights as trained err less than nine times these."""
    run, _ = sampled
    trained = [weights.numpy() for weights in run.model.trainable_variables]
    drawn = {temperature: [[scale * weights for weights in trained]] for temperature, scale in scales.items()}
    asked = []
    monkeypatch.setattr(
        "recsys_nn.posterior.chain.posterior_weights", lambda *given, **_: asked.append(given[3]) or drawn
    )
    temperature, average = tempered(run, TRAIN, FEW, VALIDATION)
    assert asked == [(1.0, 0.5, 0.25)]
    assert temperature == taken
    expected = run.model(VALIDATION.inputs) if scales[taken] == 1 else average(VALIDATION.inputs)
    np.testing.assert_allclose(average(VALIDATION.inputs), expected, rtol=1e-5)


def test_the_chain_is_asked_for_what_is_given_or_for_the_usual(sampled, monkeypatch, tmp_path):
    run, _ = sampled
    drawn = {0.5: [[weights.numpy() for weights in run.model.trainable_variables]]}
    asked = []
    monkeypatch.setattr(
        "recsys_nn.posterior.chain.posterior_weights", lambda *given, **named: asked.append((*given, named)) or drawn
    )
    sample_posterior(run, TRAIN)
    tempered(run, TRAIN, FEW, checkpoints=tmp_path)
    assert asked == [
        (run, TRAIN, PosteriorConfig(), (0.5,), {"progress": True, "checkpoints": None}),
        (run, TRAIN, FEW, (0.5,), {"progress": False, "checkpoints": tmp_path}),
    ]


@pytest.mark.parametrize(("asked", "taken"), [(None, 0.5), (0.7, 0.7)])
def test_without_validation_the_temperature_is_that_of_the_config_or_a_half(sampled, asked, taken):
    few = FEW.model_copy(update={"temperature": asked, "samples": 1, "burn_in": 2, "thin": 1})
    assert tempered(sampled[0], TRAIN, few)[0] == taken


def test_a_closed_form_has_no_posterior():
    run = Trainer(TrainConfig(), progress=False).fit(build_model(BiasConfig(), ENCODER), TRAIN)
    with pytest.raises(
        ConfigError, match="^ensemble must be left out, as bias is fitted in closed form, without a posterior$"
    ):
        sample_posterior(run, TRAIN)


def test_a_loss_that_is_no_likelihood_has_no_posterior():
    settings = TrainConfig(epochs=1, loss="mae", validation=0, patience=None, optimizer="sgd", metrics=())
    run = Trainer(settings, progress=False).fit(build_model(SVDConfig(), ENCODER), TRAIN)
    with pytest.raises(
        ConfigError,
        match=(
            "training.loss must be left out with ensemble, as a posterior needs squared errors "
            "or a head with probabilities, not 'mae'$"
        ),
    ):
        sample_posterior(run, TRAIN)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return run_experiment({**RUN, "output": str(tmp_path_factory.mktemp("runs") / "first")}, progress=False)


@pytest.mark.slow
def test_a_run_with_an_ensemble_predicts_the_average(first):
    assert first.predictor.model.n_members == 6
    again = Predictor.load(first.path).predict(first.split.test)
    np.testing.assert_array_equal(again["prediction"], first.predictor.predict(first.split.test)["prediction"])


@pytest.fixture(scope="module")
def refitted(tmp_path_factory):
    output = str(tmp_path_factory.mktemp("runs") / "refitted")
    return run_experiment({**RUN, "refit": True, "output": output}, progress=False)


@pytest.mark.slow
def test_a_refit_trains_on_the_validation_part_too_for_as_many_epochs_as_were_best(first, refitted):
    assert len(refitted.split.train) == len(first.split.train) + len(first.split.validation)
    assert len(refitted.split.validation) == 0
    assert refitted.predictor.encoder.n_ratings == len(refitted.split.train)
    assert refitted.metrics["best_epoch"] == first.metrics["best_epoch"]
    assert refitted.metrics["validation_rmse"] == first.metrics["validation_rmse"]
    assert refitted.metrics["rmse"] != first.metrics["rmse"]
    assert refitted.predictor.calibration == first.predictor.calibration


@pytest.mark.slow
def test_what_validation_found_stays_known_of_a_refit(first, refitted):
    assert (refitted.run.best_epoch, refitted.run.stop_reason) == (first.run.best_epoch, first.run.stop_reason)
    np.testing.assert_array_equal(refitted.run.history["val_loss"], first.run.history["val_loss"])


@pytest.mark.slow
def test_the_run_folder_of_a_refit_says_so(first, refitted):
    record = json.loads((refitted.path / "data.json").read_text())
    held_out = len(first.split.validation)
    assert record["refit"] == {
        "epochs": refitted.run.best_epoch,
        "chosen_by": f"a validation part of {held_out} ratings",
    }
    assert record["parts"]["refitted"]["ratings"] == held_out
    assert record["parts"]["validation"]["ratings"] == 0


@pytest.mark.slow
def test_an_interrupted_refit_ends_the_run(monkeypatch):
    def interrupted_without_validation(model, encoder, split, training, **options):
        run = train_on_split(model, encoder, split, training, **options)
        return run if len(split.validation) else replace(run, stop_reason="interrupted")

    monkeypatch.setattr("recsys_nn.experiment.run.train_on_split", interrupted_without_validation)
    with pytest.raises(KeyboardInterrupt):
        run_experiment({**RUN, "training": {"epochs": 1}, "ensemble": None, "refit": True}, progress=False)


@pytest.mark.slow
def test_an_average_that_is_worse_than_its_network_is_warned_of():
    """Without any penalty the posterior is wide, where early stopping has kept the network near its start."""
    weak = {"kind": "svd", "embedding_dim": 16, "l2": 0.0}
    with pytest.warns(
        UserWarning,
        match=r"worse than the network alone .* set penalties that are 0 to null, such as model.bias_l2$",
    ):
        run_experiment({**RUN, "model": weak, "ensemble": {**RUN["ensemble"], "temperature": None}}, progress=False)


def test_a_refit_without_validation_is_refused():
    with pytest.raises(
        ConfigError, match="refit needs a validation part: set data.split.validation above 0, or leave refit out$"
    ):
        run_experiment({**RUN, "data": {**RUN["data"], "split": {"validation": 0}}, "refit": True}, progress=False)
