"""Jobs of one worker each, without any training."""

import os
import signal
from contextlib import nullcontext
from functools import partial

import pytest

from recsys_nn import ConfigError
from recsys_nn.cluster.jobs import answered_here, jobs_on_workers
from recsys_nn.config.cluster import ClusterConfig

pytest.importorskip("ray", reason="without Ray (recsys-nn[ray])")
pytestmark = pytest.mark.usefixtures("ray_session")


def test_a_job_is_taken_when_the_ones_before_have_been_told(tmp_path):
    order = []

    def jobs():
        for number in range(3):
            order.append(f"taken {number}")
            yield number

    def ended(found):
        number, process = found
        assert process != os.getpid()
        order.append(f"ended {number}")

    one = ClusterConfig(workers=1)
    jobs_on_workers(one, lambda job: (job, os.getpid()), jobs(), ended=ended, lost=pytest.fail, folder=tmp_path)
    assert order == ["taken 0", "ended 0", "taken 1", "ended 1", "taken 2", "ended 2"]
    assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong_in_a_job_is_raised_here_and_not_tried_anew(tmp_path):
    def refuse(job):
        raise ConfigError(f"job {job} cannot be")

    found = []
    with pytest.raises(ConfigError, match="job 7 cannot be"):
        jobs_on_workers(
            ClusterConfig(workers=1), refuse, [7, 8], ended=found.append, lost=found.append, folder=tmp_path
        )
    assert found == []
    assert list(tmp_path.iterdir()) == []


def test_questions_are_answered_by_one_process_which_is_begun_anew_where_it_is_lost():
    with answered_here(partial(nullcontext, lambda offset: os.getpid() + offset)) as answer:
        first = answer(0)
        assert answer(1) == first + 1
        os.kill(first, signal.SIGKILL)
        assert answer(0) not in (first, os.getpid())
