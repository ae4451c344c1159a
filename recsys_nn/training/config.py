"""Settings of a training, as the section ``training`` of a config; among them the schedules of its learning rate η."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recsys_nn.training.accepting import Accepts, default

if TYPE_CHECKING:
    import keras


class CosineSchedule(BaseModel):
    """Cosine decay: η_t = η (f + (1 - f) (1 + cos(π t / T)) / 2), after an optional linear warm-up from 0 to η.

    Args:
        epochs: T; by default all epochs of the training.
        final: f, the share of η that is left at the end.
        warmup: epochs of linear warm-up before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["cosine"] = "cosine"
    epochs: int | None = Field(default=None, ge=1)
    final: float = Field(default=0.0, ge=0, le=1)
    warmup: int = Field(default=0, ge=0)

    def over(self, epochs: int) -> CosineSchedule:
        """Fixes the schedule to a training of so many epochs, even if that is cut short."""
        return self.model_copy(update={"epochs": self.epochs or max(1, epochs - self.warmup)})

    def build(self, rate: float, steps: int, epochs: int) -> keras.optimizers.schedules.LearningRateSchedule:
        import keras

        decay_steps = (self.over(epochs).epochs or 1) * steps
        if not self.warmup:
            return keras.optimizers.schedules.CosineDecay(rate, decay_steps, alpha=self.final)
        return keras.optimizers.schedules.CosineDecay(
            0.0, decay_steps, alpha=self.final, warmup_target=rate, warmup_steps=self.warmup * steps
        )


class ExponentialSchedule(BaseModel):
    """Exponential decay: η_t = η d^t, t in epochs, changing with every step.

    Args:
        decay: d, the factor of one epoch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["exponential"] = "exponential"
    decay: float = Field(default=0.9, gt=0, le=1)

    def over(self, epochs: int) -> ExponentialSchedule:
        """Returns the schedule itself: it does not depend on how long the training is."""
        return self

    def build(self, rate: float, steps: int, epochs: int) -> keras.optimizers.schedules.LearningRateSchedule:
        import keras

        return keras.optimizers.schedules.ExponentialDecay(rate, steps, self.decay)


Schedule = Annotated[CosineSchedule | ExponentialSchedule, Field(discriminator="kind")]


OptimizerName = Literal[
    "auto",
    "adam",
    "adamw",
    "adagrad",
    "adamax",
    "lion",
    "nadam",
    "rmsprop",
    "sgd",
    "lazy_adam",
    "rowwise_adagrad",
    "rowwise_sgd",
]
LossName = Literal["mse", "mae", "huber", "log_cosh"]
MetricName = Literal["rmse", "mae", "mse"]
EngineName = Literal["auto", "compiled", "keras"]
CallbackName = Literal["csv_logger", "reduce_lr_on_plateau"]
PLATEAU: CallbackName = "reduce_lr_on_plateau"


class _Named(BaseModel):
    """A Keras object by name with settings of its own; a plain name stands for its defaults."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class OptimizerConfig(_Named):
    """Optimizer by ``name`` and, beside it, its own arguments (``{name: sgd, momentum: 0.9}``).

    A row-wise optimizer updates the embedding tables, and ``dense`` all else; that may have a ``learning_rate`` of its
    own (``{name: rowwise_adagrad, dense: {name: adam, learning_rate: 0.001}}``).
    """

    name: OptimizerName = "auto"
    dense: OptimizerConfig | None = None


class CallbackConfig(_Named):
    """Keras callback by ``name`` and, beside it, its own arguments."""

    name: CallbackName


class TrainConfig(BaseModel):
    """The settings of one training.

    Args:
        optimizer: one of Keras's or of the row-wise ones by name, or a mapping of ``name`` and its own arguments.
            ``"auto"`` is Adam, and lazy Adam where a batch touches fewer than a tenth of the largest table's rows.
        learning_rate: η, the optimizer's step size.
        schedule: how η falls (``kind: cosine`` or ``exponential``); constant by default.
        loss: what is minimised, averaged over a batch; by default the squared error. A model whose head has
            probabilities brings its own loss and metrics.
        metrics: what is reported beside the loss, for training and validation; by default RMSE and MAE.
        batch_size: examples in each step.
        epochs: passes over the training part; an upper bound where ``patience`` is set.
        patience: epochs without improvement of ``monitor`` after which training stops; None never stops early.
        monitor: the quantity whose best epoch is kept.
        min_delta: the least change of ``monitor`` that counts as an improvement.
        validation: fraction of the training part held out at random where no validation part is given.
        shuffle: whether each epoch visits the examples in a new order, drawn from ``seed`` and its number.
        seed: seed of the order, the held-out part and whatever is random in the model's layers.
        callbacks: Keras callbacks by name, or mappings of ``name`` and their own arguments.
        engine: what makes the steps: ``"compiled"``, an epoch as one TensorFlow loop that XLA compiles; ``"keras"``,
            ``model.fit``; ``"auto"``, the compiled epoch, by XLA where the work is worth its compile time, or
            Keras's loop, saying why, where a callback acts on every batch or the model cannot be compiled.

    Example:
        >>> config = rn.TrainConfig(optimizer={"name": "sgd", "momentum": 0.9}, schedule={"kind": "cosine"}, epochs=40)
        >>> config.optimizer.name, config.schedule.kind
        ('sgd', 'cosine')
        >>> rn.TrainConfig().monitor, rn.TrainConfig().patience  # early stopping, unless patience is None
        ('val_loss', 3)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    optimizer: Accepts[OptimizerConfig, OptimizerName | Mapping[str, Any]] = default(OptimizerConfig())
    learning_rate: float = Field(default=0.003, gt=0)
    schedule: Accepts[Schedule | None, Mapping[str, Any]] = default(None)
    loss: LossName | None = None
    metrics: tuple[MetricName, ...] | None = None
    batch_size: int = Field(default=256, ge=1)
    epochs: int = Field(default=100, ge=1)
    patience: int | None = Field(default=3, ge=1)
    monitor: str = "val_loss"
    min_delta: float = Field(default=0.0, ge=0)
    validation: float = Field(default=0.1, ge=0, lt=1)
    shuffle: bool = True
    seed: int = Field(default=0, ge=0, lt=2**31)
    callbacks: Accepts[tuple[CallbackConfig, ...], Sequence[CallbackConfig | CallbackName | Mapping[str, Any]]] = (
        default(())
    )
    engine: EngineName = "auto"

    @model_validator(mode="after")
    def _has_one_rule_of_the_rate(self) -> TrainConfig:
        if self.schedule is not None and any(each.name == PLATEAU for each in self.callbacks):
            raise ValueError(f"{PLATEAU} cannot change a rate that a schedule sets: leave out one of the two")
        return self

    def until(self, epoch: int) -> TrainConfig:
        """Copies these settings for a training that ends after ``epoch``, with the learning rates of this schedule.

        Nothing judges such a training: no plateau is found in it, and a log is that of the training that was judged.
        """
        schedule = None if self.schedule is None else self.schedule.over(self.epochs)
        return self.model_copy(update={"epochs": epoch, "patience": None, "schedule": schedule, "callbacks": ()})
