"""The ``cluster`` section without a cluster; tests/cluster has one."""

import sys
from functools import partial

import pytest

from recsys_nn import ConfigError, cross_validate, load_config, run_experiment

SMALL = {
    "data": {"source": "synthetic", "options": {"n_users": 50, "n_items": 40, "n_ratings": 1000}},
    "cluster": {"workers": 2},
}


def test_the_section_reads_back_equal():
    config = load_config(SMALL)
    assert config.cluster.model_dump() == {"workers": 2, "address": None, "cpus": 1, "gpu": False, "max_failures": 3}
    assert load_config(config.values()) == config


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["cluster.workers=0"], "cluster.workers: input should be greater than or equal to 1, not 0"),
        (["cluster.worker=2"], "cluster.worker: there is no such key.*workers"),
        (["ensemble.samples=3"], "ensemble: one process alone draws samples; leave it out, or leave out cluster"),
    ],
)
def test_what_cannot_be_is_told(wrong, message):
    with pytest.raises(ConfigError, match=message):
        load_config(SMALL, overrides=wrong)


@pytest.mark.parametrize("work", [run_experiment, partial(cross_validate, folds=2)])
def test_a_missing_extra_is_named(monkeypatch, tmp_path, work):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"cluster: ray is not installed; pip install 'recsys-nn\[ray\]'"):
        work(load_config({**SMALL, "output": str(tmp_path / "run")}))
    assert list(tmp_path.iterdir()) == []


def test_where_a_run_was_trained_does_not_decide_whether_it_goes_on(tmp_path):
    """An unfinished run may go on with other workers, or none."""
    from recsys_nn.run_data import load_split
    from recsys_nn.unfinished import identity

    shared, alone = load_config(SMALL), load_config({"data": SMALL["data"]})
    split = load_split(shared.data, shared.seed)
    assert identity(shared, split) == identity(alone, split)
