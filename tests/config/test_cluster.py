"""The ``cluster`` section without a cluster; tests/cluster has one."""

import sys
from functools import partial

import pytest

from recsys_nn import ArtifactError, ConfigError, cross_validate, load_config, run_experiment, tune
from recsys_nn.cluster.ray_session import check_seen

SMALL = {
    "data": {"source": "synthetic", "options": {"n_users": 50, "n_items": 40, "n_ratings": 1000}},
    "cluster": {"workers": 2},
}
SEARCH = {"space": {"model.embedding_dim": [1, 2]}}


def test_the_section_reads_back_equal():
    config = load_config(SMALL)
    assert config.cluster.model_dump() == {"workers": 2, "address": None, "cpus": 1, "gpu": False, "max_failures": 3}
    assert load_config(config.values()) == config


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["cluster.workers=0"], "cluster.workers must be greater than or equal to 1, not 0"),
        (["cluster.worker=2"], "cluster.worker: there is no such key.*workers"),
        (
            ["search={space: {model.embedding_dim: [1]}, workers: 2}"],
            "search.workers must be left out with cluster, as cluster.workers sets the number of trials at a time$",
        ),
    ],
)
def test_what_cannot_be_is_told(wrong, message):
    with pytest.raises(ConfigError, match=message):
        load_config(SMALL, overrides=wrong)


@pytest.mark.parametrize("work", [run_experiment, partial(cross_validate, folds=2)])
def test_a_missing_extra_is_named(monkeypatch, tmp_path, work):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"cluster needs ray, which is not installed: pip install 'recsys-nn\[ray\]'"):
        work(load_config({**SMALL, "output": str(tmp_path / "run")}))
    assert list(tmp_path.iterdir()) == []


def test_a_search_without_the_extra_is_not_begun(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match="cluster needs ray, which is not installed"):
        tune({**SMALL, "search": SEARCH}, output=tmp_path / "search")
    assert list(tmp_path.iterdir()) == []


def test_a_search_is_begun_on_a_machine_of_the_cluster(tmp_path):
    far = {**SMALL, "cluster": {"workers": 2, "address": "ray://head:10001"}, "search": SEARCH}
    with pytest.raises(ConfigError, match="cluster.address must be auto in a search, not ray://head"):
        tune(far, output=tmp_path / "search")


def test_the_cluster_is_nothing_to_search():
    with pytest.raises(ConfigError, match="search.space.cluster.workers must be a setting of model, training or ens"):
        tune({**SMALL, "search": {"space": {"cluster.workers": [1, 2]}}})


def test_a_search_goes_on_with_other_workers_or_none(tmp_path):
    from recsys_nn.selection.search.study import Study

    shared = load_config({**SMALL, "search": SEARCH})
    for config in (shared, shared.model_copy(update={"cluster": None})):
        Study(config, {}, tmp_path).close()


def test_a_worker_sees_the_folder_of_the_output_or_says_so(tmp_path):
    with pytest.raises(
        ArtifactError, match="elsewhere does not exist on .*: name an output on storage that all machines share"
    ):
        check_seen(tmp_path / "elsewhere")


def test_where_a_run_was_trained_does_not_decide_whether_it_goes_on(tmp_path):
    """An unfinished run may go on with other workers, or none."""
    from recsys_nn.runs.data import load_split
    from recsys_nn.runs.unfinished import identity

    shared, alone = load_config(SMALL), load_config({"data": SMALL["data"]})
    split = load_split(shared.data, shared.seed)
    assert identity(shared, split) == identity(alone, split)
