"""Tables into ratings: text files, Parquet and DataFrames, by `load_ratings` and what stands behind it."""

import gzip
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys_nn.data.loading import load_ratings
from recsys_nn.data.ratings import Ratings
from recsys_nn.data.readers import read_features, read_ratings
from recsys_nn.data.table_format import TableFormat
from recsys_nn.errors import DataError

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=50)


@pytest.fixture
def written(tmp_path):
    """Writes a file of this content and returns its path."""

    def write(content: str | bytes, name: str = "ratings.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def rows(ratings: Ratings) -> list[tuple]:
    return list(ratings.frame[["user", "item", "rating"]].itertuples(index=False, name=None))


def seconds(ratings: Ratings) -> list[int]:
    return (ratings.frame["timestamp"].astype("int64") // 10**6).tolist()


# Text files as they are found


AS_FOUND = {
    "comma": "user,item,rating\nu1,i1,3\nu2,i2,4.5\n",
    "tab": "user\titem\trating\nu1\ti1\t3\nu2\ti2\t4.5\n",
    "two colons": "u1::i1::3\nu2::i2::4.5\n",
    "no header": "u1,i1,3\nu2,i2,4.5\n",
    "a byte order mark": "\ufeffuser,item,rating\nu1,i1,3\nu2,i2,4.5\n",
    "CRLF": "user,item,rating\r\nu1,i1,3\r\nu2,i2,4.5\r\n",
    "quotes": '"user","item","rating"\n"u1","i1","3"\n"u2","i2","4.5"\n',
    "blank lines": "user,item,rating\n\nu1,i1,3\n\nu2,i2,4.5\n\n",
    "other columns and another order": "x,rating,item,y,user\n1,3,i1,2,u1\n1,4.5,i2,2,u2\n",
    "UTF-16": "user,item,rating\nu1,i1,3\nu2,i2,4.5\n".encode("utf-16"),
    "gzip": gzip.compress(b"user,item,rating\nu1,i1,3\nu2,i2,4.5\n"),
}


@pytest.mark.parametrize("content", AS_FOUND.values(), ids=AS_FOUND)
def test_a_text_file_is_read_without_any_option(written, content):
    assert rows(load_ratings(written(content))) == [("u1", "i1", 3.0), ("u2", "i2", 4.5)]


def test_a_path_may_be_text(written):
    assert len(load_ratings(str(written(AS_FOUND["comma"])))) == 2


WRITTEN_IDS = ["007", "7", "7.0", "NA", "nan", "null", "-7", "a,b", 'a "b"', "two\nlines", "é", "e\u0301", "用户", "🎬"]
LARGE_IDS = [str(2**53), str(2**53 + 1), str(2**63 - 1), str(2**63), str(10**30)]


def test_ids_are_read_exactly_as_they_are_written(written):
    ids = WRITTEN_IDS + LARGE_IDS
    lines = ('"' + one.replace('"', '""') + '",' + f"{number},3\n" for number, one in enumerate(ids))
    ratings = load_ratings(written("user,item,rating\n" + "".join(lines)))
    assert ratings.frame["user"].tolist() == ids
    assert ratings.frame["item"].tolist() == [str(number) for number in range(len(ids))]


@REPEATABLE
@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"))).map(str.strip), unique=True, min_size=1
    )
)
@example(WRITTEN_IDS)
def test_any_ids_that_pandas_writes_as_csv_are_read_back_exactly(tmp_path_factory, ids):
    ids = [one for one in ids if one] or ["x"]
    path = tmp_path_factory.mktemp("ids") / "ratings.csv"
    pd.DataFrame({"user": ids, "item": "i", "rating": 1.5}).to_csv(path, index=False)
    assert rows(load_ratings(path, separator=",")) == [(one, "i", 1.5) for one in ids]


def test_ids_are_integers_where_the_caller_says_so(written):
    path = written(f"user,item,rating\n-7,{2**53 + 1},3\n0,{2**63 - 1},4\n")
    assert rows(load_ratings(path, id_type="integer")) == [(-7, 2**53 + 1, 3.0), (0, 2**63 - 1, 4.0)]


@pytest.mark.parametrize("text", ["007", "NA", "7.0", str(2**63)])
def test_text_that_is_no_plain_integer_is_refused_where_the_caller_says_integers(written, text):
    path = written(f"user,item,rating\n7,1,3\n{text},1,4\n")
    message = f"{path}, line 3: the user id must be a plain 64-bit integer, as other user ids are, not {text!r}"
    with pytest.raises(DataError, match=re.escape(message)):
        load_ratings(path, id_type="integer")


def test_each_side_may_have_its_own_type_of_ids(written):
    path = written("user,item,rating\n7,007,3\n")
    assert rows(read_ratings(path, id_types={"user": "integer", "item": "string"})) == [(7, "007", 3.0)]


def test_another_encoding_is_read_where_it_is_given(written):
    path = written("user,item,rating\né,Amélie,4\n".encode("latin-1"))
    with pytest.raises(
        DataError,
        match=r"line 2, column 1: byte 0xe9 is not utf-8.*set the option encoding to that of the file",
    ):
        load_ratings(path)
    assert rows(load_ratings(path, encoding="latin-1")) == [("é", "Amélie", 4.0)]


def test_another_separator_is_read_where_it_is_given(written):
    assert rows(load_ratings(written("user item rating\nu1 i1 3\n"), separator=" ")) == [("u1", "i1", 3.0)]


def test_a_million_distinct_ids_are_a_million_users(tmp_path):
    number = 1_000_000
    path = tmp_path / "large.csv"
    lines = pd.Series(np.arange(number)).astype("str") + ",i,3\n"
    path.write_text("user,item,rating\n" + "".join(lines))
    ratings = load_ratings(path)
    assert ratings.n_users == len(ratings) == number
    assert ratings.frame["user"].iloc[-1] == "999999"


# Text files that are refused


BROKEN = {
    "empty": ("", "the file is empty"),
    "a header only": ("user,item,rating\n", "has no rows, only the header 'user,item,rating'"),
    "no column for the rating": (
        "user,item\na,b\n",
        "there is no column for the rating among 'user', 'item': set the option rating to its column",
    ),
    "no names known": (
        "who,what,how\na,b,3\n",
        "there is no column for the user among 'who', 'what', 'how': set the option user to its column",
    ),
    "a row one field too long": (
        "user,item,rating\na,b,3\nc,d,4,5\n",
        "line 3: 4 fields where 3 are expected: 'c,d,4,5'",
    ),
    "ragged rows": (
        "user,item,rating\na,b,3\nc,d\ne,f,4\ng,h,1,2\n",
        "line 3: 2 fields where 3 are expected: 'c,d'; line 5: 4 fields where 3 are expected: 'g,h,1,2'",
    ),
    "a quote left open": ('user,item,rating\n"a,b,3\n', "line 2, column 1: the quote that opens here is never closed"),
    "equal names": ("user,user,item,rating\na,b,c,3\n", "line 1: columns 1 and 2 have the same name 'user'"),
    "a word": ("user,item,rating\na,b,3\na,c,good\n", "line 3: the rating 'good' is not a number"),
    "an empty rating": ("user,item,rating\na,b,3\na,c,\n", "line 3: the rating '' is not a number"),
    "a rating NA": ("user,item,rating\na,b,3\na,c,NA\n", "line 3: the rating 'NA' is not a number"),
    "a decimal comma": ('user,item,rating\na,b,3\na,c,"4,5"\n', "line 3: the rating '4,5' is not a number"),
    "a blank before a rating": ("user,item,rating\na,b,3\na,c, 4\n", "line 3: the rating ' 4' is not a number"),
    "a NaN before a word": ("user,item,rating\na,b,nan\na,c,good\n", "line 3: the rating 'good' is not a number"),
    "NaN": ("user,item,rating\na,b,3\na,c,NaN\n", "line 3: the rating must be a finite number, not nan"),
    "infinity": ("user,item,rating\na,b,3\na,c,-inf\n", "line 3: the rating must be a finite number, not -inf"),
    "too large a rating": (
        "user,item,rating\na,b,3\na,c,1e400\n",
        "line 3: the rating must be a finite number, not inf",
    ),
    "a missing id": ("user,item,rating\na,b,3\n,c,4\n", "line 3: the user id '' is empty"),
    "a blank before an id": (
        "user,item,rating\na,b,3\na, c,4\n",
        "line 3: the item id ' c' begins or ends with white space",
    ),
    "a pair twice": (
        "user,item,rating\na,b,3\nc,b,3\na,b,4\n",
        "line 4: user 'a' already rated item 'b' at {path}, line 2 (1 rows repeat a pair): set the option "
        "duplicates to 'last' or 'mean'",
    ),
    "a place after quoted lines": (
        'user,item,rating\n"a\n\nb",b,3\n\na,c,x\n',
        "line 6: the rating 'x' is not a number",
    ),
    "milliseconds": (
        "user,item,rating,time\na,b,3,1000000000000\n",
        "line 2, column 'time': the timestamp 1000000000000 is out of range",
    ),
    "dates without dashes": (
        "user,item,rating,date\na,b,3,20040210\n",
        "line 2, column 'date': the timestamp 20040210 looks like a date",
    ),
    "a missing date": (
        "user,item,rating,date\na,b,3,2004-02-10\na,c,3,\n",
        "line 3, column 'date': the timestamp '' must be epoch seconds or an ISO 8601 date such as 2004-02-10",
    ),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_a_text_file_that_cannot_be_used_is_refused_with_its_name_and_line(written, content, message):
    path = written(content)
    start = f"{path}, line" if message.startswith("line") else str(path)
    with pytest.raises(DataError, match=re.escape(message.format(path=path))) as caught:
        load_ratings(path)
    assert str(caught.value).startswith(start)


def test_a_file_that_does_not_exist_is_named(tmp_path):
    for name in ("nothing.csv", "nothing.parquet"):
        with pytest.raises(DataError, match=rf"{name}:? (cannot be read: No such file|does not exist)"):
            load_ratings(tmp_path / name)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        load_ratings(tmp_path)


def test_a_truncated_gzip_is_refused(written):
    whole = gzip.compress("".join(f"u{number},i,3\n" for number in range(1000)).encode())
    with pytest.raises(DataError, match=r"ratings\.csv\.gz is not a complete gzip file"):
        load_ratings(written(whole[: len(whole) // 2], "ratings.csv.gz"))


def test_a_rating_outside_the_scale_is_refused_with_its_line(written):
    path = written("user,item,rating\na,b,3\na,c,6\n")
    with pytest.raises(
        DataError,
        match=re.escape(
            f"{path}, line 3: the rating 6 is outside the scale 1 to 5, as 1 of 2 ratings are: correct them or the "
            "scale"
        ),
    ):
        load_ratings(path, scale=(1, 5))


@pytest.mark.parametrize(("policy", "expected"), [("last", [("a", "b", 4.0)]), ("mean", [("a", "b", 3.5)])])
def test_a_pair_that_is_repeated_in_a_file_is_settled_by_policy(written, policy, expected):
    assert rows(load_ratings(written("user,item,rating\na,b,3\na,b,4\n"), duplicates=policy)) == expected


# Which column is which


@pytest.mark.parametrize(
    "header",
    [
        "user,item,rating,timestamp",
        "userId,movieId,rating,timestamp",
        "user_id,movie_id,rating,date",
        "User-ID,ISBN,Book-Rating,Time",
        "customer_id,product_id,stars,datetime",
        "reviewerID,asin,overall,unixReviewTime",
        "uid,iid,score,TIME",
    ],
)
@pytest.mark.parametrize("kind", ["text", "DataFrame"])
def test_usual_names_are_recognised(written, header, kind):
    path = written(f"{header}\n1,2,3,1000000000\n")
    ratings = load_ratings(path if kind == "text" else pd.read_csv(path))
    assert rows(ratings) == [("1", "2", 3.0) if kind == "text" else (1, 2, 3.0)]
    assert seconds(ratings) == [10**9]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("userId,user_id,item,rating", "several columns may be the user"),
        ("user,movieId,product,rating", "several columns may be the item"),
        ("user,item,score,stars", "several columns may be the rating"),
        ("user,item,rating,date,time", "several columns may be the timestamp"),
    ],
)
def test_names_that_may_mean_two_columns_are_refused(written, header, problem):
    names = header.split(",")
    path = written(f"{header}\n{','.join('1' * len(names))}\n")
    listed = ", ".join(repr(name) for name in names)
    role = problem.split()[-1]
    with pytest.raises(
        DataError, match=re.escape(f"{path}: {problem} among {listed}: set the option {role} to its column")
    ):
        load_ratings(path)


def test_the_plain_name_is_preferred_to_another_that_may_mean_it(written):
    ratings = load_ratings(written("user_id,user,item,rating,date,timestamp\n9,a,b,3,2020-01-01,1000000000\n"))
    assert rows(ratings) == [("a", "b", 3.0)]
    assert seconds(ratings) == [10**9]


NAMED = {"user": "who", "item": "what", "rating": "how"}


@pytest.mark.parametrize("kind", ["text", "DataFrame", "Parquet"])
def test_named_columns_are_taken_also_where_others_would_be_recognised(tmp_path, kind):
    frame = pd.DataFrame(
        {"user": ["x"], "what": ["b"], "who": ["a"], "rating": [9], "how": [3], "when": ["2001-09-09"]}
    )
    source = {"text": tmp_path / "r.csv", "Parquet": tmp_path / "r.parquet", "DataFrame": frame}[kind]
    frame.to_csv(tmp_path / "r.csv", index=False)
    frame.to_parquet(tmp_path / "r.parquet")
    ratings = load_ratings(source, **NAMED)
    assert rows(ratings) == [("a", "b", 3.0)]
    assert not ratings.has_timestamps
    assert load_ratings(source, **NAMED, timestamp="when").frame["timestamp"].dt.year.tolist() == [2001]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({**NAMED, "rating": "much"}, "no column 'much' for the rating among 'who', 'what', 'how'"),
        ({**NAMED, "timestamp": "when"}, "no column 'when' for the timestamp among 'who', 'what', 'how'"),
        ({**NAMED, "user": "what"}, "'what' cannot be both user and item: set the option item to another column"),
    ],
    ids=["rating", "timestamp", "one column for two"],
)
def test_a_named_column_that_cannot_be_taken_is_refused(written, named, message):
    with pytest.raises(DataError, match=message):
        load_ratings(written("who,what,how\na,b,3\n"), **named)


def test_without_a_header_three_columns_are_user_item_and_rating_and_a_fourth_is_the_time(written):
    three = load_ratings(written("1,2,3\n4,5,1\n"))
    assert rows(three) == [("1", "2", 3.0), ("4", "5", 1.0)]
    assert not three.has_timestamps
    four = load_ratings(written("1\t2\t3\t1000000000\n4\t5\t1\t1000000001\n"))
    assert rows(four) == rows(three)
    assert seconds(four) == [10**9, 10**9 + 1]


def test_without_a_header_columns_are_named_by_position(written):
    path = written("7,4,u1,0,i1\n8,5,u2,0,i2\n")
    assert rows(load_ratings(path, user=2, item=4, rating=1)) == [("u1", "i1", 4.0), ("u2", "i2", 5.0)]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            "1,2\n3,4\n",
            {},
            "has no header and 2 columns: set the option rating to the position of its column, such as 2",
        ),
        (
            "1,2,3,4,5\n",
            {},
            "has no header and 5 columns: set the option user to the position of its column, such as 0",
        ),
        ("1,2,3\n", {"user": 0, "item": 1, "rating": 3}, "no column 3 for the rating among '0', '1', '2'"),
        ("1,2,3\n", {"user": -1, "item": 1, "rating": 2}, "no column -1 for the user among '0', '1', '2'"),
        ("1,2,3\n", {"user": 1}, "item"),
    ],
    ids=["too few", "too many", "beyond the last", "negative", "a position taken twice"],
)
def test_without_a_header_columns_that_are_not_clear_are_refused(written, content, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        load_ratings(written(content), **options)


def test_the_caller_may_say_whether_there_is_a_header(written):
    assert len(load_ratings(written("1,2,3\n4,5,1\n"), header=True, user="1", item="2", rating="3")) == 1
    with pytest.raises(DataError, match="line 1: the rating 'rating' is not a number"):
        load_ratings(written("user,item,rating\na,b,3\n"), header=False)


# Parquet and DataFrames keep the types of their ids


TYPED = pd.DataFrame({"user": [2**53 + 1, -7, 2**63 - 1], "item": ["007", "NA", "é"], "rating": [1.0, 2.0, 3.5]})


@pytest.mark.parametrize("suffix", [".parquet", ".pq", ".PARQUET"])
def test_a_parquet_file_keeps_the_type_of_its_ids(tmp_path, suffix):
    path = tmp_path / f"ratings{suffix}"
    TYPED.to_parquet(path)
    assert rows(load_ratings(path)) == list(TYPED.itertuples(index=False, name=None))


@pytest.mark.parametrize("id_type", ["string", "integer"])
def test_a_dataframe_keeps_the_type_of_its_ids_whatever_is_said_of_text(id_type):
    assert rows(load_ratings(TYPED, id_type=id_type)) == list(TYPED.itertuples(index=False, name=None))


REFUSED_FRAMES = {
    "no rows": (TYPED.head(0), "holds no ratings"),
    "no rating": (TYPED.drop(columns="rating"), "there is no column for the rating among 'user', 'item'"),
    "float ids": (
        TYPED.assign(user=[1.0, 2.0, 3.0]),
        "row 0: the user ids must be integers or strings, not floating",
    ),
    "missing ids": (TYPED.assign(item=["a", None, "c"]), "row 1: the item id is missing"),
    "ids that a missing one made floats": (TYPED.assign(user=[1, None, 3]), "row 1: the user id is missing"),
    "ids beyond 2**63": (
        TYPED.assign(user=np.array([1, 2, 2**63], dtype="uint64")),
        "row 2: the user id .* does not fit",
    ),
    "ratings as text": (TYPED.assign(rating=["1", "2", "3"]), r"row 0: the rating must be a number, not '1' \(str\)$"),
    "a missing rating": (TYPED.assign(rating=[1, None, 3]), "row 1: the rating must be a finite number, not nan$"),
    "a pair twice": (TYPED.assign(user=1, item="x"), "row 1: user 1 already rated item 'x' at .*row 0"),
}


@pytest.mark.parametrize("kind", ["DataFrame", "Parquet"])
@pytest.mark.parametrize(("frame", "message"), REFUSED_FRAMES.values(), ids=REFUSED_FRAMES)
def test_a_typed_table_that_cannot_be_used_is_refused_with_its_row(tmp_path, kind, frame, message):
    path = tmp_path / "ratings.parquet"
    frame.to_parquet(path)
    with pytest.raises(DataError, match=message) as caught:
        load_ratings(path if kind == "Parquet" else frame)
    assert str(caught.value).startswith(str(path)) == (kind == "Parquet")


def test_ids_of_mixed_type_are_refused():
    with pytest.raises(DataError, match=r"the user ids are of mixed types \(int, str\)"):
        load_ratings(TYPED.assign(user=pd.Series([1, "2", 3], dtype=object)))


def test_a_row_of_a_dataframe_is_counted_from_0_whatever_its_index():
    with pytest.raises(DataError, match="^row 1: the rating must be a finite number, not nan$"):
        load_ratings(pd.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [1, np.nan]}, index=[70, 71]))


def test_the_columns_of_a_dataframe_may_be_taken_by_position():
    frame = pd.DataFrame([[4.0, "u1", "i1"], [2.0, "u2", "i2"]])
    assert rows(load_ratings(frame, user=1, item=2, rating=0)) == [("u1", "i1", 4.0), ("u2", "i2", 2.0)]


def test_a_dataframe_with_two_columns_of_one_name_is_refused():
    frame = pd.DataFrame([[1, 2, 3, 4]], columns=["user", "user", "item", "rating"])
    with pytest.raises(DataError, match="user"):
        load_ratings(frame)


@pytest.mark.parametrize("content", [b"", b"user,item,rating\n1,2,3\n"], ids=["empty", "text"])
def test_a_file_that_is_no_parquet_is_refused(written, content):
    with pytest.raises(DataError, match=r"ratings\.parquet cannot be read as Parquet"):
        load_ratings(written(content, "ratings.parquet"))


def test_a_parquet_file_of_another_name_is_recognised_as_no_text(tmp_path):
    TYPED.to_parquet(tmp_path / "ratings.csv")
    with pytest.raises(DataError, match=r"ratings\.csv must be a delimited text file, not a Parquet file"):
        load_ratings(tmp_path / "ratings.csv")


# What else is asked of load_ratings


def test_scale_and_features_stand_beside_the_ratings():
    users = pd.DataFrame({"user": [-7], "age": [30]})
    ratings = load_ratings(TYPED, scale=(0.5, 5), user_features=users, item_features=pd.DataFrame({"item": ["007"]}))
    assert ratings.scale == (0.5, 5.0)
    pd.testing.assert_frame_equal(ratings.user_features, users)
    assert ratings.item_features["item"].tolist() == ["007"]


def test_all_that_is_said_of_a_text_file_is_followed(written):
    """Without a word on it, not one of its columns would be found, nor the end of a field."""
    path = written("title~Ä~4~2020-01-02~9\nlast~ö~3~2020-01-03~8\n".encode("cp1252"))
    users = pd.DataFrame({"user": ["Ä", "ö"], "age": [30, 40]})
    ratings = load_ratings(
        path,
        user=1,
        item=0,
        rating=2,
        timestamp=3,
        separator="~",
        encoding="cp1252",
        header=False,
        scale=(0, 10),
        user_features=users,
        item_features=pd.DataFrame({"item": ["title"]}),
        rating_features=("4",),
    )
    assert rows(ratings) == [("Ä", "title", 4.0), ("ö", "last", 3.0)]
    assert ratings.frame["timestamp"].dt.strftime("%d.%m.%Y").tolist() == ["02.01.2020", "03.01.2020"]
    assert ratings.frame["4"].tolist() == [9, 8]
    assert ratings.scale == (0, 10)
    pd.testing.assert_frame_equal(ratings.user_features, users)
    assert ratings.item_features["item"].tolist() == ["title"]


def test_a_file_of_a_plain_name_is_read_and_a_data_set_goes_before_it(written, monkeypatch):
    path = written(AS_FOUND["comma"], name="synthetic-ratings")
    written("no ratings at all", name="synthetic")
    monkeypatch.chdir(path.parent)
    assert rows(load_ratings("synthetic-ratings")) == [("u1", "i1", 3.0), ("u2", "i2", 4.5)]
    assert len(load_ratings("synthetic", n_users=30, n_items=20, n_ratings=200)) == 200


@pytest.mark.parametrize("name", ["none/ratings", "ratings.none"])
def test_what_looks_like_a_path_is_called_a_file_that_is_missing(name):
    with pytest.raises(DataError, match=f"^{re.escape(name)} cannot be read: No such file"):
        load_ratings(name)


def test_a_named_data_set_is_loaded_with_its_own_options():
    assert len(load_ratings("synthetic", n_users=30, n_items=20, n_ratings=200)) == 200


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("movielens-10k", {}, "'movielens-10k' is neither a file nor a data set; did you mean 'movielens-100k'"),
        (
            "synthetic",
            {"scale": (1, 5)},
            "the data set 'synthetic' has its own format, scale and features: leave yours out",
        ),
        (
            "synthetic",
            {"user": "userId"},
            "the data set 'synthetic' has its own format, scale and features: leave yours out",
        ),
        ("synthetic", {"n_user": 5}, "the data set 'synthetic' has no option 'n_user'; did you mean 'n_users'"),
        (TYPED, {"seperator": ","}, "load_ratings has no option 'seperator'; did you mean 'separator'"),
        (TYPED, {"rating_feature": ["hour"]}, "has no option 'rating_feature'; did you mean 'rating_features'"),
        (TYPED, {"duplicate": "last"}, "load_ratings has no option 'duplicate'; did you mean 'duplicates'"),
        (TYPED, {"scales": (1, 5)}, "load_ratings has no option 'scales'; did you mean 'scale'"),
        (TYPED, {"items_features": None}, "load_ratings has no option 'items_features'; did you mean 'item_features'"),
        (TYPED, {"duplicates": "first"}, "duplicates must be one of 'error', 'last', 'mean', not 'first'"),
    ],
)
def test_a_source_or_an_option_that_is_unknown_is_refused(source, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        load_ratings(source, **options)


def test_an_unknown_type_of_ids_is_refused():
    with pytest.raises(DataError, match="^id_type must be 'integer' or 'string', not 'int'$"):
        load_ratings(TYPED, id_type="int")


# Features


@pytest.mark.parametrize("frame", [True, False], ids=["a DataFrame", "a file"])
def test_named_columns_of_a_table_are_features_of_its_ratings(written, frame):
    content = "userId,itemId,score,device,hour,code\na,x,1,desk,7,07\nb,x,2,,7.5,8\n"
    source = pd.read_csv(io.StringIO(content), dtype={"code": str}) if frame else written(content)
    ratings = load_ratings(source, rating_features=("device", "hour", "code"))
    assert ratings.rating_features == ("device", "hour", "code")
    assert ratings.frame["device"].isna().tolist() == [False, True]
    assert ratings.frame["hour"].tolist() == [7.0, 7.5]
    assert ratings.frame["code"].tolist() == ["07", "8"]


def test_columns_of_a_file_without_a_header_are_named_by_their_position(written):
    layout = TableFormat(user=0, item=1, rating=2, features=("3",))
    assert read_ratings(written("a,x,1,5\nb,x,2,6\n"), layout).frame["3"].tolist() == [5, 6]


def test_columns_of_the_context_are_kept_where_the_file_has_them(written):
    ratings = read_ratings(written("user,item,rating,device\na,x,1,desk\n"), context=("timestamp", "device", "hour"))
    assert ratings.rating_features == ("device",)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("devise",), "rating features: there is no column 'devise'; did you mean 'device'"),
        (("rating",), "rating features must be without 'rating', which is kept anyway: leave it out"),
    ],
)
def test_a_feature_that_is_no_further_column_is_refused(written, names, message):
    path = written("user,item,rating,device\na,x,1,desk\n")
    with pytest.raises(DataError, match=f"{path}: {message}"):
        load_ratings(path, rating_features=names)


def test_one_name_is_no_list_of_features(written):
    with pytest.raises(DataError, match="^rating_features must be a valid tuple, not 'device'$"):
        load_ratings(written("user,item,rating,device\na,x,1,desk\n"), rating_features="device")


def test_features_of_a_named_data_set_are_known():
    with pytest.raises(
        DataError,
        match="the data set 'synthetic' has its own format, scale and features: leave yours out",
    ):
        load_ratings("synthetic", rating_features=["device"])


@pytest.mark.parametrize(("kind", "ids"), [("string", ["007", "8"]), ("integer", [7, 8])])
def test_a_file_of_features_has_a_row_an_owner(written, kind, ids):
    content = "age,userId,job\n30,007,\n,8,nurse\n"
    features = read_features(written(content if kind == "string" else content.replace("007", "7")), "user", kind)
    assert features.columns.tolist() == ["user", "age", "job"]
    assert features["user"].tolist() == ids
    assert features["age"][0] == 30
    assert features["job"].tolist() == ["", "nurse"]


def test_a_file_of_features_keeps_the_types_of_parquet(tmp_path):
    frame = pd.DataFrame({"movieId": [7, 8], "released": pd.to_datetime(["2004-02-10", None])})
    frame.to_parquet(tmp_path / "films.parquet")
    features = read_features(tmp_path / "films.parquet", "item", "string")
    assert features["item"].tolist() == [7, 8]
    assert features["released"].isna().tolist() == [False, True]


def test_a_file_of_features_without_a_column_of_ids_is_refused(written):
    with pytest.raises(DataError, match="there is no column for the user among 'who', 'age'"):
        read_features(written("who,age\na,30\n"), "user", "string")


# Real files


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "counts", "scale", "first"),
    [
        ("ml-latest-small/ratings.csv", (100_836, 610, 9724), (0.5, 5.0), ("1", "1", 4.0, "2000-07-30 18:45:03")),
        ("netflix-course/train.csv", (51_161, None, None), (1.0, 5.0), ("1960", "670", 4.0, "2004-02-10")),
        ("netflix-course/test.csv", (51_161, None, None), (1.0, 5.0), None),
        ("ml-100k/u.data", (100_000, 943, 1682), (1.0, 5.0), ("196", "242", 3.0, "1997-12-04 15:55:49")),
    ],
)
def test_the_files_of_the_publishers_are_read_as_they_are(real_data, file, counts, scale, first):
    ratings = load_ratings(real_data / file)
    found = (len(ratings), ratings.n_users, ratings.n_items)
    assert [one for one, known in zip(found, counts, strict=True) if known] == [known for known in counts if known]
    assert ratings.scale == scale
    if first is not None:
        assert tuple(ratings.frame.iloc[0]) == (*first[:3], pd.Timestamp(first[3]))


@pytest.mark.parametrize(
    "values",
    [
        pa.array([10**9], pa.date32()),
        pa.array([2**62], pa.date64()),
        pa.array([2**40], pa.time64("us")),
        pa.array([2**62], pa.timestamp("us", "No/Where")),
    ],
    ids=lambda values: str(values.type),
)
def test_times_beyond_what_python_knows_are_refused_with_their_column(tmp_path, values):
    table = pa.table({"user": ["a"], "item": ["x"], "rating": [1.0], "timestamp": values})
    pq.write_table(table, tmp_path / "ratings.parquet")
    with pytest.raises(DataError, match=r"ratings\.parquet.*(timestamp|Column 3)"):
        read_ratings(tmp_path / "ratings.parquet")


def test_what_is_no_source_of_ratings_is_refused():
    with pytest.raises(
        DataError, match="the source of ratings must be a DataFrame, a path or the name of a data set, not int$"
    ):
        load_ratings(5)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"usr": 1}, r"^layout.usr: there is no such key; did you mean 'user'\?$"),
        ({"id_type": "float"}, "^layout.id_type must be 'integer' or 'string', not 'float'$"),
        ({"features": ["a", 1]}, r"^layout.features.1 must be a valid string, not 1$"),
    ],
)
def test_a_layout_that_is_none_is_refused_by_its_place(layout, message):
    with pytest.raises(DataError, match=message):
        TableFormat.of(layout)


def test_a_layout_that_is_left_out_is_recognised():
    assert TableFormat.of(None) == TableFormat.of({}) == TableFormat()
    given = TableFormat.of({"user": 0, "item": "b"})
    assert given.columns() == {"user": 0, "item": "b", "rating": None, "timestamp": None}


def test_a_text_file_is_read_without_tensorflow_and_readers_of_other_formats(tmp_path):
    (tmp_path / "ratings.csv").write_text("user,item,rating\na,b,1\na,c,2\n")
    script = (
        "import sys, recsys_nn as rn; rn.load_ratings(sys.argv[1]);"
        "print({'tensorflow', 'pyarrow.parquet', 'recsys_nn.files.parquet'} & set(sys.modules))"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "ratings.csv")]
    assert subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip() == "set()"
