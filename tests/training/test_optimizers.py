"""The row-wise optimizers, against Keras's own where both must agree, and against their equations where not."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_nn.training.optimizers import LazyAdam, RowwiseAdagrad, RowwiseOptimizer, RowwiseSGD

RATE = 0.1
from_zero = partial(keras.optimizers.Adagrad, initial_accumulator_value=0.0, epsilon=1e-16)
PAIRS = [
    (RowwiseSGD, keras.optimizers.SGD),
    (lambda rate: RowwiseAdagrad(rate, dense=from_zero(rate)), from_zero),
    (LazyAdam, keras.optimizers.Adam),
]


class WholeTable(keras.layers.Layer):
    """An embedding whose gradient is dense: one-hot rows times the table."""

    def __init__(self, n_rows: int, dim: int) -> None:
        super().__init__()
        self.n_rows, self.dim = n_rows, dim

    def build(self, input_shape):
        self.embeddings = self.add_weight(name="embeddings", shape=(self.n_rows, self.dim))

    def call(self, rows):
        return tf.one_hot(rows, self.n_rows) @ self.embeddings


def model_of(optimizer, *, table=keras.layers.Embedding, n_rows=6, dim=1) -> keras.Model:
    """Trained step by step: what a compiled function makes of the optimizers has a test of its own."""
    model = keras.Sequential([keras.Input((), dtype="int32"), table(n_rows, dim), keras.layers.Dense(1)])
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    model.compile(optimizer=optimizer, loss="mse", run_eagerly=True)
    return model


def trained(model: keras.Model, rows, *, steps: int = 4) -> list[np.ndarray]:
    rows = np.asarray(rows)
    targets = np.sin(rows) * 3 + 1
    for _ in range(steps):
        model.train_on_batch(rows, targets)
    return model.get_weights()


def assert_equal_weights(one: list[np.ndarray], other: list[np.ndarray], **tolerance) -> None:
    for first, second in zip(one, other, strict=True):
        np.testing.assert_allclose(first, second, **({"rtol": 1e-5, "atol": 1e-6} | tolerance))


@pytest.mark.parametrize(("rowwise", "dense"), PAIRS)
@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4, 5], [5, 0, 1, 1, 2, 3, 4, 5, 5, 0]], ids=["once", "repeated"])
def test_where_a_batch_touches_every_row_it_is_the_keras_optimizer(rowwise, dense, rows):
    """Its gradient summed over a row's duplicates, as that of a dense layer is."""
    assert_equal_weights(trained(model_of(rowwise(RATE)), rows), trained(model_of(dense(RATE), table=WholeTable), rows))


@pytest.mark.parametrize(("rowwise", "dense"), PAIRS)
def test_a_dense_gradient_of_a_table_touches_all_of_its_rows(rowwise, dense):
    one = trained(model_of(rowwise(RATE), table=WholeTable), [0, 1, 1, 2, 3, 4, 5])
    assert_equal_weights(one, trained(model_of(dense(RATE), table=WholeTable), [0, 1, 1, 2, 3, 4, 5]))


@pytest.mark.parametrize("rowwise", [RowwiseSGD, RowwiseAdagrad, LazyAdam])
def test_rows_that_a_batch_does_not_touch_stay_as_they_are(rowwise):
    model = model_of(rowwise(RATE), dim=3)
    before = trained(model, [0, 1, 2, 3, 4, 5])[0]
    after = trained(model, [1, 4, 4])[0]
    np.testing.assert_array_equal(after[[0, 2, 3, 5]], before[[0, 2, 3, 5]])
    assert np.all(after[[1, 4]] != before[[1, 4]])


def updated(optimizer: RowwiseOptimizer, table: np.ndarray, batches) -> np.ndarray:
    """``table`` after steps with the gradients (rows, values) of ``batches``."""
    variable = keras.Variable(table, name="embeddings", dtype="float32")
    optimizer.build([variable])
    for rows, values in batches:
        gradient = tf.IndexedSlices(tf.constant(values, tf.float32), tf.constant(rows, tf.int32), table.shape)
        optimizer.apply([gradient], [variable])
    return variable.numpy()


rows_and_gradients = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 3), min_size=n, max_size=n),
        st.lists(st.lists(st.floats(-2, 2, width=32), min_size=2, max_size=2), min_size=n, max_size=n),
    )
)


def by_row(batch) -> dict[int, np.ndarray]:
    summed: dict[int, np.ndarray] = {}
    for row, value in zip(*batch, strict=True):
        summed[row] = summed.get(row, np.zeros(2)) + np.asarray(value)
    return summed


TABLE = np.arange(8.0).reshape(4, 2)


@settings(max_examples=30, deadline=None)
@given(st.lists(rows_and_gradients, min_size=1, max_size=3))
def test_rowwise_adagrad_follows_its_equation(batches):
    table, squares = TABLE.copy(), np.full(4, 0.01)
    for batch in batches:
        for row, g in by_row(batch).items():
            squares[row] += np.mean(g**2)
            table[row] -= RATE * g / (np.sqrt(squares[row]) + 1e-8)
    np.testing.assert_allclose(
        updated(RowwiseAdagrad(RATE, initial_accumulator_value=0.01), TABLE, batches), table, rtol=1e-4, atol=1e-5
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(rows_and_gradients, min_size=1, max_size=3))
def test_lazy_adam_follows_its_equation(batches):
    table, m, v = TABLE.copy(), np.zeros((4, 2)), np.zeros((4, 2))
    for t, batch in enumerate(batches, start=1):
        for row, g in by_row(batch).items():
            m[row] = 0.9 * m[row] + 0.1 * g
            v[row] = 0.999 * v[row] + 0.001 * g**2
            step = RATE * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m[row] / (np.sqrt(v[row]) + 1e-3)
            table[row] -= step
    found = updated(LazyAdam(RATE, epsilon=1e-3), TABLE, batches)
    np.testing.assert_allclose(found, table, rtol=1e-4, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(rows_and_gradients)
def test_rowwise_sgd_follows_its_equation(batch):
    table = TABLE.copy()
    for row, g in by_row(batch).items():
        table[row] -= RATE * g
    np.testing.assert_allclose(updated(RowwiseSGD(RATE), TABLE, [batch]), table, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rowwise", [RowwiseSGD, RowwiseAdagrad, LazyAdam])
@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
def test_it_is_the_same_in_a_compiled_function(rowwise, jit):
    batches = [([1, 1, 3], [[1.0, 2.0], [0.5, -1.0], [3.0, 3.0]]), ([0, 3, 3], [[1.0, 1.0], [2.0, 2.0], [-1.0, 0.0]])]
    variable, optimizer = keras.Variable(TABLE, name="embeddings", dtype="float32"), rowwise(RATE)
    optimizer.build([variable])

    @tf.function(jit_compile=jit)
    def step(rows, values):
        optimizer.apply([tf.IndexedSlices(values, rows, TABLE.shape)], [variable])

    for rows, values in batches:
        step(tf.constant(rows), tf.constant(values))
    np.testing.assert_allclose(variable, updated(rowwise(RATE), TABLE, batches), rtol=1e-5)


def test_all_that_is_no_table_is_left_to_the_dense_optimizer():
    """Adagrad for the table, plain SGD for the dense layer: its first step is η times the gradient."""
    model = model_of(RowwiseAdagrad(RATE, dense=keras.optimizers.SGD(0.5)), dim=2)
    start = model.get_weights()
    rows = np.array([1, 2])
    with tf.GradientTape() as tape:
        loss = model.compute_loss(y=tf.sin(tf.cast(rows, tf.float32)) * 3 + 1, y_pred=model(rows))
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables[1:]])
    for before, gradient, after in zip(start[1:], gradients, trained(model, rows, steps=1)[1:], strict=True):
        np.testing.assert_allclose(after, before - 0.5 * gradient, rtol=1e-5)


@pytest.mark.parametrize(
    ("rowwise", "dense"),
    [
        (RowwiseSGD, keras.optimizers.SGD),
        (RowwiseAdagrad, keras.optimizers.Adagrad),
        (LazyAdam, keras.optimizers.Adam),
    ],
)
def test_by_default_the_dense_optimizer_is_its_counterpart_at_the_same_rate(rowwise, dense):
    optimizer = rowwise(RATE)
    assert type(optimizer.dense) is dense
    assert float(optimizer.dense.learning_rate) == pytest.approx(RATE)


def test_a_new_learning_rate_changes_the_dense_one_in_proportion():
    optimizer = LazyAdam(0.1, dense=keras.optimizers.SGD(0.4))
    optimizer.learning_rate = 0.05
    assert float(optimizer.learning_rate) == pytest.approx(0.05)
    assert float(optimizer.dense.learning_rate) == pytest.approx(0.2)
    for rate in (0.0, 0.3):  # from nothing there is no proportion
        optimizer.learning_rate = rate
        assert float(optimizer.dense.learning_rate) == pytest.approx(rate)


def test_a_schedule_counts_its_own_steps():
    rate = keras.optimizers.schedules.ExponentialDecay(0.4, 1, 0.5)
    found = updated(RowwiseSGD(rate), TABLE, [([1], [[1.0, 0.0]])] * 3)
    np.testing.assert_allclose(found[1], TABLE[1] - [0.4 + 0.2 + 0.1, 0], rtol=1e-6)


@pytest.mark.parametrize("rowwise", [RowwiseSGD, RowwiseAdagrad, LazyAdam])
def test_a_saved_model_goes_on_as_if_it_had_never_been_saved(rowwise, tmp_path):
    model = model_of(rowwise(RATE, dense=keras.optimizers.Adam(0.02)), dim=2)
    trained(model, [0, 1, 1, 5])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert type(loaded.optimizer) is rowwise
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert_equal_weights(trained(loaded, [1, 2, 2]), trained(model, [1, 2, 2]), rtol=1e-6)


def test_a_model_without_tables_is_trained_by_the_dense_optimizer():
    def dense(optimizer):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(optimizer=optimizer, loss="mse", run_eagerly=True)
        model.train_on_batch(np.eye(2), np.array([1.0, 2.0]))
        return model.get_weights()

    assert_equal_weights(dense(LazyAdam(RATE)), dense(keras.optimizers.Adam(RATE)))


class Ignoring(keras.layers.Layer):
    """Has a weight that no gradient reaches."""

    def build(self, input_shape):
        self.unused = self.add_weight(name="unused", shape=(2,))

    def call(self, x):
        return x


def test_variables_without_a_gradient_are_left_alone():
    model = keras.Sequential([keras.Input((), dtype="int32"), keras.layers.Embedding(6, 1), Ignoring()])
    model.compile(LazyAdam(RATE), "mse", run_eagerly=True)
    before = model.get_weights()
    after = trained(model, [1, 2], steps=1)
    np.testing.assert_array_equal(after[1], before[1])
    assert np.all(after[0][[1, 2]] != before[0][[1, 2]])


def test_the_average_that_the_dense_optimizer_keeps_is_taken_in_the_end():
    def dense_weights(optimizer):
        model = model_of(optimizer, table=WholeTable)
        model.fit(np.array([0, 1, 2]), np.array([1.0, 2.0, 3.0]), epochs=3, verbose=0)
        return model.get_weights()[1:]

    averaging = {"use_ema": True, "ema_momentum": 0.5}
    plain = keras.optimizers.SGD(RATE)
    ours = dense_weights(RowwiseSGD(RATE, dense=keras.optimizers.SGD(RATE, **averaging)))
    assert_equal_weights(ours, dense_weights(keras.optimizers.SGD(RATE, **averaging)))
    assert not np.allclose(ours[0], dense_weights(plain)[0])
