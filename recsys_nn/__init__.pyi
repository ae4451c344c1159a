from .advice.doctor.diagnose import diagnose as diagnose
from .advice.doctor.finding import (
    Diagnosis as Diagnosis,
    Finding as Finding,
)
from .advice.suggest.suggesting import suggest as suggest
from .advice.suggest.suggestion import Suggestion as Suggestion
from .experiment.blending import (
    Blend as Blend,
    blend as blend,
)
from .cluster.scoring import predict_folder as predict_folder
from .experiment.comparing import compare as compare
from .config.run import (
    RunConfig as RunConfig,
    load_config as load_config,
)
from .data.datasets import dataset_names as dataset_names
from .encoding.encoder import Encoder as Encoder
from .data.loading import load_ratings as load_ratings
from .data.ratings import Ratings as Ratings
from .data.splits import (
    Split as Split,
    kfold as kfold,
    leave_last_out_split as leave_last_out_split,
    random_split as random_split,
    stratified_split as stratified_split,
    temporal_split as temporal_split,
)
from .data.stream import (
    RatingsStream as RatingsStream,
    stream_ratings as stream_ratings,
)
from .tensors.streamed import StreamedTensors as StreamedTensors
from .tensors.tensors import Tensors as Tensors
from .posterior.sample import sample_posterior as sample_posterior
from .errors import (
    ArtifactError as ArtifactError,
    ConfigError as ConfigError,
    DataError as DataError,
    RecsysError as RecsysError,
    TrainingError as TrainingError,
)
from .estimator import RatingRegressor as RatingRegressor
from .evaluation.comparison import Comparison as Comparison
from .evaluation.evaluate import (
    Evaluation as Evaluation,
    evaluate as evaluate,
)
from .experiment.run import run_experiment as run_experiment
from .runs.result import ExperimentResult as ExperimentResult
from .models import (
    AutoRecConfig as AutoRecConfig,
    BiasConfig as BiasConfig,
    BSplineConfig as BSplineConfig,
    DeepFMConfig as DeepFMConfig,
    FMConfig as FMConfig,
    GlobalMeanConfig as GlobalMeanConfig,
    GMFConfig as GMFConfig,
    ItemMeanConfig as ItemMeanConfig,
    KernelConfig as KernelConfig,
    MLPConfig as MLPConfig,
    ModelConfig as ModelConfig,
    NeuMFConfig as NeuMFConfig,
    PolynomialConfig as PolynomialConfig,
    SVDConfig as SVDConfig,
    SVDPPConfig as SVDPPConfig,
    UserMeanConfig as UserMeanConfig,
    build_model as build_model,
    register_model as register_model,
)
from .prediction.predictor import Predictor as Predictor
from .report.page import (
    Report as Report,
    build_report as build_report,
)
from .selection.curves.bias_variance import bias_variance as bias_variance
from .selection.cross_validation import (
    CrossValidation as CrossValidation,
    cross_validate as cross_validate,
    refit as refit,
)
from .selection.curves.result import Curve as Curve
from .selection.curves.curves import (
    epoch_curve as epoch_curve,
    learning_curve as learning_curve,
    sensitivity as sensitivity,
    validation_curve as validation_curve,
)
from .selection.search.search import (
    SearchResult as SearchResult,
    tune as tune,
)
from .training.config import TrainConfig as TrainConfig
from .posterior.config import PosteriorConfig as PosteriorConfig
from .training.range_test import (
    RangeTest as RangeTest,
    range_test as range_test,
)
from .training.optimizers import (
    LazyAdam as LazyAdam,
    RowwiseAdagrad as RowwiseAdagrad,
    RowwiseSGD as RowwiseSGD,
)
from .training.run import TrainingRun as TrainingRun
from .training.trainer import Trainer as Trainer

__version__: str
