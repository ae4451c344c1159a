"""Rating prediction with latent-factor and neural models in Keras.

Everything public is listed in ``_HOMES`` and loaded when first used, so that importing the package costs
nothing and TensorFlow comes in only with the first model.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recsys_nn.advice.doctor import diagnose
    from recsys_nn.advice.finding import Diagnosis, Finding
    from recsys_nn.advice.suggesting import suggest
    from recsys_nn.advice.suggestion import Suggestion
    from recsys_nn.blending import Blend, blend
    from recsys_nn.cluster.scoring import predict_folder
    from recsys_nn.comparing import compare
    from recsys_nn.config import RunConfig, load_config
    from recsys_nn.data.datasets import dataset_names
    from recsys_nn.data.encoding import Encoder
    from recsys_nn.data.loading import load_ratings
    from recsys_nn.data.ratings import Ratings
    from recsys_nn.data.splits import (
        Split,
        kfold,
        leave_last_out_split,
        random_split,
        stratified_split,
        temporal_split,
    )
    from recsys_nn.data.stream import RatingsStream, stream_ratings
    from recsys_nn.data.streamed_tensors import StreamedTensors
    from recsys_nn.data.tensors import Tensors
    from recsys_nn.ensembling import sample_posterior
    from recsys_nn.errors import ArtifactError, ConfigError, DataError, RecsysError, TrainingError
    from recsys_nn.estimator import RatingRegressor
    from recsys_nn.evaluation.comparison import Comparison
    from recsys_nn.evaluation.evaluate import Evaluation, evaluate
    from recsys_nn.experiment import run_experiment
    from recsys_nn.experiment_result import ExperimentResult
    from recsys_nn.models import (
        AutoRecConfig,
        BiasConfig,
        BSplineConfig,
        DeepFMConfig,
        FMConfig,
        GlobalMeanConfig,
        GMFConfig,
        ItemMeanConfig,
        KernelConfig,
        MLPConfig,
        ModelConfig,
        NeuMFConfig,
        PolynomialConfig,
        SVDConfig,
        SVDPPConfig,
        UserMeanConfig,
        build_model,
        register_model,
    )
    from recsys_nn.prediction.predictor import Predictor
    from recsys_nn.report.page import Report, build_report
    from recsys_nn.selection.bias_variance import bias_variance
    from recsys_nn.selection.cross_validation import CrossValidation, cross_validate, refit
    from recsys_nn.selection.curve import Curve
    from recsys_nn.selection.curves import epoch_curve, learning_curve, sensitivity, validation_curve
    from recsys_nn.selection.search import SearchResult, tune
    from recsys_nn.training.config import TrainConfig
    from recsys_nn.training.ensemble import PosteriorConfig
    from recsys_nn.training.range_test import RangeTest, range_test
    from recsys_nn.training.rowwise import LazyAdam, RowwiseAdagrad, RowwiseSGD
    from recsys_nn.training.run import TrainingRun
    from recsys_nn.training.trainer import Trainer

__version__ = "0.1.0"

_HOMES = {
    "advice.doctor": ("diagnose",),
    "advice.finding": ("Diagnosis", "Finding"),
    "advice.suggesting": ("suggest",),
    "advice.suggestion": ("Suggestion",),
    "blending": ("Blend", "blend"),
    "cluster.scoring": ("predict_folder",),
    "comparing": ("compare",),
    "config": ("RunConfig", "load_config"),
    "data.datasets": ("dataset_names",),
    "data.encoding": ("Encoder",),
    "data.loading": ("load_ratings",),
    "data.ratings": ("Ratings",),
    "data.splits": (
        "Split",
        "kfold",
        "leave_last_out_split",
        "random_split",
        "stratified_split",
        "temporal_split",
    ),
    "data.stream": ("RatingsStream", "stream_ratings"),
    "data.streamed_tensors": ("StreamedTensors",),
    "data.tensors": ("Tensors",),
    "ensembling": ("sample_posterior",),
    "errors": ("ArtifactError", "ConfigError", "DataError", "RecsysError", "TrainingError"),
    "estimator": ("RatingRegressor",),
    "evaluation.comparison": ("Comparison",),
    "evaluation.evaluate": ("Evaluation", "evaluate"),
    "experiment": ("run_experiment",),
    "experiment_result": ("ExperimentResult",),
    "models": (
        "AutoRecConfig",
        "BSplineConfig",
        "KernelConfig",
        "PolynomialConfig",
        "BiasConfig",
        "DeepFMConfig",
        "FMConfig",
        "GMFConfig",
        "GlobalMeanConfig",
        "ItemMeanConfig",
        "MLPConfig",
        "ModelConfig",
        "NeuMFConfig",
        "SVDConfig",
        "SVDPPConfig",
        "UserMeanConfig",
        "build_model",
        "register_model",
    ),
    "prediction.predictor": ("Predictor",),
    "report.page": ("Report", "build_report"),
    "selection.bias_variance": ("bias_variance",),
    "selection.cross_validation": ("CrossValidation", "cross_validate", "refit"),
    "selection.curve": ("Curve",),
    "selection.curves": ("epoch_curve", "learning_curve", "sensitivity", "validation_curve"),
    "selection.search": ("SearchResult", "tune"),
    "training.config": ("TrainConfig",),
    "training.ensemble": ("PosteriorConfig",),
    "training.range_test": ("RangeTest", "range_test"),
    "training.rowwise": ("LazyAdam", "RowwiseAdagrad", "RowwiseSGD"),
    "training.run": ("TrainingRun",),
    "training.trainer": ("Trainer",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
