import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from recsys_nn import Predictor, blend, load_config, run_experiment
from recsys_nn.runs.data import load_split
from tests.cli.test_compare import SMALL


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two runs that share all parts, and a third with another seed."""
    folder = tmp_path_factory.mktemp("blend")
    for name, kind, seed in (("bias", "bias", 7), ("users", "user_mean", 7), ("other", "bias", 8)):
        config = {**SMALL, "seed": seed, "model": {"kind": kind}, "output": str(folder / name)}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(config))
        run_experiment(config, progress=False)
    return folder


@pytest.fixture(scope="module")
def test_part(folder) -> pd.DataFrame:
    config = load_config(folder / "bias.yaml")
    return load_split(config.data, config.seed).test.frame


def test_runs_are_blended_into_a_run(run, folder, test_part, tmp_path):
    code, printed, err = run("blend", folder / "bias", folder / "users", "--output", tmp_path / "blend")
    assert (code, err) == (0, "")
    expected = blend([folder / "bias", folder / "users"])
    for name, weight, rmse in expected.table.itertuples(index=False):
        assert all(shown in printed for shown in (name, f"{weight:.4f}", f"{rmse:.4f}"))
    assert f"{expected.cross_fitted_rmse:.4f}" in printed
    assert "so the RMSE of the blend is slightly too low" in " ".join(printed.split())
    assert Predictor.load(tmp_path / "blend").weights == expected.predictor.weights


def test_the_blend_is_taken_where_a_run_is(run, folder, test_part, tmp_path):
    assert run("blend", folder / "bias", folder / "users", "--output", tmp_path / "blend")[0] == 0
    test_part.to_csv(tmp_path / "test.csv", index=False)
    assert run("predict", tmp_path / "blend", tmp_path / "test.csv", "--output", tmp_path / "p.csv")[0] == 0
    assert len(pd.read_csv(tmp_path / "p.csv")) == len(test_part)
    code, printed, _ = run("evaluate", tmp_path / "blend", tmp_path / "test.csv")
    assert code == 0
    assert "bias baseline" in printed
    code, printed, _ = run("compare", tmp_path / "blend", folder / "bias", folder / "users")
    assert code == 0
    assert f"{len(test_part)} ratings of " in printed


@pytest.mark.slow
def test_refitted_runs_are_blended_by_their_first_trainings(run, folder, tmp_path):
    for name in ("bias", "users"):
        words = ("--set", "refit=true", "--output", tmp_path / name)
        assert run("train", folder / f"{name}.yaml", *words)[0] == 0
    code, printed, err = run("blend", tmp_path / "bias", tmp_path / "users", "--output", tmp_path / "blend")
    assert (code, err) == (0, "")
    for once in (folder / "bias", folder / "users"):
        assert f"{json.loads((once / 'metrics.json').read_text())['validation_rmse']:.4f}" in printed
    assert run("compare", tmp_path / "blend", tmp_path / "bias", tmp_path / "users")[0] == 0


def test_weights_from_a_file(run, folder, test_part, tmp_path):
    test_part.rename(columns={"rating": "stars"}).to_csv(tmp_path / "new.csv", index=False)
    words = ("blend", folder / "bias", folder / "users", "--ratings", tmp_path / "new.csv", "--rating", "stars")
    code, printed, err = run(*words, "--output", tmp_path / "blend")
    assert (code, err) == (0, "")
    assert f"{len(test_part)} ratings for validation" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("bias",), "a blend needs two runs or more, not 1"),
        (("bias", "other"), "other and bias were trained on different ratings"),
        (("bias", "users.yaml"), "a blend needs finished runs, .*'users' is of type RunConfig"),
        (
            ("bias", "users", "--user", "who"),
            "--user describes the file that --ratings names: give --ratings too, or leave --user out",
        ),
        (("bias", "users", "--output", "bias"), "bias already holds a run: .*--overwrite"),
    ],
)
def test_wrong_calls_give_one_clear_line(run, folder, monkeypatch, tmp_path, words, message):
    monkeypatch.chdir(folder)
    output = () if "--output" in words else ("--output", tmp_path / "blend")
    code, _, err = run("blend", *words, *output)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert pd.Series([err]).str.contains(message, regex=True).all(), err
    assert not (tmp_path / "blend").exists()
