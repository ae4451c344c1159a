import pandas as pd
import pytest

from recsys_nn import load_config, load_ratings


@pytest.fixture
def films(tmp_path, monkeypatch):
    """A CSV with columns of its own names and ids such as 007, in the working directory."""
    monkeypatch.chdir(tmp_path)
    frame = load_ratings("synthetic", n_users=60, n_items=40, n_ratings=1500).frame
    frame["user"] = frame["user"].str[1:].str.zfill(3)
    frame["item"] = "film " + frame["item"]
    frame = frame[["item", "user", "rating"]].set_axis(["what", "who", "stars"], axis=1)
    frame.to_csv("films.csv", index=False, sep=";")
    return frame


LAYOUT = ("--user", "who", "--item", "what", "--rating", "stars")


@pytest.mark.slow
def test_the_yaml_of_a_file_is_trained_as_it_is(run, films):
    code, printed, err = run("suggest", "films.csv", *LAYOUT)
    assert code == 0
    assert printed.startswith("# Suggested by recsys-nn suggest films.csv: Ratings(1,500 ratings, 60 users, 40 items")
    assert "range test of the learning rate on 960 ratings" in err
    with open("films.yaml", "w", encoding="utf-8") as file:
        file.write(printed)
    config = load_config("films.yaml")
    assert config.data.source == "films.csv"
    assert config.data.format.model_dump(exclude_defaults=True) == {"user": "who", "item": "what", "rating": "stars"}
    assert config.data.scale == (1, 5)
    assert config.output == "runs/films"
    code, printed, _ = run("train", "films.yaml", "--set", "ensemble=null", "--set", "training.epochs=3")
    assert code == 0
    assert "Run folder: runs/films" in printed


def test_what_is_known_of_the_data_is_told_with_set(run, films):
    pd.concat([films, films.head(3)]).to_csv("twice.csv", index=False)
    known = ("data.duplicates=last", "data.scale=[0, 6]", "data.liked=4", "seed=5", "output=runs/mine")
    code, printed, _ = run("suggest", "twice.csv", *LAYOUT, "--kind", "bias", *(w for k in known for w in ("--set", k)))
    assert code == 0
    with open("twice.yaml", "w", encoding="utf-8") as file:
        file.write(printed)
    config = load_config("twice.yaml")
    assert (config.data.duplicates, config.data.scale, config.data.liked) == ("last", (0, 6), 4)
    assert (config.seed, config.output) == (5, "runs/mine")
    assert run("train", "twice.yaml")[0] == 0


def test_a_named_data_set_with_its_options(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = "data.options={n_users: 50, n_items: 40, n_ratings: 1000, scale: [0, 10]}"
    code, printed, _ = run("suggest", "synthetic", "--kind", "item_mean", "--set", options)
    assert code == 0
    (tmp_path / "suggested.yaml").write_text(printed, encoding="utf-8")
    config = load_config(tmp_path / "suggested.yaml")
    assert config.data.options == {"n_users": 50, "n_items": 40, "n_ratings": 1000, "scale": [0, 10]}
    assert config.output == "runs/synthetic"
    code, printed, _ = run("train", tmp_path / "suggested.yaml")
    assert code == 0
    assert "200 ratings" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("missing.csv",), "missing.csv cannot be read"),
        (("films.csv",), "no column"),
        (("films.csv", *LAYOUT, "--kind", "svdd"), "there is no model kind 'svdd'; did you mean 'svd'"),
        (("films.csv", *LAYOUT, "--set", "model.kind=svd"), "--set model.kind=svd must change seed, output or data"),
        (("films.csv", *LAYOUT, "--set", "data.scales=[1,5]"), "data.scales: there is no such key"),
    ],
)
def test_wrong_calls_give_one_clear_line(run, films, words, message):
    code, printed, err = run("suggest", *words)
    assert (code, printed) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
