import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from recsys_nn import ArtifactError, ConfigError, DataError, Predictor, Ratings, evaluate, load_config, run_experiment
from recsys_nn.experiment import fingerprint, load_split

ROOT = Path(__file__).parents[1]
TINY = (("train", "ab", 1), ("validation", "a", 1), ("test", "b", 1))
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
SMALL = {
    "seed": 7,
    "data": {"source": "synthetic", "options": {"n_users": 50, "n_items": 40, "n_ratings": 1000}},
    "model": {"kind": "svd", "embedding_dim": 4},
    "training": {"epochs": 3, "batch_size": 100},
}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "small"
    return run_experiment({**SMALL, "output": str(output)}, progress=False)


def test_the_metrics_are_those_of_the_test_part(result):
    evaluation = evaluate(result.predictor, result.split.test)
    assert result.metrics["rmse"] == evaluation.rmse
    assert result.metrics["oracle_rmse"] < result.metrics["rmse"]
    assert result.metrics["validation_rmse"] == pytest.approx(result.run.history["val_rmse"].min(), rel=1e-5)
    assert result.metrics["best_epoch"] == result.run.best_epoch


def test_the_parts_are_as_configured(result):
    assert [len(part) for part in (result.split.train, result.split.validation, result.split.test)] == [810, 90, 100]


def test_the_run_folder_says_where_the_model_came_from(result):
    assert load_config(yaml.safe_load((result.path / "config.yaml").read_text())) == result.config
    assert json.loads((result.path / "metrics.json").read_text()) == result.metrics
    parts = json.loads((result.path / "data.json").read_text())["parts"]
    assert parts["train"] == {
        "ratings": 810,
        "users": result.split.train.n_users,
        "items": result.split.train.n_items,
        "sha256": fingerprint(result.split.train),
    }
    history = pd.read_csv(result.path / "history.csv")
    np.testing.assert_allclose(history["val_loss"], result.run.history["val_loss"])


def test_the_saved_run_predicts_the_same(result):
    loaded = Predictor.load(result.path)
    pd.testing.assert_frame_equal(loaded.predict(result.split.test), result.predictor.predict(result.split.test))


def test_the_same_config_gives_the_same_numbers(result):
    again = run_experiment(SMALL, progress=False)
    assert again.path is None
    assert again.metrics["rmse"] == result.metrics["rmse"]


def test_an_output_that_is_taken_costs_no_training(result, monkeypatch):
    monkeypatch.setattr("recsys_nn.experiment.load_split", lambda *_: pytest.fail("the data were read"))
    with pytest.raises(ArtifactError, match="already holds a run"):
        run_experiment(result.config, progress=False)


def test_overrides_of_a_resolved_config_are_refused(result):
    with pytest.raises(ConfigError, match="overrides are for a file or a mapping"):
        run_experiment(result.config, overrides=["training.epochs=1"], overwrite=True)


def test_a_figure_that_is_not_a_number_is_null_in_json(tmp_path):
    files = {name: write(tmp_path / f"{name}.csv", users, rating) for name, users, rating in TINY}
    config = {
        "output": str(tmp_path / "run"),
        "data": {"format": {"user": "u", "item": "i", "rating": "r"}, "split": {"kind": "files", **files}},
        "model": {"kind": "bias"},
    }
    config["data"]["scale"] = [1, 5]
    (tmp_path / "train.csv").write_text("u,i,r\na,x,1\na,y,5\nb,x,2\n")
    assert np.isnan(run_experiment(config, progress=False).metrics["r2"])
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["r2"] is None


def test_fingerprints_tell_tables_apart(result):
    train = result.split.train
    assert fingerprint(train) == fingerprint(train.take(np.arange(len(train))))
    assert fingerprint(train) != fingerprint(train.take(np.arange(len(train))[::-1]))
    for column, value in (("user", "nobody"), ("item", "nothing"), ("rating", 1.5)):
        frame = train.frame
        frame.loc[0, column] = value
        assert fingerprint(train) != fingerprint(Ratings(frame, scale=train.scale))


@pytest.mark.parametrize(
    ("split", "sizes"),
    [
        ({"kind": "stratified", "test": 0.2}, (720, 80, 200)),
        ({"kind": "temporal", "validation": 0.0, "test": 0.5}, (500, 0, 500)),
        ({"kind": "leave_last_out", "validation": 0.0}, (950, 0, 50)),
    ],
)
def test_splits_of_every_kind(split, sizes):
    config = load_config({**SMALL, "data": {**SMALL["data"], "split": split}})
    parts = load_split(config.data, config.seed)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == sizes


def write(path: Path, users: str, rating: float) -> str:
    pd.DataFrame({"u": list(users), "i": list("xyzw")[: len(users)], "r": rating}).to_csv(path, index=False)
    return str(path)


def test_given_files_are_taken_as_they_are(tmp_path):
    files = {
        "kind": "files",
        "train": write(tmp_path / "train.csv", "aabb", 1),
        "validation": write(tmp_path / "validation.csv", "ab", 2),
        "test": write(tmp_path / "test.csv", "b", 3),
    }
    layout = {"user": "u", "item": "i", "rating": "r"}
    config = load_config({"data": {"format": layout, "scale": [1, 5], "split": files}})
    split = load_split(config.data, seed=0)
    assert [part.frame["rating"].tolist() for part in (split.train, split.validation, split.test)] == [
        [1] * 4,
        [2] * 2,
        [3],
    ]
    assert split.test.scale == (1, 5)


def test_a_run_without_a_test_part_has_no_test_metrics():
    config = {**SMALL, "data": {**SMALL["data"], "split": {"kind": "random", "test": 0}}}
    result = run_experiment(config, progress=False)
    assert result.evaluation is None
    assert set(result.metrics) == {"validation_rmse", "best_epoch", "seconds"}


def test_a_run_without_a_validation_part_must_not_wait_for_one():
    config = {**SMALL, "data": {**SMALL["data"], "split": {"kind": "random", "validation": 0}}}
    with pytest.raises(ConfigError, match="there is no validation part, so set patience to null"):
        run_experiment(config, progress=False)
    result = run_experiment(config, overrides=["training.patience=null"], progress=False)
    assert result.run.best_epoch == 3
    assert len(result.split.train) == 900


def test_a_misspelt_data_set_is_answered_with_the_nearest():
    with pytest.raises(DataError, match="'syntetic' is neither a file nor a data set; did you mean 'synthetic'"):
        run_experiment({"data": {"source": "syntetic"}}, progress=False)


def test_options_that_a_data_set_does_not_have_are_refused():
    with pytest.raises(DataError, match="n_user"):
        run_experiment(SMALL, overrides=["data.options.n_user=3"], progress=False)


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_shipped_config_runs(file, tmp_path, request):
    config = load_config(file)
    assert config.output == f"runs/{file.stem}"
    if config.data.source != "synthetic":
        request.getfixturevalue("real_data")
    small = ["training.epochs=1", "training.batch_size=4096", f"output={tmp_path / 'run'}"]
    result = run_experiment(file, overrides=small, progress=False)
    assert 0 < result.metrics["rmse"] < 1.3
    assert Predictor.load(result.path).config == config.model
