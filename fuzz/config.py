"""A run's config in YAML, and overrides of it."""

import atheris

from fuzz.harness import fuzz

with atheris.instrument_imports(include=["recsys_nn", "yaml"]):
    from recsys_nn.config import load_config
    from recsys_nn.strict_yaml import parse_yaml

if __name__ == "__main__":

    def parse(data: bytes) -> None:
        """What stands behind NUL bytes are overrides."""
        content, *overrides = data.split(b"\0")
        values = parse_yaml(content, "config.yaml")
        config = load_config(values, overrides=[text.decode(errors="replace") for text in overrides])
        again = load_config(parse_yaml(config.to_yaml().encode(), "config.yaml"))
        assert again == config or "nan" in config.to_yaml(), config.to_yaml()

    fuzz(parse)
