"""``recsys-nn predict`` on files: what it prints, where, and its exit codes."""

import hashlib
import io
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from recsys_nn import BiasConfig, Encoder, Predictor, Ratings, build_model, cluster
from recsys_nn.data import pair_files as pairs_module
from recsys_nn.prediction.batch.folder import PredictedFolder
from recsys_nn.prediction.saving.folder import write_run_folder

FOUND = PredictedFolder("out", files=0, rows=0, sources={})


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    frame = pd.DataFrame({"user": list("aabbc"), "item": list("xyxyx"), "rating": [1, 5, 2, 4, 3]})
    encoder = Encoder.fit(Ratings(frame, scale=(1, 5)))
    return Predictor(build_model(BiasConfig(), encoder), encoder).save(tmp_path_factory.mktemp("trained") / "run")


def test_the_columns_of_the_file_keep_their_names_and_predictions_stand_behind_them(run, trained, tmp_path):
    (tmp_path / "pairs.csv").write_text("when,movieId,userId\n1,x,a\n2,y,nobody\n")
    words = ("predict", trained, tmp_path / "pairs.csv", "--output", tmp_path / "out.csv")
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert out == f"2 predictions written to {tmp_path / 'out.csv'} (1 from model, 1 from item)\n"
    written = pd.read_csv(tmp_path / "out.csv")
    assert list(written) == ["when", "movieId", "userId", "prediction", "source"]
    assert written["userId"].tolist() == ["a", "nobody"]
    (tmp_path / "out.csv").rename(tmp_path / "again.csv")
    code, _, err = run("predict", trained, tmp_path / "again.csv", "--output", tmp_path / "out.csv")
    assert (code, (tmp_path / "out.csv").exists()) == (2, False)
    assert "again.csv has a column 'prediction', the name of a column of predictions: rename it or leave it out" in err


def test_a_bad_row_exits_with_2_and_writes_nothing_unless_it_is_to_be_skipped(run, trained, tmp_path):
    (tmp_path / "pairs.csv").write_text("user,item\na,x\n,y\nb\nc,y\n")
    words = ("predict", trained, tmp_path / "pairs.csv", "--output", tmp_path / "out.csv")
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert "pairs.csv, line 4: 1 field where 2 are expected: 'b'" in err
    assert [file.name for file in tmp_path.iterdir()] == ["pairs.csv"]
    code, out, _ = run(*words, "--on-error", "skip")
    assert code == 0
    assert "2 predictions written" in out
    assert f"2 rows left out, listed in {tmp_path / 'out.csv.skipped.csv'}" in out
    left_out = pd.read_csv(tmp_path / "out.csv.skipped.csv")
    assert left_out["where"].tolist() == [f"{tmp_path / 'pairs.csv'}, line {line}" for line in (3, 4)]
    assert left_out["why"].tolist() == ["the user id '' is empty", "1 field where 2 are expected"]


def test_a_folder_of_parquet_is_one_table(run, trained, tmp_path):
    (tmp_path / "pairs").mkdir()
    for name in ("1", "2"):
        pd.DataFrame({"user": ["a"], "item": ["y"], "file": [name]}).to_parquet(tmp_path / "pairs" / f"{name}.parquet")
    assert run("predict", trained, tmp_path / "pairs", "--output", tmp_path / "out.tsv.gz")[0] == 0
    assert pd.read_csv(tmp_path / "out.tsv.gz", sep="\t")["file"].tolist() == [1, 2]


@pytest.fixture
def pairs(tmp_path) -> Path:
    (tmp_path / "pairs").mkdir()
    for name in ("1", "2"):
        pd.DataFrame({"user": ["a"], "item": ["y"]}).to_parquet(tmp_path / "pairs" / f"{name}.parquet")
    return tmp_path / "pairs"


def test_a_folder_of_parquet_is_predicted_into_a_folder(run, trained, pairs, tmp_path):
    out = tmp_path / "out"
    code, told, err = run("predict", trained, pairs, "--output", out)
    assert (code, told, err) == (0, f"2 predictions written to {out} (2 from model)\n", "")
    assert sorted(file.name for file in out.glob("*.parquet")) == ["1.parquet", "2.parquet"]
    assert run("predict", trained, pairs.as_uri(), "--output", out.as_uri(), "--overwrite")[0] == 0
    code, _, err = run("predict", trained, pairs.as_uri(), "--output", tmp_path / "out.csv")
    assert (code, f"--output {tmp_path / 'out.csv'} must be a folder" in err) == (
        2,
        True,
    )
    code, _, err = run("predict", trained, pairs, "--output", "s3://bucket/out.parquet")
    assert (code, "--output s3://bucket/out.parquet must be a folder" in err) == (
        2,
        True,
    )


def test_the_workers_of_a_folder_are_those_of_the_run_unless_others_are_set(run, trained, pairs, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(cluster, "predict_folder", lambda *_, **named: asked.append(named["cluster"]) or FOUND)
    config = {"config.yaml": "cluster: {workers: 3, max_failures: 7}\n"}
    clustered = write_run_folder(tmp_path / "clustered", Predictor.load(trained), documents=config)
    for words in (
        (trained,),
        (trained, "--set", "cluster.workers=2"),
        (clustered,),
        (clustered, "--set", "cluster.workers=2"),
        (clustered, "--set", "cluster=null"),
    ):
        assert run("predict", words[0], pairs, "--output", tmp_path / "out", *words[1:])[::2] == (0, "")
    assert [found and (found.workers, found.max_failures) for found in asked] == [None, (2, 3), (3, 7), (2, 7), None]


def test_a_run_of_a_stranger_connects_to_nobody(run, trained, pairs, tmp_path, monkeypatch):
    """Who is connected to a Ray executes what that sends."""
    asked = []
    monkeypatch.setattr(cluster, "predict_folder", lambda *_, **named: asked.append(named["cluster"]) or FOUND)
    config = {"config.yaml": "cluster: {workers: 3, address: 'ray://stranger:10001'}\n"}
    strange = write_run_folder(tmp_path / "strange", Predictor.load(trained), documents=config)
    words = ("predict", strange, pairs, "--output", tmp_path / "out")
    code, _, err = run(*words)
    assert (code, asked) == (2, [])
    assert "cluster.address: the run names a Ray cluster at 'ray://stranger:10001', which could run any code" in err
    assert run(*words, "--set", "cluster=null")[0] == 0
    assert run(*words, "--set", "cluster.address=auto")[0] == 0
    assert [found and found.address for found in asked] == [None, "auto"]


@pytest.mark.parametrize(
    ("output", "override", "message"),
    [
        (
            "out",
            "training.epochs=3",
            "--set training.epochs=3 must change the cluster section, such as cluster.workers=4",
        ),
        ("out", "cluster.worker=3", "did you mean 'workers'?"),
        (
            "out.csv",
            "cluster.workers=3",
            "--set changes the workers that predict a folder into a folder: name two folders",
        ),
    ],
)
def test_nothing_but_the_workers_is_set(run, trained, pairs, tmp_path, output, override, message):
    code, _, err = run("predict", trained, pairs, "--output", tmp_path / output, "--set", override)
    assert (code, message in err) == (2, True), err


@pytest.mark.parametrize("interactive", [True, False])
def test_it_shows_how_far_it_is_on_a_terminal_alone(run, trained, tmp_path, monkeypatch, interactive):
    told = io.StringIO()
    monkeypatch.setattr(
        import_module("recsys_nn.cli.predict"),
        "Console",
        lambda **_: Console(file=told, force_terminal=interactive, width=80),
    )
    monkeypatch.setattr(pairs_module, "PART_ROWS", 1)
    pd.DataFrame({"user": list("abc"), "item": list("xyx")}).to_parquet(tmp_path / "pairs.parquet")
    assert run("predict", trained, tmp_path / "pairs.parquet", "--output", tmp_path / "out.csv")[0] == 0
    assert ("3 pairs" in told.getvalue()) == interactive
    assert bool(told.getvalue()) == interactive


def test_a_run_that_is_not_the_one_that_was_meant_is_refused(run, trained, tmp_path):
    (tmp_path / "pairs.csv").write_text("user,item\na,x\n")
    (tmp_path / "ratings.csv").write_text("user,item,rating\na,x,1\nb,y,4\n")
    meant = hashlib.sha256((trained / "manifest.json").read_bytes()).hexdigest()
    for words in (
        ("predict", trained, tmp_path / "pairs.csv", "--output", tmp_path / "out.csv"),
        ("recommend", trained, "--user", "a", "--seen"),
        ("evaluate", trained, tmp_path / "ratings.csv"),
        ("export", trained, "--format", "savedmodel", "--output", tmp_path / "exported"),
    ):
        code, _, err = run(*words, "--manifest-sha256", "0" * 64)
        assert (code, len(list(tmp_path.iterdir()))) == (2, 2)
        assert f"manifest.json has the SHA-256 {meant}, not {'0' * 64}: it was changed, or is another run" in err
    code, _, err = run("recommend", trained, "--user", "a", "--seen", "--manifest-sha256", meant)
    assert (code, err) == (0, "")
