"""Processes that are forked, work, and are killed. (Forked before TensorFlow has computed anything, a process may.)"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable

KILLED, DONE = -signal.SIGKILL, 0


def forked(work: Callable[[], None], *, killed_after: float | None = None) -> int:
    """Does ``work`` in a child process: :data:`DONE`, or :data:`KILLED` where it took longer than it was given (s).

    Raises:
        RuntimeError: where the work failed in another way, which it has said on standard error.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = DONE
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    ended = _ended_within(child, killed_after)
    if ended is None:
        os.kill(child, signal.SIGKILL)
        ended = os.waitpid(child, 0)[1]
    code = os.waitstatus_to_exitcode(ended)
    if code not in (DONE, KILLED):
        raise RuntimeError(f"the work ended with {code}")
    return code


def _ended_within(child: int, seconds: float | None) -> int | None:
    if seconds is None:
        return os.waitpid(child, 0)[1]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(min(1e-3, max(0.0, deadline - time.monotonic())))
    return None
