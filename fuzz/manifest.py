"""The manifest of a run folder."""

import atheris

from fuzz.harness import fuzz, scratch

with atheris.instrument_imports(include=["recsys_nn"]):
    from recsys_nn.prediction.saving.manifest import MANIFEST, verified

if __name__ == "__main__":
    with scratch() as folder:
        (folder / "encoder.json").write_text("{}")

        def parse(data: bytes) -> None:
            (folder / MANIFEST).write_bytes(data)
            verified(folder, required=("encoder.json",))

        fuzz(parse)
