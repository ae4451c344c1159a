"""Model kinds: a frozen config and a builder each, registered by name."""

from recsys_nn.models.autorec import AutoRecConfig
from recsys_nn.models.base import ModelConfig, build_model, model_kind, model_kinds, register_model
from recsys_nn.models.baseline import BiasConfig, GlobalMeanConfig, ItemMeanConfig, UserMeanConfig
from recsys_nn.models.fm import DeepFMConfig, FMConfig
from recsys_nn.models.interactions import BSplineConfig, KernelConfig, PolynomialConfig
from recsys_nn.models.ncf import GMFConfig, MLPConfig, NeuMFConfig
from recsys_nn.models.svd import SVDConfig
from recsys_nn.models.svdpp import SVDPPConfig

__all__ = [
    "AutoRecConfig",
    "BSplineConfig",
    "BiasConfig",
    "DeepFMConfig",
    "FMConfig",
    "GMFConfig",
    "GlobalMeanConfig",
    "ItemMeanConfig",
    "KernelConfig",
    "MLPConfig",
    "ModelConfig",
    "NeuMFConfig",
    "PolynomialConfig",
    "SVDConfig",
    "SVDPPConfig",
    "UserMeanConfig",
    "build_model",
    "model_kind",
    "model_kinds",
    "register_model",
]
