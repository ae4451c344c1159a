"""Jobs of one worker each, with Ray's part played by this process (``one_process.py``)."""

import logging
import os
import signal
from contextlib import contextmanager

import pytest

from recsys_nn import ArtifactError, ConfigError
from recsys_nn.cluster.jobs import answered_here, jobs_on_workers
from recsys_nn.config.cluster import ClusterConfig
from tests.cluster.one_process import Lost


def carried_out(folder, work, jobs, *, ended=None, **cluster):
    """What was found of the jobs."""
    found = []
    jobs_on_workers(
        ClusterConfig(**{"workers": 1, "max_failures": 1, **cluster}),
        work,
        jobs,
        ended=ended or found.append,
        lost=lambda job: f"{job} was lost",
        folder=folder,
    )
    return found


def test_a_job_is_taken_when_the_ones_before_have_been_told(here, tmp_path):
    order = []

    def jobs():
        for number in range(3):
            order.append(f"taken {number}")
            yield number

    before = signal.getsignal(signal.SIGINT)
    carried_out(tmp_path, str, jobs(), ended=lambda found: order.append(f"ended {found}"), workers=3, cpus=2)
    assert order == ["taken 0", "ended 0", "taken 1", "ended 1", "taken 2", "ended 2"]
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is before
    assert here.asked == {
        "threads": 2,
        "jobs": {
            "resources": {"CPU": 2.0},
            "tune_config": {"num_samples": -1, "max_concurrent_trials": 3, "reuse_actors": True},
            "run_config": {
                "name": "jobs",
                "storage_path": str(tmp_path / ".recsys-nn-ray"),
                "failure_config": {"max_failures": 1},
                "verbose": 0,
            },
        },
    }


def test_ray_keeps_silent(here, tmp_path, monkeypatch):
    monkeypatch.setenv("TUNE_PRINT_ALL_TRIAL_ERRORS", "1")  # by hand
    carried_out(tmp_path, str, [])
    names = "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "TUNE_PRINT_ALL_TRIAL_ERRORS", "RAY_AIR_NEW_OUTPUT"
    assert [os.environ[name] for name in names] == ["1", "1", "0"]
    levels = [logging.getLogger(name).level for name in ("ray.tune.tune", "ray.tune.analysis")]
    assert levels == [logging.CRITICAL] * 2


def test_a_job_whose_worker_is_lost_is_begun_anew_and_given_up_in_the_end(here, tmp_path):
    began = []

    def fragile(deaths):
        began.append(deaths)
        if began.count(deaths) <= deaths:
            raise Lost
        return f"{deaths} is done"

    found = carried_out(tmp_path, fragile, [0, 1, 2])
    assert found == ["0 is done", "1 is done", "2 was lost"]
    assert began == [0, 1, 1, 2, 2]


def test_what_goes_wrong_in_a_job_is_raised_here_and_not_tried_anew(here, tmp_path):
    began, found = [], []

    def refuse(job):
        began.append(job)
        raise ConfigError(f"job {job} cannot be")

    with pytest.raises(ConfigError, match="^job 7 cannot be$"):
        carried_out(tmp_path, refuse, [7, 8], ended=found.append)
    assert (began, found) == ([7], [])


@pytest.mark.parametrize("jobs", [[7], [7, 8]])
def test_what_goes_wrong_here_ends_all(here, tmp_path, jobs):
    began = []

    def full(found):
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="^No space left on device$"):
        carried_out(tmp_path, began.append, jobs, ended=full)
    assert began == [7]


def test_a_worker_that_does_not_see_the_folder_says_so(here, tmp_path):
    def jobs():
        (tmp_path / ".recsys-nn-ray").rmdir()
        yield 1

    with pytest.raises(ArtifactError, match=".recsys-nn-ray does not exist on"):
        carried_out(tmp_path, pytest.fail, jobs())


@pytest.mark.parametrize("jobs", [[1], [1, 2]])
def test_ctrl_c_ends_all(here, tmp_path, jobs):
    def interrupted(job):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carried_out(tmp_path, interrupted, jobs)


def test_questions_are_answered_by_one_process_on_this_machine(here):
    @contextmanager
    def adding():
        yield lambda a, b: a + b

    with answered_here(adding) as answer:
        assert answer(3, 4) == 7
        assert "killed" not in here.asked
    assert here.asked.pop("killed") is not None
    assert here.asked == {
        "actor": {
            "num_cpus": 0,
            "max_restarts": -1,
            "max_task_retries": -1,
            "scheduling_strategy": ("this node", {"soft": False}),
        }
    }
