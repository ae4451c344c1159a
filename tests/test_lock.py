"""The lock file: in step with pyproject.toml, with a wheel of what training needs for every platform and Python."""

import itertools
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))

PYTHONS = [(3, 11), (3, 12), (3, 13)]
PLATFORMS = {  # what pip would accept there: the tags of a system of some years ago
    "Linux": ("linux", "x86_64", [f"manylinux_2_{minor}_x86_64" for minor in range(5, 32)]),
    "Linux on ARM": ("linux", "aarch64", [f"manylinux_2_{minor}_aarch64" for minor in range(17, 32)]),
    "macOS": ("darwin", "arm64", list(mac_platforms((14, 0), "arm64"))),
    "Windows": ("win32", "AMD64", ["win_amd64"]),
}


def environment(platform: str, python: tuple[int, int]) -> dict[str, str]:
    """The variables of a dependency's marker (PEP 508) there."""
    system, machine, _ = PLATFORMS[platform]
    version = ".".join(map(str, python))
    return {
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system],
        "platform_machine": machine,
        "os_name": "nt" if system == "win32" else "posix",
        "python_version": version,
        "python_full_version": f"{version}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }


def needed(platform: str, python: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """The entries of the packages that training needs there, by name."""
    variables = environment(platform, python)
    found: dict[str, dict[str, Any]] = {}
    sought: list[dict[str, Any]] = [{"name": "recsys-nn"}]
    while sought:
        wanted = sought.pop()
        (package,) = (entry for entry in LOCK["package"] if wanted.items() <= entry.items())
        for dependency in package.get("dependencies", []):
            if Marker(dependency.get("marker", "python_version > '0'")).evaluate(variables):
                asked_for = {key: dependency[key] for key in ("name", "version") if key in dependency}
                if asked_for["name"] not in found:
                    sought.append(asked_for)
        found[package["name"]] = package
    del found["recsys-nn"]
    return found


def tags(platform: str, python: tuple[int, int]) -> Iterator[Tag]:
    names = [name.replace("manylinux_2_17", "manylinux2014") for name in PLATFORMS[platform][2]]
    names += PLATFORMS[platform][2] + [name.replace("manylinux_2_12", "manylinux2010") for name in names]
    interpreter = f"cp{python[0]}{python[1]}"
    return itertools.chain(
        cpython_tags(python, platforms=names), compatible_tags(python, interpreter=interpreter, platforms=names)
    )


@pytest.mark.parametrize("python", PYTHONS, ids=lambda python: ".".join(map(str, python)))
@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_training_needs_has_a_wheel_for(platform, python):
    accepted = set(tags(platform, python))
    packages = needed(platform, python)
    assert {"tensorflow", "keras", "numpy", "pandas"} <= set(packages)
    for name, package in packages.items():
        wheels = [wheel["url"].rpartition("/")[2] for wheel in package["wheels"]]
        assert any(parse_wheel_filename(wheel)[3] & accepted for wheel in wheels), f"{name}: {wheels}"


def test_the_pythons_are_those_that_pyproject_allows():
    assert PROJECT["project"]["requires-python"] == ">=3.11,<3.14"
    assert LOCK["requires-python"] == ">=3.11, <3.14"


def asked() -> Iterator[Requirement]:
    """All that pyproject.toml asks for, by itself, by an extra or by a group."""
    project = PROJECT["project"]
    listed = [project["dependencies"], *project["optional-dependencies"].values()]
    listed += PROJECT["dependency-groups"].values()
    for requirement in itertools.chain.from_iterable(listed):
        if isinstance(requirement, str) and not requirement.startswith("recsys-nn"):
            yield Requirement(requirement)


@pytest.mark.parametrize("requirement", list(asked()), ids=str)
def test_the_locked_version_is_one_that_the_project_allows(requirement):
    versions = [
        package["version"] for package in LOCK["package"] if package["name"] == canonicalize_name(requirement.name)
    ]
    assert versions
    for version in versions:
        assert requirement.specifier.contains(version), "make lock renews it"


def test_every_file_has_its_hash_and_comes_from_the_public_index():
    for package in LOCK["package"]:
        if package["name"] == "recsys-nn":
            assert package["source"] == {"editable": "."}
            continue
        assert package["source"] == {"registry": "https://pypi.org/simple"}
        for file in [*package.get("wheels", []), *filter(None, [package.get("sdist")])]:
            assert file["hash"].startswith("sha256:")
            assert file["url"].startswith("https://files.pythonhosted.org/packages/")


def test_no_extra_and_no_group_is_needed_to_train():
    packages = needed("Linux", (3, 11))
    for heavy in (
        "optuna",
        "sqlalchemy",
        "ray",
        "mlflow-skinny",
        "tensorboard",
        "tf2onnx",
        "fastapi",
        "pytest",
        "mypy",
    ):
        assert heavy not in packages
