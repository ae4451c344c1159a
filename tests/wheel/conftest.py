"""The wheel, installed into environments that hold nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wheel.installed import ENVIRONMENT, Installed

ROOT = Path(__file__).parents[2]


SITE = "import sysconfig; print(sysconfig.get_path('purelib'))"


def with_our_bytecode(packages: Path) -> None:
    """Spares an environment the compiling of what this one has compiled; Python looks whether it is of the sources."""
    ours = Path(sysconfig.get_path("purelib"))
    for cache in ours.rglob("__pycache__"):
        theirs = packages / cache.relative_to(ours)
        if theirs.parent.is_dir() and not theirs.exists():
            theirs.symlink_to(cache, target_is_directory=True)


@pytest.fixture(scope="session")
def uv() -> Callable[..., None]:
    """Runs uv."""
    program = shutil.which("uv") or ROOT / ".uv" / "bin" / "uv"
    if not Path(program).is_file():
        pytest.skip("without uv, by which the wheel is built and installed")

    def run(*arguments: object, **variables: str) -> None:
        command = [str(program), *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT | variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="session")
def built(uv, tmp_path_factory) -> tuple[Path, Path]:
    """The wheel, and the versions of uv.lock, which hold whatever is installed beside it."""
    folder = tmp_path_factory.mktemp("built")
    uv("build", "--quiet", "--wheel", "--out-dir", folder, ROOT)
    versions = folder / "versions.txt"
    uv("export", "--quiet", "--frozen", "--no-emit-project", "--no-hashes", "--all-extras", "--all-groups",
       "--output-file", versions)  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel, versions


@pytest.fixture(scope="session")
def install(uv, built, tmp_path_factory) -> Callable[..., Installed]:
    """Makes an environment with the wheel, these of its extras, and these packages."""
    wheel, versions = built

    def install(*packages: str, extras: str = "") -> Installed:
        folder = tmp_path_factory.mktemp("installed")
        uv("venv", "--quiet", "--python", sys.executable, folder / "environment")
        programs = folder / "environment" / ("Scripts" if sys.platform == "win32" else "bin")
        asked = f"recsys-nn{f'[{extras}]' if extras else ''} @ {wheel.as_uri()}"
        uv("pip", "install", "--quiet", "--python", programs / "python", "--constraints", versions, asked, *packages)
        with_our_bytecode(Path(subprocess.check_output([programs / "python", "-c", SITE], text=True).strip()))
        (folder / "elsewhere").mkdir()
        return Installed(programs, folder / "elsewhere")

    return install


@pytest.fixture(scope="session")
def plain(install) -> Installed:
    """Without any extra; with the types of pandas, as somebody has who checks types."""
    return install("pandas-stubs")


@pytest.fixture(scope="session")
def full(install) -> Installed:
    """With the extras, but for that of a cluster and that of a notebook, which have no command."""
    return install(extras="search,sklearn,serve,onnx,litert,tensorboard,mlflow")
