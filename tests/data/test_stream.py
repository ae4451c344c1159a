"""Ratings streamed from Parquet: the rows of the files in their order, and what is refused."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_nn.data import stream as stream_module
from recsys_nn.data.ratings import Ratings
from recsys_nn.data.stream import RatingsStream, stream_ratings
from recsys_nn.errors import DataError


@pytest.fixture(autouse=True)
def chunks_of_three_rows(monkeypatch):
    monkeypatch.setattr(stream_module, "CHUNK_ROWS", 3)


@pytest.fixture
def written(tmp_path):
    """Writes Parquet files of these columns into a folder and returns the folder."""

    def write(**files: dict) -> Path:
        for name, columns in files.items():
            pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet", row_group_size=4)
        return tmp_path

    return write


def rows(stream: RatingsStream) -> list[tuple]:
    return [row for chunk in stream for row in chunk.frame.itertuples(index=False, name=None)]


A = {"user": [5, 3, 5, 4, 3], "item": ["x", "y", "z", "x", "x"], "rating": [1.0, 2.0, 3.0, 4.0, 5.0]}
B = {"user": [9], "item": ["y"], "rating": [2.5]}


def test_the_rows_come_in_the_order_of_paths_and_rows_in_chunks_of_ratings(written):
    stream = stream_ratings(written(b=B, a=A))
    assert rows(stream) == [*zip(*A.values(), strict=True), *zip(*B.values(), strict=True)]
    chunks = list(stream)
    assert all(isinstance(chunk, Ratings) for chunk in chunks)
    assert [len(chunk) for chunk in chunks] == [3, 2, 1]
    assert rows(stream) == rows(stream)


def test_the_length_is_that_of_the_metadata(written):
    stream = stream_ratings(written(a=A, b=B))
    assert len(stream) == 6
    assert repr(stream) == "RatingsStream(6 ratings in 2 Parquet files)"


def test_one_file_is_a_source_too(written):
    assert len(stream_ratings(str(written(a=A, b=B) / "a.parquet"))) == 5


def test_subfolders_are_read_and_what_is_hidden_is_not(written, tmp_path):
    for name in ("year=2001", "_temporary", ".cache"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table(B), tmp_path / name / "part.pq")
    (tmp_path / "_metadata.parquet").write_text("no ratings")
    (tmp_path / "README.txt").write_text("no ratings")
    assert len(stream_ratings(written(a=A))) == 6


def test_columns_are_recognised_in_each_file_or_named(written):
    folder = written(
        a={"timestamp": [0], "movieId": [7], "userId": [1], "stars": [3]},
        b={"user_id": [2], "item": [8], "rating": [4]},
    )
    assert rows(stream_ratings(folder)) == [(1, 7, 3.0), (2, 8, 4.0)]
    named = written(a={"u": [1], "i": [7], "r": [3]}, b={"r": [4], "u": [2], "i": [8]})
    assert rows(stream_ratings(named, user="u", item="i", rating="r")) == [(1, 7, 3.0), (2, 8, 4.0)]
    assert rows(stream_ratings(named / "a.parquet", user=0, item=1, rating=2)) == [(1, 7, 3.0)]


def test_ids_of_any_width_are_integers_and_of_any_encoding_strings(written):
    stream = stream_ratings(
        written(
            a={"user": pa.array([1], pa.int8()), "item": pa.array(["007"], pa.large_string()), "rating": [1]},
            b={"user": pa.array([2**63 - 1], pa.uint64()), "item": pa.array(["7"]).dictionary_encode(), "rating": [2]},
        )
    )
    assert rows(stream) == [(1, "007", 1.0), (2**63 - 1, "7", 2.0)]
    assert {str(chunk.frame["item"].dtype) for chunk in stream} == {"str"}


def test_the_scale_is_given_or_observed_in_all_files_and_that_of_every_chunk(written):
    folder = written(a=A, b={**B, "rating": [-7.0]})
    assert stream_ratings(folder).scale == (-7.0, 5.0)
    assert {chunk.scale for chunk in stream_ratings(folder)} == {(-7.0, 5.0)}
    assert {chunk.scale for chunk in stream_ratings(folder, scale=(-10, 10))} == {(-10.0, 10.0)}


def test_a_repeated_pair_stays_repeated(written):
    twice = {"user": [1, 1], "item": [1, 1], "rating": [2.0, 3.0]}
    assert rows(stream_ratings(written(a=twice, b=twice))) == [(1, 1, 2.0), (1, 1, 3.0)] * 2


def test_files_without_rows_are_passed_over(written):
    nothing = {"user": pa.array([], pa.string()), "item": pa.array([], pa.null()), "rating": pa.array([], pa.int64())}
    assert len(rows(stream_ratings(written(a=nothing, b=A)))) == 5


IN_A_ROW = {
    "a missing id": ({"user": [1, 2, 3, None]}, "row 3: the user id is missing"),
    "an id with a space": ({"item": ["x", "x", "x", "x", " y"]}, "row 4: the item id ' y' begins or ends"),
    "an empty id": ({"item": ["x", "", "x"]}, "row 1: the item id '' is empty"),
    "an id beyond 64 bits": ({"user": pa.array([1, 2**63], pa.uint64())}, f"row 1: the user id {2**63} does not fit"),
    "an id that is a float": (
        {"user": [1.0, 2.0]},
        "row 0: the user ids must be integers or strings, not floating",
    ),
    "a rating that is NaN": ({"rating": [1.0, 2.0, 3.0, np.nan]}, "row 3: the rating must be a finite number, not nan"),
    "a rating that is missing": ({"rating": [1, 2, 3, 4, None]}, "row 4: the rating must be a finite number, not nan"),
    "a rating that is infinite": ({"rating": [1.0, np.inf]}, "row 1: the rating must be a finite number, not inf"),
    "a rating that is a text": ({"rating": ["five"]}, "row 0: the rating must be a number, not 'five' (str)"),
    "a rating beyond the scale": ({"rating": [1, 2, 3, 9]}, "row 3: the rating 9 is outside the scale 1 to 5"),
}


@pytest.mark.parametrize(("columns", "message"), IN_A_ROW.values(), ids=IN_A_ROW)
def test_what_is_wrong_in_a_row_is_refused_with_its_file_and_row(written, columns, message):
    n = len(next(iter(columns.values())))
    table = {**{name: values[:n] for name, values in A.items()}, **columns}
    stream = stream_ratings(written(b=table) / "b.parquet", scale=(1, 5))
    with pytest.raises(DataError, match=f"b.parquet, {re.escape(message)}"):
        rows(stream)


def test_the_row_is_counted_in_its_file(written):
    stream = stream_ratings(written(a=A, b={"user": [1, 2], "item": ["x", "y"], "rating": [1, np.nan]}))
    with pytest.raises(DataError, match="b.parquet, row 1: the rating must be a finite number, not nan"):
        stream.scale  # noqa: B018


def test_ids_of_another_type_in_another_file_are_refused(written):
    folder = written(a=A, b={**B, "user": ["9"]})
    message = (
        r"b\.parquet: the user ids \('user'\) are of type string, but in .*a\.parquet of type integer: write them "
        "as one type in all files"
    )
    with pytest.raises(DataError, match=message):
        stream_ratings(folder)


def test_a_missing_column_is_named_with_its_file_and_those_there_are(written):
    folder = written(a=A, b={"user": [1], "thing": [2], "rating": [3]})
    with pytest.raises(
        DataError,
        match="b.parquet: there is no column for the item among 'user', 'thing', 'rating': set the option item",
    ):
        stream_ratings(folder)
    with pytest.raises(DataError, match="a.parquet: there is no column 'customer' for the user among"):
        stream_ratings(folder, user="customer")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.parquet", "nowhere.parquet does not exist"),
        (
            "ratings.csv",
            (
                r"ratings\.csv must be a Parquet file \(\.parquet, \.pq\) to be streamed: convert it, or read it whole "
                "with load_ratings$"
            ),
        ),
        ("empty", r"the folder .*empty holds no Parquet file \(\.parquet, \.pq\)$"),
        ("broken.parquet", "broken.parquet cannot be read as Parquet"),
        ("norows.parquet", "norows.parquet holds no ratings"),
    ],
)
def test_a_source_that_holds_no_ratings_in_parquet_is_refused(tmp_path, name, message):
    (tmp_path / "ratings.csv").write_text("user,item,rating\n1,2,3\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.parquet").write_text("user,item,rating\n1,2,3\n")
    pd.DataFrame({"user": [1], "item": [1], "rating": [1]}).iloc[:0].to_parquet(tmp_path / "norows.parquet")
    with pytest.raises(DataError, match=message):
        stream_ratings(tmp_path / name)


def test_what_is_no_path_and_what_is_no_scale_is_refused(written):
    with pytest.raises(DataError, match="^the source of a stream must be a path of Parquet files, not DataFrame$"):
        stream_ratings(pd.DataFrame(A))
    with pytest.raises(DataError, match=r"scale must be \(lowest, highest\) with lowest < highest, not \(5, 1\)"):
        stream_ratings(written(a=A), scale=(5, 1))


def test_what_is_liked_is_found_chunk_by_chunk(written):
    liked = stream_ratings(written(a=A, b=B)).liked(3)
    assert (liked.scale, len(liked), liked.n_merged) == ((0.0, 1.0), 6, 0)
    assert [row[2] for row in rows(liked)] == [0, 0, 1, 1, 1, 0]


@pytest.fixture
def hundred(written) -> RatingsStream:
    """Items that name their rows, in two files and chunks of three."""
    whole = {"user": np.zeros(100, dtype=int), "item": np.arange(100), "rating": np.arange(100) % 5 + 1.0}
    halves = [{name: values[part] for name, values in whole.items()} for part in (slice(0, 41), slice(41, None))]
    return stream_ratings(written(a=halves[0], b=halves[1]))


def test_a_part_of_a_stream_is_held_out_in_the_same_proportion_from_all_of_it(hundred):
    rest, held_out = hundred.split(0.2, seed=1)
    left, drawn = [row[1] for row in rows(rest)], held_out.frame["item"].tolist()
    assert (len(rest), len(held_out), held_out.scale) == (80, 20, (1.0, 5.0))
    assert sorted(left + drawn) == list(range(100))
    assert left == sorted(left)
    assert drawn == sorted(drawn)
    for end in range(3, 100, 3):  # of each chunk so many that a fifth of all up to there is held out
        assert sum(row < end for row in drawn) == end // 5


def test_the_seed_decides_what_is_held_out(hundred):
    first, again, other = (hundred.split(0.2, seed=seed)[1].frame["item"].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_a_part_can_be_held_out_of_the_rest_and_joined_to_it(hundred):
    rest, first = hundred.split(0.2, seed=1)
    remaining, second = rest.split(0.5, seed=1)
    assert (len(remaining), len(second)) == (40, 40)
    joined = remaining.joined(second)
    assert len(joined) == 80
    assert sorted(row[1] for row in rows(joined)) == sorted(set(range(100)) - {*first.frame["item"]})


def test_a_row_of_the_rest_is_named_by_its_place_in_its_file(hundred):
    places = {row[1]: where(n) for chunk, where in hundred.split(0.5, seed=1)[0].chunks() for n, row in numbered(chunk)}
    assert len(places) == 50
    for item, place in places.items():
        assert place.endswith(f"a.parquet, row {item}" if item < 41 else f"b.parquet, row {item - 41}")


def numbered(chunk: Ratings) -> list[tuple[int, tuple]]:
    return list(enumerate(chunk.frame.itertuples(index=False, name=None)))


def test_a_fraction_that_leaves_a_part_empty_is_refused(written):
    with pytest.raises(DataError, match="6 rows are too few to hold out a fraction of 0.01"):
        stream_ratings(written(a=A, b=B)).split(0.01, seed=0)
