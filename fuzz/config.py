"""A run's config from a mapping: shipped ones with whatever values at known keys and below."""

from typing import Any

import atheris

from fuzz.harness import fuzz

with atheris.instrument_imports(include=["recsys_nn"]):
    from tests.test_config_properties import KEYS, NAMES, SHIPPED

    from recsys_nn.config.run import load_config
    from recsys_nn.files.strict_yaml import parse_yaml, with_value


def drawn_value(drawn: atheris.FuzzedDataProvider, depth: int = 3) -> Any:
    kind = drawn.ConsumeIntInRange(0, 9 if depth else 7)
    if kind == 8:
        return [drawn_value(drawn, depth - 1) for _ in range(drawn.ConsumeIntInRange(0, 3))]
    if kind == 9:
        names = range(drawn.ConsumeIntInRange(0, 3))
        return {drawn.PickValueInList(NAMES): drawn_value(drawn, depth - 1) for _ in names}
    return [
        lambda: None,
        drawn.ConsumeBool,
        lambda: drawn.ConsumeInt(1),
        lambda: drawn.ConsumeInt(9),
        drawn.ConsumeFloat,
        drawn.ConsumeProbability,
        lambda: drawn.ConsumeUnicode(5),
        lambda: drawn.PickValueInList(NAMES),
    ][kind]()


if __name__ == "__main__":

    def parse(data: bytes) -> None:
        drawn = atheris.FuzzedDataProvider(data)
        values = drawn.PickValueInList(SHIPPED)
        for _ in range(drawn.ConsumeIntInRange(0, 4)):
            key = drawn.PickValueInList(KEYS) + drawn.PickValueInList(["", "", "", "." + drawn.PickValueInList(NAMES)])
            values = with_value(values, key, drawn_value(drawn))
        config = load_config(values)
        if drawn.ConsumeIntInRange(0, 15) < 15:  # of each, it would take most of the time
            return
        written = config.to_yaml()
        assert ".nan" in written or load_config(parse_yaml(written.encode(), "config.yaml")) == config, written

    fuzz(parse)
