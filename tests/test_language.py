"""Rules of language that a machine can hold; CONTRIBUTING.md has the others."""

import ast
import re
from pathlib import Path

import recsys_nn

PACKAGE = Path(recsys_nn.__file__).parent
HANGING = re.compile(
    r"(Of|Those|That|The same|As|What|Whether|Which|How|Where|When|Whose|In|From|By|With|For|To|It|They|Its|Their|Once"
    r"|Also|Likewise)\b"
)
"""Openings of a sentence that hangs on another one."""
SECTION = re.compile(r"^(?:Args|Attributes):\n((?:[ ]+.*\n|\n)+)", re.MULTILINE)
LINE = re.compile(r"^ {4}(\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", re.MULTILINE)


SOURCES = {file.relative_to(PACKAGE).as_posix(): file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py")}
DOCSTRINGS = [
    (f"{file}: {getattr(node, 'name', 'module')}", text)
    for file, source in SOURCES.items()
    for node in ast.walk(ast.parse(source))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node))
]


def test_the_first_sentence_of_a_docstring_stands_alone():
    assert len(DOCSTRINGS) > 1000
    assert [(name, text.splitlines()[0]) for name, text in DOCSTRINGS if HANGING.match(text)] == []


def test_the_line_of_an_argument_says_what_it_is():
    lines = [
        (name, argument, told)
        for name, text in DOCSTRINGS
        for section in SECTION.findall(text + "\n")
        for argument, told in LINE.findall(section)
    ]
    assert len(lines) > 500
    assert [line for line in lines if len(line[2].split()) < 4] == []


def test_bounds_are_called_max_and_min():
    other = re.compile(r"\b_?(?:MOST|LEAST)_[A-Z]\w*")
    assert {file: found for file, source in SOURCES.items() if (found := other.findall(source))} == {}
