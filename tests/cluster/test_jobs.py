"""Jobs of one worker each, with Ray's part played by this process (``one_process.py``)."""

from contextlib import contextmanager

import pytest

from recsys_nn import ArtifactError, ConfigError
from recsys_nn.cluster.jobs import answered_here, jobs_on_workers
from recsys_nn.config.cluster import ClusterConfig
from tests.cluster.one_process import LOSSES, Lost


def carried_out(work, jobs, *, ended=None, check=lambda: None, **cluster):
    """What was found of the jobs, of which each is given up when its worker is lost the second time."""
    found = []
    jobs_on_workers(
        ClusterConfig(**{"workers": 1, **cluster}),
        work,
        jobs,
        ended=ended or found.append,
        lost=lambda job, times: f"{job} was lost" if times == 2 else None,
        check=check,
    )
    return found


def test_a_job_is_taken_for_a_worker_that_is_free_when_the_ones_before_have_been_told(here):
    order = []

    def jobs():
        for number in range(4):
            order.append(f"taken {number}")
            yield number

    carried_out(str, jobs(), ended=lambda found: order.append(f"ended {found}"), workers=2, cpus=3)
    assert order == ["taken 0", "taken 1", "ended 0", "taken 2", "ended 1", "taken 3", "ended 2", "ended 3"]
    assert here.asked == {"threads": 3, "actor": {"num_cpus": 3, "num_gpus": 0}}
    assert (len(here.actors), here.killed) == (2, [])


def test_there_are_no_more_workers_than_jobs_and_each_has_a_gpu_where_that_is_asked_for(here):
    assert carried_out(str, [7, 8], workers=4, gpu=True) == ["7", "8"]
    assert here.asked["actor"] == {"num_cpus": 1, "num_gpus": 1}
    assert len(here.actors) == 2


def test_without_jobs_there_are_no_workers(here):
    assert carried_out(str, []) == here.actors == []


def test_the_work_is_loaded_once_by_a_worker_which_has_looked_around_and_taken_over_the_setting(here):
    seen = []

    def see(what):
        seen.append((what, here.asked.get("threads")))

    carried_out(see, ["a job", "another"], check=lambda: see("the machine"), cpus=2)
    assert seen == [("the machine", None), ("a job", 2), ("another", 2)]


@pytest.mark.parametrize("told", LOSSES)
def test_a_job_whose_worker_is_lost_is_begun_anew_and_given_up_in_the_end(here, told):
    began = []

    def fragile(deaths):
        began.append(deaths)
        if began.count(deaths) <= deaths:
            raise Lost(told)
        return f"{deaths} is done"

    found = carried_out(fragile, [0, 1, 2])
    assert found == ["0 is done", "1 is done", "2 was lost"]
    assert began == [0, 1, 1, 2, 2]
    assert len(here.actors) == 1 + 2
    assert here.killed == here.actors


def test_what_goes_wrong_in_a_job_is_raised_here_and_not_tried_anew(here):
    began, found = [], []

    def refuse(job):
        began.append(job)
        raise ConfigError(f"job {job} cannot be")

    with pytest.raises(ConfigError, match="^job 7 cannot be$"):
        carried_out(refuse, [7, 8, 9], ended=found.append, workers=2)
    assert (began, found) == ([7, 8], [])
    assert here.killed == here.actors


@pytest.mark.parametrize("jobs", [[7], [7, 8]])
def test_what_goes_wrong_here_ends_all(here, jobs):
    began = []

    def full(found):
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="^No space left on device$"):
        carried_out(began.append, jobs, ended=full)
    assert began == [7]
    assert here.killed == here.actors


def test_a_worker_that_does_not_have_what_it_needs_says_so(here):
    def refuse():
        raise ArtifactError("it is not there")

    with pytest.raises(ArtifactError, match="^it is not there$"):
        carried_out(pytest.fail, [1], check=refuse)
    assert "threads" not in here.asked


def test_ctrl_c_ends_the_workers(here):
    here.interrupted = True
    with pytest.raises(KeyboardInterrupt):
        carried_out(str, [1, 2, 3], workers=2)
    assert here.killed == here.actors
    assert len(here.actors) == 2


def test_questions_are_answered_by_one_process_on_this_machine(here):
    @contextmanager
    def adding():
        yield lambda a, b: a + b

    with answered_here(adding) as answer:
        assert answer(3, 4) == 7
        assert here.killed == []
    assert here.killed == here.actors != []
    assert here.asked == {
        "actor": {
            "num_cpus": 0,
            "max_restarts": -1,
            "max_task_retries": -1,
            "scheduling_strategy": ("this node", {"soft": False}),
        }
    }
