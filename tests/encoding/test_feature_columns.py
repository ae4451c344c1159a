"""Each kind of feature: what it learns from training values, and the slots that a value becomes."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from recsys_nn.encoding.feature_columns import Bins, Categories, Dates, Numeric
from recsys_nn.errors import DataError, row_number


def known(*flags: int) -> np.ndarray:
    return np.array(flags, dtype=bool)


WIDE = pd.Series([1.0, 2.0, 4.0, 9.0])


def test_a_category_is_its_row_with_weight_one():
    column = Categories.fit("colour", pd.Series(["red", "blue", None, "red"]), known(1, 1, 1, 1))
    assert column.values == ("blue", "red")
    assert (column.n_rows, column.n_slots) == (2, 1)
    rows, weights = column.encode(pd.Series(["red", "blue", None, "green"]), row_number)
    assert rows.tolist() == [[2], [1], [0], [0]]
    assert weights.tolist() == [[1], [1], [0], [0]]
    assert (rows.dtype, weights.dtype) == (np.int32, np.float32)


def test_several_values_share_a_vector_of_norm_one():
    values = pd.Series(["Comedy|Romance", "Drama", "", "Drama|Comedy|Romance"]).replace("", None)
    column = Categories.fit("genres", values, known(1, 1, 1, 1), separator="|")
    assert column.values == ("Comedy", "Drama", "Romance")
    assert (column.n_rows, column.n_slots) == (3, 3)
    rows, weights = column.encode(values, row_number)
    assert rows.tolist() == [[1, 3, 0], [2, 0, 0], [0, 0, 0], [1, 2, 3]]
    half, third = 1 / np.sqrt(2), 1 / np.sqrt(3)
    np.testing.assert_allclose(weights, [[half, half, 0], [1, 0, 0], [0, 0, 0], [third, third, third]], rtol=1e-7)


def test_values_that_are_repeated_or_empty_or_unknown_do_not_count_among_several():
    column = Categories.fit("genres", pd.Series(["a|b", "c"]), known(1, 1), separator="|")
    rows, weights = column.encode(pd.Series(["b||b", "x|a", "c|b|a", "x"]), row_number)
    assert rows.tolist() == [[2, 0], [1, 0], [1, 2], [0, 0]]  # of more values than slots, the first
    np.testing.assert_allclose(weights, [[1, 0], [1, 0], [np.sqrt(0.5), np.sqrt(0.5)], [0, 0]], rtol=1e-7)


def test_owners_without_training_add_slots_but_no_categories():
    values = pd.Series(["a", "b", "c", "a|b|new"])
    column = Categories.fit("genres", values, known(1, 1, 0, 0), separator="|")
    assert column.values == ("a", "b")
    assert column.n_slots == 2
    assert column.encode(values, row_number)[0].tolist() == [[1, 0], [2, 0], [0, 0], [1, 2]]


def test_a_number_is_standardised_by_the_training_values():
    values = pd.Series([20.0, 30.0, np.nan, 60.0, 1000.0])
    column = Numeric.fit("age", values, known(1, 1, 1, 1, 0), row_number)
    assert column.mean == pytest.approx(np.mean([20, 30, 60]))
    assert column.std == pytest.approx(np.std([20, 30, 60]))
    rows, weights = column.encode(values, row_number)
    assert rows.tolist() == [[1], [1], [0], [1], [1]]
    expected = (np.array([20, 30, 60, 1000]) - np.mean([20, 30, 60])) / np.std([20, 30, 60])
    np.testing.assert_allclose(weights[[0, 1, 3, 4], 0], expected, rtol=1e-6)
    assert weights[2] == 0


def test_bins_are_cut_at_the_quantiles_of_the_training_values():
    values = pd.Series(np.random.default_rng(0).normal(size=101))
    column = Bins.fit("age", values, np.ones(101, dtype=bool), row_number, bins=4)
    edges = np.quantile(values, [0.25, 0.5, 0.75], method="inverted_cdf")
    assert column.edges == tuple(edges)
    rows, weights = column.encode(values, row_number)
    expected = pd.cut(values, [-np.inf, *edges, np.inf], labels=False)
    assert (rows[:, 0] - 1).tolist() == expected.tolist()
    assert (weights == 1).all()


def test_each_bin_ends_with_its_edge_and_the_outer_ones_are_open():
    column = Bins.fit("age", WIDE, known(1, 1, 1, 1), row_number, bins=2)
    assert (column.edges, column.n_rows) == ((2.0,), 2)
    rows, weights = column.encode(pd.Series([-5.0, 2.0, 2.1, 99.0, np.nan]), row_number)
    assert rows[:, 0].tolist() == [1, 1, 2, 2, 0]
    assert weights[:, 0].tolist() == [1, 1, 1, 1, 0]


def test_no_bin_is_empty_where_many_values_are_equal():
    values = pd.Series([0.0] * 6 + [1.0, 2.0])
    column = Bins.fit("age", values, np.ones(8, dtype=bool), row_number, bins=8)
    rows, _ = column.encode(values, row_number)
    assert sorted(set(rows[:, 0])) == list(range(1, column.n_rows + 1))


def test_a_date_is_a_trend_in_days_and_a_category():
    times = pd.Series(pd.to_datetime(["2004-02-10", "2004-02-20", "2004-03-11", None]))
    column = Dates.fit("when", times, known(1, 1, 1, 1), row_number, period="month")
    assert column.periods.values == ("2004-02", "2004-03")
    assert (column.n_rows, column.n_slots) == (3, 2)
    rows, weights = column.encode(times, row_number)
    assert rows.tolist() == [[1, 2], [1, 2], [1, 3], [0, 0]]
    np.testing.assert_allclose(weights[:3, 0], (np.array([0, 10, 30]) - 40 / 3) / np.std([0, 10, 30]), rtol=1e-5)
    assert weights[:, 1].tolist() == [1, 1, 1, 0]


def test_a_date_after_training_goes_on_with_the_trend_and_has_no_category():
    times = pd.Series(pd.to_datetime(["2004-02-10", "2004-02-12"]))
    column = Dates.fit("when", times, known(1, 1), row_number, period="month")
    rows, weights = column.encode(pd.Series(pd.to_datetime(["2004-04-01"])), row_number)
    assert rows.tolist() == [[1, 0]]
    assert weights.tolist() == [[50, 0]]  # 50 days after the mean, with a standard deviation of one day


@pytest.mark.parametrize(
    ("period", "names"),
    [
        ("day", ("2004-02-28", "2004-02-29", "2005-03-01")),
        ("week", ("2004-02-23/2004-02-29", "2005-02-28/2005-03-06")),
        ("month", ("2004-02", "2005-03")),
        ("year", ("2004", "2005")),
    ],
)
def test_the_periods_of_a_date(period, names):
    times = pd.Series(pd.to_datetime(["2004-02-29 00:00", "2004-02-28 23:59", "2005-03-01 12:00"]))
    column = Dates.fit("when", times, known(1, 1, 1), row_number, period=period)
    assert column.periods.values == names


def test_epoch_seconds_and_iso_dates_are_the_same_date():
    column = Dates.fit("when", pd.Series([0, 86_400 * 40]), known(1, 1), row_number, period="month")
    assert column.periods.values == ("1970-01", "1970-02")
    assert [part.tolist() for part in column.encode(pd.Series(["1970-02-10"]), row_number)] == [[[1, 3]], [[1, 1]]]


REFUSED = {
    "a constant": (
        lambda: Numeric.fit("age", pd.Series([30.0, 30.0, 40.0]), known(1, 1, 0), row_number),
        "the feature 'age' is always 30.0 in training, so that nothing can be learned from it: leave it out$",
    ),
    "one date": (
        lambda: Dates.fit("when", pd.Series(["2004-02-10"] * 2), known(1, 1), row_number, period="year"),
        "the feature 'when' is always 2004-02-10 00:00:00 in training, so that nothing can "
        "be learned from it: leave it out$",
    ),
    "no number": (
        lambda: Numeric.fit("age", pd.Series([np.nan, 7.0]), known(1, 0), row_number),
        "the feature 'age' has no value in training: leave it out",
    ),
    "no category": (
        lambda: Categories.fit("colour", pd.Series([None, "red"]), known(1, 0)),
        "the feature 'colour' has no value in training: leave it out",
    ),
    "one bin": (
        lambda: Bins.fit("age", pd.Series([1.0, 9.0, 9.0, 9.0]), known(1, 1, 1, 1), row_number, bins=2),
        "the feature 'age' is 9 so often that its 2 bins are one: set bins higher$",
    ),
    "beyond 32 bits": (
        lambda: Numeric.fit("age", WIDE, known(1, 1, 1, 1), row_number).encode(pd.Series([0.0, 1e300]), row_number),
        (
            r"row 1: the feature 'age' is 1e\+300, which is too far from its mean 4 \(standard "
            r"deviation 3.08221\) for a 32-bit number$"
        ),
    ),
    "a text": (
        lambda: Numeric.fit("age", WIDE, known(1, 1, 1, 1), row_number).encode(pd.Series(["old"]), row_number),
        "row 0: the feature 'age' must be a finite number, not 'old'$",
    ),
}


@pytest.mark.parametrize(("act", "message"), REFUSED.values(), ids=REFUSED)
def test_what_tells_nothing_or_is_not_of_its_kind_is_refused(act, message):
    with pytest.raises(DataError, match=message):
        act()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Categories(name="a", values=("x",), n_slots=2),
            "Value error, an owner cannot have 2 of 1 values",
        ),
        (
            lambda: Bins(name="a", edges=(2.0, 1.0)),
            "Value error, the edges of the bins must ascend",
        ),
        (
            lambda: Bins(name="a", edges=(1.0, 1.0)),
            "Value error, the edges of the bins must ascend",
        ),
        (lambda: Bins(name="a", edges=range(10_001)), "at most 10000 items"),
        (lambda: Bins(name="a", edges=()), "at least 1 item"),
        (lambda: Numeric(name="a", mean=0.0, std=0.0), "greater than 0"),
        (lambda: Numeric(name="a", mean=float("nan"), std=1.0), "finite number"),
        (lambda: Categories(name="a", values=()), "at least 1 item"),
        (lambda: Categories(name="a", values=("x",), separator=""), "at least 1 character"),
        (lambda: Categories(name="a", values=("x",), n_slots=0), "greater than or equal to 1"),
        (lambda: Categories(name="a", values=("x",), slots=1), "Extra inputs are not permitted"),
    ],
)
def test_a_column_that_cannot_be_is_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()


def test_the_most_edges_that_there_can_be_and_columns_as_they_are():
    assert Bins(name="a", edges=range(10_000)).n_rows == 10_001
    column = Categories(name="a", values=("x",))
    assert (column.n_slots, column.separator) == (1, None)
    with pytest.raises(ValidationError, match="Instance is frozen"):
        column.name = "b"


def test_without_a_separator_each_text_is_one_category():
    column = Categories.fit("a", pd.Series(["x|y", "x"]), known(1, 1))
    assert column.values == ("x", "x|y")


@pytest.mark.parametrize(
    "act",
    [
        lambda where: Numeric.fit("age", pd.Series(["7", "old"]), known(1, 1), where),
        lambda where: Bins.fit("age", pd.Series(["7", "old"]), known(1, 1), where, bins=2),
        lambda where: Bins(name="age", edges=(1.0,)).encode(pd.Series(["7", "old"]), where),
        lambda where: Numeric(name="age", mean=0.0, std=1.0).encode(pd.Series(["7", "old"]), where),
    ],
)
def test_a_value_that_is_no_number_is_named_with_its_column_and_place(act):
    with pytest.raises(DataError, match="^line 1: the feature 'age' must be a finite number, not 'old'$"):
        act(lambda row: f"line {row}")


def test_a_value_that_is_no_time_is_named_with_its_column_and_place():
    def act(read):
        with pytest.raises(
            DataError,
            match="^line 1, the feature 'when': the timestamp 'old' must be epoch seconds or an ISO "
            "8601 date such as 2004-02-10$",
        ):
            read(pd.Series(["1970-01-02", "old", "1970-01-05"]), lambda row: f"line {row}")

    act(lambda values, where: Dates.fit("when", values, known(1, 1, 1), where, period="year"))
    fitted = Dates.fit("when", pd.Series(["1970-01-02", "1970-02-02"]), known(1, 1), row_number, period="month")
    act(fitted.encode)
