"""Optimizers whose step reads and writes only the rows of its batch.

A mini-batch touches few rows of an embedding table, and its gradient says which (``tf.IndexedSlices``). Keras's
optimizers nevertheless update every row's moments in every step, so that a step's cost grows with the table; and they
square the gradients of a row that stands in the batch twice before they add them. These do neither. They are Keras
optimizers: serialisable, and good for ``model.compile`` without the rest of this package.

A table is a trainable variable named ``embeddings``, as in ``keras.layers.Embedding``. All other variables of the model
are left to a second, dense optimizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

PACKAGE = "recsys_nn"

Rate: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule


def is_table(variable: Any) -> bool:
    """Tells whether a variable is an embedding table, a row an id."""
    return variable.name == "embeddings" and len(variable.shape) == 2


class RowwiseOptimizer(keras.optimizers.Optimizer):
    """Base of the row-wise optimizers: updates tables by row and all else by ``dense``, and sums duplicate rows.

    A row that stands in a batch k times gets one update, from the sum of its k gradients.

    Args:
        learning_rate: step size η of the tables; assigning another number changes that of ``dense`` in proportion
            (from 0 on, to the same).
        dense: the Keras optimizer of all variables that are no tables.
        name: name of the optimizer.
    """

    def __init__(self, learning_rate: Rate, *, dense: keras.optimizers.Optimizer, name: str) -> None:
        super().__init__(learning_rate=learning_rate, name=name)
        self.dense = dense

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self.dense.build([variable for variable in variables if not is_table(variable)])
        self._state = [self._row_state(variable) if is_table(variable) else None for variable in variables]

    def _row_state(self, table: Any) -> Any:
        """Makes the state that is kept for the rows of a table; by default None."""
        return None

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        variables = list(self._trainable_variables if trainable_variables is None else trainable_variables)
        self.build(variables)
        pairs = list(zip(grads, variables, strict=True))
        rest = [pair for pair in pairs if not is_table(pair[1])]
        tables = [pair for pair in pairs if is_table(pair[1])]
        if any(gradient is not None for gradient, _ in rest):
            self.dense.apply(*zip(*rest, strict=True))
            if all(gradient is None for gradient, _ in tables):
                self.iterations.assign_add(1)
                return
        super().apply(*zip(*(tables or pairs), strict=True))  # without any gradient, Keras says so

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Sets the variables to their average, where ``dense`` averages them."""
        self.dense.finalize_variable_values([variable for variable in var_list if not is_table(variable)])

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if isinstance(gradient, tf.IndexedSlices):
            rows, values = gradient.indices, gradient.values
        else:  # something in the model reads the whole table
            rows, values = tf.range(variable.shape[0]), gradient
        state = self._state[self._get_variable_index(variable)]
        self._update_rows(variable, state, rows, values, tf.cast(learning_rate, variable.dtype))

    def _update_rows(self, table: Any, state: Any, rows: Any, gradients: Any, rate: Any) -> None:
        """Makes one step from the gradients (batch, dim) of these rows (batch,), which may repeat."""
        raise NotImplementedError

    @property
    def variables(self) -> list[Any]:
        return [*super().variables, *self.dense.variables]

    @property
    def learning_rate(self) -> Any:
        return keras.optimizers.Optimizer.learning_rate.fget(self)

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        before, value = float(self.learning_rate), float(value)
        self.dense.learning_rate = float(self.dense.learning_rate) * value / before if before else value
        keras.optimizers.Optimizer.learning_rate.fset(self, value)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {
            "name": config["name"],
            "learning_rate": config["learning_rate"],
            "dense": keras.optimizers.serialize(self.dense),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> RowwiseOptimizer:
        dense = keras.optimizers.deserialize(config["dense"], custom_objects)
        return super().from_config({**config, "dense": dense}, custom_objects)


@keras.saving.register_keras_serializable(package=PACKAGE)
class RowwiseSGD(RowwiseOptimizer):
    """SGD without momentum on the rows r of the batch alone: p_r ← p_r - η g_r.

    Args:
        learning_rate: the step size η.
        dense: the optimizer of all other variables; by default ``keras.optimizers.SGD(learning_rate)``.
        name: name of the optimizer.

    Example:
        >>> import numpy as np
        >>> model = rn.build_model(rn.SVDConfig(), encoder)
        >>> model.compile(optimizer=rn.RowwiseSGD(0.1), loss="mse")
        >>> before = model.get_layer("user_factors").embeddings.numpy()
        >>> _ = model.train_on_batch(encoder.encode_pairs(["u0", "u1"], ["i0", "i0"]), np.array([5.0, 1.0]))
        >>> moved = (model.get_layer("user_factors").embeddings.numpy() != before).any(axis=1)
        >>> int(moved.sum()), len(moved)
        (2, 31)
    """

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        *,
        dense: keras.optimizers.Optimizer | None = None,
        name: str = "rowwise_sgd",
    ) -> None:
        super().__init__(learning_rate, dense=dense or keras.optimizers.SGD(learning_rate), name=name)

    def _update_rows(self, table: Any, state: Any, rows: Any, gradients: Any, rate: Any) -> None:
        table.scatter_sub(tf.IndexedSlices(rate * gradients, rows))


@keras.saving.register_keras_serializable(package=PACKAGE)
class RowwiseAdagrad(RowwiseOptimizer):
    """Adagrad with one accumulator a row: s_r ← s_r + ‖g_r‖² / dim, then p_r ← p_r - η g_r / (√s_r + ε)

    for the rows r of the batch (Duchi, Hazan & Singer 2011, "Adaptive subgradient methods", with the sum of squares
    shared by a row, as large recommenders do to keep dim times less state: Gupta et al. 2014, "Training highly
    multiclass classifiers"; Naumov et al. 2019, "Deep learning recommendation model"). A row's first step has the
    length η, however small its gradient is within the mean over a large batch.

    Args:
        learning_rate: the step size η.
        initial_accumulator_value: s_r before the first step.
        epsilon: ε, which bounds the step.
        dense: the optimizer of all other variables; by default ``keras.optimizers.Adagrad(learning_rate)``.
        name: name of the optimizer.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((), dtype="int32"), keras.layers.Embedding(100, 8)])
        >>> optimizer = rn.RowwiseAdagrad(learning_rate=0.1)
        >>> optimizer.build(model.trainable_variables)
        >>> [tuple(variable.shape) for variable in optimizer.variables if "squares" in variable.name]
        [(100,)]
    """

    def __init__(
        self,
        learning_rate: Rate = 0.05,
        *,
        initial_accumulator_value: float = 0.0,
        epsilon: float = 1e-8,
        dense: keras.optimizers.Optimizer | None = None,
        name: str = "rowwise_adagrad",
    ) -> None:
        super().__init__(learning_rate, dense=dense or keras.optimizers.Adagrad(learning_rate), name=name)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def _row_state(self, table: Any) -> Any:
        start = keras.initializers.Constant(self.initial_accumulator_value)
        squares = self.add_variable((table.shape[0],), start, dtype=table.dtype, name=f"{table.name}_squares")
        return squares, _Duplicates(table.shape[0])

    def _update_rows(self, table: Any, state: Any, rows: Any, gradients: Any, rate: Any) -> None:
        squares, duplicates = state[0].value, state[1]
        summed = duplicates.summed(rows, gradients)
        squares.scatter_add(tf.IndexedSlices(tf.reduce_mean(tf.square(summed), axis=-1), rows))
        scale = rate / (tf.sqrt(tf.gather(squares, rows)) + self.epsilon)
        table.scatter_sub(tf.IndexedSlices(scale[:, tf.newaxis] * summed, rows))

    def get_config(self) -> dict[str, Any]:
        own = {"initial_accumulator_value": self.initial_accumulator_value, "epsilon": self.epsilon}
        return super().get_config() | own


@keras.saving.register_keras_serializable(package=PACKAGE)
class LazyAdam(RowwiseOptimizer):
    """Adam (Kingma & Ba 2015) on the rows r of the batch alone: with t the number of the step,

        m_r ← β₁ m_r + (1 - β₁) g_r      v_r ← β₂ v_r + (1 - β₂) g_r²
        p_r ← p_r - η √(1 - β₂^t) / (1 - β₁^t) · m_r / (√v_r + ε)

    Where every step touches every row, it is ``keras.optimizers.Adam``. Rows that a batch does not touch keep their
    moments and stay where they are, where Adam would move them on by momentum.

    Args:
        learning_rate: the step size η.
        beta_1: β₁, the decay of m_r.
        beta_2: β₂, the decay of v_r.
        epsilon: ε, which bounds the step.
        dense: the optimizer of all other variables; by default ``keras.optimizers.Adam(learning_rate)``.
        name: name of the optimizer.

    Example:
        >>> trainer = rn.Trainer(rn.TrainConfig(optimizer="lazy_adam", epochs=1), progress=False)
        >>> run = trainer.fit(rn.build_model(rn.SVDConfig(), encoder), encoder.encode(split.train))
        >>> isinstance(run.model.optimizer, rn.LazyAdam)
        True
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        dense: keras.optimizers.Optimizer | None = None,
        name: str = "lazy_adam",
    ) -> None:
        dense = dense or keras.optimizers.Adam(learning_rate, beta_1, beta_2, epsilon)
        super().__init__(learning_rate, dense=dense, name=name)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def _row_state(self, table: Any) -> Any:
        n_rows, dim = table.shape  # m_r and v_r lie side by side: a row of both is one access to memory
        moments = self.add_variable((n_rows, 2 * dim), dtype=table.dtype, name=f"{table.name}_moments")
        return moments, _Duplicates(n_rows)

    def _update_rows(self, table: Any, state: Any, rows: Any, gradients: Any, rate: Any) -> None:
        moments, duplicates = state[0].value, state[1]
        g = duplicates.summed(rows, gradients, everywhere=True)
        t = tf.cast(self.iterations + 1, table.dtype)
        m, v = tf.split(tf.gather(moments, rows), 2, axis=-1)
        m = self.beta_1 * m + (1 - self.beta_1) * g
        v = self.beta_2 * v + (1 - self.beta_2) * tf.square(g)
        rate *= tf.sqrt(1 - tf.pow(self.beta_2, t)) / (1 - tf.pow(self.beta_1, t))
        step = rate * m / (tf.sqrt(v) + self.epsilon)
        moments.scatter_update(tf.IndexedSlices(tf.concat([m, v], axis=-1), rows))
        table.scatter_update(tf.IndexedSlices(tf.gather(table, rows) - step, rows))

    def get_config(self) -> dict[str, Any]:
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        return super().get_config() | own


class _Duplicates:
    """Sums the gradients of a row that stands in a batch more than once, without sorting.

    Each position writes its number into a table at its row, and reads what stands there after all have written: the
    number of one of the positions of this row. There the gradients of all of them are added up.
    """

    def __init__(self, n_rows: int) -> None:
        self._last = tf.Variable(tf.zeros(n_rows, tf.int32), trainable=False)

    def summed(self, rows: Any, gradients: Any, *, everywhere: bool = False) -> Any:
        """Sums (batch, dim) at one position of every row, and at its others zero or (``everywhere``) the same."""
        positions = tf.range(tf.size(rows))
        self._last.scatter_update(tf.IndexedSlices(positions, rows))
        chosen = tf.gather(self._last, rows)
        sums = tf.math.unsorted_segment_sum(gradients, chosen, tf.size(rows))
        return tf.gather(sums, chosen) if everywhere else sums
