"""YAML, and overrides of it."""

import atheris

from fuzz.harness import fuzz

with atheris.instrument_imports(include=["recsys_nn", "yaml"]):
    from recsys_nn.files.strict_yaml import dump_yaml, parse_yaml, with_override

if __name__ == "__main__":

    def parse(data: bytes) -> None:
        """What stands behind a NUL byte is an override."""
        content, _, override = data.partition(b"\0")
        values = parse_yaml(content, "config.yaml")
        if override:
            values = with_override(values, override.decode(errors="surrogateescape"))
        written = dump_yaml(values)
        assert ".nan" in written or parse_yaml(written.encode(errors="replace"), "config.yaml") == values

    fuzz(parse)
