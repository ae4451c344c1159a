"""Factorisation machines: every pair of a rating's ids and features interacts, alone or with a tower beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from recsys_nn.encoding import SIDES, Encoder
from recsys_nn.models.base import register_model
from recsys_nn.models.factors import FactorConfig, Parts
from recsys_nn.models.ncf import TowerConfig, tower

if TYPE_CHECKING:
    import keras


class FMConfig(FactorConfig):
    """r_ui = μ + s (Σ_f w_f + Σ_{f<g} v_f·v_g), over the fields f, g of a rating

    (Rendle 2010, "Factorization machines", equation 1). The fields are the user, the item, and each column of side
    features, whose vector is the sum of those of its values, each times its weight. With ids alone it is svd.

    Example:
        >>> import pandas as pd
        >>> films = pd.DataFrame({"item": ["i0", "i1", "new"], "genre": ["crime", "comedy", "crime"]})
        >>> encoder = rn.Encoder.fit(ratings.with_features(item_features=films), features={"item": ["genre"]})
        >>> encoder.n_items  # 15 of them were rated
        16
        >>> model = rn.build_model(rn.FMConfig(embedding_dim=4), encoder)
        >>> [layer.name for layer in model.layers if layer.name.endswith(("factors", "features"))]
        ['item_features', 'user_factors', 'item_factors']
    """

    prior = 12.0
    kind: Literal["fm"] = "fm"


class DeepFMConfig(TowerConfig):
    """Factorisation machine with a tower over the vectors of all fields side by side: + h·f_L(v_1, ..., v_F)
    (Guo et al. 2017, "DeepFM: a factorization-machine based neural network for CTR prediction").

    Example:
        >>> fm, deep = (rn.build_model(config, encoder) for config in (rn.FMConfig(), rn.DeepFMConfig(widths=(32, 16))))
        >>> deep.count_params() - fm.count_params()  # of the tower: (16 + 1) 32 + (32 + 1) 16 + 16
        1088
    """

    prior = 12.0
    kind: Literal["deepfm"] = "deepfm"


@register_model(FMConfig)
@register_model(DeepFMConfig)
def build(config: FactorConfig, encoder: Encoder) -> keras.Model:
    import keras
    from keras import ops

    parts = Parts(config, encoder)
    linear, v, sides = parts.fields()  # (batch, 1), (batch, fields, dim), the side of each field
    z = linear + _pairs(v)
    if isinstance(config, TowerConfig):
        hidden = tower(config, keras.layers.Flatten(name="fields")(v))
        z = z + keras.layers.Dense(1, use_bias=False, name="tower_head")(hidden)
        return parts.model(z)
    # Pairs of fields of one side are a bias of it, those of both sides a product of sums.
    product = {}
    for side in SIDES:
        own = ops.take(v, [field for field, of in enumerate(sides) if of == side], axis=1)
        parts.counted(side, _pairs(own))
        product[side] = ops.sum(own, axis=1)
    return parts.model(z, product=product)


def _pairs(v: Any) -> Any:
    """Σ_{f<g} v_f·v_g, (batch, 1), of v (batch, fields, dim), as ((Σ_f v_f)² - Σ_f v_f²) / 2, whose time is linear in
    the number of fields (equation 5 there)."""
    from keras import ops

    pairs = (ops.square(ops.sum(v, axis=1)) - ops.sum(ops.square(v), axis=1)) / 2
    return ops.sum(pairs, axis=-1, keepdims=True)
