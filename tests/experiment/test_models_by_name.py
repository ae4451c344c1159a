import re
from types import SimpleNamespace

import pytest

import recsys_nn as rn
from recsys_nn import ConfigError
from recsys_nn.experiment.models_by_name import all_of, opened_by_name, sorts
from recsys_nn.runs.finished import FinishedRun

RUN = rn.load_config({"data": {"source": "synthetic"}, "model": {"kind": "gmf"}})


@pytest.fixture(scope="module")
def predictor() -> rn.Predictor:
    encoder = rn.Encoder.fit(rn.load_ratings("synthetic", n_users=10, n_items=10, n_ratings=50))
    return rn.Predictor(rn.build_model(rn.BiasConfig(), encoder), encoder)


def test_models_are_named_by_kind_file_and_folder(predictor, tmp_path):
    (tmp_path / "mine.yaml").write_text(RUN.to_yaml())
    (tmp_path / "yours.yml").write_text(RUN.to_yaml())
    files = [tmp_path / "mine.yaml", str(tmp_path / "yours.yml")]
    opened = opened_by_name([rn.SVDConfig(), RUN, *files, predictor, predictor.save(tmp_path / "run")])
    assert list(opened) == ["svd", "gmf", "mine", "yours", "bias", "run"]
    assert [type(model) for model in opened.values()] == [
        rn.SVDConfig,
        rn.RunConfig,
        rn.RunConfig,
        rn.RunConfig,
        FinishedRun,
        FinishedRun,
    ]


def test_equal_names_are_told_apart_by_path_or_number(predictor, tmp_path):
    folders = [predictor.save(tmp_path / outer / "run") for outer in ("a", "b")]
    assert list(opened_by_name(folders)) == [str(folder) for folder in folders]
    assert list(opened_by_name([predictor, predictor])) == ["bias 1", "bias 2"]
    concluded = SimpleNamespace(finished=FinishedRun.load(folders[0]))
    opened = opened_by_name([concluded, rn.BiasConfig(), predictor, FinishedRun(predictor)])
    assert list(opened) == ["run", "bias 1", "bias 2", "bias 3"]
    assert opened["run"] is concluded.finished
    assert opened["bias 2"].predictor is predictor


def test_all_are_of_one_sort_or_none():
    models = {"a": rn.SVDConfig(), "b": RUN}
    assert all_of(rn.ModelConfig, models) == {}
    assert all_of(rn.ModelConfig, {"a": models["a"]}) == {"a": models["a"]}
    assert sorts(models) == "'a' is of type SVDConfig, 'b' is of type RunConfig"


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ("runs/a", "models must be a list of models, or a dict of them by name, not str"),
        ([3], "a model must be a model config (rn.SVDConfig()), a YAML file, a run folder or a Predictor, not int"),
    ],
)
def test_what_is_no_model_is_refused(models, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        opened_by_name(models)
