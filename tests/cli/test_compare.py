from pathlib import Path

import pandas as pd
import pytest
import yaml

from recsys_nn import compare, load_config, run_experiment
from recsys_nn.cli.shared import out
from recsys_nn.runs.data import load_split

SMALL = {
    "seed": 7,
    "data": {"source": "synthetic", "options": {"n_users": 50, "n_items": 40, "n_ratings": 1000}},
    "training": {"epochs": 2, "batch_size": 100},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A YAML file and a run folder of a small svd and of the bias baseline."""
    folder = tmp_path_factory.mktemp("compare")
    for model in ({"kind": "svd", "embedding_dim": 4}, {"kind": "bias"}):
        config = {**SMALL, "model": model, "output": str(folder / model["kind"])}
        (folder / f"{model['kind']}.yaml").write_text(yaml.safe_dump(config))
        run_experiment(config, progress=False)
    return folder


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setattr(out, "width", 160)


def test_finished_runs_side_by_side(run, folder, tmp_path):
    table, plot = tmp_path / "table.csv", tmp_path / "plot.png"
    code, printed, err = run("compare", folder / "svd", folder / "bias", "--output", table, "--plot", plot)
    assert (code, err) == (0, "")
    comparison = compare([folder / "svd", folder / "bias"])
    for shown in (
        "100 ratings of 42 users",
        "* p < 0.05",
        "Holm's method corrects p",
        "RMSE of baselines: global",
        "oracle",
    ):
        assert shown in printed
    best = comparison.table.loc[0]
    assert f"{best['rmse']:.4f} [{best['rmse_low']:.4f}, {best['rmse_high']:.4f}]" in printed
    pd.testing.assert_frame_equal(pd.read_csv(table), comparison.table, check_dtype=False)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_other_ratings_are_read_as_for_evaluate(run, folder, tmp_path):
    config = load_config(folder / "svd.yaml")
    test = load_split(config.data, config.seed).test.frame.head(60)
    test.rename(columns={"user": "who", "item": "what", "rating": "stars"}).to_csv(tmp_path / "new.csv", index=False)
    columns = ("--user", "who", "--item", "what", "--rating", "stars")
    code, printed, err = run("compare", folder / "svd", folder / "bias", "--ratings", tmp_path / "new.csv", *columns)
    assert (code, err) == (0, "")
    assert "60 ratings of " in printed


def test_the_same_run_with_other_kinds(run, folder, tmp_path):
    words = (
        "compare",
        folder / "svd.yaml",
        "--kinds",
        "svd,bias",
        "--reference",
        "bias",
        "--output",
        tmp_path / "t.csv",
    )
    assert run(*words)[0] == 0
    trained = pd.read_csv(tmp_path / "t.csv").set_index("model")
    finished = compare([folder / "svd", folder / "bias"], reference="bias").table.set_index("model")
    assert trained["rmse"]["svd"] == pytest.approx(finished["rmse"]["svd"], rel=1e-6)
    assert trained["difference"].isna().tolist() == [name == "bias" for name in trained.index]
    assert trained["parameters"].tolist() == finished["parameters"][trained.index].tolist()


def test_configs_of_the_same_data(run, folder):
    code, printed, _ = run("compare", folder / "svd.yaml", folder / "bias.yaml")
    assert code == 0
    assert "epoch 2/2" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("svd",), "a comparison needs two models or more, not 1"),
        (("svd", "bias.yaml"), "the models must be all model configs, .*'svd' is of type FinishedRun, 'bias' is"),
        (("svd", "nothing"), "nothing does not exist"),
        (("svd", "bias", "--kinds", "svd,gmf"), "--kinds needs exactly one YAML file, not 2"),
        (("svd.yaml", "--kinds", "svd,gmff"), "model.kind: there is no model kind 'gmff'; did you mean 'gmf'"),
        (("svd", "bias", "--reference", "bas"), "reference: there is no model 'bas'; did you mean 'bias'"),
        (("svd", "bias", "--plot", "plot.csv"), "the suffix of plot.csv must be one of .*'.png'.*, not '.csv'"),
        (("svd", "bias", "--output", "none/t.csv"), "the folder .*none does not exist"),
        (
            ("svd.yaml", "bias.yaml", "--ratings", "synthetic"),
            "--ratings is for finished runs: leave it out, as svd.yaml names its ratings itself",
        ),
    ],
)
def test_wrong_calls_give_one_clear_line(run, folder, monkeypatch, words, message):
    monkeypatch.chdir(folder)
    code, _, err = run("compare", *words)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert pd.Series([err]).str.contains(message, regex=True).all(), err


@pytest.mark.slow
def test_other_kinds_have_the_head_of_the_config(tmp_path, run):
    config = {**SMALL, "model": {"kind": "svd", "head": "ordinal"}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    code, _, _ = run("compare", tmp_path / "run.yaml", "--kinds", "svd,gmf,bias", "--output", tmp_path / "table.csv")
    assert code == 0
    parameters = pd.read_csv(tmp_path / "table.csv").set_index("model")["parameters"]
    # A row of svd has 16 factors and a bias, one of gmf 8 and a bias; gmf weighs them, and both have 4 thresholds.
    assert parameters["svd"] % 17 == 4
    assert parameters["gmf"] % 9 == (8 + 4) % 9


def test_columns_without_ratings_to_read_are_refused(folder, run):
    code, _, err = run("compare", folder / "svd", folder / "bias", "--user", "who")
    assert code == 2
    assert "--user describes the file that --ratings names: give --ratings too, or leave --user out" in err
