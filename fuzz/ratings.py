"""Delimited text as ratings: ids, numbers, times and features."""

import atheris

from fuzz.harness import fuzz, scratch

with atheris.instrument_imports(include=["recsys_nn"]):
    from recsys_nn.data.readers import read_ratings
from recsys_nn.data.table_format import TableFormat

if __name__ == "__main__":
    with scratch() as folder:
        file = folder / "ratings.csv"

        def parse(data: bytes) -> None:
            """The first byte says what kind of ids there are and which columns are kept."""
            how = data[0] if data else 0
            file.write_bytes(data[1:])
            layout = TableFormat(id_type="integer" if how & 1 else "string")
            read_ratings(file, layout, context=("timestamp", "x"), duplicates="mean" if how & 2 else "last")

        fuzz(parse)
