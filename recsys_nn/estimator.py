"""The scikit-learn face: a regressor of ratings on (user, item) pairs."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel

from recsys_nn.config import RunConfig, validated
from recsys_nn.data import COLUMNS, Duplicates, Ratings, Split, Table
from recsys_nn.encoding import SIDES, FeaturesConfig
from recsys_nn.errors import DataError, did_you_mean, plain_repr, required, row_number
from recsys_nn.models import ModelConfig, SVDConfig
from recsys_nn.posterior import PosteriorConfig
from recsys_nn.runs import load_split
from recsys_nn.training import TrainConfig

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils import Tags, check_consistent_length, check_random_state, column_or_1d
    from sklearn.utils.validation import check_is_fitted, validate_data
except ModuleNotFoundError:
    required("sklearn", "sklearn", needed_by="RatingRegressor")
    raise

_DEFAULTS: dict[str, BaseModel | None] = {"model": SVDConfig(), "training": TrainConfig(), "ensemble": None}
"""Parameters that are configs, with parameters of their own, and what None stands for."""
_UNNAMED = ("user", "item", "timestamp")
"""The columns of an array of at most three."""


class RatingRegressor(RegressorMixin, BaseEstimator):
    """Predicts ratings y from pairs X, as any regressor of scikit-learn does.

    X is a DataFrame, whose columns are recognised or named as in ``load_ratings``, or an array with the columns user,
    item and perhaps timestamp; of a wider one, ``user`` and ``item`` say which columns they are. Ids are integers or
    strings and keep their type. An array has one type for all columns, so whole numbers among its floats are integers.
    An id that was not in training is predicted from what is known of the other, as everywhere in this package.

    ``get_params`` and ``set_params`` reach into the configs (``model__embedding_dim``, ``training__learning_rate``);
    ``model`` and ``model__...`` can be set together, and values are checked by ``fit``, as is usual in scikit-learn.

    A fitted estimator is pickled as the files of its run folder, and its network is built anew from them; a kind of
    one's own must be registered where it is loaded.

    Args:
        model: a config of any registered kind; None is ``SVDConfig()``.
        training: the Trainer's settings; None is ``TrainConfig()``. Its ``validation`` is the fraction of the ratings
            that is held out at random for early stopping and intervals, and its ``seed`` is ``random_state`` unless
            given. Where there are too few to hold one out, all epochs are done, with a warning.
        ensemble: samples of the posterior whose predictions are averaged; a single network where left out.
        refit: whether the model is then trained anew on all ratings, for as many epochs as validation found best.
        features: which columns of X and of the features of users and items the model sees, as in ``Encoder.fit``.
        user_features: a DataFrame with a column ``user`` and a row a user.
        item_features: a DataFrame with a column ``item`` and a row an item.
        user: the column of X with the users: its name, or its position where no column has that name.
        item: the column of X with the items, likewise.
        timestamp: the column of X with the times, likewise; they are optional.
        scale: (lowest, highest) possible rating; None is as observed in y.
        duplicates: what to do with repeated pairs: ``"mean"``, ``"last"`` or ``"error"``. Unlike elsewhere the mean is
            the default, as resampling repeats rows.
        random_state: seed of what is held out, of the initial weights and of the training order; None, or numpy's
            RandomState, draws one at each ``fit``.
        progress: whether to print a line an epoch.

    Attributes:
        predictor_: the :class:`Predictor`, for sources, intervals, probabilities and run folders.
        run_: the :class:`TrainingRun`, with its history; its network is that of ``predictor_``.
        n_iter_: the epochs that its weights come from.
        n_features_in_: number of columns of X.
        feature_names_in_: their names, where all are strings.

    Example:
        >>> from sklearn.model_selection import cross_val_score
        >>> X, y = ratings.frame[["user", "item"]], ratings.frame["rating"]
        >>> regressor = rn.RatingRegressor(rn.BiasConfig(), scale=(1, 5))
        >>> cross_val_score(regressor, X, y, cv=3).shape
        (3,)
        >>> regressor.set_params(model__user_shrinkage=1.0).fit(X, y).predict(X).shape
        (300,)
    """

    def __init__(
        self,
        model: ModelConfig | None = None,
        training: TrainConfig | None = None,
        *,
        ensemble: PosteriorConfig | None = None,
        refit: bool = False,
        features: FeaturesConfig | Mapping[str, Any] | None = None,
        user_features: pd.DataFrame | None = None,
        item_features: pd.DataFrame | None = None,
        user: str | int | None = None,
        item: str | int | None = None,
        timestamp: str | int | None = None,
        scale: tuple[float, float] | None = None,
        duplicates: Duplicates = "mean",
        random_state: int | np.random.RandomState | None = 0,
        progress: bool = False,
    ) -> None:
        self.model = model
        self.training = training
        self.ensemble = ensemble
        self.refit = refit
        self.features = features
        self.user_features = user_features
        self.item_features = item_features
        self.user = user
        self.item = item
        self.timestamp = timestamp
        self.scale = scale
        self.duplicates = duplicates
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: Any, y: Any) -> Self:
        """Trains the model anew on n pairs X, (n, columns), and their ratings y, (n,).

        Raises:
            DataError: for ids, ratings or features that cannot be used, naming the first.
            ConfigError: for a wrong value in ``model`` or ``training``, with its dotted path.
            ValueError: for shapes that do not fit, in scikit-learn's words.
        """
        from recsys_nn.experiment import run_on_split

        config = self._run_config()
        ratings = self._ratings(X, y, config.data.features)
        result = run_on_split(*_split(config, ratings), progress=self.progress)
        self.predictor_ = result.predictor
        self.run_ = replace(result.run, model=result.predictor.model)
        self.n_iter_ = result.run.best_epoch
        return self

    def predict(self, X: Any) -> npt.NDArray[np.float32]:
        """The predicted ratings of n pairs X, float32 (n,), within the rating scale.

        Raises:
            NotFittedError: before ``fit``.
            DataError: for ids of another type (int or str) than in training.
            ValueError: for other columns than in ``fit``.
        """
        check_is_fitted(self)
        table = self._table(X, self.predictor_.encoder.context_columns, reset=False)
        return self.predictor_.predict(table)["prediction"].to_numpy()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters and, where ``deep``, those of the configs: ``model__embedding_dim`` and so on."""
        params = super().get_params(deep=deep)
        if deep:
            for section in _DEFAULTS:
                config = self._config(section)
                params |= {f"{section}__{name}": getattr(config, name) for name in _names(config)}
        return params

    def set_params(self, **params: Any) -> Self:
        """Sets parameters by their names, first those of the estimator, then those of its configs.

        Raises:
            ValueError: for an unknown name, with the nearest known one.
        """
        nested = [name for name in params if "__" in name and name.partition("__")[0] in _DEFAULTS]
        super().set_params(**{name: value for name, value in params.items() if name not in nested})
        for name in nested:
            section, _, field = name.partition("__")
            config = self._config(section)
            if field not in (known := _names(config)):
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {type(self).__name__}: {section} is of type "
                    f"{type(config).__name__}{did_you_mean(field, known)}"
                )
            setattr(self, section, config.model_copy(update={field: params[name]}))
        return self

    def _config(self, section: str) -> Any:
        value = getattr(self, section)
        return _DEFAULTS[section] if value is None else value

    def _run_config(self) -> RunConfig:
        """The run that the parameters describe, validated, which setting them does not do."""
        training = _given(self._config("training"))
        held_out = validated(TrainConfig, training, ("training",)).validation
        values = {
            "seed": self._seed(),
            "data": {"features": self.features or {}, "split": {"validation": held_out, "test": 0.0}},
            "model": _given(self._config("model")),
            "training": {name: value for name, value in training.items() if name != "validation"},
            "ensemble": _given(self._config("ensemble")),
            "refit": self.refit,
        }
        return validated(RunConfig, values)

    def _seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _ratings(self, X: Any, y: Any, features: FeaturesConfig) -> Ratings:
        ratings = column_or_1d(y, warn=True)
        drift = [] if features.drift is None else [features.drift.column]
        context = [*(feature.column for feature in features.rating), *drift]
        table = self._table(X, context, reset=True)
        check_consistent_length(table, ratings)
        return Ratings(
            table.assign(rating=ratings),
            scale=self.scale,
            user_features=self.user_features,
            item_features=self.item_features,
            rating_features=[name for name in table.columns if name not in COLUMNS],
            duplicates=self.duplicates,
        )

    def _table(self, X: Any, context: Iterable[str], *, reset: bool) -> pd.DataFrame:
        """The columns user, item and, where there are such, timestamp, and those of ``context`` beside them.

        With ``reset`` the names and the number of X's columns are learnt; without, they have to be those that were.
        """
        if isinstance(X, pd.DataFrame):
            frame = validate_data(self, X, skip_check_array=True, reset=reset)
        else:
            array = np.asarray(X, dtype=object) if isinstance(X, list | tuple) else X  # "7" and 7 stay what they are
            least = {"ensure_min_samples": 2, "ensure_min_features": 2} if reset else {}
            frame = pd.DataFrame(validate_data(self, array, dtype=None, reset=reset, **least)).infer_objects()
        frame = frame.set_axis(self._column_names(), axis=1).reset_index(drop=True)
        found = Table(frame, "X", row_number, text=False)
        columns = {"user": self.user, "item": self.item, "timestamp": self.timestamp}
        table = found.renamed(columns, required=SIDES)
        if not isinstance(X, pd.DataFrame):
            table = table.assign(**{side: _integers_of_floats(table[side], side) for side in SIDES})
        return table.assign(**found.features([name for name in dict.fromkeys(context) if name != "timestamp"]))

    def _column_names(self) -> list[str]:
        if hasattr(self, "feature_names_in_"):
            return list(self.feature_names_in_)
        n = self.n_features_in_
        return list(_UNNAMED[:n]) if n <= len(_UNNAMED) else [str(position) for position in range(n)]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = tags.input_tags.string = True
        tags.regressor_tags.poor_score = True  # on columns that are not ids
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {**state, "run_": replace(state["run_"], model=None)} if "run_" in state else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "run_" in state:
            state = {**state, "run_": replace(state["run_"], model=state["predictor_"].model)}
        super().__setstate__(state)


def _names(config: Any) -> list[str]:
    """Names of a config's parameters; its kind is its class's, and what is no config has none."""
    return [name for name in type(config).model_fields if name != "kind"] if isinstance(config, BaseModel) else []


def _given(config: Any) -> Any:
    """Maps a config to what was given of it, to be validated; what is no config is left for validation to refuse."""
    if not isinstance(config, BaseModel):
        return config
    return {name: value for name, value in config if name in config.model_fields_set or name == "kind"}


def _split(config: RunConfig, ratings: Ratings) -> tuple[RunConfig, Split]:
    """Splits ratings into training and validation parts, and returns the config to train with."""
    try:
        return config, load_split(config.data, config.seed, ratings)
    except DataError as error:
        epochs = config.training.epochs
        warnings.warn(f"{error}; the training takes all {epochs} epochs without validation", stacklevel=3)
        return config.model_copy(update={"training": config.training.until(epochs), "refit": False}), Split(ratings)


def _integers_of_floats(ids: pd.Series, side: str) -> pd.Series:
    if not pd.api.types.is_float_dtype(ids.dtype):
        return ids
    bad = ((ids % 1 != 0) | (np.spacing(ids.abs()) > 1)).to_numpy()
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"row {row}: the {side} id must be an integer that {ids.dtype} holds exactly, or a string, not "
            f"{plain_repr(ids.iloc[row])}"
        )
    return ids.astype("int64")
