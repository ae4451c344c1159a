"""The doctor on runs that were really made: sound ones, and one for each pitfall of the lecture."""

import pandas as pd
import pytest

import recsys_nn as rn
from recsys_nn.advice.doctor.finding import Diagnosis, Finding

MATRIX = rn.load_ratings("synthetic", n_users=120, n_items=60, n_ratings=4000, seed=1)
SOUND = {
    "seed": 1,
    "model": {"kind": "svd", "embedding_dim": 4},
    "training": {"learning_rate": 0.01, "batch_size": 128, "epochs": 60, "patience": 3},
}


def config(**changes) -> rn.RunConfig:
    return rn.load_config(SOUND).with_values(changes)


def codes(**changes) -> list[str]:
    return rn.diagnose(rn.run_experiment(config(**changes), MATRIX, progress=False)).codes


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> rn.ExperimentResult:
    changes = {"output": str(tmp_path_factory.mktemp("runs") / "sound")}
    return rn.run_experiment(config(**changes), MATRIX, progress=False)


def test_a_sound_run_has_no_finding_before_it_and_after_it(sound):
    assert rn.diagnose(config(), MATRIX).codes == []
    for run in (sound, sound.run, sound.finished, sound.path, str(sound.path)):
        assert rn.diagnose(run).codes == []
    assert str(rn.diagnose(sound)) == "No problems were found."


def test_a_learning_rate_that_is_too_high_is_found_in_the_error_it_ends_with():
    with pytest.raises(rn.TrainingError, match="the likely cause is that this rate is too high") as raised:
        codes(**{"training.optimizer": "sgd", "training.learning_rate": 1e5})
    (finding,) = rn.diagnose(raised.value)
    assert (finding.code, finding.settings) == ("learning-rate-too-high", {"training.learning_rate": 1e4})


def test_a_learning_rate_that_is_too_low():
    assert "learning-rate-too-low" in codes(**{"training.learning_rate": 1e-6, "training.epochs": 6})


def test_no_validation_part():
    split = {"data.split.validation": 0, "training.patience": None, "training.epochs": 3}
    assert rn.diagnose(config(**split), MATRIX).codes == ["no-validation"]
    assert "no-validation" in codes(**split)


def test_too_many_epochs_without_early_stopping():
    unpenalised = {"model.l2": 0, "model.embedding_dim": 16, "training.learning_rate": 0.03}
    assert "no-early-stopping" in codes(**unpenalised, **{"training.patience": None})


@pytest.mark.parametrize("batch_size", [1, 4096])
def test_an_extreme_batch_size_is_found_before_it_costs_time(batch_size):
    (finding,) = rn.diagnose(config(**{"training.batch_size": batch_size}), MATRIX)
    assert finding.code == "extreme-batch-size"
    assert rn.diagnose(config().with_values(finding.settings), MATRIX).codes == []


def test_inputs_of_any_network_that_are_not_normalised():
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 2)) * [1, 1000]
    raw = rn.Tensors(x, x[:, 0])
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    run = rn.Trainer(rn.TrainConfig(epochs=3), progress=False).fit(network, raw)
    assert "inputs-not-normalised" in rn.diagnose(run).codes
    normalised = rn.Tensors(x / [1, 1000], x[:, 0])
    run = rn.Trainer(rn.TrainConfig(epochs=3), progress=False).fit(network, normalised)
    assert "inputs-not-normalised" not in rn.diagnose(run).codes


def test_leakage_of_given_parts():
    split = rn.random_split(MATRIX, seed=1)
    leaking = rn.Split(MATRIX, split.validation, split.test)
    assert rn.diagnose(config(), leaking).codes == ["leakage", "leakage"]
    assert rn.diagnose(config(), split).codes == []


def test_merged_duplicates_of_a_table():
    frame = MATRIX.frame
    twice = rn.Ratings(pd.concat([frame, frame[:100]]), scale=(1, 5), duplicates="last")
    assert rn.diagnose(config(), twice).codes == ["duplicate-pairs"]


def test_pairs_of_unknown_ids(sound):
    known, unknown = MATRIX.frame[["user", "item"]][:50], [("nobody", "nothing")] * 50
    assert rn.diagnose(sound, pairs=known).codes == []
    assert rn.diagnose(sound, pairs=unknown).codes == ["unknown-ids"]


KNOWN = (
    "run must be a config or its file, a run folder, a result of rn.run_experiment or Trainer.fit, or the "
    "TrainingError of a training that diverged"
)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda run: rn.diagnose(run, MATRIX), "data must be left out, as a finished run has its own"),
        (
            lambda run: rn.diagnose(rn.SVDConfig(), MATRIX, pairs=[(1, 2)]),
            "pairs must be left out, as they need a finished run",
        ),
        (lambda run: rn.diagnose(run.run, pairs=[(1, 2)]), "pairs must be left out, as they need a finished run"),
        (lambda run: rn.diagnose(3), f"{KNOWN}, not int"),
        (lambda run: rn.diagnose(rn.TrainingError("before it began")), f"{KNOWN}, not TrainingError"),
    ],
)
def test_what_cannot_be_diagnosed_is_refused(sound, call, message):
    with pytest.raises(rn.ConfigError, match=f"^{message}$"):
        call(sound)


def test_a_run_folder_without_records_is_no_reason_to_fail(sound, tmp_path):
    assert rn.diagnose(sound.predictor.save(tmp_path / "saved")).codes == []


def test_the_training_output_has_a_line_where_something_is_wrong(capsys):
    rn.run_experiment(config(**{"training.epochs": 2, "training.patience": 2}), MATRIX)
    assert (
        "The doctor found patience-never-fired (training.patience: 3, training.epochs: 100)" in capsys.readouterr().out
    )


class TestDiagnosis:
    NOTE = Finding("b", "note", "why <b>", "what", "how")
    ERROR = Finding("a", "error", "why", "what", "how", {"training.patience": None, "training.epochs": 5})

    def test_the_gravest_comes_first(self):
        found = Diagnosis([self.NOTE, self.ERROR])
        assert found.codes == ["a", "b"]
        assert found[0] == self.ERROR
        assert found[1:].codes == ["b"]
        assert found.summary == "a (training.patience: null, training.epochs: 5); b (how)"

    def test_as_text_table_and_page(self):
        found = Diagnosis([self.ERROR, self.NOTE])
        assert str(found).splitlines()[:4] == [
            "error: a",
            "  cause     why",
            "  evidence  what",
            "  fix       how (training.patience: null, training.epochs: 5)",
        ]
        assert list(found.table.columns) == ["code", "severity", "cause", "evidence", "fix", "settings"]
        assert found.table["settings"].tolist() == ["training.patience: null, training.epochs: 5", ""]
        assert "why &lt;b&gt;" in found._repr_html_()
