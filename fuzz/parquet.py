"""Parquet as ratings, whole and as a stream."""

import atheris

from fuzz.harness import fuzz, scratch

with atheris.instrument_imports(include=["recsys_nn"]):
    from recsys_nn.data.readers import read_ratings
    from recsys_nn.data.stream import stream_ratings
    from recsys_nn.errors import RecsysError

if __name__ == "__main__":
    with scratch() as folder:
        file = folder / "ratings.parquet"

        def parse(data: bytes) -> None:
            file.write_bytes(data)
            try:
                for _ in stream_ratings(file):
                    pass
            except RecsysError:
                pass
            read_ratings(file, context=("timestamp", "x"), duplicates="last")

        fuzz(parse)
