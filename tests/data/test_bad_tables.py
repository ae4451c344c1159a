"""Tables as they come: each is read as what it says, or refused with its file and what is wrong where; none is guessed.

The tables here are whole files with the outcome beside each: either the rows, or how the message goes on behind the
path. In text that is ", line 2: ", with the column's name where it is not the usual one, and the character's column
where it is no field that is wrong.
"""

import gzip
import io
import os
import re
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_nn import load_ratings
from recsys_nn.data.stream import stream_ratings
from recsys_nn.errors import DataError

HEADER = "user,item,rating\n"
PLAIN = HEADER + "u1,i1,3\nu2,i2,4.5\n"
PLAIN_ROWS = [("u1", "i1", 3.0), ("u2", "i2", 4.5)]
TIMES = "user,item,rating,timestamp\n"


def packed(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def zipped(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("ratings.csv", text)
    return buffer.getvalue()


TEXT: dict[str, tuple[str | bytes, dict[str, Any], list[tuple[Any, ...]] | str]] = {
    # encodings
    "UTF-8 with a mark": ("\ufeff" + PLAIN, {}, PLAIN_ROWS),
    "two marks": ("\ufeff\ufeff" + PLAIN, {}, ", line 1: the file begins with two byte order marks: remove one"),
    "UTF-16 with a mark": (PLAIN.encode("utf-16"), {}, PLAIN_ROWS),
    "UTF-16 without a mark": (
        PLAIN.encode("utf-16-le"),
        {},
        (
            ", line 1, column 2: there is a NUL byte, which text cannot have; for UTF-16 without a byte order "
            "mark, set the option encoding to 'utf-16-le' or 'utf-16-be'"
        ),
    ),
    "UTF-32 with a mark": (PLAIN.encode("utf-32"), {}, PLAIN_ROWS),
    "Latin-1": (
        (HEADER + "zoë,i,3\n").encode("latin-1"),
        {},
        (
            ", line 2, column 3: byte 0xeb is not utf-8 (invalid continuation byte); set the option encoding to "
            "that of the file, often 'cp1252' or 'latin-1'"
        ),
    ),
    "Latin-1 that is told": ((HEADER + "zoë,i,3\n").encode("latin-1"), {"encoding": "latin-1"}, [("zoë", "i", 3.0)]),
    "half a character": (HEADER.encode() + b"u\xed\xa0\x80,i,3\n", {}, ", line 2, column 2: byte 0xed is not utf-8"),
    "an overlong character": (HEADER.encode() + b"u\xc0\xaf,i,3\n", {}, ", line 2, column 2: byte 0xc0 is not utf-8"),
    "half a character in UTF-7": (
        HEADER.encode() + b"+2AA-,i,3\n",
        {"encoding": "utf-7"},
        " cannot be read with the encoding 'utf-7': 'utf-8' codec can't encode character '\\ud800'",
    ),
    "an encoding that is none of texts": (
        "xn--\u00ff",
        {"encoding": "idna"},
        ", line 1, column 1: byte 0xc3 is not idna",
    ),
    "NUL": (HEADER + "u\0,i,3\n", {}, ", line 2, column 2: there is a NUL byte"),
    # lines, quotes and separators
    "CR at line ends": (PLAIN.replace("\n", "\r"), {}, PLAIN_ROWS),
    "line ends of all kinds": ("user,item,rating\r\nu1,i1,3\ru2,i2,4.5\n", {}, PLAIN_ROWS),
    "blank lines": ("\n\n" + PLAIN.replace("\n", "\n\n"), {}, PLAIN_ROWS),
    "no line end at the end": (PLAIN.rstrip(), {}, PLAIN_ROWS),
    "an end-of-file character": (PLAIN + "\x1a", {}, r", line 4: 1 field where 3 are expected: '\x1a'"),
    "a quote never closed": (
        HEADER + 'u1,"i1,3\nu2,i2,4\n',
        {},
        ", line 2, column 4: the quote that opens here is never",
    ),
    "text behind a quote": (
        HEADER + 'u1,"i"1,3\n',
        {},
        (
            ", line 2, column 4: the quote that opens here is closed in line 2, but more text follows in the "
            'field: \'"i"1,3\\n\'; write a quote within a quoted field as "", or set the option quoting to false'
        ),
    ),
    "a quote escaped by a backslash": (
        HEADER + '"u\\"1",i,3\n',
        {},
        ", line 2, column 1: the quote that opens here is",
    ),
    "a quote within": (HEADER + 'u"1,i,3\n', {}, [('u"1', "i", 3.0)]),
    "a line end within quotes": (HEADER + '"u\n1",i,3\n', {}, [("u\n1", "i", 3.0)]),
    "quoted numbers": (HEADER + '"u1","i1","3"\n', {}, [("u1", "i1", 3.0)]),
    "single quotes": (HEADER + "'u1','i1',3\n", {}, [("'u1'", "'i1'", 3.0)]),
    "a row too long": (HEADER + "u1,i1,3\nu2,i2,4,5\n", {}, ", line 3: 4 fields where 3 are expected: 'u2,i2,4,5'"),
    "a row too short": (HEADER + "u1,i1,3\nu2,i2\n", {}, ", line 3: 2 fields where 3 are expected: 'u2,i2'"),
    "separators of two kinds": (HEADER + "u1,i1,3\nu2;i2;4\n", {}, ", line 3: 1 field where 3 are expected: 'u2;i2;4'"),
    "tabs in fields": (HEADER + "u\t1,i\t1,3\n", {}, [("u\t1", "i\t1", 3.0)]),
    "a separator at the ends of all lines": ("user,item,rating,\nu,i,3,\n", {}, [("u", "i", 3.0)]),
    "a separator at the ends of rows": (HEADER + "u,i,3,\n", {}, ", line 2: 4 fields where 3 are expected: 'u,i,3,'"),
    "blanks between columns": (
        "user  item  rating\nu     i     3\n",
        {},
        (
            r": none of the separators ',', '\t', ';', '|', '::' occurs in the first lines; set the option "
            "separator (for a single column, to any text that does not occur)"
        ),
    ),
    "a comment before": ("# made by hand\n" + HEADER, {}, ", line 2: 3 fields where 1 is expected: 'user,item,rating'"),
    "a comment between": (HEADER + "u,i,3\n# made by hand\n", {}, ", line 3: 1 field where 3 are expected"),
    "a line that tells the separator": (
        "sep=;\nuser;item;rating\nu;i;3\n",
        {},
        ", line 2: 3 fields where 2 are expected",
    ),
    # headers
    "nothing": ("", {}, ": the file is empty"),
    "a mark alone": ("\ufeff", {}, ": the file is empty"),
    "a header alone": (HEADER, {}, " has no rows, only the header"),
    "no header": ("u1,i1,3\nu2,i2,4.5\n", {}, PLAIN_ROWS),
    "two equal names": ("user,item,item,rating\nu,i,j,3\n", {}, ", line 1: columns 2 and 3 have the same name 'item'"),
    "no ratings": ("user,item\nu,i\n", {}, ": there is no column for the rating among 'user', 'item'"),
    "the header again": (PLAIN + PLAIN, {}, ", line 4: the rating 'rating' is not a number"),
    "a row of sums": (HEADER + "u,i,3\nTotal,,3\n", {}, ", line 3: the item id '' is empty"),
    "other names": (
        "who,what,stars\nu,i,x\n",
        {"user": "who", "item": "what", "rating": "stars"},
        ", line 2, column 'stars': the rating 'x' is not a number",
    ),
    # numbers
    "a decimal comma": ("user;item;rating\nu;i;3,5\n", {}, ", line 2: the rating '3,5' is not a number"),
    "a comma for thousands": (HEADER + 'u,i,"1,000"\n', {}, ", line 2: the rating '1,000' is not a number"),
    "a blank for thousands": (HEADER + "u,i,1 000\n", {}, ", line 2: the rating '1 000' is not a number"),
    "an apostrophe for thousands": (HEADER + "u,i,1'000\n", {}, ', line 2: the rating "1\'000" is not a number'),
    "an underscore": (HEADER + "u,i,1_000\n", {}, ", line 2: the rating '1_000' is not a number"),
    "a number beyond float64": (HEADER + "u,i,1e400\n", {}, ", line 2: the rating must be a finite number, not inf"),
    "NaN": (HEADER + "u,i,NaN\n", {}, ", line 2: the rating must be a finite number, not nan"),
    "infinity": (HEADER + "u,i,inf\n", {}, ", line 2: the rating must be a finite number, not inf"),
    "NA": (HEADER + "u,i,NA\n", {}, ", line 2: the rating 'NA' is not a number"),
    "no rating": (HEADER + "u,i,\n", {}, ", line 2: the rating '' is not a number"),
    "hexadecimal": (HEADER + "u,i,0x10\n", {}, ", line 2: the rating '0x10' is not a number"),
    "per cent": (HEADER + "u,i,30%\n", {}, ", line 2: the rating '30%' is not a number"),
    "true": (HEADER + "u,i,True\n", {}, ", line 2: the rating 'True' is not a number"),
    "Arabic digits": (HEADER + "u,i,٣\n", {}, ", line 2: the rating '٣' is not a number"),
    "full-width digits": (HEADER + "u,i,３\n", {}, ", line 2: the rating '３' is not a number"),
    "a minus of typographers": (HEADER + "u,i,−3\n", {}, ", line 2: the rating '−3' is not a number"),
    "a rating off the scale": (HEADER + "u,i,6\n", {"scale": (1, 5)}, ", line 2: the rating 6 is outside the scale"),
    # ids
    "ids that look missing": (HEADER + "NA,nan,3\nnull,None,4\n", {}, [("NA", "nan", 3.0), ("null", "None", 4.0)]),
    "an empty id": (HEADER + ",i,3\n", {}, ", line 2: the user id '' is empty"),
    "a blank before an id": (HEADER + "u, i,3\n", {}, ", line 2: the item id ' i' begins or ends with white space"),
    "a non-breaking space": (HEADER + "\u00a0u,i,3\n", {}, r", line 2: the user id '\xa0u' begins or ends with white"),
    "blanks within": (HEADER + "a b,a\u00a0b,3\n", {}, [("a b", "a\u00a0b", 3.0)]),
    "leading zeros": (HEADER + "007,i,3\n7,i,4\n", {}, [("007", "i", 3.0), ("7", "i", 4.0)]),
    "leading zeros of an integer": (
        HEADER + "007,1,3\n",
        {"id_type": "integer"},
        ", line 2: the user id must be a plain 64-bit integer, as other user ids are, not '007'",
    ),
    "an integer beyond 64 bits": (
        HEADER + f"{2**63},1,3\n",
        {"id_type": "integer"},
        f", line 2: the user id must be a plain 64-bit integer, as other user ids are, not '{2**63}'",
    ),
    "a text of digits beyond 64 bits": (HEADER + f"{2**63},1,3\n", {}, [(str(2**63), "1", 3.0)]),
    "a float for an id": (HEADER + "1.0,1,3\n", {}, [("1.0", "1", 3.0)]),
    "a float for an integer": (
        HEADER + "1.0,1,3\n",
        {"id_type": "integer"},
        ", line 2: the user id must be a plain 64-bit integer, as other user ids are, not '1.0'",
    ),
    "Arabic digits for an integer": (
        HEADER + "٣,1,3\n",
        {"id_type": "integer"},
        ", line 2: the user id must be a plain 64-bit integer, as other user ids are, not '٣'",
    ),
    "two forms of one character": (HEADER + "é,i,3\ne\u0301,i,4\n", {}, [("é", "i", 3.0), ("e\u0301", "i", 4.0)]),
    "capitals": (HEADER + "A,i,3\na,i,4\n", {}, [("A", "i", 3.0), ("a", "i", 4.0)]),
    "an apostrophe before a formula": (HEADER + "'=u,'tis,3\n", {}, [("=u", "'tis", 3.0)]),
    "a row twice": (HEADER + "u,i,3\nu,i,3\n", {}, ", line 3: user 'u' already rated item 'i' at"),
    "a pair rated twice": (HEADER + "u,i,3\nu,i,4\n", {}, ", line 3: user 'u' already rated item 'i' at"),
    # times
    "dates in two orders": (
        TIMES + "u,i,3,2004-02-10\nv,i,3,10/02/2004\n",
        {},
        ", line 3: the timestamp '10/02/2004' must be epoch seconds or an ISO 8601 date such as 2004-02-10",
    ),
    "seconds and dates": (
        TIMES + "u,i,3,1000000000\nv,i,3,5\nw,i,3,2004-02-10\n",
        {},
        ", line 4: the timestamp '2004-",
    ),
    "milliseconds": (TIMES + "u,i,3,1000000000000\n", {}, ", line 2: the timestamp 1000000000000 is out of range"),
    "a date without dashes": (TIMES + "u,i,3,20040210\n", {}, ", line 2: the timestamp 20040210 looks like a date"),
    "a year": (TIMES + "u,i,3,2004\n", {}, ", line 2: the timestamp 2004 looks like a year"),
    "a time without a date": (
        TIMES + "u,i,3,12:30\n",
        {},
        ", line 2: the timestamp '12:30' must be epoch seconds or an ISO 8601 date such as 2004-02-10",
    ),
    "whenever it is read": (
        TIMES + "u,i,3,now\n",
        {},
        ", line 2: the timestamp 'now' must be epoch seconds or an ISO 8601 date such as 2004-02-10",
    ),
    # what is no text
    "a zip archive": (
        zipped(PLAIN),
        {},
        " must be a delimited text file, not a zip archive or an Excel workbook (.xlsx)",
    ),
    "an empty zip archive": (b"PK\x05\x06" + bytes(18), {}, " must be a delimited text file, not an empty zip archive"),
    "bzip2": (b"BZh91AY&SY", {}, " must be a delimited text file, not a bzip2 file"),
    "Zstandard": (b"\x28\xb5\x2f\xfd", {}, " must be a delimited text file, not a Zstandard file"),
    "an old workbook": (b"\xd0\xcf\x11\xe0", {}, " must be a delimited text file, not an Excel workbook (.xls)"),
    "Feather": (b"ARROW1\0\0", {}, " must be a delimited text file, not an Arrow (Feather) file"),
    "a web page": ("<html>no, such, file</html>\n", {}, " has no rows, only the header '<html>no, such, file"),
    "JSON": ('{"user": 1, "item": 2}\n{"user": 1, "item": 3}\n', {}, ": there is no column for the user among"),
    "gzip of another name": (packed(PLAIN), {}, PLAIN_ROWS),
    "gzip within gzip": (
        gzip.compress(packed(PLAIN)),
        {},
        " must be a delimited text file, not a gzip file within a gzip file",
    ),
    "gzip that ends too early": (packed(PLAIN)[:-9], {}, " is not a complete gzip file"),
    "gzip with a wrong checksum": (packed(PLAIN)[:-8] + bytes(8), {}, " is not a complete gzip file: CRC check failed"),
    "gzip and something behind": (packed(PLAIN) + b"garbage", {}, " is not a complete gzip file"),
    "gzip of nothing": (packed(""), {}, ": the file is empty"),
}
GOOD: dict[str, Any] = {"user": ["a", "b"], "item": ["x", "y"], "rating": [1.0, 2.0]}
GOOD_ROWS = [("a", "x", 1.0), ("b", "y", 2.0)]


def parquet(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def with_column(**changes: Any) -> bytes:
    return parquet(pa.table({**GOOD, **changes}))


WHOLE = parquet(pa.table(GOOD), compression="none")
# The number of rows of the group, which is written as twice the number, of Thrift's type 6 and before another field.
WITH_ANOTHER_COUNT = WHOLE.replace(b"\x16\x04&", b"\x16\x06&")
PARQUET: dict[str, tuple[bytes, list[tuple[Any, ...]] | str]] = {
    "dictionaries": (with_column(user=pa.array(["a", "b"]).dictionary_encode()), GOOD_ROWS),
    "decimal ratings": (with_column(rating=[Decimal("1.0"), Decimal("2.0")]), GOOD_ROWS),
    "half floats": (with_column(rating=pa.array([1, 2], pa.float16())), GOOD_ROWS),
    "nothing": (b"", " cannot be read as Parquet: .*file size is 0"),
    "no rows": (parquet(pa.table(GOOD).slice(0, 0)), " holds no ratings"),
    "text": (PLAIN.encode(), " cannot be read as Parquet: .*magic bytes not found"),
    "the end cut off": (WHOLE[:-5], " cannot be read as Parquet: .*magic bytes not found"),
    "the beginning alone": (WHOLE[:100], " cannot be read as Parquet: .*magic bytes not found"),
    "a damaged page": (WHOLE[:8] + bytes([WHOLE[8] ^ 255]) + WHOLE[9:], " cannot be read as Parquet"),
    "groups of other sizes": (WITH_ANOTHER_COUNT, " is damaged: it has 2 rows, but its groups have 3"),
    "a name that is no text": (
        parquet(pa.table(GOOD), store_schema=False).replace(b"user", b"us\xd0r"),
        " cannot be read as Parquet: 'utf-8' codec can't decode byte 0xd0",
    ),
    "two equal names": (
        parquet(pa.Table.from_arrays([*pa.table(GOOD).columns, pa.array(["c", "d"])], [*GOOD, "user"])),
        " cannot be read as Parquet: Multiple matches for FieldRef.Name.user",
    ),
    "ids within structures": (with_column(user=[{"a": 1}, {"a": 2}]), ", row 0 and others: the user ids are of mixed"),
    "lists for ids": (with_column(item=[[1], [2]]), ", row 0 and others: the item ids are of mixed types"),
    "decimals for ids": (
        with_column(user=[Decimal(1), Decimal(2)]),
        ", row 0: the user ids must be integers or strings, not decimal",
    ),
    "floats for ids": (with_column(user=[1.0, 2.0]), ", row 0: the user ids must be integers or strings, not floating"),
    "bytes for ids": (with_column(user=[b"a", b"b"]), ", row 0: the user ids must be integers or strings, not bytes"),
    "ids beyond 64 bits": (
        with_column(user=pa.array([1, 2**63], pa.uint64())),
        f", row 1: the user id {2**63} does not fit",
    ),
    "a column of nulls": (with_column(user=pa.nulls(2)), ", row 0: the user id is missing"),
    "an integer missing": (with_column(user=[1, None]), ", row 1: the user id is missing"),
    "a rating missing": (with_column(rating=[1.0, None]), ", row 1: the rating must be a finite number, not nan"),
    "truths for ratings": (
        with_column(rating=[True, False]),
        ", row 0: the rating must be a number, not True \\(bool\\)",
    ),
    "texts for ratings": (with_column(rating=["1", "2"]), ", row 0: the rating must be a number, not '1' \\(str\\)"),
    "structures for ratings": (
        with_column(rating=[{"a": 1}, {"a": 2}]),
        ", row 0: the rating must be a number, not .* \\(dict\\)",
    ),
    "times of the day": (
        with_column(timestamp=pa.array([1, 2], pa.time64("us"))),
        ", row 0: the timestamp datetime.time",
    ),
    "spans of time": (with_column(timestamp=pa.array([1, 2], pa.duration("us"))), ", row 0: the timestamp Timedelta"),
    "times beyond all calendars": (
        with_column(timestamp=pa.array([0, 2**62], pa.timestamp("us"))),
        ", row 1: the timestamp Timestamp.* must be between the years 1900 and 2200",
    ),
    "other names": (
        parquet(pa.table({"userId": ["a", None], "movieId": ["x", "y"], "rating": [1.0, 2.0]})),
        ", row 1, column 'userId': the user id is missing",
    ),
}


def check(path: Path, options: dict[str, Any], outcome: list[tuple[Any, ...]] | str, pattern: str) -> None:
    if isinstance(outcome, list):
        assert list(load_ratings(path, **options).frame.itertuples(index=False, name=None)) == outcome
        return
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}{pattern}") as caught:
        load_ratings(path, **options)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("content", "options", "outcome"), TEXT.values(), ids=TEXT)
def test_a_text_table_is_read_as_it_stands_or_refused(tmp_path, content, options, outcome):
    path = tmp_path / "ratings.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    check(path, options, outcome, re.escape(outcome) if isinstance(outcome, str) else "")


@pytest.mark.parametrize(("content", "outcome"), PARQUET.values(), ids=PARQUET)
def test_a_parquet_table_is_read_as_it_stands_or_refused(tmp_path, content, outcome):
    path = tmp_path / "ratings.parquet"
    path.write_bytes(content)
    check(path, {}, outcome, outcome if isinstance(outcome, str) else "")


def test_a_field_of_16_mib_is_read(tmp_path):
    user = "u" * 2**24
    (tmp_path / "ratings.csv").write_text(f"{HEADER}{user},i,3\n")
    assert load_ratings(tmp_path / "ratings.csv").frame["user"].tolist() == [user]


@pytest.mark.slow
def test_100_000_columns_are_read(tmp_path):
    names = [f"c{number}" for number in range(99_997)]
    path = tmp_path / "ratings.csv"
    path.write_text(",".join(["user", "item", "rating", *names]) + "\n" + ",".join(["u", "i", "3", *names]) + "\n")
    assert load_ratings(path, rating_features=["c99996"]).frame.iloc[0].tolist() == ["u", "i", 3.0, "c99996"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
class TestNoFiles:
    def test_a_missing_one(self, tmp_path, suffix):
        with pytest.raises(DataError, match=f"none{suffix}.* (does not exist|No such file)"):
            load_ratings(tmp_path / f"none{suffix}")

    def test_a_folder(self, tmp_path, suffix):
        (tmp_path / f"folder{suffix}").mkdir()
        with pytest.raises(DataError, match=f"folder{suffix}.*(Is a directory|holds no Parquet file)"):
            load_ratings(tmp_path / f"folder{suffix}")

    def test_a_pipe_is_not_waited_for(self, tmp_path, suffix):
        os.mkfifo(tmp_path / f"pipe{suffix}")
        with pytest.raises(
            DataError,
            match=f"pipe{suffix} is a pipe or a device, not a file: write its content to a file first$",
        ):
            load_ratings(tmp_path / f"pipe{suffix}")

    def test_one_that_may_not_be_read(self, tmp_path, suffix, monkeypatch):
        path = tmp_path / f"secret{suffix}"
        path.write_text(PLAIN)
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read every file")
        with pytest.raises(DataError, match=f"secret{suffix}.*[Pp]ermission denied"):
            load_ratings(path)


def test_a_file_on_which_fuzzing_ended_is_refused():
    with pytest.raises(DataError, match="name.parquet cannot be read as Parquet: 'utf-8' codec can't decode byte 0xff"):
        stream_ratings(Path(__file__).with_name("crashers") / "name.parquet")
