"""Rules of language that a machine can hold; CONTRIBUTING.md has the others."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import recsys_nn

PACKAGE = Path(recsys_nn.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
HANGING = re.compile(
    r"(Of|Those|That|The same|As|What|Whether|Which|How|Where|When|Whose|In|From|By|With|For|To|It|They|Its|Their|Once"
    r"|Also|Likewise)\b"
)
"""Openings of a sentence that hangs on another one."""
SECTION = re.compile(r"^(?:Args|Attributes):\n((?:[ ]+.*\n|\n)+)", re.MULTILINE)
LINE = re.compile(r"^ {4}(\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", re.MULTILINE)


def docstrings(file: Path) -> Iterator[tuple[str, str]]:
    """Each with the name of what it is of."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield getattr(node, "name", file.stem), text


def named(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("file", FILES, ids=named)
def test_the_first_sentence_of_a_docstring_stands_alone(file):
    assert [(name, text.splitlines()[0]) for name, text in docstrings(file) if HANGING.match(text)] == []


@pytest.mark.parametrize("file", FILES, ids=named)
def test_the_line_of_an_argument_says_what_it_is(file):
    short = [
        (name, argument, told)
        for name, text in docstrings(file)
        for section in SECTION.findall(text + "\n")
        for argument, told in LINE.findall(section)
        if len(told.split()) < 4
    ]
    assert short == []


@pytest.mark.parametrize("file", FILES, ids=named)
def test_bounds_are_called_max_and_min(file):
    assert re.findall(r"\b_?(?:MOST|LEAST)_[A-Z]\w*", file.read_text(encoding="utf-8")) == []
