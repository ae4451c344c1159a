import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from jsonschema import Draft202012Validator

from recsys_nn import (
    ConfigError,
    Encoder,
    MLPConfig,
    ModelConfig,
    NeuMFConfig,
    RunConfig,
    SVDConfig,
    TrainConfig,
    leave_last_out_split,
    load_config,
    load_ratings,
    random_split,
    register_model,
    stratified_split,
    temporal_split,
)
from recsys_nn.config.run import FilesSplitConfig, as_run_config, config_schema
from recsys_nn.config.sections import validated
from recsys_nn.errors import shown

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
MINIMAL = {"data": {"source": "synthetic"}}


def test_all_but_the_data_has_a_default():
    config = load_config(MINIMAL)
    assert (config.model, config.training) == (SVDConfig(), TrainConfig())


def test_yaml_and_the_resolved_config_are_the_same_thing(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(
        "seed: 3\ndata:\n  source: movielens-100k\n  split: {kind: files, train: u1.base, test: u1.test}\n"
        "model: {kind: neumf, widths: [8, 4]}\ntraining: {learning_rate: 1e-4, optimizer: {name: sgd, momentum: 0.9}}\n"
    )
    config = load_config(file)
    assert config.model == NeuMFConfig(widths=(8, 4))
    assert config.data.split == FilesSplitConfig(train="u1.base", test="u1.test")
    assert config.training.learning_rate == 1e-4
    assert config.training.optimizer.settings == {"momentum": 0.9}
    assert load_config(yaml.safe_load(config.to_yaml())) == config


def test_the_seed_of_the_training_follows_another_one_of_the_run():
    config = load_config({**MINIMAL, "seed": 5})
    assert config.with_values({"seed": 7}).training.seed == 7
    assert config.with_values({"seed": 7, "training.seed": 8}).training.seed == 8
    assert load_config({**MINIMAL, "training": {"seed": 6}}).with_values({"seed": 7}).training.seed == 6


def test_the_seed_of_the_run_is_the_trainings_unless_given():
    assert load_config({**MINIMAL, "seed": 5}).training.seed == 5
    assert load_config({**MINIMAL, "seed": 5, "training": {"seed": 6}}).training.seed == 6


def test_training_settings_of_ones_own_are_taken_as_they_are():
    assert RunConfig(seed=5, training=TrainConfig(epochs=3)).training == TrainConfig(epochs=3)


def test_overrides_change_values_at_any_depth():
    config = load_config(
        {**MINIMAL, "training": {"epochs": 9}},
        overrides=[
            "training.epochs=5",
            "model.kind=bias",
            "data.split.test=0.2",
            "output=runs/x",
            "training.patience=null",
        ],
    )
    assert (config.training.epochs, config.training.patience, config.model.kind) == (5, None, "bias")
    assert (config.data.split.test, config.output) == (0.2, "runs/x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["trainin.epochs=5"], "^trainin: there is no such key; did you mean 'training'"),
        (["training.epoch=5"], "^training.epoch: there is no such key; did you mean 'epochs'"),
        (["model.embeding_dim=5"], "^model.embeding_dim: there is no such key; did you mean 'embedding_dim'"),
        (["data.split.tset=0.1"], "^data.split.tset: there is no such key; did you mean 'test'"),
        (["data.split.kind=radom"], "^data.split.kind: there is no kind 'radom'; did you mean 'random'"),
        (["model={kind: neumff}"], "^model.kind: there is no model kind 'neumff'; did you mean 'neumf'"),
        (
            ["model={l2: 1}"],
            "^model.kind is missing: choose one of autorec, bias, bspline, deepfm, fm, "
            "global_mean, gmf, item_mean, kernel, mlp, neumf, polynomial, svd, svdpp, user_mean$",
        ),
        (["training.epochs=0"], "^training.epochs must be greater than or equal to 1, not 0$"),
        (["training.epochs=many"], "^training.epochs must be a valid integer, not 'many'$"),
        (["training.learning_rate=.nan"], "^training.learning_rate must be a finite number, not nan$"),
        (
            ["training.optimizer=sdg"],
            "^training.optimizer.name must be one of 'auto', 'adam', 'adamw', 'adagrad', "
            "'adamax', 'lion', 'nadam', 'rmsprop', 'sgd', 'lazy_adam', 'rowwise_adagrad', "
            r"'rowwise_sgd', not 'sdg'; did you mean 'sgd'\?$",
        ),
        (["training.schedule={kind: cosine, epoch: 5}"], "^training.schedule.epoch: .*did you mean 'epochs'"),
        (["training.schedule={epochs: 5}"], "^training.schedule.kind is missing$"),
        (["data.format.colour=1"], "^data.format.colour: there is no such key"),
        (
            ["data.source=a.csv", "data.user_features=u.csv"],
            "^data.user_features needs data.features.user: name there the columns that are features$",
        ),
        (["data.split.test=1.5"], "^data.split.test must be less than 1, not 1.5$"),
        (["model.embedding_dim=-1", "training.batch_size=0"], "(?s)model.embedding_dim.*training.batch_size"),
        (
            ["training.validation=0.2"],
            "^training.validation must be left out: in a run, data.split.validation sets the held-out part$",
        ),
        (
            ["data.user_features=a.csv"],
            "^data.user_features must be left out, as the data set 'synthetic' sets its own$",
        ),
        (["data.features={users: [age]}"], "^data.features.users: there is no such key; did you mean 'user'"),
        (["data.features.user=[{column: age, bin: 3}]"], "^data.features.user.0.bin: .*did you mean 'bins'"),
        (
            ["data.features.user=[age, {column: age, kind: number}]"],
            "^data.features.user.1.kind must be one of 'categorical', 'numeric', 'date', not "
            r"'number'; did you mean 'numeric'\?$",
        ),
        (
            ["data.features.user=[{column: age, kind: date, bins: 3}]"],
            "the feature 'age': bins=3 must be left out, as it is for a numeric feature, not a date one$",
        ),
        (["data.features.drift={column: timestamp, evry: 3}"], "^data.features.drift.evry: .*did you mean 'every'"),
        (["data.features.user=age"], "^data.features.user must be a valid tuple, not 'age'$"),
        (
            ["data.source=a.csv", "data.features.item=[year]"],
            "^data.features.item needs a file of features: name it with data.item_features$",
        ),
        (["data.liked=good"], "^data.liked must be a valid number, not 'good'$"),
        (["data.scale=[1, 5]"], "^data.scale must be left out, as the data set 'synthetic' sets its own$"),
        (["data.duplicates=last"], "^data.duplicates must be left out, as the data set 'synthetic' sets its own$"),
        (
            ["data.source=a.csv", "data.scale=[5, 1]"],
            r"^data.scale must be \[lowest, highest\] with lowest < highest, not \[5.0, 1.0\]$",
        ),
        (
            ["data.source=a.csv", "data.options={seed: 1}"],
            "^data.options must be left out, as only named data sets have options$",
        ),
        (
            ["data.source=a.csv", "data.split={kind: files, train: b.csv}"],
            "^data.source must be left out or name a data set, as data.split names files$",
        ),
        (
            ["data.split={kind: files, train: u1.base}", "data.options={seed: 1}"],
            "^data.options must be left out, as only named data sets have options$",
        ),
        (["tracking.tensorbord=logs"], "^tracking.tensorbord: there is no such key; did you mean 'tensorboard'"),
        (
            ["tracking.mlflow={experimnt: a}"],
            "^tracking.mlflow.experiment is missing\ntracking.mlflow.experimnt: there is no such "
            r"key; did you mean 'experiment'\?$",
        ),
        (["tracking={name: a}"], "^tracking needs tensorboard, mlflow or both: name one, or leave the section out$"),
        (["epochs"], "'epochs' must have the form dotted.path=value, such as training.epochs=5$"),
        (["seed={"], "'seed={': line 1, column 2: this is not YAML"),
    ],
)
def test_a_wrong_key_or_value_is_named_by_its_dotted_path(changes, message):
    with pytest.raises(ConfigError, match=message):
        load_config({**MINIMAL, "model": {"kind": "svd"}}, overrides=changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nseed: 2\n", "line 2, column 1: the key 'seed' occurs twice: remove one"),
        ("data:\n  source: a.csv\n  source: b.csv\n", "line 3, column 3: the key 'source' occurs twice: remove one"),
        ("- a\n- b\n", "must hold a mapping of sections, such as seed, output, data, model and training"),
        ("", "must hold a mapping of sections, such as seed, output, data, model and training"),
        ("a: {seed: 1}\n<<: {b: 1}\n", r"line 2, column 1: merging \(<<\) is not supported"),
        ("data: {{ source }}\n", "line 1, column 8: the key .* must be a name: write it in quotes"),
        ("seed: [1\n", "line 2, column 1: this is not YAML: while parsing a flow sequence expected"),
        (
            "seed: !!python/object/apply:os.system ['true']\n",
            "line 1, column 7: tags .*python/object/apply:os.system.* are not supported",
        ),
    ],
)
def test_a_file_that_is_no_config_is_refused(tmp_path, text, message):
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path / "run.yaml")


def test_empty_sections_are_their_defaults(tmp_path):
    (tmp_path / "run.yaml").write_text("data: {source: synthetic}\nmodel:\ntraining:\n")
    assert load_config(tmp_path / "run.yaml") == load_config(MINIMAL)


def test_features_in_yaml_are_fitted_by_the_encoder(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(
        "data:\n  source: synthetic\n  features:\n    user: [group, age]\n"
        "    item: [{column: genres, separator: '|'}, {column: year, bins: 5}]\n    rating: [timestamp]\n"
        "    drift: timestamp\n"
    )
    config = load_config(file)
    assert load_config(yaml.safe_load(config.to_yaml())) == config
    encoder = Encoder.fit(load_ratings("synthetic"), features=config.data.features)
    columns = {side: [(column.name, column.kind) for column in of.columns] for side, of in encoder.features.items()}
    assert columns == {
        "user": [("group", "categories"), ("age", "numeric")],
        "item": [("genres", "categories"), ("year", "bins")],
        "rating": [("timestamp", "dates")],
    }
    assert encoder.drift.config.model_dump() == {"column": "timestamp", "every": 4}


def test_a_separator_that_yaml_would_eat_can_be_set():
    config = load_config({"data": {"source": "a.csv"}}, overrides=["data.format.separator=|"])
    assert config.data.format.separator == "|"


def test_small_numbers_need_no_dot():
    config = load_config(MINIMAL, overrides=["training.optimizer={name: adam, epsilon: 1e-8}", "training.epochs=1e2"])
    assert config.training.optimizer.settings == {"epsilon": 1e-8}
    assert config.training.epochs == 100


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="none.yaml does not exist"):
        load_config(tmp_path / "none.yaml")


def test_the_schema_accepts_what_the_loader_accepts_and_refuses_typos():
    schema = json.loads(json.dumps(config_schema()))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    config = RunConfig.model_validate({**MINIMAL, "model": {"kind": "neumf"}})
    assert validator.is_valid(yaml.safe_load(config.to_yaml()))
    assert not validator.is_valid({**MINIMAL, "model": {"kind": "svd", "embeding_dim": 3}})
    assert not validator.is_valid({**MINIMAL, "trainin": {}})


def test_the_schema_describes_the_keys_of_yaml_without_the_examples_for_python():
    schema = config_schema()
    told = {name: definition.get("description", "") for name, definition in schema["$defs"].items()}
    assert schema["description"].startswith("Config of one run: data, model, training.")
    assert "side: side whose ratings are encoded" in told["AutoRecConfig"]
    assert [name for name, text in told.items() if ">>>" in text] == []
    assert ">>>" not in schema["description"]


def test_the_schema_tells_a_kind_of_a_users_own_from_the_others():
    class Loose(ModelConfig):
        kind: str = "loose"

    register_model(Loose)(lambda config, encoder: None)
    validator = Draft202012Validator(config_schema())
    assert validator.is_valid({**MINIMAL, "model": {"kind": "loose"}})
    assert validator.is_valid({**MINIMAL, "model": {"kind": "bias"}})
    assert not validator.is_valid({**MINIMAL, "model": {"kind": "bias", "no_such": 1}})


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_the_schema_accepts_every_shipped_config(file):
    assert list(Draft202012Validator(config_schema()).iter_errors(yaml.safe_load(file.read_text()))) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {"source": "synthetic", "split": {"validation": 0.2}}},
        {"data": {"source": "synthetic", "features": {"user": ["age", {"column": "age", "bins": 3}]}}},
        {"data": {"source": "synthetic", "features": {"drift": "timestamp"}}},
        {"data": {"source": "synthetic", "features": {"drift": {"column": "timestamp", "every": 8}}}},
        {"training": {"optimizer": "sgd", "callbacks": ["reduce_lr_on_plateau"]}},
        {"model": {"kind": "svd", "head": "ordinal"}},
        {"tracking": {"tensorboard": "runs/logs", "mlflow": "films"}},
    ],
)
def test_the_schema_accepts_short_forms(changes):
    load_config({**MINIMAL, **changes})
    assert list(Draft202012Validator(config_schema()).iter_errors({**MINIMAL, **changes})) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {"source": "synthetic", "features": {"user": [3]}}},
        {"data": {"source": "synthetic", "features": {"drift": 3}}},
        {"training": {"optimizer": 3}},
        {"training": {"callbacks": [3]}},
        {"model": {"kind": "svd", "head": 3}},
        {"tracking": {"mlflow": 3}},
    ],
)
def test_neither_takes_a_number_for_them(changes):
    with pytest.raises(ConfigError):
        load_config({**MINIMAL, **changes})
    assert not Draft202012Validator(config_schema()).is_valid({**MINIMAL, **changes})


def test_a_long_value_is_shortened_in_a_message():
    assert [shown("x" * n) for n in (118, 119)] == [f"'{'x' * 118}'", f"'{'x' * 116}..."]
    assert shown(10**5000) == "a number of thousands of digits"


def test_parts_of_a_larger_whole_have_places_and_names_below_it():
    config = load_config({**MINIMAL, "tracking": {"tensorboard": "runs/logs"}})
    trial = config.below("runs/best", "trials/0003")
    fold = trial.below("runs/best/trials/0003", "fold-1")
    assert [(run.output, run.tracking.name) for run in (trial, fold)] == [
        ("runs/best/trials/0003", "best/trials/0003"),
        ("runs/best/trials/0003/fold-1", "best/trials/0003/fold-1"),
    ]
    assert load_config(MINIMAL).below("runs/best", "winner") == load_config({**MINIMAL, "output": "runs/best/winner"})


class TestWithValues:
    CONFIG = load_config({"data": {"split": {"kind": "stratified"}}, "model": {"kind": "mlp", "depth": 3}})

    def test_dotted_keys_are_changed_and_all_else_stays(self):
        changed = self.CONFIG.with_values({"model.widths": [8, 4], "training.epochs": 5})
        assert (changed.model.widths, changed.training.epochs) == ((8, 4), 5)
        assert changed.with_values({"model.widths": None, "training.epochs": 100}) == self.CONFIG

    def test_a_section_as_a_whole(self):
        assert self.CONFIG.with_values({"model": SVDConfig(embedding_dim=2)}).model == SVDConfig(embedding_dim=2)
        assert self.CONFIG.with_values({"model": {"kind": "bias"}}).model.kind == "bias"

    def test_another_kind_keeps_what_was_set_and_has_defaults_else(self):
        config = RunConfig(model=SVDConfig(embedding_dim=5))
        assert config.with_values({"model.kind": "mlp"}).model == MLPConfig(embedding_dim=5)

    def test_a_wrong_key_is_refused_with_the_nearest(self):
        with pytest.raises(ConfigError, match="model.embeding_dim: there is no such key; did you mean 'embedding_dim'"):
            self.CONFIG.with_values({"model.embeding_dim": 8})


@pytest.mark.parametrize("values", [5, ["seed"], None])
def test_what_is_no_mapping_is_no_config(values):
    with pytest.raises(ConfigError, match="valid dictionary"):
        validated(RunConfig, values)


@pytest.mark.parametrize(
    ("split", "made"),
    [
        ({"kind": "random"}, lambda of: random_split(of, validation=0.2, test=0.3, seed=5)),
        ({"kind": "stratified"}, lambda of: stratified_split(of, validation=0.2, test=0.3, seed=5)),
        ({"kind": "temporal"}, lambda of: temporal_split(of, validation=0.2, test=0.3)),
        ({"kind": "leave_last_out", "n": 3}, lambda of: leave_last_out_split(of, validation=0.2, n=3)),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_split_of_the_config_is_that_of_its_function(split, made):
    ratings = load_ratings("synthetic", n_ratings=1000, n_users=40, n_items=50, years=1)
    sizes = {} if "n" in split else {"test": 0.3}
    config = load_config({"data": {"source": "synthetic", "split": {**split, "validation": 0.2, **sizes}}})
    split, expected = config.data.split.apply(ratings, 5), made(ratings)
    for part in ("train", "validation", "test"):
        pd.testing.assert_frame_equal(getattr(split, part).frame, getattr(expected, part).frame)


@pytest.mark.parametrize(
    ("yaml_text", "message"),
    [
        ("seed: no", "seed cannot take yes or no, but is False"),
        ("training: {epochs: on}", "training.epochs cannot take yes or no, but is True"),
        ("model: {kind: mlp, widths: [yes, 8]}", r"model.widths cannot take yes or no, but is \[True, 8\]"),
        ("data: {split: {validation: no}}", "data.split.validation cannot take yes or no, but is False"),
        ("data: {format: {user: yes}}", "data.format.user cannot take yes or no, but is True"),
        ("training: {callbacks: [{name: yes}]}", "training.callbacks.name cannot take yes or no, but is True"),
    ],
)
def test_yes_and_no_are_not_taken_for_one_and_zero(yaml_text, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        load_config(yaml.safe_load(yaml_text))


def test_yes_and_no_are_taken_where_they_are_asked_for():
    text = "refit: yes\ntraining: {shuffle: no, patience: 5}\nsearch: {space: {refit: [yes, no]}, prune: no}"
    config = load_config(yaml.safe_load(text))
    assert config.refit is True
    assert config.training.shuffle is False
    assert config.search.prune is False
    assert list(map(type, config.search.space["refit"])) == [bool, bool]


@pytest.mark.parametrize(
    ("space", "listed"),
    [
        ({"low": 0.001, "high": 1.0, "log": True}, "[0.00100, 0.0100, 0.100, 1.00]"),
        ({"low": 0.0, "high": 300.0}, "[0.00, 100, 200, 300]"),
    ],
)
def test_a_grid_of_a_range_without_steps_is_refused_with_values_to_take(space, listed):
    search = load_config({"search": {"method": "grid", "space": {"training.learning_rate": space}}}).search
    with pytest.raises(ConfigError) as caught:
        search.space["training.learning_rate"].grid("training.learning_rate")
    assert str(caught.value) == (
        f"search.space.training.learning_rate must be a list of values in a grid, such as {listed}, or have a step"
    )


def test_a_config_of_a_run_is_taken_as_it_is():
    config = load_config(MINIMAL)
    assert as_run_config(config) is config
    assert as_run_config(SVDConfig(embedding_dim=5)) == RunConfig(model=SVDConfig(embedding_dim=5))
