from .advice import diagnose as diagnose
from .advice import (
    Diagnosis as Diagnosis,
    Finding as Finding,
)
from .advice import suggest as suggest
from .advice import Suggestion as Suggestion
from .experiment import (
    Blend as Blend,
    blend as blend,
)
from .cluster import predict_folder as predict_folder
from .experiment import compare as compare
from .config import (
    RunConfig as RunConfig,
    load_config as load_config,
)
from .data import dataset_names as dataset_names
from .encoding import Encoder as Encoder
from .data import load_ratings as load_ratings
from .data import Ratings as Ratings
from .data import (
    Split as Split,
    kfold as kfold,
    leave_last_out_split as leave_last_out_split,
    random_split as random_split,
    stratified_split as stratified_split,
    temporal_split as temporal_split,
)
from .data import (
    RatingsStream as RatingsStream,
    stream_ratings as stream_ratings,
)
from .tensors import StreamedTensors as StreamedTensors
from .tensors import Tensors as Tensors
from .posterior import sample_posterior as sample_posterior
from .errors import (
    ArtifactError as ArtifactError,
    ConfigError as ConfigError,
    DataError as DataError,
    RecsysError as RecsysError,
    TrainingError as TrainingError,
)
from .estimator import RatingRegressor as RatingRegressor
from .evaluation import Comparison as Comparison
from .evaluation import (
    Evaluation as Evaluation,
    evaluate as evaluate,
)
from .experiment import run_experiment as run_experiment
from .runs import ExperimentResult as ExperimentResult
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
from .prediction import Predictor as Predictor
from .report import (
    Report as Report,
    build_report as build_report,
)
from .selection import bias_variance as bias_variance
from .selection import (
    CrossValidation as CrossValidation,
    cross_validate as cross_validate,
    refit as refit,
)
from .selection import Curve as Curve
from .selection import (
    epoch_curve as epoch_curve,
    learning_curve as learning_curve,
    sensitivity as sensitivity,
    validation_curve as validation_curve,
)
from .selection import (
    SearchResult as SearchResult,
    tune as tune,
)
from .training import TrainConfig as TrainConfig
from .posterior import PosteriorConfig as PosteriorConfig
from .training import (
    RangeTest as RangeTest,
    range_test as range_test,
)
from .training import (
    LazyAdam as LazyAdam,
    RowwiseAdagrad as RowwiseAdagrad,
    RowwiseSGD as RowwiseSGD,
)
from .training import TrainingRun as TrainingRun
from .training import Trainer as Trainer

__version__: str
