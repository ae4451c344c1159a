"""Jobs of one worker each, without any training."""

import os
import signal
import time
from contextlib import nullcontext
from functools import partial
from threading import Thread

import pytest

from recsys_nn import ConfigError
from recsys_nn.cluster.jobs import answered_here, jobs_on_workers
from recsys_nn.config.cluster import ClusterConfig
from tests.cluster.kill_workers import workers

ray = pytest.importorskip("ray", reason="without Ray (recsys-nn[ray])")
pytestmark = pytest.mark.usefixtures("ray_session")


ONE, TWO = ClusterConfig(workers=1), ClusterConfig(workers=2)


def carried_out(cluster, work, jobs, *, ended=None):
    """What was found of the jobs, of which none may be lost."""
    found = []
    jobs_on_workers(cluster, work, jobs, ended=ended or found.append, lost=pytest.fail, check=lambda: None)
    return found


def test_a_job_is_taken_when_the_ones_before_have_been_told():
    order, processes = [], set()

    def jobs():
        for number in range(3):
            order.append(f"taken {number}")
            yield number

    def ended(found):
        number, process = found
        processes.add(process)
        order.append(f"ended {number}")

    carried_out(ONE, lambda job: (job, os.getpid()), jobs(), ended=ended)
    assert order == ["taken 0", "ended 0", "taken 1", "ended 1", "taken 2", "ended 2"]
    assert len(processes) == 1
    assert os.getpid() not in processes


def test_while_others_have_the_cpus_jobs_are_carried_out_by_fewer_workers():
    held = ray.remote(num_cpus=1)(type("Held", (), {"begun": lambda self: True})).remote()
    assert ray.get(held.begun.remote())
    assert sorted(carried_out(TWO, str, range(4))) == ["0", "1", "2", "3"]
    ray.kill(held)


def test_what_goes_wrong_in_a_job_is_raised_here_and_not_tried_anew():
    def refuse(job):
        raise ConfigError(f"job {job} cannot be")

    found = []
    with pytest.raises(ConfigError, match="^job 7 cannot be$"):
        carried_out(ONE, refuse, [7, 8], ended=found.append)
    assert found == []
    assert gone()


def test_ctrl_c_ends_the_workers(tmp_path):
    def work(job):
        (tmp_path / f"{job}").touch()
        time.sleep(100)

    def interrupt():
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.1)
        began.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    began = []
    Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        carried_out(TWO, work, [1, 2, 3])
    assert time.monotonic() - began[0] < 5
    assert gone()


def gone():
    """Whether the workers end within ten seconds."""
    end = time.monotonic() + 10
    while (left := workers("ray::_Worker")) and time.monotonic() < end:
        time.sleep(0.1)
    return not left


def test_questions_are_answered_by_one_process_which_is_begun_anew_where_it_is_lost():
    with answered_here(partial(nullcontext, lambda offset: os.getpid() + offset)) as answer:
        first = answer(0)
        assert answer(1) == first + 1
        os.kill(first, signal.SIGKILL)
        assert answer(0) not in (first, os.getpid())
