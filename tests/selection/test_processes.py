import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import Future
from multiprocessing import Pipe

import pytest
from loky import process_executor

from recsys_nn import ConfigError, TrainingError
from recsys_nn.models.base import model_kinds
from recsys_nn.selection import processes as module
from recsys_nn.selection.processes import in_order, results


def test_one_worker_is_this_process_and_takes_a_job_when_the_last_one_is_seen_to():
    order = []

    def jobs():
        for number in range(3):
            order.append(f"begin {number}")
            yield number

    for number, process in results(lambda number: (number, os.getpid()), jobs(), workers=1):
        assert process == os.getpid()
        order.append(f"seen {number}")
    assert order == ["begin 0", "seen 0", "begin 1", "seen 1", "begin 2", "seen 2"]


@pytest.mark.parametrize("workers", [0, -1])
def test_a_number_of_workers(workers):
    with pytest.raises(ConfigError, match=f"^workers must be a positive integer such as 2, not {workers}$"):
        results(abs, [1], workers=workers)


class Executor:
    """In the place of processes: work is done at once, but of what is sent together the last is ended first."""

    def __init__(self, workers, *, initializer, initargs, env):
        self.made = workers, initializer, env
        self.pipe, self.kinds = initargs
        self.ended = None
        Executor.last = self

    def submit(self, work, job):
        future = Future()
        try:
            future.set_result(work(job))
        except process_executor.TerminatedWorkerError as error:
            future.set_exception(error)
        return future

    def shutdown(self, *, wait, kill_workers):
        self.ended = wait, kill_workers


@pytest.fixture
def executor(monkeypatch):
    monkeypatch.setattr(process_executor, "ProcessPoolExecutor", Executor)
    monkeypatch.setattr(os, "cpu_count", lambda: 9)
    return Executor


def test_processes_share_the_cpus_and_a_job_is_taken_where_one_has_ended(executor):
    taken = []

    def jobs():
        for number in range(5):
            taken.append(number)
            yield number

    found = results(lambda number: number * 10, jobs(), workers=2)
    assert next(found) in (0, 10)
    assert taken == [0, 1]
    assert sorted([0, 10, *found][-3:]) == [20, 30, 40]
    workers, begin, env = executor.last.made
    assert (workers, begin, executor.last.kinds) == (2, module._begin, tuple(model_kinds().values()))
    threads = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    assert env == {**dict.fromkeys(threads, "4"), "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    assert (executor.last.ended, executor.last.pipe.closed) == ((True, True), True)


def test_each_process_has_a_thread_at_least(executor):
    assert sorted(results(abs, [-1, -2], workers=20)) == [1, 2]
    assert executor.last.made[2]["OMP_NUM_THREADS"] == "1"


def test_a_process_that_is_lost_is_told(executor):
    def lost(_):
        raise process_executor.TerminatedWorkerError

    told = "^one of 3 workers was killed, perhaps because memory ran out: use fewer workers$"
    with pytest.raises(TrainingError, match=told):
        list(results(lost, [1], workers=3))
    assert executor.last.ended == (True, True)


def test_results_of_processes_are_in_the_order_of_the_jobs(executor, capsys):
    found = in_order(
        abs, [-3, 1, -2, 5], told=lambda job, one: f"[b]{job}[/b] {one} " + "word " * 30, workers=3, progress=True
    )
    assert found == [3, 1, 2, 5]
    lines = sorted(line.strip() for line in capsys.readouterr().out.splitlines())
    assert lines == sorted(f"[b]{job}[/b] {abs(job)} {('word ' * 30).strip()}" for job in (-3, 1, -2, 5))
    in_order(abs, [-3], told=lambda job, one: "told", workers=1, progress=False)
    assert capsys.readouterr().out == ""


def test_a_process_leaves_ctrl_c_to_its_parent_and_ends_with_it(monkeypatch):
    signals, kinds, ends = [], [], []
    monkeypatch.setattr(signal, "signal", lambda *given: signals.append(given))
    monkeypatch.setattr(module, "register_kinds", kinds.append)
    monkeypatch.setattr(os, "_exit", ends.append)
    told_of_end, open_until_end = Pipe(duplex=False)
    module._begin(told_of_end, ["kind"])
    assert (signals, kinds, ends) == ([(signal.SIGINT, signal.SIG_IGN)], [["kind"]], [])
    open_until_end.close()
    deadline = time.monotonic() + 20
    while not ends:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert ends == [1]


SCRIPT = """
    import os, sys, time
    from typing import Literal
    import recsys_nn as rn
    from recsys_nn.models.base import model_kinds
    from recsys_nn.selection.processes import results

    class MineConfig(rn.SVDConfig):
        kind: Literal["mine"] = "mine"

    rn.register_model(MineConfig)(lambda config, encoder: None)
    {rest}
"""


def script(rest):
    code = textwrap.dedent(SCRIPT).replace("{rest}", textwrap.dedent(rest))
    quiet = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], **pipes, text=True, env=quiet)


@pytest.mark.slow
def test_processes_know_the_kinds_of_a_script_and_share_the_cpus():
    process = script("""
        def job(number):
            return number, os.getpid(), "mine" in model_kinds(), int(os.environ["TF_NUM_INTRAOP_THREADS"])
        found = sorted(results(job, range(4), workers=2))
        assert [number for number, *_ in found] == [0, 1, 2, 3], found
        assert os.getpid() not in {pid for _, pid, *_ in found}
        assert all(known for *_, known, _ in found)
        assert {threads for *_, threads in found} == {max(1, os.cpu_count() // 2)}
    """)
    assert process.communicate(timeout=120) == ("", "")
    assert process.returncode == 0


@pytest.mark.slow
def test_processes_end_with_the_one_that_began_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = script(r"""
        def job(_):
            os.write(1, f"{os.getpid()}\n".encode())
            time.sleep(600)
        list(results(job, range(2), workers=2))
    """)
    ids = [int(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 20
    while any(_runs(number) for number in ids):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not list(tmp_path.glob("recsys-nn-*"))


def _runs(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_a_process_that_is_lost_is_said():
    with pytest.raises(
        TrainingError, match="one of 2 workers was killed, perhaps because memory ran out: use fewer workers$"
    ):
        list(results(os._exit, [3], workers=2))
