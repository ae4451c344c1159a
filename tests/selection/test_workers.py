import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from recsys_nn import TrainingError
from recsys_nn.selection.workers import results


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


SCRIPT = """
    import os, sys, time
    from typing import Literal
    import recsys_nn as rn
    from recsys_nn.models.base import model_kinds
    from recsys_nn.selection.workers import results

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
    with pytest.raises(TrainingError, match="one of 2 workers was killed, perhaps for want of memory: try fewer"):
        list(results(os._exit, [3], workers=2))
