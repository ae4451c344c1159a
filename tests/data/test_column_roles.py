"""Which column of a table is which: usual names, given ones, positions, and what is left open."""

import pytest

from recsys_nn.data.readers import chosen_columns
from recsys_nn.errors import DataError

USUAL = {
    "user": "user USER userId user_id User-ID uid customer customer_id CustomerID reviewerID",
    "item": "item ITEM item_id iid movie movieId movie_id product product-id ProductID book bookId Book-ID isbn asin",
    "rating": "rating Rating ratings Score stars bookRating Book-Rating overall",
    "timestamp": "timestamp TimeStamp time date datetime date_time unixReviewTime",
}
IN_ORDER = ["user", "item", "rating", "timestamp"]


@pytest.mark.parametrize(("role", "name"), [(role, name) for role, names in USUAL.items() for name in names.split()])
def test_a_usual_name_is_recognised_and_no_other(role, name):
    asked = dict.fromkeys(IN_ORDER)
    assert chosen_columns(["x", name, f"x{name}"], asked, required=(), table="t") == {role: 1}


def chosen(names, required=("user",), *, header=True, **asked):
    return chosen_columns(names, asked, required=required, table="t", header=header)


def test_the_plain_name_counts_before_others_that_are_usual():
    assert chosen(["uid", "user", "userId"], user=None) == {"user": 1}


@pytest.mark.parametrize(("given", "position"), [("b", 1), (0, 0), (1, 1), (2, 2), (7, 3)])
def test_a_column_is_given_by_its_name_or_else_its_position(given, position):
    assert chosen(["a", "b", "c", "7"], user=given) == {"user": position}


def test_without_names_columns_stand_in_the_usual_order():
    for n in (3, 4):
        names = ["0", "1", "2", "3"][:n]
        assert chosen(names, header=False, **dict.fromkeys(IN_ORDER)) == dict(zip(IN_ORDER, range(n), strict=False))
    assert chosen(["0", "1", "2", "3", "4"], (), header=False, timestamp=None) == {}
    assert chosen(["0", "1"], ("user",), header=False, rating=None) == {}


@pytest.mark.parametrize(
    ("names", "asked", "message"),
    [
        (
            ["a", "b"],
            {"user": None},
            "t: there is no column for the user among 'a', 'b': set the option user to its column",
        ),
        (
            ["a", "b"],
            {"user": "c"},
            "t: there is no column 'c' for the user among 'a', 'b': set the option user to its column",
        ),
        (
            ["a", "b"],
            {"user": 2},
            "t: there is no column 2 for the user among 'a', 'b': set the option user to its column",
        ),
        (
            ["a", "b"],
            {"user": -1},
            "t: there is no column -1 for the user among 'a', 'b': set the option user to its column",
        ),
        (
            ["uid", "userId"],
            {"user": None},
            "t: several columns may be the user among 'uid', 'userId': set the option user to its column",
        ),
        (
            ["a", "a"],
            {"item": "a"},
            "t: several columns may be the item among 'a', 'a': set the option item to its column",
        ),
        (
            ["a", "b"],
            {"user": "a", "item": 0},
            "t: the column 'a' cannot be both user and item: set the option item to another column",
        ),
    ],
)
def test_what_is_left_open_is_an_error(names, asked, message):
    with pytest.raises(DataError) as caught:
        chosen(names, **asked)
    assert str(caught.value) == message


def test_more_columns_than_have_usual_places_need_positions():
    with pytest.raises(DataError) as caught:
        chosen(list("01234"), ("item",), header=False, item=None)
    assert str(caught.value) == (
        "t has no header and 5 columns: set the option item to the position of its column, such as 1"
    )
