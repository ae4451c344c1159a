"""Several workers, each in a thread of this process: what they tell each other, and the steps that they share.

That processes find each other, and train as one does, is in tests/cluster.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_nn import ConfigError, StreamedTensors, Tensors, TrainConfig, Trainer
from recsys_nn.tensors.row_file import RowFile
from recsys_nn.training.engines.collectives import OneDecision, Workers
from recsys_nn.training.engines.shared_steps import SharedSteps
from recsys_nn.training.optimizers import RowwiseAdagrad


class Threaded(Workers):
    """One of several that add up what they have in the memory that they share.

    Attributes:
        exchanges: how often it has.
    """

    def __init__(self, rank: int, together: Barrier, vectors: dict[int, np.ndarray]) -> None:
        self.rank, self.n, self.exchanges = rank, together.parties, 0
        self._together, self._vectors = together, vectors

    def _summed(self, vector):
        self.exchanges += 1
        self._vectors[self.rank] = vector.numpy()
        self._together.wait()
        total = sum(self._vectors.values())
        self._together.wait()
        return tf.constant(total)


def each_of(n: int, work: Callable[[Threaded], object]) -> list:
    """What each of ``n`` workers finds, all of them at the same time."""
    together, vectors = Barrier(n, timeout=60), {}

    def worked(rank):
        try:
            return work(Threaded(rank, together, vectors))
        except BaseException:
            together.abort()
            raise

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(worked, range(n)))


def test_a_sum_is_over_all_and_each_tensor_keeps_its_type_and_shape():
    def total(worker):
        k = worker.rank + 1
        tensors = [tf.fill((2, 3), 1.0 * k), tf.constant(10 * k, tf.int64), tf.constant([0.5 * k])]
        return worker.total(tensors), worker.exchanges

    for (matrix, number, vector), exchanges in each_of(3, total):
        np.testing.assert_array_equal(matrix, np.full((2, 3), 6, np.float32))
        assert (int(number), number.dtype, number.shape) == (60, tf.int64, ())
        assert vector.numpy().tolist() == [3.0]
        assert exchanges == 2  # one of floats, one of integers


def test_what_each_tells_all_hear_in_the_order_of_their_ranks():
    assert each_of(3, lambda worker: worker.told(worker.rank + 0.5)) == [[0.5, 1.5, 2.5]] * 3


@pytest.mark.parametrize(("stopping", "all_stop"), [([False, True, False], True), ([False] * 3, False)])
def test_all_end_where_one_does(stopping, all_stop):
    def decided(worker):
        decision = OneDecision(worker)
        decision.set_model(SimpleNamespace(stop_training=stopping[worker.rank]))
        decision.on_epoch_end(0)
        return decision.model.stop_training

    assert each_of(3, decided) == [all_stop] * 3


ROWS = [[70_000], [1, 2, 3, 65_536, 1], []]
"""Of a table, of which each worker's gradient tells: numbers of more than 16 bits too, one twice, and none."""


@pytest.mark.parametrize(("at_once", "exchanges"), [(2, 3), (5, 1), (4, 2)])
def test_a_mean_gradient_is_that_of_the_whole_batch_and_has_the_rows_of_all(at_once, exchanges):
    shares = [2 / 8, 3 / 8, 3 / 8]
    values = [10.0 * (rank + 1) + np.arange(2.0 * len(rows)).reshape(-1, 2) for rank, rows in enumerate(ROWS)]

    def mean(worker):
        own, rank = np.array(ROWS[worker.rank], np.int64), worker.rank
        table = tf.IndexedSlices(tf.constant(values[rank], tf.float32), tf.constant(own), (100_000, 2))
        narrow = tf.IndexedSlices(tf.constant(values[rank][:1, :1], tf.float32), tf.constant(own[:1]), (100_000, 1))
        dense = tf.constant([1.0, 2.0]) * (rank + 1)
        found = worker.mean([table, dense, narrow], tf.constant(shares[rank], tf.float64), rows=at_once)
        return found, worker.exchanges

    expected = np.zeros((100_000, 2))
    for share, rows, found in zip(shares, ROWS, values, strict=True):
        np.add.at(expected, rows, share * found)
    for (table, dense, narrow), n in each_of(3, mean):
        np.testing.assert_allclose(tf.convert_to_tensor(table), expected, rtol=1e-6)
        assert sorted(table.indices.numpy()) == [1, 1, 2, 3, 65_536, 70_000]
        assert table.indices.dtype == tf.int64
        np.testing.assert_allclose(dense, np.array([1, 2]) * (1 * 2 + 2 * 3 + 3 * 3) / 8, rtol=1e-6)
        assert dict(zip(narrow.indices.numpy(), narrow.values.numpy()[:, 0], strict=True)) == pytest.approx(
            {70_000: 10 * 2 / 8, 1: 20 * 3 / 8}
        )
        assert n == exchanges


def test_a_mean_of_dense_gradients_alone_takes_one_exchange():
    def mean(worker):
        return worker.mean([tf.constant([8.0])], tf.constant(0.5 * worker.rank), rows=1), worker.exchanges

    for (found,), exchanges in each_of(2, mean):
        assert (found.numpy().tolist(), exchanges) == ([4.0], 1)


X, Y = np.array([0, 1, 2, 3, 4, 5, 1, 1, 3]), np.arange(9.0) / 4


def network() -> keras.Model:
    """With a table, a row-wise optimizer and a metric; the same each time."""
    model = keras.Sequential(
        [keras.Input((), dtype="int32"), keras.layers.Embedding(6, 2), keras.layers.Dense(1, "tanh")]
    )
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    optimizer = RowwiseAdagrad(0.1, dense=keras.optimizers.SGD(0.1))
    model.compile(optimizer, "mse", metrics=[keras.metrics.MeanAbsoluteError(name="mae")], run_eagerly=True)
    return model


def test_shared_steps_are_those_of_one_process():
    """Batches of 4, 4 and 1, of which the first of two workers has none; then all are judged together."""
    alone = network()
    history = alone.fit(X, Y, batch_size=4, shuffle=False, verbose=0).history
    judged = alone.evaluate(X, Y, batch_size=9, verbose=0, return_dict=True)

    def trained(worker):
        model = network()
        model.test_step((tf.constant(X[:1]), tf.constant(Y[:1])))  # which builds the metrics
        model.reset_metrics()
        model.optimizer.build(model.trainable_variables)
        steps = SharedSteps(model, worker, seed=3, batch_size=4)

        def shares_of(batches, step):
            for rows in batches:
                own, share = steps.share(tf.constant(rows))
                step((tf.gather(X, own), tf.gather(Y, own)), share)
            steps.collect()
            logs = {name: float(value) for name, value in model.get_metrics_result().items()}
            model.reset_metrics()
            return logs

        logs = shares_of([[0, 1, 2, 3], [4, 5, 6, 7], [8]], steps.train_step)
        return model.get_weights(), logs, shares_of([np.arange(9)], steps.test_step)

    for weights, logs, logs_of_all in each_of(2, trained):
        for found, expected in zip(weights, alone.get_weights(), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert logs == pytest.approx({name: values[0] for name, values in history.items()}, rel=1e-5)
        assert logs_of_all == pytest.approx(judged, rel=1e-5)


def test_draws_are_anew_for_each_worker_and_epoch_and_moving_averages_become_their_mean():
    def found(worker):
        layers = [keras.layers.Dropout(0.5, seed=1), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
        model = keras.Sequential([keras.Input((2,)), *layers])
        steps = SharedSteps(model, worker, seed=7, batch_size=4)
        draws = {}
        for epoch in (0, 1):
            steps.begin(epoch)
            draws[epoch] = [layers[place].seed_generator.state.numpy().tolist() for place in (0, 2)]
        layers[1].moving_mean.assign([1.0 + worker.rank, 0.0])
        steps.end()
        return draws, layers[1].moving_mean.numpy(), layers[1].moving_variance.numpy()

    for rank, (draws, mean, variance) in enumerate(each_of(2, found)):
        for epoch, states in draws.items():
            drawn = [np.random.default_rng([7, epoch, rank, place]).integers(2**31) for place in (0, 1)]
            assert states == [[state, 0] for state in drawn]
        np.testing.assert_array_equal(mean, [1.5, 0])  # from 0 by 1 and by 2
        np.testing.assert_array_equal(variance, [1, 1])


def test_rows_of_a_worker_s_own_are_as_large_a_share_as_those_of_each():
    steps = SharedSteps(network(), Threaded(1, Barrier(4), {}), seed=0, batch_size=8)
    rows, share = steps.own(tf.range(3))
    assert (rows.numpy().tolist(), float(share), share.dtype) == ([0, 1, 2], 0.25, tf.float64)


@pytest.mark.parametrize("n", [2, 1])
def test_a_worker_is_who_the_cluster_says(n, monkeypatch):
    def strategy(replicas):
        spec = {"worker": ["a:1", "b:2"]} if n == 2 else {}
        cluster = SimpleNamespace(task_id=n - 1, cluster_spec=lambda: SimpleNamespace(as_dict=lambda: spec))
        return lambda: SimpleNamespace(cluster_resolver=cluster, num_replicas_in_sync=replicas)

    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", strategy(n))
    workers = Workers()
    assert (workers.rank, workers.n, workers.leads) == (n - 1, n, n == 1)
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", strategy(n + 1))
    with pytest.raises(ConfigError, match=f"^worker {n - 1} sees several GPUs: start a worker for each GPU$"):
        Workers()


class Ending(keras.callbacks.Callback):
    """Ends the training of one worker after two epochs."""

    def __init__(self, ends):
        super().__init__()
        self.ends = ends

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = self.ends and epoch == 1


def together(train, model, folder, **settings):
    """The trainings of two workers, of which the second asks to end after two epochs."""

    def trained(worker):
        given = {"patience": None, "seed": 3, "epochs": 3, "batch_size": 4, "optimizer": "rowwise_sgd"}
        options = {"callbacks": [Ending(worker.rank == 1)], "checkpoints": folder / str(worker.rank), "progress": True}
        return Trainer(TrainConfig(**given | settings), workers=worker, **options).fit(model(), train)

    return each_of(2, trained)


@pytest.mark.usefixtures("untraced")
def test_the_training_of_several_is_that_of_one_which_the_first_tells_and_saves(tmp_path, capsys):
    """Of 11 examples two are held out; batches are of 4, 4 and 1."""
    settings = {"learning_rate": 0.1, "validation": 0.2, "metrics": ("mae",)}
    rows = np.r_[X, 0, 4]
    train = Tensors(rows, np.sin(rows))
    config = TrainConfig(optimizer="rowwise_sgd", patience=None, seed=3, epochs=2, batch_size=4, **settings)
    alone = Trainer(config, progress=False).fit(network(), train)
    for run in together(train, network, tmp_path, **settings):
        assert (run.engine, run.stop_reason) == ("compiled, 2 workers", "callback")
        figures = list(alone.history.columns[:-1])
        np.testing.assert_allclose(run.history[figures], alone.history[figures], rtol=1e-5)
        for found, expected in zip(run.model.get_weights(), alone.model.get_weights(), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert [folder.name for folder in tmp_path.iterdir()] == ["0"]


@pytest.mark.usefixtures("untraced")
def test_of_rows_on_disk_each_worker_trains_on_its_own(tmp_path):
    """Of 30 rows 15, in batches of 2 where both together have batches of 4; the losses are of all of them."""
    ratings = np.arange(30, dtype=np.float32) / 10
    rows = RowFile.write([(np.arange(30, dtype=np.int32), np.zeros(30, np.int32), ratings)], tmp_path / "rows")

    def model():
        inputs = {name: keras.Input((), dtype="int32", name=name) for name in ("user", "item")}
        return keras.Model(inputs, keras.layers.Embedding(30, 1, embeddings_initializer="zeros")(inputs["user"]))

    one, other = together(StreamedTensors(rows), model, tmp_path, learning_rate=1e-9, validation=0, metrics=())
    np.testing.assert_array_equal(one.model.get_weights()[0], other.model.get_weights()[0])
    assert one.model.optimizer.iterations == 2 * 8
    for run in (one, other):
        assert run.history["loss"].tolist() == pytest.approx([np.mean(ratings**2)] * 2, rel=1e-5)
