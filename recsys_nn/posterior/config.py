"""Settings of the average over many weights of a model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PosteriorConfig(BaseModel):
    """Samples of the posterior along one chain, which starts where the training ends (see ``posterior/chain.py``).

    Args:
        samples: number of weights that are kept; their predictions are averaged.
        thin: epochs from one to the next, over which its weights are averaged.
        burn_in: epochs before the first.
        temperature: T. 1 is the posterior of the model as it stands; predictions are often better from a colder one.
            None: 0.5, or 1 or 0.25 where validation speaks for it (see ``posterior/sample.py``), for which the chain is
            sampled at all three.
        penalties: learned during a burn-in of at least 30 epochs, for every matrix with a penalty λ Σ w² a strength
            for each of its columns (of a table of vectors, the dimensions); or those of the training, fixed.
        step_size: the step size h of :class:`Langevin`.
        friction: the friction γ of :class:`Langevin`.

    Example:
        >>> config = rn.load_config("run.yaml", overrides=["ensemble.samples=8", "ensemble.temperature=0.5"])
        >>> config.ensemble == rn.PosteriorConfig(samples=8, temperature=0.5)
        True
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    samples: int = Field(default=10, ge=1)
    thin: int = Field(default=25, ge=1)
    burn_in: int = Field(default=120, ge=0)
    temperature: float | None = Field(default=None, ge=0)
    penalties: Literal["learned", "fixed"] = "learned"
    step_size: float = Field(default=0.25, gt=0)
    friction: float = Field(default=0.05, gt=0, le=1)
