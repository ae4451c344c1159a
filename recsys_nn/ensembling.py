"""From a trained network to the average over many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recsys_nn.data.tensors import TrainingPart
from recsys_nn.errors import ConfigError
from recsys_nn.training.ensemble import PosteriorConfig
from recsys_nn.training.run import TrainingRun

if TYPE_CHECKING:
    from recsys_nn.models.averaged import AveragedModel


def sample_posterior(run: TrainingRun, train: TrainingPart, config: PosteriorConfig | None = None) -> AveragedModel:
    """The average over samples of the posterior of a trained network, the Bayesian prediction

        E[r | ratings] = ∫ r̂(θ) p(θ | ratings) dθ ≈ (1/M) Σ_m r̂(θ_m).

    Args:
        run: of the training, at whose weights the chain of samples starts.
        train: the training part.
        config: how many samples, and from how cold a posterior.

    Returns:
        A keras.Model that ``rn.Predictor`` takes as any other.

    Raises:
        ConfigError: where the model has nothing to sample, or its loss is no likelihood: neither squared errors nor
            that of a head with probabilities.
        TrainingError: where the chain diverges.
    """
    from recsys_nn.models.averaged import AveragedModel
    from recsys_nn.training.posterior import posterior_weights

    if not run.model.trainable_variables:
        raise ConfigError(f"ensemble: {run.model.name} is fitted in closed form, there is no posterior to sample")
    if run.config.loss not in (None, "mse"):
        raise ConfigError(
            f"ensemble: a posterior rests on squared errors or on a head with probabilities; leave out "
            f"training.loss {run.config.loss!r}"
        )
    return AveragedModel.of(run.model, posterior_weights(run, train, config or PosteriorConfig()))
