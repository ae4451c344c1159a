"""What a search shows of its trials, which are made up."""

import io
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from recsys_nn.config.search import SearchConfig
from recsys_nn.selection.search import display
from recsys_nn.selection.search.display import SearchProgress
from recsys_nn.selection.search.trial import Outcome

SPACE = {"model.widths": [[64], [32]], "training.learning_rate": {"low": 0.001, "high": 0.1}}


def table(*rows):
    columns = ["trial", "state", "rmse", "best_epoch", "epochs", "seconds", *SPACE]
    return pd.DataFrame(rows, columns=columns)


NONE = table()
GOOD = (0, "complete", 0.91234, 3, 7, 1.26, "[64]", 0.0123456)
BAD = (1, "diverged", np.nan, 0, 0, 0.0, "[32]", 0.1)
BETTER = (2, "complete", 0.81234, 4, 4, 12.04, "[64]", 0.05)
PRUNED = (3, "pruned", 0.7, 1, 2, 0.5, "[32]", 0.001)
RUNNING = (4, "running", np.nan, 0, 0, 0.0, "[32]", 0.002)
ENDED = [Outcome(0, "complete", 0.91234), Outcome(1, "diverged", np.inf, message="loss is nan [sic]")]
ENDED += [Outcome(2, "complete", 0.81234), Outcome(3, "pruned", 0.7)]
PARTS = [table(GOOD, RUNNING), table(GOOD, BAD), table(GOOD, BAD, BETTER), table(GOOD, BAD, BETTER, PRUNED, RUNNING)]


@pytest.fixture
def shown(monkeypatch):
    """The lines that a search of these tables shows, one after the other, in a terminal or a file."""

    def lines(tables, outcomes, *, terminal=False, begun=NONE, enabled=True, **settings):
        told = io.StringIO()

        def console(quiet):
            return Console(file=told, quiet=quiet, force_terminal=terminal, width=70, legacy_windows=False)

        monkeypatch.setattr(display, "Console", console)
        study = SimpleNamespace(table=begun)
        with SearchProgress(SearchConfig(space=SPACE, **settings), study, enabled=enabled) as shown:
            for study.table, outcome in zip(tables, outcomes, strict=True):
                shown.update(outcome)
        text = re.sub(r"\x1b\[[\d;?]*[A-Zhl]", "", told.getvalue().replace("\r", ""))
        return re.sub(r"\x1b\[([\d;]*)m", r"<\1>", text).replace("<0>", "<>").replace("<><1>", "").splitlines()

    return lines


def test_a_line_a_trial(shown):
    assert shown(PARTS, ENDED) == [
        "trial 0: complete, RMSE 0.9123, epoch 3 of 7, 1.3 s; best 0.9123; widths [64], learning_rate 0.0123",
        "trial 1: diverged, loss is nan [sic], 0.0 s; best 0.9123; widths [32], learning_rate 0.1",
        "trial 2: complete, RMSE 0.8123, epoch 4 of 4, 12.0 s; best 0.8123; widths [64], learning_rate 0.05",
        "trial 3: pruned, RMSE 0.7000, epoch 1 of 2, 0.5 s; best 0.8123; widths [32], learning_rate 0.001",
    ]


def test_a_table_in_a_terminal(shown, snapshot):
    assert shown(PARTS[-2:], ENDED[-2:], terminal=True) == snapshot


def test_a_table_has_the_twelve_best(shown):
    """A frame when the trial ends, and the same when the search does."""
    many = table(*((number, "complete", 0.9 - number / 100, *GOOD[3:]) for number in range(14)))
    found = shown([many], [ENDED[0]], terminal=True, timeout=60)
    rows = [re.sub("<.*?>", "", line).split() for line in found if "complete" in line]
    assert [row[1] for row in rows] == [str(number) for number in range(13, 1, -1)] * 2
    assert found[0].strip() == f"<3>{'14 trials, the best 12 first':^69}<>"


def test_what_is_kept_from_before_is_told(shown):
    assert shown([], [], begun=PARTS[-1]) == ["3 trials are kept from before"]


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_is_shown_where_nothing_is_to_be(shown, terminal):
    assert shown(PARTS, ENDED, begun=PARTS[-1], terminal=terminal, enabled=False) == []
