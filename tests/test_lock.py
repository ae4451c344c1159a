"""The lock file of the development environment: all that pyproject.toml asks for, with hashes, and no addresses."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
ENTRY = re.compile(
    r"^(?P<name>[a-z0-9.-]+)(\[[a-z,-]+\])?==(?P<version>[^ ;]+)( ; [^\\\n]+)? \\\n"
    r"(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+",
    re.MULTILINE,
)


def test_each_entry_is_a_version_with_its_hashes_and_nothing_else_stands_there():
    assert ENTRY.sub("", LOCK) == ""
    assert "://" not in LOCK


def test_the_locked_versions_are_those_that_the_project_allows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: [Requirement(each) for each in asked] for name, asked in project["optional-dependencies"].items()}
    (own,) = (each for each in extras["dev"] if each.name == "recsys-nn")
    asked = [*map(Requirement, project["dependencies"]), *extras["dev"]]
    asked += [each for extra in own.extras for each in extras[extra]]
    locked: dict[str, list[str]] = {}
    for entry in ENTRY.finditer(LOCK):
        locked.setdefault(canonicalize_name(entry["name"]), []).append(entry["version"])
    for requirement in asked:
        if requirement is not own:
            for version in locked[canonicalize_name(requirement.name)]:
                assert requirement.specifier.contains(version), f"{requirement} is not {version}; make lock renews it"
