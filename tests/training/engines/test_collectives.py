"""What a worker does by itself; what several do together is in tests/cluster."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_nn import ArtifactError, ConfigError, Tensors, TrainConfig, Trainer, TrainingRun
from recsys_nn.training.engines.collectives import Workers


def worker(rank: int, n: int) -> Workers:
    """One of ``n`` that has nobody to talk to."""
    alone = object.__new__(Workers)
    alone.rank, alone.n = rank, n
    return alone


@pytest.mark.parametrize(
    ("m", "n", "shares"), [(6, 2, [3, 3]), (7, 3, [2, 2, 3]), (2, 3, [0, 1, 1]), (1, 4, [0, 0, 0, 1])]
)
def test_the_shares_of_a_batch_make_up_the_batch(m, n, shares):
    rows = tf.range(100, 100 + m)
    found = [worker(rank, n).share(rows) for rank in range(n)]
    assert [round(float(share) * m) for _, share in found] == shares
    together = [row for own, share in found if share > 0 for row in own.numpy()]
    assert together == list(rows.numpy())


def test_who_has_no_share_still_has_an_example_to_make_its_step_with():
    own, share = worker(0, 2).share(tf.constant([7]))
    assert list(own.numpy()) == [7]
    assert float(share) == 0


def trained(workers: Workers | None, callbacks=(), checkpoints=None, **settings) -> TrainingRun:
    keras.utils.set_random_seed(2)
    layers = [keras.layers.Embedding(6, 2), keras.layers.Dense(1)]
    rows = np.random.default_rng(1).integers(0, 6, 25)
    given = {"epochs": 2, "batch_size": 8, "engine": "auto", "patience": None, "optimizer": "sgd", "metrics": ()}
    config = TrainConfig(**(given | settings))
    trainer = Trainer(config, workers=workers, callbacks=callbacks, checkpoints=checkpoints, progress=False)
    model = keras.Sequential([keras.Input((), dtype="int32"), *layers])
    return trainer.fit(model, Tensors(rows, np.sin(rows)))


def test_a_single_worker_trains_as_no_worker_does():
    alone, single = trained(None), trained(Workers())
    assert single.engine == "compiled, 1 workers"
    np.testing.assert_allclose(single.history["val_loss"], alone.history["val_loss"], rtol=1e-5)
    for one, other in zip(single.model.get_weights(), alone.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_workers_that_see_different_checkpoints_do_not_begin(tmp_path):
    class Second(Workers):
        def told(self, number):
            return [number, 1.0]

    with pytest.raises(
        ArtifactError,
        match=(
            r"states: the workers see checkpoints of different epochs \(0, 1\); start again once their storage is "
            "consistent$"
        ),
    ):
        trained(Second(), checkpoints=tmp_path / "states")


class PerBatch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"engine": "keras"}, "training.engine: several workers need the compiled engine, but keras is set$"),
        (
            {"callbacks": [PerBatch()]},
            "training.engine: several workers need the compiled engine, but the callback PerBatch acts on every batch$",
        ),
    ],
)
def test_what_several_workers_cannot_do_is_an_error(wrong, message):
    with pytest.raises(ConfigError, match=message):
        trained(Workers(), **wrong)


def test_only_the_first_writes_what_callbacks_write(tmp_path):
    class Second(Workers):
        leads = False

    file = tmp_path / "log.csv"
    logger = {"name": "csv_logger", "filename": str(file)}
    config = TrainConfig(epochs=1, callbacks=(logger,), patience=None, validation=0, optimizer="sgd", metrics=())
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    for workers, written in ((Second(), False), (Workers(), True)):
        Trainer(config, workers=workers, progress=False).fit(model, Tensors(np.ones((4, 1)), np.ones(4)))
        assert file.exists() == written
