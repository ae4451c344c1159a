"""How the average over many weights of a model is made."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class PosteriorConfig(BaseModel):
    """Samples of the posterior along one chain, which starts where the training ends (see ``training/posterior.py``).

    Args:
        samples: how many weights are kept; their predictions are averaged.
        burn_in: epochs before the first.
        thin: epochs from one to the next.
        temperature: T. 1 is the posterior of the model as it stands; predictions are usually better from a colder one.
        step_size: h of :class:`Langevin`.
        friction: γ of :class:`Langevin`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    samples: int = Field(50, ge=1)
    burn_in: int = Field(50, ge=0)
    thin: int = Field(5, ge=1)
    temperature: float = Field(0.45, ge=0)
    step_size: float = Field(0.15, gt=0)
    friction: float = Field(0.05, gt=0, le=1)
