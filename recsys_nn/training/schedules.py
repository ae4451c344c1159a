"""Schedules by which the learning rate η falls over a training, in epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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
