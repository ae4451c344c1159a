"""What the harnesses share: each gives bytes to one parser, which may refuse them with a RecsysError and nothing else.

    python -m fuzz.config -max_total_time=120 WORK fuzz/corpus/config

The options are libFuzzer's (https://llvm.org/docs/LibFuzzer.html#options); what reaches new code is kept in the folder
WORK. A crash leaves its input in a file ``crash-*``, which the same command takes in the place of the folders. What
crashed becomes a test.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import atheris

_MEMORY = Path("/dev/shm")


def fuzz(parse: Callable[[bytes], object]) -> None:
    """Feeds a parser until libFuzzer's options end it."""
    from recsys_nn.errors import RecsysError

    def one_input(data: bytes) -> None:
        try:
            parse(data)
        except RecsysError as error:
            str(error).encode()  # so that it can be printed

    assert "tensorflow" not in sys.modules
    warnings.simplefilter("ignore")
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory, where there is one."""
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{os.getpid()}-", dir=_MEMORY if _MEMORY.is_dir() else None) as name:
        yield Path(name)
