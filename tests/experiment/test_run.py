import json
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import yaml

from recsys_nn import (
    ArtifactError,
    ConfigError,
    DataError,
    Encoder,
    GlobalMeanConfig,
    Predictor,
    Ratings,
    RunConfig,
    Split,
    evaluate,
    load_config,
    load_ratings,
    run_experiment,
)
from recsys_nn.data.fingerprints import fingerprint, fingerprints
from recsys_nn.experiment.run import run_on_split
from recsys_nn.experiment.train import train_on_split
from recsys_nn.runs.data import load_split
from recsys_nn.runs.finished import FinishedRun

ROOT = Path(__file__).parents[2]
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
        "mean": pytest.approx(result.split.train.frame["rating"].mean()),
        "std": pytest.approx(result.split.train.frame["rating"].std()),
        "min": 1.0,
        "max": 5.0,
        "sha256": fingerprint(result.split.train),
    }


@pytest.mark.parametrize("kept_in", ["memory", "folder"])
def test_a_finished_run_tells_what_the_experiment_knew(result, kept_in):
    finished = result.finished if kept_in == "memory" else FinishedRun.load(result.path)
    assert (finished.predictor is result.predictor, finished.folder) == (kept_in == "memory", result.path)
    assert finished.config == result.config
    assert finished.metrics == result.metrics
    pd.testing.assert_frame_equal(finished.judged, result.evaluation.table)
    pd.testing.assert_frame_equal(finished.held_out, result.findings.held_out, check_like=True)
    assert finished.training.record == result.run.record
    pd.testing.assert_frame_equal(finished.training.history, result.run.history)
    assert finished.training.config == result.config.training
    assert (finished.training.n_train, finished.training.n_validation) == (810, 90)


def test_a_finished_run_is_what_it_gave_where_it_is_resumed(result, monkeypatch):
    monkeypatch.setattr("recsys_nn.experiment.run.run_on_split", lambda *_, **__: pytest.fail("it was trained again"))
    again = run_experiment(result.config, resume=True, progress=False)
    assert (again.config, again.path, again.metrics) == (result.config, result.path, result.metrics)
    assert again.evaluation.metrics == pytest.approx(result.evaluation.metrics, rel=1e-6)
    assert (again.run.record, again.findings.chosen, again.findings.means) == (
        *(result.run.record, {}, "a validation part of 90 ratings"),
    )
    assert again.findings.seconds == result.findings.seconds
    pd.testing.assert_frame_equal(again.findings.held_out, result.findings.held_out, check_like=True)
    assert (again.finished.folder, again.predictor) == (result.path, again.finished.predictor)
    assert [len(part) for part in (again.split.train, again.split.validation, again.split.test)] == [810, 90, 100]


def test_the_saved_run_predicts_the_same(result):
    loaded = Predictor.load(result.path)
    pd.testing.assert_frame_equal(loaded.predict(result.split.test), result.predictor.predict(result.split.test))


def test_intervals_are_calibrated_on_the_validation_part(result):
    assert result.predictor.calibration == result.predictor.calibrated(result.split.validation).calibration
    assert Predictor.load(result.path).calibration == result.predictor.calibration
    assert result.metrics["interval_coverage"] == result.evaluation.coverage
    assert 0.8 < result.evaluation.coverage < 1


def test_the_same_config_gives_the_same_numbers(result):
    again = run_experiment(SMALL, progress=False)
    assert again.path is None
    assert again.metrics["rmse"] == result.metrics["rmse"]


def test_an_output_that_is_taken_costs_no_training(result, monkeypatch):
    monkeypatch.setattr("recsys_nn.experiment.run.load_parts", lambda *_: pytest.fail("the data were read"))
    with pytest.raises(ArtifactError, match="already holds a run"):
        run_experiment(result.config, progress=False)


@pytest.mark.slow
def test_ratings_in_memory_are_split_as_the_config_says(result):
    ratings = load_ratings("synthetic", **SMALL["data"]["options"])
    given = {**SMALL, "data": {"split": {"validation": 0.1, "test": 0.1}}}
    assert run_experiment(given, ratings, progress=False).metrics["rmse"] == result.metrics["rmse"]
    assert run_experiment(given, result.split, progress=False).metrics["rmse"] == result.metrics["rmse"]


@pytest.mark.parametrize(
    ("data", "given", "error", "message"),
    [
        (
            {},
            None,
            ConfigError,
            "^data.source is missing: name a file of ratings, or a data set that `recsys-nn datasets` lists$",
        ),
        (
            {"source": "synthetic"},
            "ratings",
            ConfigError,
            "data.source must be left out, as the ratings are given in memory, but is 'synthetic'$",
        ),
        (
            {"source": "synthetic"},
            "split",
            ConfigError,
            "data.source must be left out, as the ratings are given in memory, but is 'synthetic'$",
        ),
        (
            {"split": {"kind": "files", "train": "a.csv"}},
            "ratings",
            ConfigError,
            "^data.split.kind cannot be files, as the ratings are given in memory: choose another kind$",
        ),
        ({}, "frame", DataError, "the ratings must be Ratings or a Split, not DataFrame$"),
    ],
)
def test_ratings_come_from_one_place(result, data, given, error, message):
    train = result.split.train
    of_sort = {None: None, "ratings": train, "split": result.split, "frame": train.frame}
    with pytest.raises(error, match=message):
        run_experiment({**SMALL, "data": data}, of_sort[given], progress=False)


def test_the_config_of_a_model_is_a_run_with_defaults_for_all_else(result):
    defaults = run_experiment(GlobalMeanConfig(), result.split, progress=False)
    assert defaults.config == RunConfig(model=GlobalMeanConfig())
    assert defaults.metrics["rmse"] == pytest.approx(result.evaluation.baselines["global"], rel=1e-6)


class StopAfterTwo(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 1


def test_a_training_that_is_cut_short_is_neither_averaged_nor_refitted(result, tmp_path):
    asked = load_config({**SMALL, "output": str(tmp_path / "run"), "refit": True, "ensemble": {"samples": 2}})
    cut = run_on_split(asked, result.split, callbacks=[StopAfterTwo()])
    assert cut.run.stop_reason == "callback"
    assert len(cut.run.history) == 2
    assert cut.split is result.split
    kept = load_config(cut.path / "config.yaml")
    assert (kept.refit, kept.ensemble) == (False, None)


def test_overrides_of_a_resolved_config_are_refused(result):
    with pytest.raises(ConfigError, match="overrides must be left out for a config: change a config with model_copy$"):
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


def test_a_rating_level_that_only_the_test_part_has_is_judged_and_kept(result, tmp_path):
    """Its log loss alone is the negative log of the least float32."""
    parts = (result.split.train, result.split.validation, result.split.test)
    train, validation, test = (part.frame.assign(rating=part.frame["rating"].round().clip(2, 4)) for part in parts)
    test.loc[0, "rating"] = 5.0
    split = Split(*(Ratings(part, scale=(1, 5)) for part in (train, validation, test)))
    config = {
        "model": {"kind": "gmf", "embedding_dim": 2, "head": "ordinal"},
        "training": {"epochs": 1, "batch_size": 300},
    }
    found = run_experiment({**config, "output": str(tmp_path / "run")}, split, progress=False)
    kept = FinishedRun.load(tmp_path / "run").metrics
    assert kept["log_loss"] == found.metrics["log_loss"]
    rest = -np.log(2.0**-126) / len(test)
    assert rest < found.metrics["log_loss"] < rest + np.log(3) + 0.5


def test_fingerprints_tell_tables_apart(result):
    train = result.split.train
    assert list(fingerprints(result.split)) == [
        *(f"{part} part" for part in ("training", "validation", "test")),
        *(f"table of features of {side}" for side in ("users", "items")),
    ]
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


OWN_FILES = {
    "ratings.csv": "user,item,rating,device\na,x,1,desk\na,y,5,\nb,x,2,phone\nb,y,4,desk\nc,x,3,phone\n",
    "users.csv": "user,age,zip\na,30,007\nb,,010\nd,50,007\n",
}


@pytest.fixture
def own_files(tmp_path):
    """Ratings and users in files of one's own: the data section that names them."""
    for name, content in OWN_FILES.items():
        (tmp_path / name).write_text(content)
    return {
        "source": str(tmp_path / "ratings.csv"),
        "format": {"features": ["device"]},
        "user_features": str(tmp_path / "users.csv"),
        "features": {"user": ["zip"]},
        "split": {"test": 0, "validation": 0},
    }


def test_features_may_stand_in_files_beside_the_ratings(own_files):
    config = load_config({"data": {**own_files, "features": {"user": ["zip"], "rating": ["device"]}}})
    encoder = Encoder.fit(load_split(config.data, seed=0).train, features=config.data.features)
    assert encoder.users.ids.tolist() == ["a", "b", "c", "d"]
    assert encoder.features["user"].columns[0].values == ("007", "010")
    assert encoder.features["rating"].columns[0].values == ("desk", "phone")


def test_features_have_ids_of_the_type_of_the_ratings(own_files, tmp_path):
    ids = {"a": 1, "b": 2, "c": 3, "d": 4}
    ratings = pd.read_csv(own_files["source"]).assign(user=lambda frame: frame["user"].map(ids))
    ratings.to_parquet(tmp_path / "ratings.parquet")
    users = pd.read_csv(own_files["user_features"]).assign(user=lambda frame: frame["user"].map(ids))
    users.to_csv(own_files["user_features"], index=False)
    config = load_config({"data": {**own_files, "source": str(tmp_path / "ratings.parquet")}})
    assert load_split(config.data, seed=0).train.user_features["user"].tolist() == [1, 2, 4]


def test_features_of_given_files_are_those_of_the_training_part(own_files):
    files = {"kind": "files", "train": own_files.pop("source"), "validation": 0.2}
    split = load_split(load_config({"data": {**own_files, "split": files}}).data, seed=0)
    assert [len(part) for part in (split.train, split.validation)] == [4, 1]
    assert split.train.user_features["age"].tolist()[0] == 30
    assert split.train.rating_features == split.validation.rating_features == ("device",)


def test_all_parts_are_liked_or_not_where_the_config_says_so(own_files, tmp_path):
    test = tmp_path / "test.csv"
    test.write_text("user,item,rating\na,x,3\na,y,2\n")
    whole = load_split(load_config({"data": {**own_files, "liked": 3}}).data, seed=0)
    assert whole.train.frame["rating"].tolist() == [0, 1, 0, 1, 1]
    files = {"kind": "files", "train": own_files["source"], "test": str(test), "validation": 0}
    given = load_split(load_config({"data": {"split": files, "liked": 3}}).data, seed=0)
    assert given.test.frame["rating"].tolist() == [1, 0]
    assert given.train.scale == given.test.scale == (0, 1)
    generated = load_config({"data": {**SMALL["data"], "liked": 4}})
    assert set(load_split(generated.data, seed=0).test.frame["rating"]) == {0, 1}


def test_a_run_with_features_is_saved_and_predicts_the_same(tmp_path):
    features = {"user": ["group", "age"], "item": [{"column": "genres", "separator": "|"}], "drift": "timestamp"}
    config = {**SMALL, "output": str(tmp_path / "run"), "data": {**SMALL["data"], "features": features}}
    result = run_experiment(config, progress=False)
    loaded = Predictor.load(result.path)
    assert list(loaded.encoder.features) == ["user", "item"]
    assert loaded.encoder.drift.n_rows == result.predictor.encoder.drift.n_rows
    pd.testing.assert_frame_equal(loaded.predict(result.split.test), result.predictor.predict(result.split.test))


def test_a_run_without_a_test_part_has_no_test_metrics():
    config = {**SMALL, "data": {**SMALL["data"], "split": {"kind": "random", "test": 0}}}
    result = run_experiment(config, progress=False)
    assert result.evaluation is None
    assert set(result.metrics) == {"validation_rmse", "best_epoch", "seconds"}


def test_a_run_without_a_validation_part_must_not_wait_for_one():
    config = {**SMALL, "data": {**SMALL["data"], "split": {"kind": "random", "validation": 0}}}
    with pytest.raises(
        ConfigError,
        match="^training.monitor cannot be 'val_loss', as there is no validation part: set training.patience to null$",
    ):
        run_experiment(config, progress=False)
    result = run_experiment(config, overrides=["training.patience=null"], progress=False)
    assert result.run.best_epoch == 3
    assert len(result.split.train) == 900
    assert result.predictor.calibration is None


def test_a_misspelt_data_set_is_answered_with_the_nearest():
    with pytest.raises(DataError, match="'syntetic' is neither a file nor a data set; did you mean 'synthetic'"):
        run_experiment({"data": {"source": "syntetic"}}, progress=False)


def test_options_that_a_data_set_does_not_have_are_refused():
    with pytest.raises(DataError, match="n_user"):
        run_experiment(SMALL, overrides=["data.options.n_user=3"], progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_every_shipped_config_runs(file, tmp_path, request):
    config = load_config(file)
    assert config.output == f"runs/{file.stem}"
    if config.data.source != "synthetic":
        request.getfixturevalue("real_data")
    small = ["training.epochs=1", f"output={tmp_path / 'run'}"]
    if config.ensemble is None:
        small += ["training.batch_size=4096"]
    else:  # a step sees all rows; that XLA compiles the network of best.yaml is tested in tests/models/test_drift.py
        small += ["training.engine=auto", "ensemble.samples=2", "ensemble.burn_in=0", "ensemble.thin=1"]
        small += ["ensemble.temperature=0.5"]  # of three; which is best is found in tests/posterior/test_sample.py
    result = run_experiment(file, overrides=small, progress=False)
    assert 0 < result.metrics["rmse"] < 1.3
    assert Predictor.load(result.path).config == config.model


def test_a_run_keeps_what_it_was_trained_on_and_what_it_was_validated_by(result):
    """Of a user or an item that training has not seen, nothing is kept."""
    encoder, (train, validation) = result.predictor.encoder, (result.split.train, result.split.validation)
    known = validation.frame[validation.frame["user"].isin(train.frame["user"])]
    known = known[known["item"].isin(train.frame["item"])]
    assert len(known) > 0
    columns = ["user", "item", "rating"]
    expected = pd.concat([train.frame, known])[columns].sort_values(columns, ignore_index=True)
    kept = Predictor.load(result.path).seen.to_frame(encoder).sort_values(columns, ignore_index=True)
    pd.testing.assert_frame_equal(kept, expected, check_dtype=False)


class SecondIsBest(keras.callbacks.Callback):
    """Writes the validation losses 1, 0, 1, so that the second epoch is the best of three."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = abs(epoch - 1)


@pytest.fixture(scope="module")
def refitted(result, tmp_path_factory):
    """A run that was gone on with after 100 s, whose validation has found two epochs and the temperature 0.25; also,
    which temperatures were asked for, and where states are kept."""
    asked, folder = [], tmp_path_factory.mktemp("states")

    def colder(run, train, config, validation, **options):
        asked.append((config.temperature, None if validation is None else len(validation)))
        asked[-1] += (options["checkpoints"].name,)
        return 0.25, run.model

    def trained(*given, checkpoints, **named):
        asked.append(checkpoints.name)
        return train_on_split(*given, checkpoints=checkpoints, **named)

    config = load_config({**SMALL, "refit": True, "ensemble": {"samples": 1}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recsys_nn.experiment.train.tempered", colder)
        patch.setattr("recsys_nn.experiment.run.train_on_split", trained)
        unfinished = SimpleNamespace(seconds=100.0, run="digest", checkpoints=folder.joinpath)
        return run_on_split(config, result.split, callbacks=[SecondIsBest()], unfinished=unfinished), asked


def test_a_refit_takes_as_many_epochs_as_validation_has_found_best(refitted):
    again, _ = refitted
    assert (again.run.best_epoch, len(again.run.history)) == (2, 3)
    assert int(again.predictor.model.optimizer.iterations) == 2 * 9  # two epochs of 900 ratings, 100 a step


def test_a_refit_takes_the_temperature_that_validation_has_chosen(refitted):
    again, asked = refitted
    assert asked == ["training", (None, 90, "posterior"), "refit", (0.25, None, "refit-posterior")]
    assert again.metrics["temperature"] == 0.25


def test_a_run_that_was_gone_on_with_took_all_its_time(refitted):
    again, _ = refitted
    assert 100 < again.metrics["seconds"] < 200
    assert again.run.seconds < 100
    assert again.finished.data["run"] == "digest"


def test_a_refit_trains_on_the_validation_part_and_keeps_it_too(result, refitted):
    again, _ = refitted
    assert (len(again.split.train), len(again.split.validation)) == (900, 0)
    assert len(again.predictor.seen.items) == 900
    assert again.predictor.encoder.n_ratings == 900
    assert again.predictor.calibration is not None
    assert again.finished.data["refit"] == {"epochs": 2, "chosen_by": "a validation part of 90 ratings"}
    assert again.finished.data["parts"]["refitted"]["ratings"] == 90
    assert again.finished.data["parts"]["train"]["ratings"] == 900
