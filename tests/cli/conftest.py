import re
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from recsys_nn import cli
from tests.cli.made_up import CONFIG, SEARCHED


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


@pytest.fixture
def printed(run, monkeypatch):
    """Runs the command line: the lines that a terminal of 80 columns is sent, with <1> where bold begins and so on."""

    def lines(*words: object, code: int = 0) -> list[str]:
        console = Console(width=80, force_terminal=True, color_system="standard", no_color=False, legacy_windows=False)
        for name, module in list(sys.modules.items()):
            if name.startswith("recsys_nn.cli") and hasattr(module, "out"):
                monkeypatch.setattr(module, "out", console)
        found, out, err = run(*words)
        assert (found, err) == (code, "")
        return re.sub(r"\x1b\[([\d;]*)m", r"<\1>", out).replace("<0>", "<>").replace("<><1>", "").splitlines()

    return lines


@pytest.fixture
def configs(tmp_path, monkeypatch):
    """The working directory, with a config and one of a search."""
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_text(yaml.safe_dump(CONFIG))
    searched = CONFIG | {"search": {"space": SEARCHED}}
    Path("search.yaml").write_text(yaml.safe_dump(searched))


@pytest.fixture
def gives(monkeypatch):
    """Puts a function in a place that gives this result, or raises it; the list of its calls."""

    def replaced(place: str, result: object) -> list[tuple]:
        calls = []

        def function(*given: object, **named: object) -> object:
            calls.append((*given, named) if named else given)
            if isinstance(result, BaseException):
                raise result
            return result

        *where, name = place.split(".")
        owner = where.pop() if where[-1][0].isupper() else None
        module = import_module(".".join(where))
        monkeypatch.setattr(module if owner is None else getattr(module, owner), name, function)
        return calls

    return replaced
