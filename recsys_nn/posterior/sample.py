"""Average of a trained network over samples of its posterior, at a temperature that validation may choose."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from recsys_nn.errors import ConfigError
from recsys_nn.posterior.config import PosteriorConfig
from recsys_nn.tensors import TrainingPart
from recsys_nn.training import TrainingRun

if TYPE_CHECKING:
    import keras

    from recsys_nn.models import AveragedModel

USUAL, OTHERS = 0.5, (1.0, 0.25)
"""The temperature that is taken, unless validation speaks for one of the others: by a lower mean squared error, by
more than a standard error of the difference."""


def sample_posterior(
    run: TrainingRun,
    train: TrainingPart,
    config: PosteriorConfig | None = None,
    validation: TrainingPart | None = None,
    *,
    progress: bool = True,
) -> AveragedModel:
    """Averages over samples of the posterior of a trained network, which gives the Bayesian prediction

        E[r | ratings] = ∫ r̂(θ) p(θ | ratings) dθ ≈ (1/M) Σ_m r̂(θ_m).

    Args:
        run: the training, at whose weights the chain of samples starts.
        train: the training part's examples.
        config: number of samples, and how cold the posterior is.
        validation: ratings that decide on the temperature, where the config leaves it open.
        progress: whether to print a line a sample.

    Returns:
        A keras.Model that ``rn.Predictor`` takes as any other.

    Raises:
        ConfigError: where the model has nothing to sample, or its loss is no likelihood: neither squared errors nor
            that of a head with probabilities.
        TrainingError: where the chain diverges.

    Example:
        >>> train = encoder.encode(split.train)
        >>> trainer = rn.Trainer(rn.TrainConfig(epochs=2), progress=False)
        >>> run = trainer.fit(rn.build_model(rn.SVDConfig(), encoder), train)
        >>> config = rn.PosteriorConfig(samples=3, burn_in=1, thin=1, temperature=1, penalties="fixed")
        >>> averaged = rn.sample_posterior(run, train, config, progress=False)
        >>> rn.Predictor(averaged, encoder).predict([("u0", "i0")]).columns.tolist()
        ['user', 'item', 'prediction', 'source']
    """
    return tempered(run, train, config or PosteriorConfig(), validation, progress=progress)[1]


def tempered(
    run: TrainingRun,
    train: TrainingPart,
    config: PosteriorConfig,
    validation: TrainingPart | None = None,
    *,
    progress: bool = False,
    checkpoints: Path | None = None,
) -> tuple[float, AveragedModel]:
    """The temperature and the average of :func:`sample_posterior`, with a folder for the chain to go on from."""
    from recsys_nn.models import AveragedModel
    from recsys_nn.posterior.chain import posterior_weights

    if not run.model.trainable_variables:
        raise ConfigError(
            f"ensemble must be left out, as {run.model.name} is fitted in closed form, without a posterior"
        )
    if run.config.loss not in (None, "mse"):
        raise ConfigError(
            "training.loss must be left out with ensemble, as a posterior needs squared errors or a head with "
            f"probabilities, not {run.config.loss!r}"
        )
    if config.temperature is not None:
        temperatures: tuple[float, ...] = (config.temperature,)
    else:
        temperatures = (USUAL,) if validation is None else tuple(sorted((USUAL, *OTHERS), reverse=True))
    samples = posterior_weights(run, train, config, temperatures, progress=progress, checkpoints=checkpoints)
    averages = {temperature: AveragedModel.of(run.model, weights) for temperature, weights in samples.items()}
    if validation is None or len(averages) < len(temperatures) or len(averages) == 1:  # interrupted, or no choice
        best = USUAL if USUAL in averages else next(iter(averages))
        return best, averages[best]
    best = chosen({temperature: _squared_errors(average, validation) for temperature, average in averages.items()})
    return best, averages[best]


def chosen(errors: Mapping[float, npt.NDArray[np.float64]]) -> float:
    """The temperature of the least mean error among those that are clearly better than the usual one, else that one."""
    gains = {temperature: errors[USUAL] - squared for temperature, squared in errors.items()}
    better = {
        temperature: gain.mean() for temperature, gain in gains.items() if gain.mean() > gain.std() / np.sqrt(len(gain))
    }
    return max(better, key=better.__getitem__, default=USUAL)


def _squared_errors(model: keras.Model, part: TrainingPart) -> npt.NDArray[np.float64]:
    """Squared error of each example of a part."""
    import tensorflow as tf

    from recsys_nn.training import evaluation_batches

    errors = [
        model(inputs, training=False) - tf.reshape(targets, (-1,)) for inputs, targets in evaluation_batches(part)
    ]
    return np.square(np.concatenate(errors), dtype=np.float64)
