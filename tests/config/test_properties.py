"""Whatever mapping is given for a config, it is one that YAML reads back, or a ConfigError."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys_nn import ConfigError, load_config
from recsys_nn.config.run import config_schema
from recsys_nn.files.strict_yaml import parse_yaml, read_yaml, with_value

SHIPPED = [read_yaml(file) for file in sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))]


def dotted_keys(section: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in section.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from dotted_keys(value, f"{prefix}{name}.")


KEYS = sorted({key for values in SHIPPED for key in dotted_keys(load_config(values).values())})
NAMES = sorted(set(str(config_schema()).split("'")[1::2]))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 30),
    st.integers(),
    st.just(10**250),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=5),
    st.sampled_from(NAMES),
)
VALUES = st.recursive(
    SCALARS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(NAMES), each, max_size=3),
    max_leaves=6,
)
CHANGES = st.lists(st.tuples(st.sampled_from(KEYS) | st.sampled_from(NAMES), VALUES), max_size=3)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.sampled_from(SHIPPED), CHANGES)
@example(SHIPPED[0], [("output", "1e5"), ("tracking", {"tensorboard": "a\x85b"})])
@example(SHIPPED[0], [("search.space", {"model.l2": {"low": 1e-8, "high": 0.1, "log": True}})])
@example(SHIPPED[0], [("data.scale", [10**250, 1])])
def test_a_mapping_is_a_config_that_reads_back_equal_or_a_config_error(values, changes):
    for key, value in changes:
        values = with_value(values, key, value)
    try:
        config = load_config(values)
    except ConfigError as error:
        str(error).encode()
        return
    assert load_config(parse_yaml(config.to_yaml().encode(), "config.yaml")) == config


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.dictionaries(st.sampled_from(NAMES) | st.text() | st.integers() | st.none(), VALUES | st.binary()))
@example({5: 1})
@example({None: 1})
@example({"data": {5: 1}})
@example({"seed": 10**5000})
@example({"model": {"kind": 10**5000}})
def test_a_mapping_that_yaml_cannot_hold_is_a_config_or_a_config_error(values):
    try:
        load_config(values)
    except ConfigError as error:
        str(error).encode()
