import keras
import pandas as pd
import pytest

import recsys_nn as rn
from recsys_nn import ConfigError, DataError, Trainer
from recsys_nn.experiment.train import train_on_split
from recsys_nn.runs.data import fit_encoder

RATINGS = rn.load_ratings("synthetic", n_users=50, n_items=40, n_ratings=1000)
SPLIT = rn.random_split(RATINGS, seed=7)
SVD, GMF = rn.SVDConfig(embedding_dim=4), rn.GMFConfig(embedding_dim=4)
QUICK = rn.TrainConfig(epochs=2, batch_size=100)
RUN = rn.load_config(
    {
        "seed": 7,
        "data": {"source": "synthetic", "options": {"n_users": 50, "n_items": 40, "n_ratings": 1000}},
        "training": {"epochs": 2, "batch_size": 100},
    }
)


def compare(models, data=None, **options) -> rn.Comparison:
    return rn.compare(models, data, resamples=20, progress=False, **options)


@pytest.fixture(scope="module")
def trained() -> rn.Comparison:
    return compare({"svd": SVD, "bias": rn.BiasConfig()}, SPLIT, training=QUICK, seed=7)


def test_models_are_trained_and_judged_as_each_would_be_alone(trained):
    encoder = fit_encoder(SPLIT)
    model = rn.build_model(SVD, encoder, seed=7)
    train_on_split(model, encoder, SPLIT, QUICK.model_copy(update={"seed": 7}), progress=False)
    alone = rn.evaluate(rn.Predictor(model, encoder), SPLIT.test)
    assert trained.table.set_index("model")["rmse"]["svd"] == pytest.approx(alone.rmse, rel=1e-6)
    assert trained.table["seconds"].gt(0).all()


def test_all_rest_on_one_encoder_and_can_be_used_on(trained, tmp_path):
    svd, bias = trained.predictors["svd"], trained.predictors["bias"]
    assert svd.encoder is bias.encoder
    assert svd.config == SVD
    assert rn.Predictor.load(svd.save(tmp_path / "svd")).config == SVD


@pytest.mark.slow
def test_models_see_the_features_that_are_asked_for():
    features = {"rating": ["timestamp"]}
    fm = compare([rn.FMConfig(embedding_dim=2), rn.BiasConfig()], SPLIT, features=features, training=QUICK)
    assert tuple(fm.predictors["fm"].encoder.context_columns) == ("timestamp",)


@pytest.mark.slow
def test_ratings_are_split_by_the_seed(trained):
    again = compare([SVD, rn.BiasConfig()], RATINGS, training=QUICK, seed=7)
    pd.testing.assert_frame_equal(again.table.drop(columns="seconds"), trained.table.drop(columns="seconds"))


@pytest.mark.slow
def test_the_seed_of_the_training_order_can_be_given_apart(monkeypatch):
    seeds = []

    def trained_with(model, encoder, split, training, **options):
        seeds.append(training.seed)
        return train_on_split(model, encoder, split, training, **options)

    monkeypatch.setattr("recsys_nn.experiment.comparing.train_on_split", trained_with)
    for training in (rn.TrainConfig(), rn.TrainConfig(seed=3)):
        compare([rn.BiasConfig(), rn.UserMeanConfig()], SPLIT, training=training, seed=7)
    assert seeds == [7, 7, 3, 3]


@pytest.fixture
def built(monkeypatch):
    """Asks for a comparison whose models are built but not trained: what they would be trained on, and how."""

    def of(models, data=None, **options):
        found = []

        def trained(model, encoder, split, training, *, progress):
            found.append((model, encoder, split, training, progress))
            raise KeyboardInterrupt

        monkeypatch.setattr("recsys_nn.experiment.comparing.train_on_split", trained)
        with pytest.raises(KeyboardInterrupt):
            rn.compare(models, data, **options)
        return found[0]

    return of


@pytest.mark.parametrize("seed", [0, 7])
def test_model_configs_meet_the_same_split_weights_and_order_by_the_seed(built, seed, capsys):
    model, encoder, split, training, progress = built([SVD, GMF], RATINGS, **({"seed": seed} if seed else {}))
    expected = rn.random_split(RATINGS, seed=seed)
    for part in ("train", "validation", "test"):
        pd.testing.assert_frame_equal(getattr(split, part).frame, getattr(expected, part).frame)
    assert (training, progress) == (rn.TrainConfig(seed=seed), True)
    assert encoder.n_ratings == 810
    for one, other in zip(model.get_weights(), rn.build_model(SVD, encoder, seed=seed).get_weights(), strict=True):
        assert (one == other).all()
    assert capsys.readouterr().out == "svd\n"


def test_model_configs_take_a_split_a_training_and_features(built, capsys):
    options = {"training": QUICK, "features": {"user": ["group"]}, "seed": 7, "progress": False}
    _, encoder, split, training, progress = built({"[b]": SVD, "a": GMF}, SPLIT, **options)
    assert (split, training, progress) == (SPLIT, QUICK.model_copy(update={"seed": 7}), False)
    assert list(encoder.features) == ["user"]
    assert built([SVD, GMF], SPLIT, training=rn.TrainConfig(seed=3), seed=7)[3].seed == 3
    assert capsys.readouterr().out == "svd\n"


def test_runs_meet_the_features_and_the_split_of_their_configs(built, capsys):
    data = RUN.data.model_copy(
        update={"features": rn.load_config({"data": {"features": {"user": ["age"]}}}).data.features}
    )
    runs = {"[b]": RUN.model_copy(update={"data": data}), "a": RUN.model_copy(update={"data": data, "model": GMF})}
    model, encoder, split, training, progress = built(runs, seed=9)
    pd.testing.assert_frame_equal(split.test.frame, SPLIT.test.frame)
    assert (list(encoder.features), training, progress) == (["user"], RUN.training, True)
    for one, other in zip(model.get_weights(), rn.build_model(RUN.model, encoder, seed=7).get_weights(), strict=True):
        assert (one == other).all()
    assert capsys.readouterr().out == "[b]\n"


@pytest.mark.slow
def test_a_list_is_named_by_kind_and_numbered_where_a_kind_is_repeated():
    models = [SVD, rn.SVDConfig(embedding_dim=2), rn.BiasConfig()]
    assert set(compare(models, SPLIT, training=QUICK).predictors) == {"svd 1", "svd 2", "bias"}


@pytest.mark.slow
def test_runs_are_trained_as_their_configs_say(trained):
    configs = {"svd": RUN.model_copy(update={"model": SVD}), "bias": RUN.model_copy(update={"model": rn.BiasConfig()})}
    table = compare(configs, seed=7).table
    pd.testing.assert_frame_equal(table.drop(columns="seconds"), trained.table.drop(columns="seconds"))


OTHER_DATA = rn.load_config({"data": {"source": "synthetic"}}).data


@pytest.mark.parametrize(("change", "part"), [({"seed": 8}, "seed"), ({"data": OTHER_DATA}, "data")])
def test_configs_of_other_data_do_not_compare(change, part):
    with pytest.raises(
        ConfigError, match=f"b: its {part} differs from that of a, so that their errors cannot be compared"
    ):
        compare({"a": RUN, "b": RUN.model_copy(update=change)})


@pytest.mark.parametrize("setting", [{"ensemble": rn.PosteriorConfig()}, {"refit": True}])
def test_a_comparison_trains_single_networks(setting):
    (name,) = setting
    message = (
        f"^b: {name} must be left out, as a comparison trains single networks: leave it out, or train the run and "
        "compare its folder$"
    )
    with pytest.raises(ConfigError, match=message):
        compare({"a": RUN, "b": RUN.model_copy(update=setting)})


def test_a_model_that_cannot_be_built_costs_no_training(monkeypatch):
    class OddConfig(rn.ModelConfig):
        kind: str = "odd"

    monkeypatch.setattr(
        "recsys_nn.experiment.comparing.train_on_split", lambda *_, **__: pytest.fail("a model was trained")
    )
    with pytest.raises(ConfigError, match="there is no model kind 'odd'"):
        compare([SVD, OddConfig()], SPLIT)


def test_one_resample_is_enough_for_intervals_of_no_width(trained):
    table = rn.compare(trained.predictors, SPLIT, resamples=1).table
    assert (table["rmse_low"] == table["rmse_high"]).all()


def test_predictors_are_compared_on_given_ratings(trained):
    table = compare(trained.predictors, SPLIT, seed=7).table
    assert table["seconds"].isna().all()
    pd.testing.assert_frame_equal(table.drop(columns="seconds"), trained.table.drop(columns="seconds"))
    assert set(compare(list(trained.predictors.values()), SPLIT.test).predictors) == {"svd", "bias"}


def test_a_single_resample_suffices_and_ratings_are_needed(trained):
    assert len(rn.compare(trained.predictors, SPLIT, resamples=1).table) == 2
    with pytest.raises(DataError, match=r"^data must be Ratings \(rn.load_ratings makes them\), not str$"):
        rn.compare(trained.predictors, "ratings.csv")


@pytest.mark.parametrize(
    ("models", "data", "options", "message"),
    [
        ([SVD], SPLIT, {}, "a comparison needs two models or more, not 1"),
        ("runs/a", None, {}, "models must be a list of models, or a dict of them by name, not str$"),
        (
            [SVD, 3],
            SPLIT,
            {},
            "a model must be a model config .*, not int$",
        ),
        (
            [SVD, RUN],
            SPLIT,
            {},
            "the models must be all model configs, all configs of runs, or all finished runs: "
            "'svd 1' is of type SVDConfig, 'svd 2' is of type RunConfig$",
        ),
        ([SVD, GMF], SPLIT, {"reference": "sdv"}, r"reference: there is no model 'sdv'; did you mean 'svd'\?$"),
        ([SVD, GMF], SPLIT, {"resamples": 0}, "resamples must be a positive integer such as 1000, not 0$"),
        (
            [RUN, RUN],
            None,
            {"training": QUICK},
            "training must be left out, as it is for model configs, and these models have their own$",
        ),
        (
            [RUN, RUN],
            None,
            {"features": {}},
            "features must be left out, as it is for model configs, and these models have their own$",
        ),
        ([RUN, RUN], SPLIT, {}, "data must be left out, as the configs of runs name their own$"),
    ],
)
def test_what_cannot_be_compared_is_refused(models, data, options, message, snapshot):
    with pytest.raises(ConfigError, match=message) as refused:
        rn.compare(models, data, progress=False, **options)
    assert str(refused.value) == snapshot


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "^data must be a Split or Ratings, on which the model configs are trained, not NoneType$"),
        (
            rn.Split(SPLIT.train),
            "^the test part has no ratings to compare models on: hold some out, or give other ratings$",
        ),
    ],
)
def test_without_a_test_part_there_is_nothing_to_compare_on(data, message):
    with pytest.raises(DataError, match=message):
        compare([SVD, GMF], data)


def test_an_interrupted_training_ends_the_comparison():
    class Interrupts(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recsys_nn.training.trainer.Trainer.__init__", _with(Interrupts()))
        with pytest.raises(KeyboardInterrupt):
            compare([SVD, GMF], SPLIT, training=QUICK)


def _with(callback):
    init = Trainer.__init__
    return lambda self, config, **options: init(self, config, **options | {"callbacks": [callback]})
