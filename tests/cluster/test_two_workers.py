"""Two workers against one process, with the same batches in the same order (``trainings.py``)."""

import numpy as np
import pytest

from tests.cluster.trainings import SETTINGS, normally_trained, told, trained, trained_from_a_file


@pytest.fixture(scope="module")
def alone():
    return {name: told(trained(name)) for name in SETTINGS}


@pytest.mark.parametrize("name", SETTINGS)
def test_both_end_with_the_same_weights_bit_for_bit(name, two_workers):
    first, second = (worker[name] for worker in two_workers)
    assert first["digest"] == second["digest"]
    assert first["history"] == second["history"]


@pytest.mark.parametrize("name", SETTINGS)
def test_losses_and_metrics_are_those_of_one_process(name, two_workers, alone):
    shared, own = two_workers[0][name], alone[name]
    assert list(shared["history"]) == list(own["history"])
    for logged in set(own["history"]) - {"mae"}:  # which Keras logs as the mean over steps, whatever their sizes
        values = own["history"][logged]
        np.testing.assert_allclose(shared["history"][logged], values, rtol=1e-6, err_msg=logged)


@pytest.mark.parametrize("name", SETTINGS)
def test_weights_are_those_of_one_process(name, two_workers, alone):
    for shared, own in zip(two_workers[0][name]["weights"], alone[name]["weights"], strict=True):
        np.testing.assert_allclose(shared, own, rtol=1e-4, atol=1e-5)  # measured: 1.4e-6


def test_early_stopping_ends_all_after_the_same_epoch(two_workers, alone):
    ended = [len(run["early stopping"]["history"]["epoch"]) for run in (*two_workers, alone)]
    best = [run["early stopping"]["best_epoch"] for run in (*two_workers, alone)]
    assert 1 < best[0] < ended[0] < SETTINGS["early stopping"]["epochs"]
    assert len(set(ended)) == len(set(best)) == 1


def test_each_has_its_own_part_of_a_file(two_workers):
    first, second = (worker["from a file"] for worker in two_workers)
    assert first["digest"] == second["digest"]
    own = told(trained_from_a_file())
    for logged in set(own["history"]) - {"mae"}:
        np.testing.assert_allclose(first["history"][logged], own["history"][logged], rtol=1e-6, err_msg=logged)
    for shared, alone in zip(first["weights"], own["weights"], strict=True):
        np.testing.assert_allclose(shared, alone, rtol=1e-4, atol=1e-5)


def test_rows_of_tables_are_exchanged_in_rounds_where_they_are_many(two_workers):
    """As more than one look-up an example makes them."""
    first, second = (worker["in rounds"] for worker in two_workers)
    assert first["digest"] == second["digest"]
    np.testing.assert_allclose(first["history"]["loss"], two_workers[0]["svd, row-wise"]["history"]["loss"], rtol=1e-6)
    assert first["digest"] != two_workers[0]["svd, row-wise"]["digest"]  # rows are added up in another order


def test_the_run_says_how_many_have_trained(two_workers):
    assert two_workers[1]["neumf"]["engine"] == "compiled, 2 workers"


def test_moving_averages_become_their_mean_and_constants_stay(two_workers):
    """The mean of a batch is the mean of those of its halves, so that the moving means are those of one process."""
    first, second = (worker["batch normalisation"] for worker in two_workers)
    assert first["digest"] == second["digest"]
    moving_mean, own = (run["weights"][2] for run in (first, told(normally_trained())))
    np.testing.assert_allclose(moving_mean, own, rtol=1e-5)
    assert first["weights"][-1] == float(np.float32(1 / 3))


def test_what_is_drawn_depends_on_seed_epoch_and_worker(two_workers):
    for rank, worker in enumerate(two_workers):
        ((seed, _),) = worker["batch normalisation"]["draws"]
        assert seed == np.random.default_rng([6, 1, rank, 0]).integers(2**31)
