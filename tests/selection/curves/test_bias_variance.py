from types import SimpleNamespace
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from recsys_nn import (
    ConfigError,
    DataError,
    GlobalMeanConfig,
    ModelConfig,
    Ratings,
    RunConfig,
    bias_variance,
    load_ratings,
    random_split,
    register_model,
)
from recsys_nn.models import base
from recsys_nn.models.factors import id_inputs
from recsys_nn.selection.curves import bias_variance as module
from recsys_nn.selection.curves.bias_variance import decomposition


class ConstantConfig(ModelConfig):
    kind: Literal["test_constant"] = "test_constant"
    value: float = 3.0


def build_constant(config, encoder):
    import keras

    inputs = id_inputs(encoder)
    same = keras.layers.Lambda(lambda ids: keras.ops.cast(ids, "float32") * 0 + config.value)(inputs["user"])
    return keras.Model(inputs, same)


@pytest.fixture(autouse=True, scope="module")
def registered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "_kinds", dict(base._kinds))
        register_model(ConstantConfig)(build_constant)
        yield


@pytest.fixture(scope="module")
def split():
    """With ratings rounded to whole stars and clipped at 1 and 5, as they are by default."""
    ratings = load_ratings("synthetic", n_users=40, n_items=30, n_ratings=700)
    return random_split(ratings, validation=0.0, test=0.3)


def expected(part):
    return part.truth.expected(part.frame["user"], part.frame["item"])


def variance(part):
    return part.truth.variance(part.frame["user"], part.frame["item"])


class TestDecomposition:
    def test_by_hand(self):
        """Two training sets, two pairs; the predictions of the first have the mean 2 and the variance 2 around it."""
        terms = decomposition(
            predicted=np.array([[1.0, 4.0], [3.0, 4.0]]),
            ratings=np.array([[2.0, 2.0], [3.0, 5.0]]),
            expected=np.array([3.0, 4.0]),
            noise=np.array([1.0, 2.0]),
        )
        assert terms["bias_squared"] == pytest.approx(((2 - 3) ** 2 - 2 / 2 + 0) / 2)
        assert terms["variance"] == pytest.approx((2 + 0) / 2)
        assert terms["noise"] == pytest.approx(1.5)
        assert terms["sum"] == pytest.approx(2.5)
        # (1 + 4) / 2 of the first training set, (0 + 1) / 2 of the second
        assert terms["error"] == pytest.approx(1.5)
        assert terms["standard_error"] == pytest.approx(np.sqrt(2) / np.sqrt(2))
        # l = 1 - 4 - 1, 4 - 0 - 2, 0 - 0 - 1, 1 - 0 - 2
        assert terms["z"] == pytest.approx((1.5 - 2.5) / (np.sqrt(16 + 4 + 1 + 1) / 4))

    def test_the_sum_is_the_error_that_expectations_would_have(self):
        rng = np.random.default_rng(0)
        predicted, truth, noise = rng.normal(size=(7, 50)), rng.normal(size=50), rng.random(50)
        terms = decomposition(predicted, rng.normal(size=(7, 50)), truth, noise)
        assert terms["sum"] == pytest.approx(np.mean((predicted - truth) ** 2) + noise.mean())

    def test_no_term_is_biased_by_few_training_sets(self):
        """Of predictions N(f + 1/2, 4) and ratings N(f, 1), with two training sets only; over 40,000 pairs."""
        rng, n = np.random.default_rng(0), 40_000
        truth = rng.normal(size=n)
        predicted = truth + 0.5 + 2 * rng.normal(size=(2, n))
        terms = decomposition(predicted, truth + rng.normal(size=(2, n)), truth, np.ones(n))
        assert terms["bias_squared"] == pytest.approx(0.25, abs=0.06)  # three standard errors
        assert terms["variance"] == pytest.approx(4, abs=0.09)
        assert abs(terms["z"]) < 3


class TestKnownModels:
    D = 8

    def row(self, config, split):
        curve = bias_variance(config, split, key="model", values={"it": config.model}, resamples=self.D, progress=False)
        (row,) = curve.table.to_dict("records")
        return row

    @pytest.mark.slow
    def test_the_global_mean(self, split):
        """g is the mean of n ratings: E g is the mean of their expectations, Var g that of their variances over n."""
        row = self.row(RunConfig(model=GlobalMeanConfig()), split)
        mean = expected(split.train).mean()
        assert row["bias_squared"] == pytest.approx(np.mean((mean - expected(split.test)) ** 2), rel=0.02)
        ratio = row["variance"] / (variance(split.train).mean() / len(split.train))
        low, high = chi2.ppf([0.0005, 0.9995], self.D - 1) / (self.D - 1)
        assert low < ratio < high
        assert row["noise"] == pytest.approx(variance(split.test).mean())
        assert abs(row["z"]) < 3

    def test_a_constant_has_no_variance(self, split):
        row = self.row(RunConfig(model=ConstantConfig(value=2.5)), split)
        assert row["variance"] == 0
        assert row["bias_squared"] == pytest.approx(np.mean((2.5 - expected(split.test)) ** 2))
        assert abs(row["error"] - row["sum"]) < 3 * row["standard_error"]


NETWORK = RunConfig(
    model={"kind": "svd", "embedding_dim": 2, "l2": 0},
    training={"epochs": 5, "patience": None, "batch_size": 64, "learning_rate": 0.03},
)


@pytest.fixture(scope="module")
def by_epoch(split):
    return bias_variance(NETWORK, split, key="training.epochs", values=[1, 5], resamples=3, progress=False)


class TestNetworks:
    @pytest.mark.slow
    def test_an_epoch_is_a_training_that_ends_there(self, split, by_epoch):
        again = bias_variance(NETWORK, split, key="model.embedding_dim", values=[2], resamples=3, progress=False)
        ended, of_epoch = again.table.iloc[0], by_epoch.table.iloc[1]
        for name in ("bias_squared", "variance", "noise", "sum"):
            assert of_epoch[name] == pytest.approx(ended[name], rel=1e-5)

    def test_with_epochs_bias_turns_into_variance(self, by_epoch):
        first, last = by_epoch.table.to_dict("records")
        assert first["bias_squared"] > last["bias_squared"]
        assert first["variance"] < last["variance"]

    def test_the_figure_stacks_the_terms_under_the_measured_error(self, by_epoch):
        (axes,) = by_epoch.figure.axes
        tops = {layer.get_label(): layer.get_paths()[0].vertices[:, 1].max() for layer in axes.collections[:3]}
        assert list(tops) == ["noise", "bias²", "variance"]
        assert tops["variance"] == pytest.approx(by_epoch.table["sum"].max(), rel=1e-6)
        (measured,) = axes.containers
        np.testing.assert_allclose(measured.lines[0].get_xydata(), by_epoch.table[["training.epochs", "error"]])
        assert axes.get_ylabel() == "squared error (rating units²)"
        assert by_epoch.marks == {"best": by_epoch.table.set_index("training.epochs")["sum"].idxmin()}


class TestTrainingSets:
    CONFIG = RunConfig(seed=5, model=GlobalMeanConfig())

    @pytest.fixture
    def asked(self, monkeypatch):
        """What is asked of trainings that are not made: of each set its draws, and how they are to be made."""
        found = []

        def in_order(work, sets, **settings):
            sets = list(sets)
            found.append((work, sets, settings))
            return [np.full((len(one.configs), len(one.split.test)), 3.0) for one in sets]

        monkeypatch.setattr(module, "in_order", in_order)
        return found

    def test_all_values_meet_the_same_sets_with_the_seeds_that_follow(self, split, asked):
        bias_variance(self.CONFIG, split, key="training.patience", values=[1, 2])
        overrides = ["seed=7", "output=run"]
        settings = {"key": "training.epochs", "values": [4], "workers": 2, "progress": False, "resamples": 3}
        curve = bias_variance({"model": {"kind": "svd"}}, split, **settings, overrides=overrides)
        (usual, of_usual, by), (of_epochs, sets, told) = asked
        assert (usual, of_epochs) == (module._after_training, module._after_epochs)
        assert by == {"told": module._ended, "workers": 1, "progress": True}
        assert told == {"told": module._ended, "workers": 2, "progress": False}
        assert [one.number for one in of_usual] == list(range(20))
        assert [[config.seed for config in one.configs] for one in of_usual] == [[5 + n] * 2 for n in range(20)]
        assert [config.training.patience for config in of_usual[0].configs] == [1, 2]
        assert [(one.configs[0].seed, one.configs[0].output) for one in sets] == [(7, None), (8, None), (9, None)]
        first, second = (one.drawn().train.frame["rating"] for one in sets[:2])
        assert (first != second).any()
        (row,) = curve.table.to_dict("records")
        assert row["variance"] == 0
        assert row["bias_squared"] == pytest.approx(np.mean((3 - expected(split.test)) ** 2))
        assert abs(row["z"]) < 4

    def test_both_parts_are_drawn_anew_of_the_same_pairs(self, split):
        with_validation = random_split(split.train, validation=0.2, test=0.2)
        for parts in (split, with_validation):
            drawn = module._TrainingSet(0, [], parts, np.random.default_rng(1)).drawn()
            assert len(drawn.test) == 0
            for part, own in ((drawn.train, parts.train), (drawn.validation, parts.validation)):
                pd.testing.assert_frame_equal(part.frame[["user", "item"]], own.frame[["user", "item"]])
                assert not len(own) or (part.frame["rating"] != own.frame["rating"]).any()

    def test_a_run_that_is_interrupted_ends_all(self, split, monkeypatch):
        interrupted = SimpleNamespace(run=SimpleNamespace(stop_reason="interrupted"))
        monkeypatch.setattr(module, "run_on_split", lambda *_: interrupted)
        with pytest.raises(KeyboardInterrupt):
            module._after_training(module._TrainingSet(0, [self.CONFIG], split, np.random.default_rng(1)))

    def test_a_line_a_training_set(self):
        given = module._TrainingSet(4, [], None, None)
        assert module._ended(given, np.zeros((3, 1234))) == "training set 5: 3 predictions of 1,234 pairs"


class TestRefused:
    CONFIG = RunConfig(model=GlobalMeanConfig())

    def refused(self, data, message, error=DataError, **options):
        with pytest.raises(error, match=message):
            bias_variance(self.CONFIG, data, **{"key": "training.epochs", "values": [1], "progress": False, **options})

    def test_ratings_without_a_truth(self, split):
        self.refused(
            Ratings(split.train.frame), "bias and variance need generated ratings: take the data set 'synthetic'$"
        )

    def test_no_test_part(self, split):
        self.refused(
            random_split(split.train, validation=0.1, test=0.0),
            "bias and variance need a test part: set data.split.test above 0$",
        )

    def test_what_is_no_setting_of_the_model(self, split):
        message = "key must be a setting of the model or its training, such as 'model.embedding_dim', not 'data.liked'$"
        self.refused(split, message, ConfigError, key="data.liked")

    def test_one_training_set(self, split):
        self.refused(split, "resamples must be an integer of at least 2, not 1$", ConfigError, resamples=1)

    def test_epochs_of_a_closed_form(self, split):
        self.refused(
            split, "model.kind: global_mean is fitted in closed form, without epochs; choose another kind$", ConfigError
        )
