"""Files of pairs into files of predictions: the numbers of `predict`, the columns and the order of the input."""

import csv
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_nn import DataError, Encoder, Predictor, Ratings, SVDConfig, build_model
from recsys_nn.data import pair_files as pairs_module
from recsys_nn.data.pair_files import PairsSource
from recsys_nn.data.table_format import TableFormat
from recsys_nn.files.text import decoding
from recsys_nn.prediction.batch import file

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=25)
SMALL_PARTS = pytest.mark.usefixtures("parts_of_three_rows")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """Users a, b, c and items 1, 2, 3, with predictions that differ from pair to pair."""
    frame = pd.DataFrame({"user": list("aabbc"), "item": [1, 2, 1, 3, 2], "rating": [1, 5, 2, 4, 3]})
    encoder = Encoder.fit(Ratings(frame, scale=(1, 5)))
    return Predictor(build_model(SVDConfig(embedding_dim=2, init_std=1.0), encoder, seed=3), encoder)


@pytest.fixture(scope="module")
def hourly() -> Predictor:
    """A model that reads the hour and the time of a rating, the hour as a category."""
    frame = pd.DataFrame(
        {"user": list("aabbc"), "item": list("xyxyx"), "rating": [1, 5, 2, 4, 3], "hour": [1, 2] * 2 + [1]}
    )
    table = Ratings(frame.assign(timestamp=86_400 * np.arange(5)), rating_features=["hour"])
    encoder = Encoder.fit(table, features={"rating": [{"column": "hour", "kind": "categorical"}, "timestamp"]})
    model, rng = build_model(SVDConfig(embedding_dim=2), encoder), np.random.default_rng(3)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape, scale=0.3))
    return Predictor(model, encoder)


@pytest.fixture
def parts_of_three_rows(monkeypatch):
    """Of Parquet; of text files, parts of 16 bytes."""
    monkeypatch.setattr(pairs_module, "PART_ROWS", 3)
    monkeypatch.setattr(decoding, "BLOCK_BYTES", 16)


def written(place: Path, table: pd.DataFrame | dict | str) -> Path:
    if isinstance(table, str):
        (gzip.open if place.suffix == ".gz" else open)(place, "wb").write(table.encode())
    else:
        pq.write_table(table if isinstance(table, pa.Table) else pa.table(dict(table)), place, row_group_size=4)
    return place


def read(place: Path) -> pd.DataFrame:
    if place.suffix == ".parquet":
        return pq.read_table(place).to_pandas()
    return pd.read_csv(place, sep="\t" if ".tsv" in place.name else ",", keep_default_na=False)


PAIRS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", "new"]), st.sampled_from([1, 2, 3, 99])), max_size=20)


@REPEATABLE
@given(
    pairs=PAIRS, part_rows=st.integers(1, 7), row_groups=st.integers(1, 9), output=st.sampled_from(["csv", "parquet"])
)
def test_the_rows_of_parquet_come_in_their_order_with_all_their_columns(
    predictor, tmp_path_factory, pairs, part_rows, row_groups, output
):
    users, items = map(list, zip(*pairs, strict=True)) if pairs else ([], [])
    table = pa.table(
        {
            "note": pa.array([f"row {row}" for row in range(len(pairs))], pa.string()),
            "user_id": pa.array(users, pa.string()),
            "weight": pa.array([None if row % 3 else row / 7 for row in range(len(pairs))], pa.float32()),
            "item": pa.array(items, pa.int64()),
        }
    )
    folder = tmp_path_factory.mktemp("pairs")
    pq.write_table(table, folder / "pairs.parquet", row_group_size=row_groups)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs_module, "PART_ROWS", part_rows)
        found = predictor.predict_file(folder / "pairs.parquet", folder / f"out.{output}")
    expected = predictor.predict(users=users, items=items)
    assert found.rows == len(pairs)
    assert found.sources == expected["source"].value_counts().loc[lambda counts: counts > 0].to_dict()
    if output == "parquet":
        kept = pq.read_table(folder / "out.parquet")
        assert kept.select(table.column_names).equals(table)
        assert kept["prediction"].to_pylist() == expected["prediction"].tolist()
        assert kept["source"].to_pylist() == expected["source"].tolist()
    elif pairs:
        kept = pd.read_csv(folder / "out.csv")
        assert list(kept) == [*table.column_names, "prediction", "source"]
        assert kept["note"].tolist() == table["note"].to_pylist()
        np.testing.assert_allclose(kept["prediction"], expected["prediction"], rtol=1e-6)


@REPEATABLE
@given(
    pairs=PAIRS.filter(len),
    block=st.integers(16, 64),
    quoted=st.booleans(),
    suffix=st.sampled_from([".csv", ".tsv.gz"]),
)
def test_the_rows_of_text_come_in_their_order_exactly_as_they_are_written(
    predictor, tmp_path_factory, pairs, block, quoted, suffix
):
    notes = ["00" + str(row) if row % 2 else ('a,\n"b"' if quoted else "NA") for row in range(len(pairs))]
    frame = pd.DataFrame(pairs, columns=["user", "movieId"]).assign(note=notes)
    folder = tmp_path_factory.mktemp("pairs")
    frame.to_csv(folder / f"pairs{suffix}", index=False, sep="\t" if ".tsv" in suffix else ",")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "BLOCK_BYTES", block)
        predictor.predict_file(
            folder / f"pairs{suffix}", folder / "out.parquet", layout={"separator": "\t" if ".tsv" in suffix else ","}
        )
    kept = pq.read_table(folder / "out.parquet").to_pandas()
    expected = predictor.predict(frame.rename(columns={"movieId": "item"}))
    assert kept[["user", "movieId", "note"]].equals(frame.astype(str))
    pd.testing.assert_frame_equal(kept[["prediction", "source"]], expected[["prediction", "source"]])


@SMALL_PARTS
def test_a_folder_of_parquet_is_read_in_the_order_of_its_paths(predictor, tmp_path):
    folder = tmp_path / "pairs"
    (folder / "b").mkdir(parents=True)
    written(folder / "b" / "1.parquet", {"user": ["a"], "item": [1], "n": pa.array([7], pa.int64())})
    written(folder / "a.parquet", {"n": pa.array([1, 2], pa.int8()), "item": [2, 3], "user": ["b", "c"]})
    written(folder / "_old.parquet", {"user": ["c"], "item": [1]})
    predictor.predict_file(folder, tmp_path / "out.parquet")
    kept = pq.read_table(tmp_path / "out.parquet")
    assert kept.column_names == ["n", "item", "user", "prediction", "source"]
    assert kept.schema.field("n").type == pa.int64()
    assert kept.select(["user", "item", "n"]).to_pydict() == {
        "user": ["b", "c", "a"],
        "item": [2, 3, 1],
        "n": [1, 2, 7],
    }


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            {"user": ["a"]},
            r"b.parquet has the columns 'user', but .*a.parquet has 'user', 'item': write the same columns in all "
            r"files$",
        ),
        ({"user": ["a"], "item": ["1"]}, "a column has different types in these files: .*item"),
    ],
)
def test_files_of_a_folder_with_other_columns_are_refused(predictor, tmp_path, other, message):
    folder = tmp_path / "pairs"
    folder.mkdir()
    written(folder / "a.parquet", {"user": ["a"], "item": [1]})
    written(folder / "b.parquet", other)
    with pytest.raises(DataError, match=message):
        predictor.predict_file(folder, tmp_path / "out.parquet")


def test_an_output_among_the_pairs_is_refused(predictor, tmp_path):
    written(tmp_path / "a.parquet", {"user": ["a"], "item": [1]})
    with pytest.raises(DataError, match="out.csv lies in the folder of the pairs, .*: choose another folder$"):
        predictor.predict_file(tmp_path, tmp_path / "out.csv")


def test_a_file_is_replaced_by_its_own_predictions_where_that_is_asked(predictor, tmp_path):
    place = written(tmp_path / "pairs.parquet", {"user": ["a", "b"], "item": [1, 2]})
    predictor.predict_file(place, place, overwrite=True)
    assert pq.read_table(place).column_names == ["user", "item", "prediction", "source"]


def test_no_pairs_are_no_predictions(predictor, tmp_path):
    place = written(tmp_path / "none.parquet", {"user": pa.array([], pa.string()), "item": pa.array([], pa.int64())})
    found = predictor.predict_file(place, tmp_path / "out.parquet")
    assert (found.rows, found.sources) == (0, {})
    assert pq.read_table(tmp_path / "out.parquet").column_names == ["user", "item", "prediction", "source"]
    for content, message in {"": "the file is empty", "user,item\n": "has no rows, only the header"}.items():
        with pytest.raises(DataError, match=message):
            predictor.predict_file(written(tmp_path / "none.csv", content), tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("name", ["prediction", "source", "lower"])
def test_a_column_that_is_named_as_one_that_is_added_is_refused(predictor, tmp_path, name):
    place = written(tmp_path / "pairs.csv", f"user,item,{name}\na,1,x\n")
    if name == "lower":  # which is added with an interval alone
        predictor.predict_file(place, tmp_path / "out.csv")
        assert read(tmp_path / "out.csv")["lower"].tolist() == ["x"]
        return
    with pytest.raises(
        DataError,
        match=f"pairs.csv has a column '{name}', the name of a column of predictions: rename it or leave it out$",
    ):
        predictor.predict_file(place, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_intervals_are_those_of_predict(predictor, tmp_path):
    frame = pd.DataFrame({"user": list("aabbc") * 20, "item": [1, 2, 1, 3, 2] * 20})
    ratings = Ratings(frame.assign(rating=np.arange(100) % 5 + 1), duplicates="last", scale=(1, 5))
    calibrated = predictor.calibrated(ratings)
    place = written(tmp_path / "pairs.parquet", frame)
    calibrated.predict_file(place, tmp_path / "out.parquet", interval=0.5)
    pd.testing.assert_frame_equal(read(tmp_path / "out.parquet"), calibrated.predict(frame, interval=0.5))
    with pytest.raises(DataError, match="this predictor has no intervals"):
        predictor.predict_file(place, tmp_path / "other.parquet", interval=0.5)
    assert not (tmp_path / "other.parquet").exists()


# Columns of the ratings' features


@SMALL_PARTS
def test_values_of_text_are_read_as_the_whole_column_is_written(hourly, tmp_path):
    """1.0 is the number 1, and so the category "1", only where the whole column holds numbers."""
    rows = "user,item,hour\na,x,1.0\na,y,2\nb,x,1.0\nb,y,2\nc,x,1.0\n"
    columns = {"numbers": [1, 2, 1, 2, 1], "texts": ["1.0", "2", "1.0", "2", "1.0", "noon"]}
    found = {}
    for (name, hours), content in zip(columns.items(), [rows, f"{rows}c,y,noon\n"], strict=True):
        place = written(tmp_path / f"{name}.csv", content)
        hourly.predict_file(place, tmp_path / f"{name}.parquet", layout={"separator": ","})
        found[name] = read(tmp_path / f"{name}.parquet")["prediction"]
        n = len(hours)
        asked = pd.DataFrame({"user": list("aabbcc")[:n], "item": list("xyxyxy")[:n], "hour": hours})
        np.testing.assert_array_equal(found[name], hourly.predict(asked)["prediction"])
    assert found["numbers"][0] != found["texts"][0]


@SMALL_PARTS
def test_times_and_features_are_read_from_their_columns(hourly, tmp_path):
    times = pd.to_datetime(["1970-01-01", "1970-01-02", None, "1970-01-04", "1970-01-05"])
    frame = pd.DataFrame({"user": list("aabbc"), "item": list("xyxyx"), "hour": [1, 2, None, 2, 1], "day": times})
    table = pa.table({**frame[["user", "item", "day"]], "hour": pa.array([1, 2, None, 2, 1], pa.int32())})
    expected = hourly.predict(frame.rename(columns={"day": "timestamp"}))["prediction"]
    found = hourly.predict_file(
        written(tmp_path / "pairs.parquet", table), tmp_path / "out.parquet", layout={"timestamp": "day"}
    )
    np.testing.assert_array_equal(read(tmp_path / "out.parquet")["prediction"], expected)
    assert found.missing == ()
    frame["day"] = frame["day"].dt.strftime("%Y-%m-%d")
    frame.astype({"hour": "Int64"}).to_csv(tmp_path / "pairs.csv", index=False)
    hourly.predict_file(
        tmp_path / "pairs.csv", tmp_path / "text.parquet", layout={"separator": ",", "timestamp": "day"}
    )
    np.testing.assert_array_equal(read(tmp_path / "text.parquet")["prediction"], expected)


def test_it_is_told_which_columns_the_model_reads_and_the_pairs_do_not_have(hourly, tmp_path):
    place = written(tmp_path / "pairs.csv", "user,item,hour\na,x,1\n")
    assert hourly.predict_file(place, tmp_path / "out.csv").missing == ("timestamp",)


# Rows that cannot be predicted

ROWS = ["user,item,n", "a,1,1", "b,2,2", "a,3,3", "b,1,4", "c,2,5", "a,2,6"]
BAD_ROWS = {
    "a short row": ("c,2", "2 fields where 3 are expected"),
    "an id that is no number": (
        "c,07,7",
        "the item id must be a plain 64-bit integer, as other item ids are, not '07'",
    ),
    "an empty id": (",1,7", "the user id '' is empty"),
    "a blank": ("c ,1,7", "the user id 'c ' begins or ends with white space"),
}


@SMALL_PARTS
@pytest.mark.parametrize(("row", "why"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_far_down_stops_it_with_its_line_or_is_left_out_with_it(predictor, tmp_path, row, why):
    place = written(tmp_path / "pairs.csv", "\n".join([*ROWS, row, "b,3,8"]) + "\n")
    layout = {"separator": ","}
    with pytest.raises(DataError, match=re.escape(f"{place}, line 8: {why}")):
        predictor.predict_file(place, tmp_path / "out.csv", layout=layout)
    assert list(tmp_path.iterdir()) == [place]
    found = predictor.predict_file(place, tmp_path / "out.csv", layout=layout, on_error="skip")
    assert (found.rows, found.skipped, found.skipped_file) == (7, 1, tmp_path / "out.csv.skipped.csv")
    assert read(tmp_path / "out.csv")["n"].tolist() == [1, 2, 3, 4, 5, 6, 8]
    left_out = pd.read_csv(found.skipped_file)
    assert list(left_out) == ["where", "why", "row"]
    assert left_out[["where", "row"]].to_numpy().tolist() == [[f"{place}, line 8", row]]
    assert left_out["why"][0].startswith(why)


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.parquet"])
def test_nothing_that_is_written_runs_in_a_spreadsheet(predictor, tmp_path, name):
    columns = {"user": ["a", "=new", "@x"], "item": ["1", "2", "-1+1"], "=note": ["-1+1", "-0.5", "+a"]}
    text = pd.DataFrame(columns).to_csv(index=False)
    table = pa.table({**columns, "item": pa.array([1, 2, None], pa.int64())})
    place = written(tmp_path / name, text if name == "pairs.csv" else table)
    found = predictor.predict_file(place, tmp_path / "out.csv", on_error="skip")
    fields = [field for file in (found.output, found.skipped_file) for row in csv.reader(file.open()) for field in row]
    assert {"'=new", "'=note", "'-1+1", "-0.5"} <= set(fields)
    assert not [field for field in fields if re.match("[=+@]|-[^0-9]", field)]
    again = next(PairsSource(found.output, TableFormat(), {"user": "string", "item": "string"}).parts()).table.data
    assert again.select(["user", "=note"]).to_pydict() == {"user": ["a", "=new"], "=note": ["-1+1", "-0.5"]}


@SMALL_PARTS
def test_what_is_left_out_of_parquet_is_told_by_rows_in_their_order(predictor, tmp_path):
    users, items = ["a", "b", None, "c", " ", "a", "b"], [1, None, 3, 2, None, None, 1]
    folder = tmp_path / "pairs"
    folder.mkdir()
    written(folder / "1.parquet", {"user": ["a"], "item": [1]})
    written(folder / "2.parquet", {"user": users, "item": pa.array(items, pa.int64())})
    found = predictor.predict_file(folder, tmp_path / "out.parquet", on_error="skip")
    assert read(tmp_path / "out.parquet")["user"].tolist() == ["a", "a", "c", "b"]
    assert (found.rows, found.skipped) == (4, 4)
    left_out = pd.read_csv(found.skipped_file)
    assert left_out["where"].tolist() == [f"{folder / '2.parquet'}, row {row}" for row in (1, 2, 4, 5)]
    assert left_out["why"].str.split(" ").str[:2].str.join(" ").tolist() == [
        "the item",
        "the user",
        "the user",
        "the item",
    ]
    assert json.loads(left_out["row"][0]) == {"user": "b", "item": None}


@SMALL_PARTS
def test_bad_values_of_features_are_left_out_like_bad_ids(hourly, tmp_path):
    dates = ["1970-01-01", "soon", "1970-01-03", "", "1970-01-05"]
    content = "".join(f"{user},x,{date}\n" for user, date in zip("aabbc", dates, strict=True))
    place = written(tmp_path / "pairs.csv", f"user,item,date\n{content}")
    found = hourly.predict_file(place, tmp_path / "out.csv", layout={"separator": ","}, on_error="skip")
    assert (found.rows, found.skipped) == (4, 1)
    assert pd.read_csv(found.skipped_file)["where"].tolist() == [f"{place}, line 3"]


@SMALL_PARTS
def test_a_file_in_which_no_row_can_be_predicted_gives_none(predictor, tmp_path):
    place = written(tmp_path / "pairs.csv", "user,item\n,1\n,2\na\n,3\n,2\n")
    found = predictor.predict_file(place, tmp_path / "out.csv", layout={"separator": ","}, on_error="skip")
    assert (found.rows, found.skipped) == (0, 5)
    assert (tmp_path / "out.csv").read_text().splitlines() == ['"user","item","prediction","source"']


def test_where_nothing_is_left_out_there_is_no_file_of_it(predictor, tmp_path):
    place = written(tmp_path / "pairs.csv", "user,item\na,1\n")
    (tmp_path / "out.csv.skipped.csv").write_text("of an earlier run")
    asked = {"pairs": place, "output": tmp_path / "out.csv", "on_error": "skip"}
    with pytest.raises(DataError, match=r"out\.csv\.skipped\.csv exists: choose another output, or overwrite it"):
        predictor.predict_file(**asked)
    found = predictor.predict_file(**asked, overwrite=True)
    assert (found.skipped, found.skipped_file) == (0, None)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.csv", "pairs.csv"]


WRONG_FILES = {
    "an open quote": (
        'user,item\na,1\nb,2\n"c,1\na,1\n',
        ".csv",
        "line 4, column 1: the quote that opens here is never closed",
    ),
    "NUL": ("user,item\na,1\nb,2\n\0,1\n", ".csv", "line 4, column 1: there is a NUL byte"),
    "no such column": ("user,thing\na,1\n", ".csv", "there is no column for the item among 'user', 'thing'"),
    "ids of another type": (
        {"user": ["a", "b"], "item": ["1", "9"]},
        ".parquet",
        r"the item ids must be of type integer, as in training, not string as '1' is: cast them \(1 of 2",
    ),
    "ids that are floats": (
        {"user": ["a"], "item": [1.0]},
        ".parquet",
        "row 0: the item ids must be integers or strings, not floating",
    ),
}


@pytest.mark.parametrize("on_error", ["stop", "skip"])
@pytest.mark.parametrize(("content", "suffix", "message"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_what_is_wrong_with_the_file_and_not_with_a_row_ends_it(
    predictor, tmp_path, content, suffix, message, on_error
):
    place = written(tmp_path / f"pairs{suffix}", content)
    with pytest.raises(DataError, match=message):
        predictor.predict_file(place, tmp_path / "out.csv", on_error=on_error)
    assert list(tmp_path.iterdir()) == [place]


@SMALL_PARTS
def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(predictor, tmp_path):
    place = written(tmp_path / "pairs.parquet", {"user": ["a"] * 5, "item": [1] * 5, "tags": [["x"]] * 5})
    (tmp_path / "out.csv").write_text("old")
    with pytest.raises(DataError, match=r"out\.csv: a column cannot be written as text"):
        predictor.predict_file(place, tmp_path / "out.csv", overwrite=True)
    assert (tmp_path / "out.csv").read_text() == "old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.csv", "pairs.parquet"]


# What else is asked of it


@SMALL_PARTS
def test_it_tells_how_far_it_is(predictor, tmp_path):
    place = written(tmp_path / "pairs.parquet", {"user": ["a"] * 7, "item": [1] * 7})
    told = []
    predictor.predict_file(place, tmp_path / "out.csv", progress=lambda rows, done: told.append((rows, done)))
    assert told == [(3, 3 / 7), (6, 6 / 7), (7, 1.0)]
    content = "user,item\n" + "a,1\n" * 20
    told.clear()
    predictor.predict_file(
        written(tmp_path / "pairs.csv", content),
        tmp_path / "text.csv",
        layout={"separator": ","},
        progress=lambda rows, done: told.append((rows, done)),
    )
    assert told[-1] == (20, 1.0)
    assert [done for _, done in told] == sorted(min(1.0, 16 * part / len(content)) for part in range(1, len(told) + 1))


def test_a_file_without_names_has_those_of_its_user_and_item(predictor, tmp_path):
    place = written(tmp_path / "pairs.csv", "x,1,a\ny,2,b\n")
    layout = {"user": 2, "item": 1, "header": False}
    predictor.predict_file(place, tmp_path / "out.csv", layout=TableFormat(**layout))
    assert list(read(tmp_path / "out.csv")) == ["0", "item", "user", "prediction", "source"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "ignore"}, "on_error must be one of 'stop', 'skip', not 'ignore'$"),
        ({"layout": {"seperator": ","}}, r"layout.seperator: there is no such key; did you mean 'separator'\?$"),
        ({"layout": {"header": "perhaps"}}, "layout.header must be a valid boolean, not 'perhaps'$"),
    ],
)
def test_options_that_are_none_are_refused(predictor, tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        predictor.predict_file(tmp_path / "pairs.csv", tmp_path / "out.csv", **options)


def test_values_are_made_one_ahead_and_an_error_comes_in_its_place():
    made = []

    def values():
        for value in range(3):
            made.append(value)
            yield value
        raise DataError("the fourth")

    ahead = file._one_ahead(values())
    assert (next(ahead), next(ahead), next(ahead)) == (0, 1, 2)
    with pytest.raises(DataError, match="the fourth"):
        next(ahead)
    ahead = file._one_ahead(values())
    made.clear()
    assert next(ahead) == 0
    ahead.close()
    assert made == [0, 1]
