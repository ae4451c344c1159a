"""YAML read strictly: whatever a text holds, it is plain values or a ConfigError with the place, soon and in bounds."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys_nn.errors import ConfigError
from recsys_nn.files.strict_yaml import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    dump_yaml,
    parse_yaml,
    read_yaml,
    with_override,
)

TEXTS = st.text(st.characters(exclude_categories=("Cs",)))
SCALARS = st.none() | st.booleans() | st.integers(-(10**290), 10**290) | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda each: st.lists(each, max_size=3) | st.dictionaries(TEXTS, each, max_size=3), max_leaves=9
)


def parsed(text: str) -> object:
    return parse_yaml(f"a: {text}\n".encode(), "a.yaml")["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-1_000", -1000),
        ("1e-8", 1e-8),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("true", True),
        ("off", False),
        ("~", None),
        ("", None),
        ("[1, x]", [1, "x"]),
        ("{b: 1}", {"b": 1}),
        ("'5'", "5"),
        ('"\\u00e9"', "é"),
    ],
)
def test_plain_values_are_yamls(text, value):
    assert parsed(text) == value


@pytest.mark.parametrize(
    "text",
    ["2004-02-10", "2004-02-10T10:00:00Z", "1:30", "1:30.5", "0x1f", "0b1", "007", "0o7", "=", "$HOME", "${HOME}"],
)
def test_what_else_yaml_would_make_something_of_is_text(text):
    assert parsed(text) == text


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "a call": (
        "a: !!python/object/apply:os.system [ls]",
        r"line 1, column 4: tags \(tag:yaml.org,2002:python/object/apply:os.system\) are",
    ),
    "a name": ("a: !!python/name:os.system ''", "line 1, column 4: tags"),
    "a module": ("a: !!python/module:os ''", "line 1, column 4: tags"),
    "a new object": ("a: !!python/object/new:tuple [[1]]", "line 1, column 4: tags"),
    "a tag of one's own": ("a: !x 1", r"line 1, column 4: tags \(!x\) are not supported"),
    "bytes": ("a: !!binary aGk=", "line 1, column 4: tags"),
    "a set": ("a: !!set {b, c}", "line 1, column 4: tags"),
    "no number": ("a: !!int x", "line 1, column 4: tags"),
    "no truth": ("a: !!bool maybe", "line 1, column 4: tags"),
    "no time": ("a: !!timestamp x", "line 1, column 4: tags"),
    "a tag that is declared": ("%TAG ! tag:yaml.org,2002:python/\n---\na: !tuple []", "line 3, column 4: tags"),
    "an anchor": (
        "a: &x 1",
        r"line 1, column 4: anchors \(&\) and aliases \(\*\) are not supported: write the value out$",
    ),
    "an alias": ("a: *x", r"line 1, column 4: anchors \(&\) and aliases \(\*\) are not supported"),
    "a billion laughs": ("a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", "line 1, column 4: anchors"),
    "a list that holds itself": ("a: &x [*x]", "line 1, column 4: anchors"),
    "a merge": ("a: {b: 1}\n<<: {c: 1}", r"line 2, column 1: merging \(<<\) is not supported: write the keys out$"),
    "a key twice": ("a: 1\nb: {c: 1, c: 2}", "line 2, column 11: the key 'c' occurs twice: remove one"),
    "a key that is no name": ("a: 1\n5: 2", "line 2, column 1: the key 5 must be a name: write it in quotes"),
    "a key that is a mapping": (
        "? {b: 1}\n: 2",
        r"line 1, column 3: the key \{'b': 1\} must be a name: write it in quotes",
    ),
    "too deep lists": ("a: " + "[" * 1_000_000, "line 1, column 23: values are nested more than 20 levels deep"),
    "too deep mappings": ("{a: " * 1000, "line 1, column 81: values are nested more than 20 levels deep"),
    "too deep blocks": (
        "".join(" " * depth + "a:\n" for depth in range(1000)),
        "line 21, column 21: values are nested",
    ),
    "too many values": ("a: [" + "1," * 400_000 + "]", "line 1, column 19999: the text has more than 10,000 values"),
    "too many bytes": (
        "#" * (MAX_BYTES + 1),
        "line 1, column 1: the text is larger than 1 MiB$",
    ),
    "a number of many digits": ("a: " + "9" * 5000, "line 1, column 4: 99999.* has more than 300 digits"),
    "a version of many digits": ("%YAML 1." + "9" * 5000 + "\n--- {}", "line 1, column .*: this is not YAML"),
    "no character": ('a: "\\UFFFFFFFF"', "line 1, column .*: this is not YAML"),
    "half a character": ('a: "\\ud800"', "line 1, column 4: .* holds half a character"),
    "NUL": ("a: 1\nb: \0", r"line 2, column 4: this is not YAML: the character '\\x00' is not allowed"),
    "Latin-1": (b"a: 1\nb: \xe9\n", "line 2, column 4: the byte 0xe9 is not UTF-8"),
    "UTF-16": ("a: 1".encode("utf-16"), "line 1, column 1: the byte 0xff is not UTF-8"),
    "two documents": ("a: 1\n---\nb: 2", "line 2, column 1: this is not YAML: expected a single document"),
    "a tab for blanks": ("a:\n\tb: 1", "line 2, column 1: this is not YAML"),
    "an open quote": ("a: 'b", "line 1, column 6: this is not YAML"),
    "an open list": ("a: [1", "line 1, column 6: this is not YAML"),
}


@pytest.mark.parametrize(("content", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_refused_with_its_place_and_soon(content, message):
    began = time.process_time()
    with pytest.raises(ConfigError, match=f"^a.yaml, {message}") as caught:
        parse_yaml(content if isinstance(content, bytes) else content.encode(), "a.yaml")
    assert time.process_time() - began < 2  # half a second where nothing else runs
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("n", "told"), [(58, f"'{'k' * 58}'"), (59, f"'{'k' * 56}...")])
def test_what_is_long_is_shortened_in_a_message(n, told):
    with pytest.raises(ConfigError) as caught:
        parse_yaml(f"{'k' * n}: 1\n{'k' * n}: 2".encode(), "a.yaml")
    assert str(caught.value) == f"a.yaml, line 2, column 1: the key {told} occurs twice: remove one"


def test_what_is_just_within_the_bounds_is_read():
    nested = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert str(parsed(nested)) == nested
    assert len(parsed(f"[{'1,' * (MAX_VALUES - 3)}]")) == MAX_VALUES - 3
    assert len(parse_yaml(b"a: " + b"x" * (MAX_BYTES - 3), "a.yaml")["a"]) == MAX_BYTES - 3


def test_no_more_than_the_bound_is_read_of_a_file(tmp_path):
    (tmp_path / "endless.yaml").symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="endless.yaml, line 1, column 1: the text is larger than 1 MiB"):
        read_yaml(tmp_path / "endless.yaml")


@pytest.mark.parametrize(("name", "cause"), [("a\0b", "null byte"), (".", "Is a directory")])
def test_what_is_no_file_is_refused(tmp_path, name, cause):
    with pytest.raises(ConfigError, match=f"cannot be read: .*{cause}"):
        read_yaml(tmp_path / name)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.dictionaries(TEXTS, VALUES, max_size=4))
@example(
    {
        "a": [
            "1e5",
            "1e-8",
            "2004-02-10",
            "1:30",
            "007",
            "0x1f",
            "yes",
            "null",
            "~",
            "",
            " a",
            "a: b",
            "- a",
            "#",
            "\x85",
        ]
    }
)
@example({"<<": "=", "1e5": "a\x85b\u2028c\u2029d\ufeffe\ne \x07\x7f"})
def test_what_is_written_reads_back_equal(values):
    assert parse_yaml(dump_yaml(values).encode(), "a.yaml") == values


@settings(derandomize=True, deadline=None)
@given(st.binary(max_size=40) | st.text("a-:?[]{}&*!|>'\"%@`#,\n \t0.e~<=", max_size=40).map(str.encode))
def test_whatever_bytes_are_plain_values_or_refused(content):
    try:
        values = parse_yaml(content, "a.yaml")
    except ConfigError:
        return
    assert parse_yaml(dump_yaml(values).encode(), "a.yaml") == values or ".nan" in dump_yaml(values)


def test_it_is_written_as_a_person_would_write_it():
    values = {"name": "Zoë", "kinds": ["svd", "5", "yes", "a: b", ""], "rate": 0.003, "none": None, "tab": "a\x85b"}
    text = "name: Zoë\nkinds:\n- svd\n- '5'\n- 'yes'\n- 'a: b'\n- ''\nrate: 0.003\nnone: null\ntab: \"a\\Nb\"\n"
    assert dump_yaml(values) == text
    assert dump_yaml({"a": list(range(60))}, default_flow_style=True, width=float("inf")).count("\n") == 1


class TestOverrides:
    @pytest.mark.parametrize(
        ("text", "value"),
        [("5", 5), ("1e-8", 1e-8), ("null", None), ("|", "|"), ("a: b: c", "a: b: c"), ("2004-02-10", "2004-02-10")],
    )
    def test_a_value_is_yaml_or_a_text(self, text, value):
        assert with_override({}, f"a.b={text}") == {"a": {"b": value}}

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("a=!!python/name:os.system", "^'a=!!python/name:os.system': line 1, column 1: tags"),
            ("a=&x [*x]", r"^'a=&x \[\*x\]': line 1, column 1: anchors"),
            ("a={b: 1", "^'a={b: 1': line 1, column 6: this is not YAML"),
            ("a=[1, 2", r"^'a=\[1, 2': line 1, column 6: this is not YAML"),
            ("=5", "^'=5' must have the form dotted.path=value, such as training.epochs=5$"),
            ("a", "^'a' must have the form dotted.path=value, such as training.epochs=5$"),
            ("a={b: 1, b: 2}", r"'a=\{b: 1, b: 2\}': line 1, column 8: the key 'b' occurs twice: remove one$"),
            ("a=" + "[" * 10_000, "line 1, column 21: values are nested"),
            ("a=" + "9" * 5000, "line 1, column 1: 999.* has more than 300 digits"),
            (
                "a=" + "x" * (MAX_BYTES + 1),
                "'a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...: line 1, column 1: the "
                "text is larger than 1 MiB$",
            ),
            ("a" + ".a" * 10_000 + "=1", r"^'a\.a\.a.* has more than 20 parts"),
        ],
    )
    def test_a_hostile_one_is_refused(self, override, message):
        with pytest.raises(ConfigError, match=message) as caught:
            with_override({}, override)
        assert len(str(caught.value)) < 500
