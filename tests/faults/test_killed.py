"""kill -9 at random moments, and NaN at random steps. `make faults` tries more of them than the other tests do."""

import random

import pytest

from tests.faults.conftest import ALL

pytestmark = pytest.mark.slow


def test_killed_trainings_go_on_to_the_same_weights(carried_out):
    kills = 100 if ALL else 4  # as many as the run has stages
    found = carried_out("kill_training", "--kills", kills)
    assert found["kills"] >= kills
    assert found["runs with other weights"] == 0
    assert found["most epochs repeated after a kill"] <= 1
    assert found["left behind"] == []


def test_a_kill_while_saving_leaves_one_of_the_two_runs_whole(carried_out):
    kills = 1000 if ALL else 40
    assert carried_out("kill_saving", "--kills", kills) == {
        "kills": kills,
        "broken runs": 0,
        "drafts left by kills": pytest.approx(kills, abs=0.9 * kills),  # some, or nothing was tried
        "left after the next save": 0,
    }


def test_weights_that_are_no_numbers_are_never_stored(tmp_path):
    from tests.faults.nan_injection import injected

    runs = 200 if ALL else 10
    found = injected(tmp_path, runs, random.Random(0))
    assert found["ended with an error"] > runs / 2
    assert (found["ended without, though poisoned"], found["stored no number"]) == (0, 0)
