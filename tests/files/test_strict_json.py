"""JSON read strictly: what is refused, and with which words."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter

from recsys_nn.errors import ArtifactError
from recsys_nn.files.strict_json import MAX_DEPTH, MAX_PARTS, read_json

ANYTHING = TypeAdapter(object)


class Point(BaseModel):
    x: float
    names: tuple[str, ...] = ()


def test_what_is_expected_is_read():
    assert read_json(b'{"x": 1, "names": ["a", "\\u00e4"]}', Point, "point.json") == Point(x=1, names=("a", "ä"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Expecting value"),
        (b"{} {}", "Extra data"),
        (b'{"x": 1, "x": 2}', "the key 'x' occurs twice"),
        (b'{"x": NaN}', "'NaN' is not a finite number"),
        (b'{"x": -Infinity}', "'-Infinity' is not a finite number"),
        (b'{"x": 1e999}', "'1e999' is not a finite number"),
        (b'{"x": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
        (b'{"x": "\xff"}', ".*can't decode byte 0xff"),
        (b"\xef\xbb\xbf{}", ".*BOM"),
        (b'{"x": "a"}', "x: Input should be a valid number, unable to parse string as a number, not 'a'"),
        (b'{"names": []}', "x: Field required"),
        (b'{"x": 1, "names": ["a", 2]}', "names.1: Input should be a valid string, not 2"),
        (b"[1]", "Input should be a mapping, not"),
        (b'{"x": "a', "a text without an end"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_value(content, message):
    with pytest.raises(ArtifactError, match=f"^point.json is damaged: {message}"):
        read_json(content, Point, "point.json")


def test_a_long_value_is_shown_in_short():
    with pytest.raises(ArtifactError) as refused:
        read_json(json.dumps({"x": "a" * 10_000, "b" * 10_000: 1}).encode(), Point, "point.json")
    assert len(str(refused.value)) < 200


def test_a_text_longer_than_it_can_be_is_not_looked_at():
    with pytest.raises(ArtifactError, match="point.json is damaged: it must have at most 10 bytes, not 11$"):
        read_json(b"[" * 11, Point, "point.json", most_bytes=10)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_bounded(opening, closing):
    deepest = opening * MAX_DEPTH + b"1" + closing * MAX_DEPTH
    assert json.loads(deepest) == read_json(deepest, ANYTHING, "deep.json")
    with pytest.raises(ArtifactError, match="deep.json is damaged: lists and mappings more than 20 deep"):
        read_json(opening + deepest + closing, ANYTHING, "deep.json")


@pytest.mark.parametrize("part", [b"[]", b"{}", b'{"a": 1}'])
def test_the_number_of_lists_and_keys_is_bounded(part):
    n = MAX_PARTS // (1 + part.count(b":"))
    with pytest.raises(ArtifactError, match="wide.json is damaged: more than 20,000 lists, mappings and keys"):
        read_json(b"[" + b",".join([part] * n) + b"]", ANYTHING, "wide.json")
    assert len(read_json(b"[" + b",".join([part] * (n - 1)) + b"]", ANYTHING, "wide.json")) == n - 1


def test_the_number_of_values_is_bounded():
    values = b"[" + b",".join([b'","'] * (MAX_PARTS + 1)) + b"]"
    assert read_json(values, ANYTHING, "long.json") == [","] * (MAX_PARTS + 1)
    with pytest.raises(
        ArtifactError, match=r"long\.json is damaged: more than 20,000 lists, mappings and keys, or 20,000 values"
    ):
        read_json(b"[1," + values[1:], ANYTHING, "long.json")
    assert len(read_json(b"[1," + values[1:], ANYTHING, "long.json", most_values=MAX_PARTS + 1)) == MAX_PARTS + 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text('["\\]{}a'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('["\\]{}a'), inner, max_size=4),
    max_leaves=20,
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(JSON)
def test_brackets_within_texts_are_no_lists(values):
    content = json.dumps(values).encode()
    assert read_json(content, TypeAdapter(object), "any.json") == values


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.binary(max_size=60) | st.text('[]{}",:\\1ae', max_size=60).map(str.encode))
def test_whatever_is_no_json_is_an_artifact_error(content):
    try:
        found = read_json(content, ANYTHING, "any.json")
    except ArtifactError:
        return
    assert found == json.loads(content)
