"""Epochs of a training elsewhere, of which this process is told."""

from recsys_nn.cluster.messages import told_here


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
