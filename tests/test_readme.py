"""Every snippet of the README does what it says: files are written, commands run, Python executed, in order."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from recsys_nn import cli
from recsys_nn.serving.app import create_app

ROOT = Path(__file__).parents[1]
SECTIONS = re.split(r"^## ", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
SNIPPET = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def run_commands(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    served = None
    for line in text.splitlines():
        command = shlex.split(line, comments=True)
        if not command:
            continue
        if command[:2] == ["recsys-nn", "serve"]:
            served = TestClient(create_app(Path(command[2])), base_url="http://localhost")
        elif command[0] == "curl":
            assert served is not None
            assert answer_of(served, command[1:]).status_code == 200, line
        elif command[0] == "recsys-nn":
            monkeypatch.setattr(sys, "argv", command)
            with pytest.raises(SystemExit) as exit_:
                cli.main()
            assert not exit_.value.code, line
        elif command[0] == "make":
            # Run whole by .ci/run; here it must exist.
            subprocess.run(["make", "--dry-run", *command[1:]], cwd=ROOT, check=True, capture_output=True)
        elif command[:2] == ["python", "-m"]:
            module = ROOT / command[2].replace(".", "/")
            assert (module / "__main__.py").is_file() or module.with_suffix(".py").is_file()
        elif command[0] == "python":
            assert command[1].startswith("benchmarks/")
            assert (ROOT / command[1]).is_file()
        elif command[:3] == ["pip", "install", "-r"]:
            assert (ROOT / command[3]).is_file()
        elif command[:2] == ["pip", "install"]:
            assert command[2:] in (["recsys-nn"], ["recsys-nn[serve]"], ["-e", "."])
        else:
            pytest.fail(f"the test does not know how to run: {line}")


def answer_of(served: TestClient, words: list[str]) -> Response:
    """What the service answers to a curl command: a POST where it has data."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-H", dest="header", default="Accept: */*")
    parser.add_argument("-d", dest="data")
    asked = parser.parse_args(words)
    method = "GET" if asked.data is None else "POST"
    place = asked.url.removeprefix("localhost:8000")
    return served.request(method, place, content=asked.data, headers=[asked.header.split(": ")])


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.splitlines()[0])
def test_the_snippets_of_the_readme_run(section, tmp_path, monkeypatch, request):
    if "movielens-100k" in section:
        request.getfixturevalue("real_data")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    namespace: dict[str, object] = {}
    for language, title, text in SNIPPET.findall(section):
        if title:
            Path(title).write_text(text, encoding="utf-8")
        elif language == "python":
            exec(compile(text, "README.md", "exec"), namespace)
        elif language == "console":
            run_commands(text, monkeypatch)
        else:
            assert language == "text", f"a snippet in {language} that nothing runs"


def test_the_readme_has_sections_with_snippets():
    assert sum(len(SNIPPET.findall(section)) for section in SECTIONS) >= 5
