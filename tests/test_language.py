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


RIDDLES = re.compile(
    r"is not a number of|(?<!such )\bas 10\b|[Ww]hat is|of those|none such|\btold\b|stands twice|do(?:es)? not make "
    r"pairs"
    r"|begin anew|go(?:ing)? on (?:with|from|after)|is not one of|: (?:it is|they are) for|by heart|, not an? \{"
)
"""Turns of phrase that a reader has to solve, and for which messages have a plain form."""
TALKING = {"warn", "print", "refuse", "Option", "Argument", "Field", "Finding", "HTTPException"}
"""Functions whose texts people read, beside errors."""


def messages(speaks):
    """The texts in calls of functions whose name satisfies ``speaks``, with their files; a value in them is ``{}``."""
    calls = (
        (file, node)
        for file, source in SOURCES.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and speaks(getattr(node.func, "attr", getattr(node.func, "id", "")))
    )
    return [(file, text) for file, call in calls for text in texts_of(call)]


def texts_of(node):
    if isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts_of(child)


def test_messages_are_no_riddles():
    found = messages(lambda name: name in TALKING or name.endswith("Error"))
    assert len(found) > 500
    assert [(file, text) for file, text in found if RIDDLES.search(text)] == []


def test_an_error_ends_without_a_full_stop():
    assert [one for one in messages(lambda name: name.endswith("Error")) if one[1].rstrip().endswith(".")] == []


def test_the_help_of_an_option_stands_alone():
    helps = [text for _, text in messages(lambda name: name in ("Option", "Argument"))]
    assert len(helps) > 40
    assert [text for text in helps if HANGING.match(text) or not text[0].isupper() or not text.endswith(".")] == []


def test_bounds_are_called_max_and_min():
    other = re.compile(r"\b_?(?:MOST|LEAST)_[A-Z]\w*")
    assert {file: found for file, source in SOURCES.items() if (found := other.findall(source))} == {}
