"""A run's config from a mapping: shipped ones with whatever values at known keys and below."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import atheris

from fuzz.harness import fuzz

with atheris.instrument_imports(include=["recsys_nn"]):
    from recsys_nn.config import config_schema, load_config
    from recsys_nn.strict_yaml import parse_yaml, read_yaml, with_value

SHIPPED = [read_yaml(file) for file in sorted(Path("configs").glob("*.yaml"))]
WORDS = sorted(set(json.dumps(config_schema()).split('"')) - {": ", ", "})


def dotted_keys(section: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in section.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from dotted_keys(value, f"{prefix}{name}.")


KEYS = sorted({key for values in SHIPPED for key in dotted_keys(load_config(values).values())})


def drawn_value(drawn: atheris.FuzzedDataProvider, depth: int = 3) -> Any:
    kind = drawn.ConsumeIntInRange(0, 9 if depth else 7)
    if kind == 8:
        return [drawn_value(drawn, depth - 1) for _ in range(drawn.ConsumeIntInRange(0, 3))]
    if kind == 9:
        names = range(drawn.ConsumeIntInRange(0, 3))
        return {drawn.PickValueInList(WORDS): drawn_value(drawn, depth - 1) for _ in names}
    return [
        lambda: None,
        drawn.ConsumeBool,
        lambda: drawn.ConsumeInt(1),
        lambda: drawn.ConsumeInt(9),
        drawn.ConsumeFloat,
        drawn.ConsumeProbability,
        lambda: drawn.ConsumeUnicode(5),
        lambda: drawn.PickValueInList(WORDS),
    ][kind]()


if __name__ == "__main__":

    def parse(data: bytes) -> None:
        drawn = atheris.FuzzedDataProvider(data)
        values = drawn.PickValueInList(SHIPPED)
        for _ in range(drawn.ConsumeIntInRange(0, 4)):
            key = drawn.PickValueInList(KEYS) + drawn.PickValueInList(["", "", "", "." + drawn.PickValueInList(WORDS)])
            values = with_value(values, key, drawn_value(drawn))
        config = load_config(values)
        if drawn.ConsumeIntInRange(0, 15) < 15:  # of each, it would take most of the time
            return
        written = config.to_yaml()
        assert ".nan" in written or load_config(parse_yaml(written.encode(), "config.yaml")) == config, written

    fuzz(parse)
