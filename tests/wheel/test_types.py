"""A program of somebody else is accepted by type checkers that see the installed wheel alone, and runs."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import recsys_nn

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("outside_program.py")


def checked(installed, *command: object, program: str = PROGRAM.name) -> subprocess.CompletedProcess[str]:
    """Runs a type checker of this environment beside a copy of the program, away from the repository's settings."""
    shutil.copy(PROGRAM, installed.folder)
    quiet = os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    line = [sys.executable, "-m", *map(str, command), program]
    return subprocess.run(line, cwd=installed.folder, env=quiet, capture_output=True, text=True)


def strict_mypy(installed) -> list[object]:
    return ["mypy", "--strict", "--config-file=", "--cache-dir", installed.folder / "cache",
            "--python-executable", installed.python]  # fmt: skip


def test_the_program_uses_every_public_name():
    text = PROGRAM.read_text(encoding="utf-8")
    assert set(re.findall(r"\brn\.(\w+)", text)) == {*recsys_nn.__all__, "__version__"}


def test_the_wheel_says_that_it_is_typed_and_holds_its_templates(built):
    names = zipfile.ZipFile(built[0]).namelist()
    of_source = {path.relative_to(Path(recsys_nn.__file__).parents[1]).as_posix() for path in source_files()}
    assert {"recsys_nn/py.typed", "recsys_nn/__init__.pyi", "recsys_nn/serving/templates/page.js"} <= of_source
    assert of_source == {name for name in names if name.startswith("recsys_nn/")}


def source_files() -> list[Path]:
    files = Path(recsys_nn.__file__).parent.rglob("*")
    return [path for path in files if path.is_file() and "__pycache__" not in path.parts]


def test_mypy_strict_accepts_the_program(plain):
    done = checked(plain, *strict_mypy(plain))
    assert done.returncode == 0, done.stdout + done.stderr


def test_pyright_accepts_the_program(plain):
    done = checked(plain, "pyright", "--pythonpath", plain.python)
    assert done.returncode == 0, done.stdout + done.stderr


def test_type_checkers_find_what_is_wrong(plain):
    (plain.folder / "wrong.py").write_text(
        "import recsys_nn as rn\n\nrn.TrainConfig(epochs='ten')\nrn.SVDConfig(dim=4)\n"
    )
    done = checked(plain, *strict_mypy(plain), program="wrong.py")
    assert re.findall(r"wrong.py:(\d): .*\[(.*)\]", done.stdout) == [("3", "arg-type"), ("4", "call-arg")]


def test_the_program_runs(full, tmp_path):
    shutil.copy(PROGRAM, full.folder)
    done = full.run("python", PROGRAM.name, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run.html").is_file()
