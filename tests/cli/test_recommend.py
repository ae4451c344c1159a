import numpy as np
import pandas as pd
import pytest

import recsys_nn as rn

FRAME = pd.DataFrame(
    {
        "user": ["ann", "ann", "bob", "bob", "cy", "cy"],
        "item": ["x", "y", "x", "z", "y", "z"],
        "rating": [5, 1, 4, 2, 2, 3],
    }
)
ITEMS = pd.DataFrame({"item": ["x", "y", "z"], "title": ["Xanadu", "Yi Yi", "Zodiac"]})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    ratings = rn.Ratings(FRAME, scale=(1, 5), item_features=ITEMS)
    encoder = rn.Encoder.fit(ratings)
    model = rn.build_model(rn.BiasConfig(), encoder)
    settings = rn.TrainConfig(validation=0, patience=None)
    run = rn.Trainer(settings, progress=False).fit(model, encoder.encode(ratings))
    return rn.Predictor(run.model, encoder).with_seen(ratings).save(tmp_path_factory.mktemp("runs") / "run")


def test_a_user_sees_what_they_have_not_rated_by_name(run, saved):
    code, out, err = run("recommend", saved, "--user", "ann")
    assert (code, err) == (0, "")
    assert "user ann (known from training)" in out
    assert "Zodiac" in out
    assert "Xanadu" not in out


def test_an_unknown_user_sees_what_is_rated_highest(run, saved):
    _, out, _ = run("recommend", saved, "--user", "zoe", "-n", "1")
    assert "user zoe (unknown: items that are rated highest)" in out
    assert "Xanadu" in out


def test_candidates_and_what_is_seen_may_be_asked_for(run, saved):
    _, out, _ = run("recommend", saved, "--user", "ann", "--item", "x", "--item", "y", "--seen")
    assert "Xanadu" in out
    assert "Yi Yi" in out
    assert "Zodiac" not in out


def test_all_users_go_to_a_file(run, saved, tmp_path):
    code, out, _ = run("recommend", saved, "--output", tmp_path / "lists.csv")
    assert code == 0
    assert "3 recommendations for 3 users written to" in out
    found = pd.read_csv(tmp_path / "lists.csv")
    assert found[["user", "rank", "item", "name"]].values.tolist() == [
        ["ann", 1, "z", "Zodiac"],
        ["bob", 1, "y", "Yi Yi"],
        ["cy", 1, "x", "Xanadu"],
    ]
    expected = rn.Predictor.load(saved).recommend()["prediction"]
    np.testing.assert_allclose(found["prediction"], expected, rtol=1e-6)


def test_what_is_wrong_is_said_in_a_line(run, saved, tmp_path):
    assert run("recommend", saved)[::2] == (
        2,
        "recsys-nn: no user is named: give --user ID, or --output FILE to recommend to all users\n",
    )
    code, _, err = run("recommend", saved, "--user", "ann", "--item", "q")
    assert (code, err) == (2, "recsys-nn: the candidate 'q' is an item that is unknown in training: leave it out\n")
    taken = tmp_path / "lists.csv"
    taken.write_text("kept")
    told = (
        f"recsys-nn: {taken} exists: choose another output, or overwrite it (--overwrite, in Python overwrite=True)\n"
    )
    assert run("recommend", saved, "--output", taken) == (2, "", told)
    assert run("recommend", saved, "--output", taken, "--overwrite")[0] == 0
