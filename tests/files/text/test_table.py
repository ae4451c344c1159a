"""Reading delimited text: what comes out exactly, and what is refused with which words."""

import codecs
import csv
import gzip
import io
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from recsys_nn.data.readers import read_ratings
from recsys_nn.errors import DataError
from recsys_nn.files.text import decoding, records
from recsys_nn.files.text.table import TextPart, TextTable, read_text, read_text_parts

Columns = dict[str, list[str]]


REPEATABLE = settings(derandomize=True, deadline=None, max_examples=100)


def written(folder: Path, content: bytes | str, name: str = "ratings.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def columns(result: TextTable) -> Columns:
    assert set(result.table.schema.types) == {pa.string()}
    assert all(column.null_count == 0 for column in result.table.columns)
    return dict(zip(result.table.column_names, (column.to_pylist() for column in result.table.columns), strict=True))


def rows(result: TextTable) -> list[list[str]]:
    return [list(row) for row in zip(*columns(result).values(), strict=True)]


PLAIN: Columns = {"user": ["u1", "u2"], "item": ["i1", "i2"]}
ACCENTED: Columns = {"user": ["é"], "item": ["1"]}
NO_HEADER: dict[str, Any] = {"header": False, "separator": ","}

GOOD = {
    # separators
    "comma": ("user,item\nu1,i1\nu2,i2\n", {}, PLAIN),
    "tab": ("user\titem\nu1\ti1\nu2\ti2\n", {}, PLAIN),
    "semicolon": ("user;item\nu1;i1\nu2;i2\n", {}, PLAIN),
    "bar": ("user|item\nu1|i1\nu2|i2\n", {}, PLAIN),
    "two colons": ("user::item\nu1::i1\nu2::i2\n", {}, PLAIN),
    "given, of one byte": ("user item\nu1 i1\nu2 i2\n", {"separator": " "}, PLAIN),
    "given, of two bytes": ("user¦item\nu1¦i1\nu2¦i2\n", {"separator": "¦"}, PLAIN),
    "given, special in regular expressions": ('user^item\n"u1"^i1\nu2^i2\n', {"separator": "^"}, PLAIN),
    "the most consistent": ("1;a,b\n2;c\n3;d,e,f\n", {}, {"0": ["1", "2", "3"], "1": ["a,b", "c", "d,e,f"]}),
    "not the quoted": ('1;",,"\n2;",,"\n', {}, {"0": ["1", "2"], "1": [",,", ",,"]}),
    "colons within quotes": ('1::"a::b:"\n2::c:\n', {}, {"0": ["1", "2"], "1": ["a::b:", "c:"]}),
    "not in the text": ("user\nu1\n", {"separator": ","}, {"user": ["u1"]}),
    # line ends
    "CRLF": ("user,item\r\nu1,i1\r\nu2,i2\r\n", {}, PLAIN),
    "CR": ("user,item\ru1,i1\ru2,i2\r", {}, PLAIN),
    "no last line end": ("user,item\nu1,i1\nu2,i2", {}, PLAIN),
    "blank lines": ("\n\nuser,item\n\nu1,i1\r\n\r\nu2,i2\n\n", {}, PLAIN),
    # headers and names
    "numbers are no header": ("196\t242\n186\t302\n", {}, {"0": ["196", "186"], "1": ["242", "302"]}),
    "nor is one number": ("a,b,1e3\n", {}, {"0": ["a"], "1": ["b"], "2": ["1e3"]}),
    "nan and inf are names": ("nan,inf\n1,2\n", {}, {"nan": ["1"], "inf": ["2"]}),
    "1_000 is a name": ("1_000,x\n1,2\n", {}, {"1_000": ["1"], "x": ["2"]}),
    "a header of numbers": ("user,2020\nu1,5\n", {"header": True}, {"user": ["u1"], "2020": ["5"]}),
    "no header": ("a,b\nc,d\n", {"header": False}, {"0": ["a", "c"], "1": ["b", "d"]}),
    "given names": ("1,2\n3,4\n", {"column_names": ["u", "i"]}, {"u": ["1", "3"], "i": ["2", "4"]}),
    "the blank name of an index": (",item\n0,i1\n", {"header": True}, {"": ["0"], "item": ["i1"]}),
    "blanks around names": (" user , item\nu1,i1\n", {}, {" user ": ["u1"], " item": ["i1"]}),
    # fields
    "nothing is trimmed": ("a,b\n 1 ,\t2\n", {}, {"a": [" 1 "], "b": ["\t2"]}),
    "nothing is null": ("a,b\nNA,null\n,\n", {}, {"a": ["NA", ""], "b": ["null", ""]}),
    "nothing is a number": ("1,01\n1.0,1e0\n", {}, {"0": ["1", "1.0"], "1": ["01", "1e0"]}),
    "quotes": ('a,b\n"x,y","z\r\n""q"""\n', {}, {"a": ["x,y"], "b": ['z\r\n"q"']}),
    "a quoted empty field is a row": ('""\n\n""\n', NO_HEADER, {"0": ["", ""]}),
    "quotes inside a field": ('a"b, "c"\n', NO_HEADER, {"0": ['a"b'], "1": [' "c"']}),
    "quoting=False": ('"a,b"\n"",7\n', {"quoting": False, "header": True}, {'"a': ['""'], 'b"': ["7"]}),
    # encodings
    "UTF-8": ("user,item\né,1\n", {}, ACCENTED),
    "UTF-8 with a mark": (codecs.BOM_UTF8 + "user,item\né,1\n".encode(), {}, ACCENTED),
    "UTF-8 with a mark, given": (
        codecs.BOM_UTF8 + "user,item\né,1\n".encode(),
        {"encoding": "UTF8"},
        ACCENTED,
    ),
    "UTF-16-LE with a mark": (codecs.BOM_UTF16_LE + "user,item\né,1\n".encode("utf-16-le"), {}, ACCENTED),
    "UTF-16-BE with a mark": (codecs.BOM_UTF16_BE + "user,item\né,1\n".encode("utf-16-be"), {}, ACCENTED),
    "UTF-16-LE, given": ("user,item\né,1\n".encode("utf-16-le"), {"encoding": "utf-16-le"}, ACCENTED),
    "UTF-32-LE with a mark": (codecs.BOM_UTF32_LE + "user,item\né,1\n".encode("utf-32-le"), {}, ACCENTED),
    "Latin-1": ("user,item\né,1\n".encode("latin-1"), {"encoding": "latin-1"}, ACCENTED),
    "a mark that is none": ("1,2\n\ufeff3,4\n", {}, {"0": ["1", "\ufeff3"], "1": ["2", "4"]}),
    "gzip without .gz": (gzip.compress(b"user,item\nu1,i1\nu2,i2\n", mtime=0), {}, PLAIN),
}


@pytest.mark.parametrize(("content", "options", "expected"), GOOD.values(), ids=GOOD.keys())
def test_every_field_is_the_text_in_the_file(
    tmp_path: Path, content: bytes | str, options: dict[str, Any], expected: Columns
) -> None:
    assert columns(read_text(written(tmp_path, content), **options)) == expected


def test_gz_files_are_decompressed_even_in_several_parts(tmp_path: Path) -> None:
    content = gzip.compress(b"user,item\nu1,i1\n", mtime=0) + gzip.compress(b"u2,i2\n")
    assert columns(read_text(written(tmp_path, content, "ratings.csv.gz"))) == PLAIN


BAD = {
    # not a text
    "empty": ("", {}, ": the file is empty"),
    "only blank lines": ("\n\r\n", {}, ": the file is empty"),
    "only a mark": (codecs.BOM_UTF8, {}, ": the file is empty"),
    "Parquet": (b"PAR1\x15\x04", {}, " must be a delimited text file, not a Parquet file"),
    "zip": (b"PK\x03\x04\x14\0", {}, " must be a delimited text file, not a zip archive or an Excel workbook"),
    "Parquet within gzip": (
        gzip.compress(b"PAR1\x15\x04", mtime=0),
        {},
        " must be a delimited text file, not a Parquet file",
    ),
    "truncated gzip": (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-3], {}, " is not a complete gzip file: "),
    "damaged gzip": (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-8] + bytes(8), {}, " is not a complete gzip file: CRC"),
    "NUL": ("a,b\r\n1,2\r\n\0,3\r\n", {}, ", line 3, column 1: there is a NUL byte"),
    "NUL first": ("\0a,b\n1,2\n", {}, ", line 1, column 1: there is a NUL byte"),
    "NUL after lines that end in CR": ("a,b\r1,2\r3,\0\r", {}, ", line 3, column 3: there is a NUL byte"),
    "UTF-16 without a mark": (
        "a,b\n".encode("utf-16-le"),
        {},
        ", line 1, column 2: there is a NUL byte.*set the option encoding to 'utf-16-le'",
    ),
    # encodings
    "not UTF-8": (
        b"a,b\r\n1,2\r\n\xe9,3\r\n",
        {},
        ", line 3, column 1: byte 0xe9 is not utf-8 .*'cp1252' or 'latin-1'",
    ),
    "a surrogate": (b"a,b\n\xed\xa0\x80,2\n", {}, ", line 2, column 1: byte 0xed is not utf-8"),
    "not cp1252": (b"a,b\n\x81,3\n", {"encoding": "cp1252"}, ", line 2, column 1: byte 0x81 is not cp1252"),
    "half of UTF-16": ("\ufeffa\nb".encode("utf-16-be") + b"x", {}, ", line 2, column 2: byte 0x78 is not utf-16-be"),
    "unknown encoding": (
        "a,b\n1,2\n",
        {"encoding": "utf-9"},
        r" cannot be read with the encoding 'utf-9': unknown",
    ),
    "no text encoding": ("a,b\n1,2\n", {"encoding": "base64"}, r" cannot be read with the encoding 'base64': "),
    "two marks": (
        2 * codecs.BOM_UTF8 + b"a,b\n1,2\n",
        {},
        ", line 1: the file begins with two byte order marks: remove one",
    ),
    # separators
    "no separator": (
        "a\n1\n",
        {},
        r": none of the separators ',', '\\t', ';', '\|', '::' occurs .*set the option separator",
    ),
    "several separators": ("1,5;3\n2,5;4\n", {}, ": the separator may be ',' or ';': set the option separator"),
    "empty separator": (
        "a,b\n",
        {"separator": ""},
        ": separator must be characters other than quotes and line ends, not ''",
    ),
    "quote as separator": (
        "a,b\n",
        {"separator": '"'},
        ": separator must be characters other than quotes and line ends, not '\"'",
    ),
    "no byte left for ::": (
        bytes(range(1, 32)) + b"::\n",
        {"separator": "::"},
        ": the separator '::' cannot be used in a text with all control characters",
    ),
    # headers and names
    "header only": ("user,item\n", {}, " has no rows, only the header 'user,item'"),
    "equal names": ("\nuser,x,user \n1,2,3\n", {}, ", line 2: columns 1 and 3 have the same name 'user'"),
    "two blank names": (",x, \n1,2,3\n", {"header": True}, ", line 1: columns 1 and 3 have the same name ''"),
    "equal given names": (
        "1,2\n",
        {"column_names": ["u", "u"]},
        ", line 1: columns 1 and 2 have the same name 'u'",
    ),
    "too few given names": (
        "1,2\n",
        {"column_names": ["u"]},
        r", line 1: 2 fields, but column_names \['u'\] has 1",
    ),
    "header and given names": (
        "1,2\n3,4\n",
        {"header": True, "column_names": ["u", "i"]},
        (
            r"'1,2' is taken for the header, but column_names \['u', 'i'\] are given too: set the option header "
            "to false if it is a row, or leave column_names out"
        ),
    ),
    "likely header and given names": (
        "u,i\n3,4\n",
        {"column_names": ["u", "i"]},
        "'u,i' .* set the option header to false",
    ),
    # rows
    "too many fields": ("a,b,c\n1,2,3\n1,2,3,4\n", {}, ", line 3: 4 fields where 3 are expected: '1,2,3,4'$"),
    "too few fields": ("a\n1,2\n", {"separator": ","}, ", line 2: 2 fields where 1 is expected: '1,2'$"),
    "line of blanks": ("1,2\n \n", {}, ", line 2: 1 field where 2 are expected: ' '$"),
    "true lines": (
        '\na,b\n\n"x\r\ny",2\n\n3\r\r"z\n",4,5\n',
        {},
        r", line 7: 1 field .*: '3'; line 9: 3 fields .*$",
    ),
    "many": (
        "a,b\n" + "1\n" * 9,
        {},
        (
            ", line 2: 1 field where 2 are expected: '1'; line 3: 1 field where 2 are expected: '1'; line 4: 1 "
            "field where 2 are expected: '1'; line 5: 1 field where 2 are expected: '1'; line 6: 1 field where 2 "
            "are expected: '1'; later lines were not checked"
        ),
    ),
    "a long one": ("a,b\n" + "x" * 99, {}, ", line 2: 1 field where 2 are expected: 'x{57}...'$"),
    "ragged with ::": ('a::b\n1::2::"3"\n', {}, ", line 2: 3 fields where 2 are expected: '1::2::\"3\"'$"),
    # quotes
    "unclosed": (
        'a,b\n\n1,"2\n3,4\n',
        {},
        r", line 3, column 3: the quote that opens here is never closed: '\"2\\n3,4\\n'",
    ),
    "closed by another": (
        'a,b\n1,"2\n3,"4"\n',
        {},
        ", line 2, column 3: the quote that opens here is closed in line 3, but more",
    ),
    "text behind": (
        'a,b\n1,"d"z\n',
        {},
        ', line 2, column 3: .* more text follows in the field: \'"d"z.*set the option quoting to false',
    ),
    "a blank behind": (
        'a,b\n1,"d" \n',
        {},
        ", line 2, column 3: the quote that opens here is closed in line 2, but more",
    ),
    "text behind with ::": ('a::b\n"d"z::1\n', {}, ', line 2, column 1: .* more text follows in the field: \'"d"z::1'),
    "unclosed at the end": ('a,b\n1,"', {}, ", line 2, column 3: the quote that opens here is never closed"),
}


@pytest.mark.parametrize(("content", "options", "message"), BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_refused_with_its_name_and_the_line(
    tmp_path: Path, content: bytes | str, options: dict[str, Any], message: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=f"(?s)^{re.escape(str(path))}.*{message}"):
        read_text(path, **options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.csv", " cannot be read: No such file or directory"),
        ("folder", " cannot be read: Is a directory"),
        ("plain.csv.gz", " is not a complete gzip file: Not a gzipped file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_cause(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    written(tmp_path, "a,b\n1,2\n", "plain.csv.gz")
    with pytest.raises(DataError, match=f"^{re.escape(str(tmp_path / name))}{message}"):
        read_text(tmp_path / name)


def test_a_file_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    # A test that runs as root may read everything; so the refusal is put in.
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(DataError, match=r"ratings\.csv cannot be read: Permission denied$"):
        read_text(tmp_path / "ratings.csv")


def test_a_row_longer_than_a_block_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "BLOCK_BYTES", 1 << 20)
    path = written(tmp_path, "a,b\n1," + "x" * (1 << 21) + "\n3,4\n")
    with pytest.raises(DataError, match=r"ratings\.csv, line 2: the row that begins here is longer than 1 MiB"):
        read_text(path)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("a,b\n1,2\n3,4\n", [2, 3]),
        ("1,2\n3,4\n", [1, 2]),
        ("\n\r\na,b\r\r1,2\n\n3,4", [5, 7]),
        ('a,"b\n"\n"1\r\n\r""",2\n3,4\n', [3, 6]),
        ('a::b\n"::\n"::2\n\n3::4\n', [2, 5]),
        (codecs.BOM_UTF16_LE + "a,b\n1,\u0a0a\n3,4\n".encode("utf-16-le"), [2, 3]),
        (gzip.compress(b"a,b\n\n1,2\n3,4\n", mtime=0), [3, 4]),
    ],
)
def test_the_line_of_a_row(tmp_path: Path, content: bytes | str, lines: list[int]) -> None:
    result = read_text(written(tmp_path, content))
    assert [result.line_of(row) for row in range(result.table.num_rows)] == lines
    assert result.where(1) == f"{result.path}, line {lines[1]}"


@pytest.mark.parametrize("row", [-1, 2])
def test_a_row_that_is_not_there_has_no_line(tmp_path: Path, row: int) -> None:
    result = read_text(written(tmp_path, "a,b\n1,2\n3,4\n"))
    with pytest.raises(IndexError, match=f"row {row} of a table with 2 rows"):
        result.line_of(row)


def test_a_row_that_has_gone_from_the_file_has_no_line(tmp_path: Path) -> None:
    result = read_text(written(tmp_path, "a,b\n1,2\n3,4\n"))
    written(tmp_path, "a,b\n1,2\n")
    with pytest.raises(DataError, match=r"ratings\.csv: the file has changed since it was read: row 1 is gone"):
        result.line_of(1)


@pytest.mark.parametrize("block_bytes", range(40, 50))
def test_rows_and_their_lines_are_right_across_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(decoding, "BLOCK_BYTES", block_bytes)
    expected = [[f"{number}", "\r\n" * (number % 5) + '"' * (number % 3), "x"] for number in range(300)]
    buffer = io.StringIO()
    csv.writer(buffer).writerows(expected)
    result = read_text(written(tmp_path, buffer.getvalue()), separator=",")
    assert rows(result) == expected
    assert result.line_of(299) == 1 + sum(1 + number % 5 for number in range(299))


def test_blank_lines_at_the_beginning_may_be_longer_than_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "BLOCK_BYTES", 8)
    result = read_text(written(tmp_path, "\n" * 20 + "a,b\n1,2\n"))
    assert rows(result) == [["1", "2"]]
    assert result.line_of(0) == 22


def csv_line(row: list[str], separator: str, quote_all: bool) -> str:
    buffer = io.StringIO()
    # With another line end than CRLF csv.writer would leave a CR without quotes.
    writer = csv.writer(
        buffer,
        delimiter=separator,
        quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL,
        lineterminator="\r\n",
    )
    writer.writerow(row)
    return buffer.getvalue().removesuffix("\r\n")


FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
TABLE = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(FIELD, min_size=width, max_size=width), min_size=1, max_size=6)
)


@REPEATABLE
@given(
    table=TABLE,
    separator=st.sampled_from([",", "\t", ";", "|", " ", "::", "¦"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quote_all=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
)
def test_what_csv_writes_is_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    table: list[list[str]],
    separator: str,
    line_end: str,
    quote_all: bool,
    encoding: str,
) -> None:
    def line(row: list[str]) -> str:
        if len(separator) > 1:  # which csv.writer does not know
            return separator.join(csv_line([field], ",", quote_all=True) for field in row)
        return csv_line(row, separator, quote_all)

    header = [f"column {index}" for index in range(len(table[0]))]
    content = "".join(line(row) + line_end for row in [header, *table]).encode(encoding)
    path = written(tmp_path_factory.mktemp("csv"), content)
    given_encoding = "gb18030" if encoding == "gb18030" else None
    result = read_text(path, separator=separator, encoding=given_encoding, header=True)
    assert result.table.column_names == header
    assert rows(result) == table


@REPEATABLE
@given(content=st.text('a",\r\n', min_size=1, max_size=16))
@example('"a"a')
@example('a,"\n"\r"')
def test_it_accepts_and_reads_what_the_strict_csv_reader_does(
    tmp_path_factory: pytest.TempPathFactory, content: str
) -> None:
    try:
        expected = [row for row in csv.reader(io.StringIO(content, newline=""), strict=True) if row]
    except csv.Error:
        expected = []
    path = written(tmp_path_factory.mktemp("csv"), content)
    if len({len(row) for row in expected}) == 1:
        assert rows(read_text(path, **NO_HEADER)) == expected
    else:
        with pytest.raises(DataError):
            read_text(path, **NO_HEADER)


# Part by part


def parts_of(path: Path, **options: Any) -> list[TextPart]:
    return list(read_text_parts(path, separator=",", header=False, **options))


@REPEATABLE
@given(content=st.text('aé",\r\n', min_size=1, max_size=60), block_bytes=st.integers(8, 30))
@example("a,a\r\na,a\r\n", 4)
@example('a,"\n""\n"\r\na,a', 12)
@example("é,é\né,é", 3)
def test_a_file_read_in_parts_is_what_it_is_read_whole(
    tmp_path_factory: pytest.TempPathFactory, content: str, block_bytes: int
) -> None:
    path = written(tmp_path_factory.mktemp("csv"), content)
    try:
        whole = read_text(path, **NO_HEADER)
    except DataError:
        whole = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "BLOCK_BYTES", block_bytes)
        try:
            parts = parts_of(path)
        except DataError as error:
            assume("is longer than 0 MiB" not in str(error) and "in the next 0 MiB" not in str(error))
            assert whole is None
            return
    assert whole is not None
    assert [row for part in parts for row in rows(part)] == rows(whole)
    found = [part.where(row) for part in parts for row in range(part.table.num_rows)]
    assert found == [whole.where(row) for row in range(whole.table.num_rows)]
    assert [part.block.done for part in parts] == sorted(part.block.done for part in parts)


SMALL_BLOCKS = "a,b\n1,2\n" * 3


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (b"\xe9,2\n", "line 7, column 1: byte 0xe9 is not utf-8"),
        (b"3,\xe2\x82", "line 7, column 3: byte 0xe2 is not utf-8"),
        (b"3,4\n\n\0,2\n", "line 9, column 1: there is a NUL byte"),
        (b"3,4\n3\n", "line 8: 1 field where 2 are expected: '3'"),
        (b'3,4\n3,"4\n', "line 8, column 3: the quote that opens here is never closed"),
        (b'3,4\n3,"4"4\n', "line 8, column 3: the quote that opens here is closed in line 8, but more"),
        (b"3,4\n3,\r\n4,5,6\r\n", "line 9: 3 fields where 2 are expected: '4,5,6'"),
        (b'3,4\n"' + 40 * b"\n3,4", "line 8, column 1: the quote that opens here is never closed in the next 0 MiB"),
        (b"3,4\n" + 40 * b"3,4", "line 8: the row that begins here is longer than 0 MiB"),
    ],
)
def test_what_is_wrong_in_a_later_part_is_refused_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes, message: str
) -> None:
    monkeypatch.setattr(decoding, "BLOCK_BYTES", 10)
    path = written(tmp_path, SMALL_BLOCKS.encode() + end)
    parts = read_text_parts(path, separator=",", header=False)
    assert rows(next(parts)) == [["a", "b"], ["1", "2"]]
    with pytest.raises(DataError, match=re.escape(f"{path}, {message}")):
        list(parts)


@pytest.mark.parametrize("block_bytes", [9, 20, 1000])
def test_ragged_rows_are_left_out_where_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(decoding, "BLOCK_BYTES", block_bytes)
    path = written(tmp_path, "1,2\n3\n\n4,5\n6,7,8\n9,0\n" + "x\n" * 9)
    parts = parts_of(path, ragged="leave out")
    assert [row for part in parts for row in rows(part)] == [["1", "2"], ["4", "5"], ["9", "0"]]
    places = [(part.where(row), part.text_of(row)) for part in parts for row in range(part.table.num_rows)]
    assert places == [(f"{path}, line {line}", row) for line, row in ((1, "1,2"), (4, "4,5"), (6, "9,0"))]
    ragged = [(bad.line, bad.text) for part in parts for bad in part.ragged]
    assert ragged == [(2, "3"), (5, "6,7,8"), *((line, "x") for line in range(7, 16))]


def test_a_wide_separator_may_be_cut_by_the_end_of_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = 'a::b\n"1::\n1"::2\n' + "".join(f"{number}:::{number}\n" for number in range(20))
    path = written(tmp_path, content)
    whole = read_text(path, separator="::")
    for block_bytes in range(12, 24):
        monkeypatch.setattr(decoding, "BLOCK_BYTES", block_bytes)
        parts = list(read_text_parts(path, separator="::"))
        assert [row for part in parts for row in rows(part)] == rows(whole)
        assert parts[0].text_of(0) == '"1::\n1"::2'


def test_what_pyarrow_cannot_split_is_refused_with_its_line(tmp_path, monkeypatch):
    def refusing(*_, **__):
        raise pa.ArrowInvalid("straddling object")

    (tmp_path / "ratings.csv").write_text("user,item,rating\na,x,1\n")
    monkeypatch.setattr("recsys_nn.files.text.table.csv.read_csv", refusing)
    with pytest.raises(DataError, match=r"ratings\.csv, line \d: cannot be split into rows: straddling object"):
        read_ratings(tmp_path / "ratings.csv")


CONTROLS = [*range(1, 9), *range(14, 32)]
"""Those that stand for nothing in a text, as a tab and the ends of lines and pages do."""


@pytest.mark.parametrize("code", CONTROLS)
def test_a_single_control_character_that_a_text_does_not_hold_is_enough_for_a_longer_separator(tmp_path, code) -> None:
    others = "".join(chr(other) for other in CONTROLS if other != code)
    file = written(tmp_path, f"{others}::1\n")
    assert columns(read_text(file, separator="::", header=False)) == {"0": [others], "1": ["1"]}


def test_the_separator_is_found_in_the_first_64_kib(tmp_path) -> None:
    """There are commas; in the next, more lines with semicolons, of which a single one is no more than a comma's."""
    long = f"{'x' * 1021},y\n"  # 1024 bytes
    for lines, separator in ((64, ","), (1, ";")):
        text = long * lines + "p;q\n" * 2000
        assert records._detect_separator(tmp_path, text.encode(), quoting=True) == separator
