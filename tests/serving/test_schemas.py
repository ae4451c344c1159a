"""What is told of a request that is wrong: one problem a place."""

from __future__ import annotations

import pytest
from fastapi.exceptions import RequestValidationError

from recsys_nn.serving.schemas import PredictQuestion, RecommendQuestion, problems, read


def found(loc, msg, kind="wrong"):
    return {"loc": loc, "msg": msg, "type": kind}


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ([found(("query", "n"), "too few")], [(["query", "n"], "too few")]),
        ([found(("body",), "Value error, give both")], [(["body"], "give both")]),
        ([found(("interval",), "too low"), found((), "none")], [(["body", "interval"], "too low"), (["body"], "none")]),
        (
            [found(("users", "list[int]", 0), "no integer"), found(("users", "list[str]", 0), "no string")],
            [(["body", "users"], "Input should be a list of integers or a list of strings")],
        ),
        (
            [
                found(("pairs", 0, 1, "int"), "Input should be a valid integer"),
                found(("pairs", 0, 1, "str"), "Input should be a valid string"),
            ],
            [(["body", "pairs", 0, 1], "Input should be a valid integer or a valid string")],
        ),
    ],
)
def test_each_place_is_told_once(errors, told):
    detail = problems(RequestValidationError(errors)).detail
    assert [(problem.loc, problem.msg, problem.type) for problem in detail] == [(*one, "wrong") for one in told]


@pytest.mark.parametrize(
    ("question", "body", "message"),
    [
        (PredictQuestion, {}, "give either pairs, or users and items, not both"),
        (
            PredictQuestion,
            {"users": [1], "items": [1], "pairs": []},
            "give either pairs, or users and items, not both",
        ),
        (PredictQuestion, {"items": [1], "pairs": []}, "give either pairs, or users and items, not both"),
        (PredictQuestion, {"users": [1]}, "users and items must be given together"),
        (PredictQuestion, {"items": [1]}, "users and items must be given together"),
        (RecommendQuestion, {}, "give either users or ratings, not both"),
        (RecommendQuestion, {"users": [1], "ratings": [[1, 2]]}, "give either users or ratings, not both"),
        (RecommendQuestion, {"ratings": [[1, 2], [3, 4], [1, 5]]}, "ratings must name each item once"),
    ],
)
def test_questions_that_are_none(question, body, message):
    import orjson

    with pytest.raises(RequestValidationError) as refused:
        read(question, orjson.dumps(body))
    (problem,) = problems(refused.value).detail
    assert (problem.loc, problem.msg) == (["body"], message)
    assert {"url", "input"} & refused.value.errors()[0].keys() == set()


def test_a_value_of_no_kind_is_told_by_all_that_it_could_be():
    with pytest.raises(RequestValidationError) as refused:
        read(PredictQuestion, b'{"pairs": [], "context": {"hour": [[1]]}}')
    (problem,) = problems(refused.value).detail
    assert problem.loc == ["body", "context", "hour", 0]
    assert problem.msg == "Input should be a valid integer or a valid number or a valid string"


def test_questions_as_they_are_asked():
    pairs = read(PredictQuestion, b'{"pairs": [["a", 1], ["b", 2]]}')
    assert pairs.columns() == (["a", "b"], [1, 2])
    columns = read(PredictQuestion, b'{"users": ["a", "b"], "items": [1, 2], "interval": 0.5}')
    assert (columns.columns(), columns.interval, columns.context) == ((["a", "b"], [1, 2]), 0.5, None)
    lists = read(RecommendQuestion, b'{"users": ["a"]}')
    assert (lists.n, lists.exclude_seen, lists.candidates, lists.reasons) == (10, True, None, 0)
    assert read(RecommendQuestion, b'{"ratings": [[1, 2], [3, 2]]}').ratings == [(1, 2), (3, 2)]
