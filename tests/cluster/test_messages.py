"""Epochs of a training elsewhere, of which this process is told, and the errors that end it."""

import json

import pytest

from recsys_nn import ArtifactError, ConfigError, DataError, RecsysError, TrainingError
from recsys_nn.cluster.messages import as_raised, as_told, told_here
from recsys_nn.errors import RowError


def test_each_epoch_is_told_once_and_all_of_them_by_the_end(here):
    heard = []
    with told_here(lambda number, figures: heard.append((number, figures))) as told:
        for number in (1, 2, 1, 2, 4):  # after a worker was lost they come again
            told(number, {"loss": number / 2})
    assert heard == [(1, {"loss": 0.5}), (2, {"loss": 1.0}), (4, {"loss": 2.0})]
    assert here.asked == {"queue": {"force": True}}


def test_where_nothing_is_to_be_told_there_is_nothing_to_call(here):
    with told_here(None) as told:
        assert told is None
    assert here.asked == {}


@pytest.mark.parametrize("kind", [ConfigError, DataError, TrainingError, ArtifactError, RecsysError])
def test_an_error_keeps_its_kind_and_its_message(kind):
    told = as_told(kind("what is wrong"))
    assert told == {"kind": kind.__name__, "message": "what is wrong"}
    raised = as_raised(json.loads(json.dumps(told)))
    assert type(raised) is kind
    assert str(raised) == "what is wrong"


def test_one_that_knows_more_comes_as_what_users_catch():
    assert as_told(RowError("row 3: no id", [3], str)) == {"kind": "DataError", "message": "row 3: no id"}
