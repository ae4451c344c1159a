"""Pairs to predict, part by part, with what is wrong left out."""

import atheris

from fuzz.harness import fuzz, scratch

with atheris.instrument_imports(include=["recsys_nn"]):
    from recsys_nn.data.pair_files import PairsSource
    from recsys_nn.data.table_format import TableFormat
    from recsys_nn.errors import RowError

if __name__ == "__main__":
    with scratch() as folder:

        def parse(data: bytes) -> None:
            """The first byte says what kind of ids there are and of what format the file is."""
            how = data[0] if data else 0
            file = folder / ("pairs.parquet" if how & 2 else "pairs.csv")
            file.write_bytes(data[1:])
            ids = "integer" if how & 1 else "string"
            source = PairsSource(
                file, TableFormat(), {"user": ids, "item": ids}, context=("timestamp", "x"), ragged="leave out"
            )
            for part in source.parts():
                kept = part
                while True:
                    try:
                        source.pairs(kept.table)
                        break
                    except RowError as error:
                        kept = kept.without(error.rows, error.reason)
                source.columns(kept.table)

        fuzz(parse)
