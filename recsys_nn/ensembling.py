"""From a trained network to the average over many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recsys_nn.data.tensors import TrainingPart
from recsys_nn.errors import ConfigError
from recsys_nn.training.ensemble import PosteriorConfig
from recsys_nn.training.feeding import evaluation_dataset
from recsys_nn.training.run import TrainingRun

if TYPE_CHECKING:
    import keras

    from recsys_nn.models.averaged import AveragedModel

TEMPERATURES = (1.0, 0.2)
"""Of which validation decides; the last is taken without."""


def sample_posterior(
    run: TrainingRun,
    train: TrainingPart,
    config: PosteriorConfig | None = None,
    validation: TrainingPart | None = None,
    *,
    progress: bool = True,
) -> AveragedModel:
    """The average over samples of the posterior of a trained network, the Bayesian prediction

        E[r | ratings] = ∫ r̂(θ) p(θ | ratings) dθ ≈ (1/M) Σ_m r̂(θ_m).

    Args:
        run: of the training, at whose weights the chain of samples starts.
        train: the training part.
        config: how many samples, and from how cold a posterior.
        validation: ratings that decide on the temperature, where the config leaves it open.
        progress: whether to print a line a sample.

    Returns:
        A keras.Model that ``rn.Predictor`` takes as any other.

    Raises:
        ConfigError: where the model has nothing to sample, or its loss is no likelihood: neither squared errors nor
            that of a head with probabilities.
        TrainingError: where the chain diverges.
    """
    return tempered(run, train, config or PosteriorConfig(), validation, progress=progress)[1]


def tempered(
    run: TrainingRun,
    train: TrainingPart,
    config: PosteriorConfig,
    validation: TrainingPart | None = None,
    *,
    progress: bool = False,
) -> tuple[float, AveragedModel]:
    """The temperature and the average of :func:`sample_posterior`."""
    from recsys_nn.models.averaged import AveragedModel
    from recsys_nn.training.posterior import posterior_weights

    if not run.model.trainable_variables:
        raise ConfigError(f"ensemble: {run.model.name} is fitted in closed form, there is no posterior to sample")
    if run.config.loss not in (None, "mse"):
        raise ConfigError(
            f"ensemble: a posterior rests on squared errors or on a head with probabilities; leave out "
            f"training.loss {run.config.loss!r}"
        )
    if config.temperature is not None:
        temperatures: tuple[float, ...] = (config.temperature,)
    else:
        temperatures = TEMPERATURES[-1:] if validation is None else TEMPERATURES
    averages = {
        temperature: AveragedModel.of(run.model, weights)
        for temperature, weights in posterior_weights(run, train, config, temperatures, progress=progress).items()
    }
    if validation is None or len(averages) == 1:
        return next(iter(averages.items()))
    return min(averages.items(), key=lambda average: _squared_error(average[1], validation))


def _squared_error(model: keras.Model, part: TrainingPart) -> float:
    """Of all examples of a part together."""
    errors = (model(inputs, training=False) - targets for inputs, targets in evaluation_dataset(part))
    return float(sum(np.sum(np.square(of_batch), dtype=np.float64) for of_batch in errors))
