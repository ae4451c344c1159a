"""The result of a training: model, history and why it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from recsys_nn.training.config import TrainConfig
from recsys_nn.training.input_scales import InputScale

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

StopReason = Literal["epochs", "patience", "interrupted", "closed form", "callback", "diverged"]


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A trained model and how it came about.

    Attributes:
        model: the model with the weights of its best epoch.
        history: a row an epoch: epoch (from 1), loss, metrics, val_loss, val_ metrics, seconds.
        best_epoch: the epoch (from 1) whose weights the model has; 0 where it diverged.
        stop_reason: ``"epochs"`` (all were done), ``"patience"``, ``"interrupted"`` (Ctrl-C),
            ``"closed form"`` (nothing to iterate), ``"callback"`` (one asked to stop), or ``"diverged"`` (the loss was
            no longer a number, nor are then the weights; a TrainingError has such a run).
        seconds: duration of the training, validation included.
        config: what it was trained with.
        engine: what made the steps: ``"compiled with XLA"``, ``"compiled"``, ``"keras"`` with the reason, or
            ``"closed form"``.
        loss: name of what was minimised.
        n_train, n_validation: examples that it was trained on and judged by.
        inputs: how far the network's inputs are from being standardised, by name (``training/input_scales.py``).

    Example:
        >>> model = rn.build_model(rn.SVDConfig(), encoder)
        >>> trainer = rn.Trainer(rn.TrainConfig(epochs=2), progress=False)
        >>> run = trainer.fit(model, encoder.encode(split.train), encoder.encode(split.validation))
        >>> run.stop_reason, run.loss, run.n_validation
        ('epochs', 'mse', 48)
        >>> [name for name in run.history if "rmse" in name]
        ['rmse', 'val_rmse']
    """

    model: keras.Model
    history: pd.DataFrame = field(repr=False)
    best_epoch: int
    stop_reason: StopReason
    seconds: float
    config: TrainConfig = field(repr=False)
    engine: str
    loss: str
    n_train: int
    n_validation: int
    inputs: Mapping[str, InputScale] = field(repr=False)

    @property
    def record(self) -> dict[str, Any]:
        """Content of a run folder's training.json: the figures beside the history and the config."""
        figures = ("best_epoch", "stop_reason", "seconds", "engine", "loss", "n_train", "n_validation")
        return {name: getattr(self, name) for name in figures} | {
            "inputs": {name: asdict(scale) for name, scale in self.inputs.items()}
        }

    @classmethod
    def recorded(
        cls, model: keras.Model, history: pd.DataFrame, config: TrainConfig, record: Mapping[str, Any]
    ) -> TrainingRun:
        """Makes the training of a run folder, from its model, history, config and training.json."""
        inputs = {name: InputScale(**scale) for name, scale in record["inputs"].items()}
        return cls(model=model, history=history, config=config, **{**record, "inputs": inputs})

    def plot_history(self) -> Figure:
        """Plots training and validation loss by epoch, the best epoch marked."""
        from matplotlib import pyplot as plt
        from matplotlib.ticker import MaxNLocator

        figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
        for column, label, style in (("loss", "training", "o-"), ("val_loss", "validation", "s-")):
            if column in self.history:
                axes.plot(self.history["epoch"], self.history[column], style, markersize=4, label=label)
        axes.axvline(self.best_epoch, color="0.5", linestyle="--", label=f"best epoch ({self.best_epoch})")
        axes.set(xlabel="epoch", ylabel=f"loss ({self.loss})", title="Learning curves")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
        plt.close(figure)  # a notebook shows the returned figure; left open it would show it twice
        return figure
