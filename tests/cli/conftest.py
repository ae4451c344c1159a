import sys

import pytest

from recsys_nn import cli


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command line in this process: (exit code, output, error output)."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["recsys-nn", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        captured = capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err

    return call
