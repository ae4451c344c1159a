"""The simple predictors as models: global mean, user means, item means, and biases of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from recsys_nn.encoding import ITEM_SHRINKAGE, USER_SHRINKAGE, BaselineName, Encoder
from recsys_nn.models.base import ModelConfig, register_model
from recsys_nn.models.factors import id_inputs

if TYPE_CHECKING:
    import keras


class BaselineConfig(ModelConfig):
    """Base config of the four simple predictors, whose equations stand in ``encoding/baselines.py``."""

    needs_table = True
    baseline: ClassVar[BaselineName]


class GlobalMeanConfig(BaselineConfig):
    """r_ui = μ.

    Example:
        >>> result = rn.run_experiment(rn.GlobalMeanConfig(), split, progress=False)
        >>> result.run.stop_reason
        'closed form'
        >>> result.predictor.predict([("u0", "i0"), ("u1", "i9")])["prediction"].nunique()
        1
    """

    baseline = "global"
    kind: Literal["global_mean"] = "global_mean"


class UserMeanConfig(BaselineConfig):
    """r_ui = the user's mean, shrunken towards μ.

    Args:
        user_shrinkage: κ_u; a user with κ_u ratings is half way between μ and their plain mean.

    Example:
        >>> predictor = rn.run_experiment(rn.UserMeanConfig(user_shrinkage=0), split, progress=False).predictor
        >>> predicted = predictor.predict([("u7", "i0")])["prediction"].item()
        >>> mean = split.train.frame.query("user == 'u7'")["rating"].mean()
        >>> print(f"{predicted:.2f} {mean:.2f}")
        2.67 2.67
    """

    baseline = "user"
    kind: Literal["user_mean"] = "user_mean"
    user_shrinkage: float = Field(default=USER_SHRINKAGE, ge=0)


class ItemMeanConfig(BaselineConfig):
    """r_ui = the item's mean, shrunken towards μ.

    Args:
        item_shrinkage: κ_i; an item with κ_i ratings is half way between μ and its plain mean.

    Example:
        >>> predictor = rn.run_experiment(rn.ItemMeanConfig(item_shrinkage=1e9), split, progress=False).predictor
        >>> predicted = predictor.predict([("u0", "i0")])["prediction"].item()
        >>> print(f"{predicted:.2f} {encoder.rating_mean:.2f}")  # the item's mean, shrunken to that of all
        2.85 2.85
    """

    baseline = "item"
    kind: Literal["item_mean"] = "item_mean"
    item_shrinkage: float = Field(default=ITEM_SHRINKAGE, ge=0)


class BiasConfig(BaselineConfig):
    """r_ui = μ + a_u + b_i (Koren 2010, "Factor in the neighbors", section 2.1).

    Args:
        user_shrinkage: κ_u, shrinkage of the users' biases, in ratings.
        item_shrinkage: κ_i, shrinkage of the items' biases, in ratings.

    Example:
        >>> metrics = rn.run_experiment(rn.BiasConfig(), split, progress=False).metrics
        >>> round(metrics["rmse"], 3) == round(metrics["bias_rmse"], 3)  # the baseline that other kinds have to beat
        True
    """

    baseline = "bias"
    kind: Literal["bias"] = "bias"
    user_shrinkage: float = Field(default=USER_SHRINKAGE, ge=0)
    item_shrinkage: float = Field(default=ITEM_SHRINKAGE, ge=0)


@register_model(GlobalMeanConfig)
@register_model(UserMeanConfig)
@register_model(ItemMeanConfig)
@register_model(BiasConfig)
def build(config: BaselineConfig, encoder: Encoder) -> keras.Model:
    import keras

    from recsys_nn.models.layers import basic

    inputs = id_inputs(encoder)
    biases = basic.ClosedFormBiases(
        encoder.users.n_rows,
        encoder.items.n_rows,
        baseline=config.baseline,
        name="biases",
        **config.model_dump(exclude={"kind"}),
    )
    ratings = biases(inputs["user"], inputs["item"])
    biases.set(encoder.baselines[config.baseline])  # of the usual shrinkage, for a model that no Trainer fits
    outputs = basic.RatingScale(0.0, 1.0, encoder.scale, name="rating")(ratings)
    return keras.Model(inputs, outputs, name=config.kind)
