"""Delimited text: fields as they stand there."""

import atheris

from fuzz.harness import fuzz, scratch

with atheris.instrument_imports(include=["recsys_nn"]):
    from recsys_nn.files.spreadsheets import restored
    from recsys_nn.files.text.table import read_text

ENCODINGS = (None, None, None, "latin-1", "utf-16-le", "cp1252", "gb18030", "utf-7")
SEPARATORS = (None, None, None, ",", "::", "é", "|", "\t")

if __name__ == "__main__":
    with scratch() as folder:

        def parse(data: bytes) -> None:
            """The first byte says how the others are to be read."""
            how = data[0] if data else 0
            file = folder / ("table.csv.gz" if how == 255 else "table.csv")
            file.write_bytes(data[1:])
            text = read_text(
                file, encoding=ENCODINGS[how % 8], separator=SEPARATORS[how // 8 % 8], quoting=bool(how & 64)
            )
            restored(text.table, str(file))
            if text.table.num_rows:
                text.where(text.table.num_rows - 1)

        fuzz(parse)
