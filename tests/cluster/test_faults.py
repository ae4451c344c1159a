"""Errors on their way from a worker to the process that began it."""

import json

import pytest

from recsys_nn import ArtifactError, ConfigError, DataError, RecsysError, TrainingError
from recsys_nn.cluster.faults import as_raised, as_told
from recsys_nn.errors import RowError


@pytest.mark.parametrize("kind", [ConfigError, DataError, TrainingError, ArtifactError, RecsysError])
def test_an_error_keeps_its_kind_and_its_message(kind):
    told = as_told(kind("what is wrong"))
    assert told == {"kind": kind.__name__, "message": "what is wrong"}
    raised = as_raised(json.loads(json.dumps(told)))
    assert type(raised) is kind
    assert str(raised) == "what is wrong"


def test_one_that_knows_more_comes_as_what_users_catch():
    assert as_told(RowError("row 3: no id", [3], str)) == {"kind": "DataError", "message": "row 3: no id"}
