"""Blends of runs that were refitted on their validation part, by the predictions of it that they keep."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import lsq_linear

import recsys_nn as rn
from recsys_nn import ArtifactError, DataError, Encoder, Predictor, Ratings, run_experiment
from recsys_nn.data.fingerprints import fingerprint
from recsys_nn.evaluation.metrics import rmse
from recsys_nn.prediction.held_out import BASELINES, PREDICTIONS, STDS
from recsys_nn.prediction.intervals import Calibration
from recsys_nn.prediction.saving.folder import write_run_folder
from recsys_nn.prediction.saving.manifest import verified, write_manifest
from recsys_nn.runs.data import load_split
from recsys_nn.runs.finished import FinishedRun, unseen

KEPT = "validation.parquet"

# By hand


@pytest.fixture
def by_hand(tmp_path) -> list[Path]:
    """Two runs, μ = 5, that keep predictions of five ratings; each id is rated five times in training."""
    grid = pd.MultiIndex.from_product([range(5), range(5)], names=["user", "item"]).to_frame(index=False)
    encoder = Encoder.fit(Ratings(grid.assign(rating=(grid["user"] + grid["item"]) % 5 + 3), scale=(0, 10)))
    ratings = pd.DataFrame({"user": range(5), "item": range(5), "rating": 5 + np.array([1.0, 2, 1, 1, -1])})
    folders = []
    for name, deviations in (("a", [1, 1, 0, 0, 0]), ("b", [0, 0, 2, 2, 0])):
        predicted = dict.fromkeys(PREDICTIONS, 5 + np.array(deviations, np.float32)) | dict.fromkeys(
            BASELINES.values(), 5.0
        )
        kept = ratings.assign(user_ratings=5, item_ratings=5, **predicted, **dict.fromkeys(STDS, np.float32(0)))
        predictor = Predictor(rn.build_model(rn.SVDConfig(embedding_dim=2), encoder, seed=1), encoder)
        documents = {KEPT: kept.to_parquet(index=False)}
        folders.append(write_run_folder(tmp_path / name, predictor, documents=documents))
    return folders


def test_weights_and_errors_are_of_the_kept_predictions(by_hand):
    """a·r / a·a = 3/2 and b·r / b·b = 4/8; the errors are then -1/2, 1/2, 0, 0 and -1."""
    blend = rn.blend(by_hand)
    np.testing.assert_allclose(blend.table["weight"], [1.5, 0.5], rtol=1e-12)
    np.testing.assert_allclose(blend.table["validation_rmse"], [np.sqrt(4 / 5), np.sqrt(8 / 5)], rtol=1e-12)
    assert blend.rmse == pytest.approx(np.sqrt(1.5 / 5), rel=1e-12)
    assert blend.n == 5


@pytest.mark.parametrize(("level", "margin"), [(0.5, 0.5), (0.8, 1.0)])
def test_intervals_are_of_the_kept_predictions(by_hand, level, margin):
    """σ is the same for all known pairs, so that q σ is the ⌈6 level⌉-th smallest of the errors 0, 0, 1/2, 1/2, 1."""
    found = rn.blend(by_hand).predictor.predict([(0, 3), (2, 1)], interval=level)
    np.testing.assert_allclose(found["upper"] - found["prediction"], margin, rtol=1e-5)
    np.testing.assert_allclose(found["prediction"] - found["lower"], margin, rtol=1e-5)


# Run folders


def without_kept(folder: Path, copy: Path) -> Path:
    """A copy of a run folder as one from before predictions were kept."""
    shutil.copytree(folder, copy)
    (copy / KEPT).unlink()
    manifest = json.loads((copy / "manifest.json").read_text())
    write_manifest(copy, **{name: manifest[name] for name in ("model_kind", "sizes", "shapes")})
    return copy


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Runs that share all parts, and ``other`` with another validation part of the same training file."""
    folder = tmp_path_factory.mktemp("runs")
    split = rn.random_split(rn.load_ratings("synthetic", n_users=50, n_items=40, n_ratings=1000), validation=0, seed=3)
    for part in ("train", "test"):
        getattr(split, part).frame.to_csv(folder / f"{part}.csv", index=False)
    files = {"kind": "files", **{part: str(folder / f"{part}.csv") for part in ("train", "test")}, "validation": 0.2}
    svd = {"kind": "svd", "embedding_dim": 4, "bias_l2": None}
    for name, kind, seed, refit in (
        ("bias", {"kind": "bias"}, 7, True),
        ("svd", svd, 7, True),
        ("users", {"kind": "user_mean"}, 7, True),
        ("other", {"kind": "item_mean"}, 8, True),
        ("bias-once", {"kind": "bias"}, 7, False),
        ("svd-once", svd, 7, False),
    ):
        config = {"seed": seed, "data": {"scale": [1, 5], "split": files}, "model": kind, "refit": refit}
        training = {"epochs": 5, "batch_size": 100, "learning_rate": 0.02, "patience": None}
        run_experiment(config | {"training": training, "output": str(folder / name)}, progress=False)
    return folder


@pytest.fixture(scope="module")
def validation(folder) -> Ratings:
    config = rn.load_config(folder / "svd-once" / "config.yaml")
    return load_split(config.data, config.seed).validation


@pytest.fixture(scope="module")
def blended(folder) -> rn.Blend:
    return rn.blend([folder / "bias", folder / "svd"], output=folder / "blend")


def test_a_refit_keeps_what_was_predicted_before_it(folder, validation):
    refitted, once = (FinishedRun.load(folder / name) for name in ("svd", "svd-once"))
    pd.testing.assert_frame_equal(refitted.held_out, once.held_out)
    predicted = once.predictor.predict(validation)["prediction"]
    np.testing.assert_array_equal(refitted.held_out["prediction"], predicted)
    assert Calibration.of(refitted.held_out, (1, 5)) == refitted.predictor.calibration


def test_a_refit_records_its_validation_part_as_training_data(folder, validation):
    refitted, once = (FinishedRun.load(folder / name).parts for name in ("svd", "svd-once"))
    assert refitted["validation"]["ratings"] == 0
    assert refitted["refitted"] == once["validation"]
    assert refitted["refitted"]["sha256"] == fingerprint(validation)
    assert refitted["train"]["ratings"] == once["train"]["ratings"] + once["validation"]["ratings"]
    assert "refitted" not in once


def test_refitted_runs_are_blended_by_what_they_keep(folder, validation, blended):
    kept = {name: FinishedRun.load(folder / name).held_out["prediction"] for name in ("bias", "svd")}
    mean = Predictor.load(folder / "svd").encoder.rating_mean
    deviations = np.column_stack([values.to_numpy(float) - mean for values in kept.values()])
    expected = lsq_linear(deviations, validation.frame["rating"] - mean, bounds=(0, np.inf), tol=1e-12)
    np.testing.assert_allclose(blended.table["weight"], expected.x, atol=1e-6)
    recorded = [json.loads((folder / name / "metrics.json").read_text())["validation_rmse"] for name in kept]
    assert blended.table["validation_rmse"].tolist() == recorded
    assert blended.rmse <= min(recorded)


def test_the_refitted_networks_are_what_predicts(folder, blended):
    members = Predictor.load(blended.path).members
    pairs = [("u1", "i2"), ("u3", "i4"), ("nobody", "i4")]
    for name in ("bias", "svd"):
        pd.testing.assert_frame_equal(members[name].predict(pairs), Predictor.load(folder / name).predict(pairs))


def test_neither_data_nor_networks_are_asked(folder, blended, monkeypatch):
    for place in ("runs.finished.load_parts", "prediction.core.PredictorCore.predict_rows"):
        monkeypatch.setattr(f"recsys_nn.{place}", lambda *_: pytest.fail("there is no need"))
    pd.testing.assert_frame_equal(rn.blend([folder / "bias", folder / "svd"]).table, blended.table)


def test_a_blend_of_refitted_runs_is_blended_further(folder, blended, tmp_path):
    kept = FinishedRun.load(blended.path).held_out
    assert rmse(kept["rating"], kept["prediction"]) == pytest.approx(blended.rmse, rel=1e-9)
    outer = rn.blend([blended.path, folder / "users"], output=tmp_path / "outer")
    assert outer.rmse <= blended.rmse + 1e-9
    assert FinishedRun.load(outer.path).parts == FinishedRun.load(blended.path).parts


def test_the_validation_part_is_nothing_to_judge_refitted_runs_by(folder, validation, blended, monkeypatch):
    assert FinishedRun.load(blended.path).parts == FinishedRun.load(folder / "svd").parts
    monkeypatch.setattr("recsys_nn.runs.finished.load_parts", lambda *_: pytest.fail("it is recorded"))
    for name in ("blend", "svd"):
        with pytest.raises(DataError, match=f"180 of the 180 ratings are in the training part of {name}"):
            unseen(validation, {name: FinishedRun.load(folder / name)})


def test_nor_is_a_share_of_it(folder, validation, blended):
    with pytest.raises(DataError, match="9 of the 9 ratings are in the training part of svd"):
        rn.compare([blended.path, folder / "svd"], validation.take(range(9)))


def test_the_blend_is_compared_on_the_test_part(folder, blended):
    comparison = rn.compare([blended.path, folder / "bias", folder / "svd"], resamples=20)
    assert comparison.n == len(pd.read_csv(folder / "test.csv"))


def test_refits_with_other_validation_parts_are_refused(folder):
    with pytest.raises(
        DataError,
        match="the validation parts of other and svd differ: give ratings that none of the runs "
        r"was trained on \(--ratings\)$",
    ):
        rn.blend([folder / "svd", folder / "other"])


# Folders from before predictions were kept, and damaged ones


@pytest.mark.parametrize("older", [("bias-once",), ("bias-once", "svd-once")])
def test_where_one_keeps_none_all_predict_the_validation_part(folder, tmp_path, older):
    names = ["bias-once", "svd-once"]
    runs = [without_kept(folder / name, tmp_path / name) if name in older else folder / name for name in names]
    pd.testing.assert_frame_equal(rn.blend(runs).table, rn.blend([folder / name for name in names]).table)


def test_refitted_ones_have_none_to_predict(folder, tmp_path):
    runs = [without_kept(folder / name, tmp_path / name) for name in ("bias", "svd")]
    with pytest.raises(
        DataError,
        match="the validation part has no ratings: give ratings that none of the runs was trained "
        r"on \(--ratings\)$",
    ):
        rn.blend(runs)


def test_a_file_that_the_manifest_does_not_list_is_refused(folder, tmp_path):
    older = without_kept(folder / "svd", tmp_path / "svd")
    shutil.copy(folder / "svd" / KEPT, older / KEPT)
    with pytest.raises(
        ArtifactError, match="svd/validation.parquet is not part of the run, as manifest.json does not list it"
    ):
        FinishedRun.load(older)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "is missing"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1]), "truncated or changed"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1] + b"?"), "SHA-256"),
    ],
)
def test_damaged_predictions_are_refused(folder, tmp_path, damage, message):
    run = shutil.copytree(folder / "svd", tmp_path / "svd")
    assert KEPT in verified(run)
    damage(run / KEPT)
    with pytest.raises(ArtifactError, match=rf"validation\.parquet .*{message}"):
        rn.blend([folder / "bias", run])
