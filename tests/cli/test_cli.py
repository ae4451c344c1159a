import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

import recsys_nn
from recsys_nn import BiasConfig, Encoder, Predictor, Ratings, build_model, cli, load_ratings

SMALL = {
    "seed": 7,
    "data": {"source": "synthetic", "options": {"n_users": 50, "n_items": 40, "n_ratings": 1000}},
    "model": {"kind": "svd", "embedding_dim": 4},
    "training": {"epochs": 2, "batch_size": 100},
}
GOOD_ROWS = ["user,item,rating", "a,x,1", "a,y,5", "b,x,2", "b,y,4", "c,x,3"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A trained run folder."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["recsys-nn", "train", str(folder / "small.yaml"), "--output", str(folder / "run")])
        with pytest.raises(SystemExit):
            cli.main()
    return folder


def test_train_prints_the_results_and_leaves_a_run_folder(run, folder, tmp_path):
    code, out, err = run("train", folder / "small.yaml", "--set", "training.epochs=1", "--output", tmp_path / "run")
    assert (code, err) == (0, "")
    expected = ("epoch 1/1", "bias baseline", "oracle (best possible)", "the best baseline (user)", "By segment")
    for shown in (*expected, "90% intervals: ", "coverage"):
        assert shown in out
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["best_epoch"] == 1


@pytest.mark.slow
def test_train_says_over_how_many_weights_it_averages(run, folder, tmp_path):
    few = ["--set", "ensemble={samples: 3, burn_in: 2, thin: 1}", "--set", "data.split.validation=0"]
    code, out, _ = run(
        "train", folder / "small.yaml", *few, "--set", "training.patience=null", "--output", tmp_path / "run"
    )
    assert code == 0
    assert "Predictions are averaged over 3 samples of the weights." in out


def test_train_does_not_overwrite_unless_asked(run, folder):
    code, out, err = run("train", folder / "small.yaml", "--output", folder / "run")
    assert (code, out) == (2, "")
    assert "already holds a run: choose another output, or overwrite it (--overwrite, in Python overwrite=True)" in err
    assert run("train", folder / "small.yaml", "--output", folder / "run", "--overwrite")[0] == 0


def test_evaluate_gives_the_figures_of_other_ratings(run, folder, tmp_path):
    ratings = load_ratings("synthetic", n_users=50, n_items=40, n_ratings=1000).frame.head(100)
    ratings.drop(columns="timestamp").to_csv(tmp_path / "new.csv", index=False)
    code, out, _ = run("evaluate", folder / "run", tmp_path / "new.csv")
    assert code == 0
    assert "100 ratings" in out


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".parquet"])
def test_predict_reads_and_writes_text_and_parquet(run, folder, tmp_path, suffix):
    pairs = load_ratings("synthetic", n_users=50, n_items=40, n_ratings=1000).frame[["user", "item"]].head(5)
    pairs.loc[5] = ["nobody", pairs["item"][0]]
    asked, answered = tmp_path / f"pairs{suffix}", tmp_path / f"predicted{suffix}"
    if suffix == ".parquet":
        pairs.to_parquet(asked)
    else:
        pairs.to_csv(asked, index=False, sep="\t" if suffix == ".tsv" else ",")
    code, out, _ = run("predict", folder / "run", asked, "--output", answered)
    assert code == 0
    assert "6 predictions written" in out
    assert "1 from item" in out
    written = (
        pd.read_parquet(answered)
        if suffix == ".parquet"
        else pd.read_csv(answered, sep="\t" if suffix == ".tsv" else ",")
    )
    expected = Predictor.load(folder / "run").predict(pairs)
    assert written["user"].tolist() == pairs["user"].tolist()
    assert written["prediction"].tolist() == pytest.approx(expected["prediction"].tolist(), rel=1e-5)
    assert written["source"].tolist() == ["model"] * 5 + ["item"]


def test_predict_adds_the_ends_of_intervals_where_asked(run, folder, tmp_path):
    pairs = load_ratings("synthetic", n_users=50, n_items=40, n_ratings=1000).frame[["user", "item"]].head(5)
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    words = ("predict", folder / "run", tmp_path / "pairs.csv", "--output", tmp_path / "out.csv")
    assert run(*words, "--interval", 0.8)[0] == 0
    written, expected = pd.read_csv(tmp_path / "out.csv"), Predictor.load(folder / "run").predict(pairs, interval=0.8)
    assert list(written) == ["user", "item", "prediction", "source", "lower", "upper"]
    for end in ("lower", "upper"):
        assert written[end].tolist() == pytest.approx(expected[end].tolist(), rel=1e-5)
    code, _, err = run(*words, "--interval", 90, "--overwrite")
    assert code == 2
    assert "interval must be a share between 0 and 1, such as 0.9, not 90.0" in err


def test_ids_of_text_are_read_as_the_training_ids_were(run, tmp_path):
    """Trained on integers from Parquet, asked about in CSV."""
    table = pd.DataFrame({"user": [1, 1, 2, 2], "item": [7, 8, 7, 8], "rating": [1, 5, 2, 4]})
    table.to_parquet(tmp_path / "ratings.parquet")
    config = {"data": {"source": str(tmp_path / "ratings.parquet"), "split": {"test": 0, "validation": 0}}}
    config |= {"model": {"kind": "bias"}, "output": str(tmp_path / "run")}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    assert run("train", tmp_path / "run.yaml")[0] == 0
    (tmp_path / "pairs.csv").write_text("user,item\n1,8\n")
    assert run("predict", tmp_path / "run", tmp_path / "pairs.csv", "--output", tmp_path / "out.csv")[0] == 0
    assert pd.read_csv(tmp_path / "out.csv")["source"].tolist() == ["model"]
    (tmp_path / "bad.csv").write_text("user,item\n1,8\n007,8\n")
    code, _, err = run("predict", tmp_path / "run", tmp_path / "bad.csv", "--output", tmp_path / "out2.csv")
    assert (code, (tmp_path / "out2.csv").exists()) == (2, False)
    assert "bad.csv, line 3: the user id must be a plain 64-bit integer, as other user ids are, not '007'" in err


def test_a_pair_is_never_taken_for_a_header_silently(run, folder, tmp_path):
    user, item = load_ratings("synthetic", n_users=50, n_items=40, n_ratings=1000).frame.loc[0, ["user", "item"]]
    (tmp_path / "pairs.csv").write_text(f"{user},{item}\n{user},other\n")
    words = (
        "predict",
        folder / "run",
        tmp_path / "pairs.csv",
        "--output",
        tmp_path / "out.csv",
        "--user",
        0,
        "--item",
        1,
    )
    code, _, err = run(*words)
    assert (code, (tmp_path / "out.csv").exists()) == (2, False)
    assert "set the option header to true or false" in err
    assert run(*words, "--no-header")[0] == 0
    assert pd.read_csv(tmp_path / "out.csv")["source"].tolist() == ["model", "user"]


@pytest.fixture
def hourly(tmp_path) -> Path:
    """A run whose ratings have features; its model is a bias model, which they do not reach."""
    frame = pd.DataFrame({"user": list("aabbc"), "item": list("xyxyx"), "rating": [1, 5, 2, 4, 3], "hour": range(5)})
    table = Ratings(frame.assign(timestamp=86_400 * frame["hour"]), rating_features=["hour"])
    encoder = Encoder.fit(table, features={"rating": ["hour", "timestamp"]})
    return Predictor(build_model(BiasConfig(), encoder), encoder).save(tmp_path / "hourly")


def test_files_may_have_the_columns_of_the_ratings_features(run, hourly, tmp_path):
    asked = {"predict": "user,item,hour,day\na,x,2,1970-01-02\nb,y,,1970-01-03\n"}
    asked["evaluate"] = "user,item,rating,hour,day\na,x,2,3,1970-01-02\nb,y,4,,1970-01-03\n"
    for command, content in asked.items():
        output = ["--output", tmp_path / "out.csv"] if command == "predict" else []
        (tmp_path / f"{command}.csv").write_text(content)
        words = (command, hourly, tmp_path / f"{command}.csv", "--timestamp", "day", *output)
        assert run(*words)[0] == 0
        (tmp_path / f"{command}.csv").write_text(
            content.replace(",2,1970", ",late,1970").replace(",3,1970", ",late,1970")
        )
        code, _, err = run(*words, *(["--overwrite"] if output else []))
        assert code == 2
        assert "the feature 'hour' must be a finite number, not 'late'" in err
    assert pd.read_csv(tmp_path / "out.csv")["source"].tolist() == ["model", "model"]


@pytest.mark.slow
def test_a_run_of_what_is_liked_is_judged_on_ratings(run, folder, tmp_path):
    config = {**SMALL, "model": {"kind": "svd", "head": "binary"}, "output": str(tmp_path / "liked")}
    config["data"] = {**config["data"], "liked": 4}
    (tmp_path / "liked.yaml").write_text(yaml.safe_dump(config))
    assert run("train", tmp_path / "liked.yaml")[0] == 0
    ratings = load_ratings("synthetic", **SMALL["data"]["options"]).frame
    ratings.to_csv(tmp_path / "ratings.csv", index=False)
    ratings.assign(rating=(ratings["rating"] >= 4).astype(int)).to_csv(tmp_path / "liked.csv", index=False)
    code, stars, _ = run("evaluate", tmp_path / "liked", tmp_path / "ratings.csv")
    assert code == 0
    assert "auc" in stars
    assert stars == run("evaluate", tmp_path / "liked", tmp_path / "liked.csv")[1]


@pytest.mark.parametrize("name", ["null", "2024-05-01", "007", "a: b"])
def test_an_output_is_a_path_whatever_it_looks_like(run, folder, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert run("train", folder / "small.yaml", "--set", "model={kind: user_mean}", "--output", name)[0] == 0
    assert (tmp_path / name / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("taken.csv", "exists: choose another output, or overwrite it"),
        ("none/out.csv", "none does not exist"),
        ("out.xlsx", "must be a .csv, .tsv (either also .gz) or .parquet file"),
    ],
)
def test_predict_refuses_an_output_before_the_work(run, folder, tmp_path, output, message):
    (tmp_path / "taken.csv").write_text("precious")
    code, _, err = run("predict", folder / "run", folder / "no-such-pairs.csv", "--output", tmp_path / output)
    assert code == 2
    assert message in err
    assert (tmp_path / "taken.csv").read_text() == "precious"


BAD_TABLES = {
    "a missing file": (None, "does not exist|No such file"),
    "an empty file": ("", "is empty"),
    "a header alone": ("user,item,rating\n", "no rows"),
    "a missing column": (
        "user,thing,rating\na,x,1\n",
        "there is no column for the item among 'user', 'thing', 'rating'",
    ),
    "a short row": ("\n".join([*GOOD_ROWS, "d,x"]), "line 7: 2 fields where 3 are expected: 'd,x'"),
    "a long row": ("\n".join([*GOOD_ROWS, "d,x,1,9"]), "line 7: 4 fields where 3 are expected"),
    "a word for a rating": ("\n".join([*GOOD_ROWS, "d,x,good"]), "line 7: the rating 'good' is not a number"),
    "a NaN rating": ("\n".join([*GOOD_ROWS, "d,x,NaN"]), "line 7: the rating must be a finite number, not nan"),
    "an infinite rating": ("\n".join([*GOOD_ROWS, "d,x,-inf"]), "line 7: the rating must be a finite number, not -inf"),
    "a rating off the scale": ("\n".join([*GOOD_ROWS, "d,x,6"]), "line 7: the rating 6 is outside the scale 1 to 5"),
    "one user": ("user,item,rating\na,x,1\na,y,2\na,z,3\n", "only one user, 'a': give ratings of two or more"),
    "one item": ("user,item,rating\na,x,1\nb,x,2\nc,x,3\n", "only one item, 'x': give ratings of two or more"),
    "equal ratings": ("user,item,rating\na,x,3\nb,y,3\nc,x,3\n", "all 3 training ratings are 3"),
    "a repeated pair": (
        "\n".join([*GOOD_ROWS, "a,x,2"]),
        "line 7: user 'a' already rated item 'x' at .*line 2.*set the option duplicates to 'last' or 'mean'",
    ),
    "an empty id": ("\n".join([*GOOD_ROWS, ",x,1"]), "line 7: the user id '' is empty"),
    "a blank in an id": ("\n".join([*GOOD_ROWS, "d, x,1"]), "line 7: the item id ' x' begins or ends with white space"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_input_gives_one_clear_line_and_writes_nothing(run, tmp_path, case):
    content, message = BAD_TABLES[case]
    if content is not None:
        (tmp_path / "ratings.csv").write_text(content)
    config = {
        "output": str(tmp_path / "run"),
        "data": {"source": str(tmp_path / "ratings.csv"), "scale": [1, 5], "split": {"test": 0, "validation": 0}},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    code, out, err = run("train", tmp_path / "run.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("recsys-nn: ")
    assert len(err.splitlines()) == 1
    assert pd.Series([err]).str.contains(message, regex=True).all(), err
    assert not (tmp_path / "run").exists()


def test_a_training_that_diverges_exits_with_1_and_writes_nothing(run, folder, tmp_path):
    code, _, err = run(
        "train", folder / "small.yaml", "--set", "training.learning_rate=1e30", "--output", tmp_path / "r"
    )
    assert code == 1
    assert "epoch 1: loss is nan at learning rate 1e+30" in err
    assert list(tmp_path.iterdir()) == []


def test_a_config_is_shown_with_its_defaults(run, folder):
    code, out, _ = run("config", "show", folder / "small.yaml", "--set", "training.epochs=9")
    assert code == 0
    shown = yaml.safe_load(out)
    assert (shown["training"]["epochs"], shown["training"]["patience"]) == (9, 3)


def test_the_schema_is_printed(run):
    assert "SVDConfig" in json.loads(run("config", "schema")[1])["$defs"]


def test_the_data_sets_are_listed(run):
    _, out, _ = run("datasets")
    assert all(name in out for name in ("movielens-100k", "movielens-1m", "movielens-latest-small", "synthetic"))


@pytest.mark.parametrize("words", [("train",), ("predict", "run"), ("no-such-command",)])
def test_a_wrong_call_is_the_users_error(run, words):
    code, _, err = run(*words)
    assert code == 2
    assert "Usage" in err


@pytest.mark.slow
def test_ctrl_c_ends_the_training_and_keeps_the_best_epoch(folder, tmp_path):
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", "from recsys_nn.cli import main; main()"),
            *("train", str(folder / "small.yaml"), "--output", str(tmp_path / "run")),
            *("--set", "training.epochs=100000", "--set", "training.patience=null"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("epoch      3/"):
            break
    process.send_signal(2)
    out = process.stdout.read()
    assert process.wait(timeout=60) == 130
    assert "Interrupted: the best epoch so far, " in out
    Predictor.load(tmp_path / "run")


def test_ctrl_c_before_the_first_epoch_is_over_says_so(folder, tmp_path):
    """Ctrl-C comes while TensorFlow is imported."""
    script = (
        "import os, signal, sys\n"
        "class CtrlC:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'tensorflow': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, CtrlC())\n"
        "from recsys_nn.cli import main; main()"
    )
    command = [sys.executable, "-c", script, "train", str(folder / "small.yaml"), "--output", str(tmp_path / "run")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 130
    assert "recsys-nn: interrupted" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_told(run):
    assert run("--version")[:2] == (0, f"{recsys_nn.__version__}\n")


def test_help_comes_at_once():
    """The processor time of the whole process, at best of three: the wall time would measure the machine."""
    script = (
        "import os, sys, recsys_nn.cli as cli; sys.argv = ['recsys-nn', '--help']\n"
        "try: cli.main()\nexcept SystemExit: pass\n"
        "assert not {'tensorflow', 'pandas', 'keras'} & set(sys.modules); print('TIME', sum(os.times()[:2]))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
        for _ in range(3)
    ]
    assert min(float(out.rpartition("TIME")[2]) for out in runs) < 0.5
