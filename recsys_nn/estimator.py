"""The scikit-learn face: a regressor of ratings on (user, item) pairs."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from recsys_nn.data.features import SIDES, FeaturesConfig
from recsys_nn.data.ids import plain_repr, row_number
from recsys_nn.data.ratings import Duplicates, Ratings
from recsys_nn.data.readers import Table
from recsys_nn.data.splits import Split, random_split
from recsys_nn.errors import ConfigError, DataError, did_you_mean
from recsys_nn.experiment import fit_encoder, train_on_split
from recsys_nn.models import ModelConfig, SVDConfig, build_model
from recsys_nn.prediction.manifest import files_in
from recsys_nn.prediction.predictor import Predictor
from recsys_nn.training.config import TrainConfig
from recsys_nn.validation import validated

Config = TypeVar("Config", bound=BaseModel)
_DEFAULTS: dict[str, BaseModel] = {"model": SVDConfig(), "training": TrainConfig()}
"""The parameters that are configs, with parameters of their own, and what None stands for."""
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
        training: the Trainer's settings; None is ``TrainConfig()``. Its ``validation`` is the fraction of the rows that
            is held out at random for early stopping, and its ``seed`` is ``random_state`` unless given. Where there are
            too few rows to hold one out, all its epochs are done, with a warning.
        features: which columns of X and of the features of users and items the model sees, as in ``Encoder.fit``.
        user_features: a DataFrame with a column ``user`` and a row a user.
        item_features: a DataFrame with a column ``item`` and a row an item.
        user: the column of X with the users: its name, or its position where no column has that name.
        item: the same of items.
        timestamp: the same of times, which are optional.
        scale: (lowest, highest) possible rating; None is as observed in y.
        duplicates: what to do with repeated pairs: ``"mean"``, ``"last"`` or ``"error"``. Unlike elsewhere the mean is
            the default, as resampling repeats rows.
        random_state: seed of what is held out, of the initial weights and of the training order; None, or numpy's
            RandomState, draws one at each ``fit``.
        progress: whether to print a line an epoch.

    Attributes:
        predictor_: the :class:`Predictor`, for sources, intervals, probabilities and run folders.
        run_: the :class:`TrainingRun`, with its history.
        n_iter_: the epochs that its weights come from.
        n_features_in_: columns of X.
        feature_names_in_: their names, where all are strings.
    """

    def __init__(
        self,
        model: ModelConfig | None = None,
        training: TrainConfig | None = None,
        *,
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
        ratings = self._ratings(X, y)
        seed = self._seed()
        model, training = self._checked("model", ModelConfig), self._checked("training", TrainConfig)
        if "seed" not in training.model_fields_set:
            training = training.model_copy(update={"seed": seed})
        split, training = _held_out(ratings, training, seed)
        encoder = fit_encoder(split, self.features)
        network = build_model(model, encoder, seed=seed)
        self.run_ = train_on_split(network, encoder, split, training, progress=self.progress)
        self.predictor_ = Predictor(network, encoder, config=model)
        self.n_iter_ = self.run_.best_epoch
        return self

    def predict(self, X: Any) -> npt.NDArray[np.float32]:
        """The predicted ratings of n pairs X, float32 (n,), within the rating scale.

        Raises:
            NotFittedError: before ``fit``.
            DataError: for ids of another type (int or str) than in training.
            ValueError: for other columns than in ``fit``.
        """
        check_is_fitted(self)
        return self.predictor_.predict(self._table(X, reset=False))["prediction"].to_numpy()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters and, where ``deep``, those of the configs: ``model__embedding_dim`` and so on."""
        params = super().get_params(deep=deep)
        if deep:
            for section in _DEFAULTS:
                config = self._config(section)
                params |= {f"{section}__{name}": getattr(config, name) for name in _names(config)}
        return params

    def set_params(self, **params: Any) -> Self:
        """Sets parameters by name, first those of the estimator, then those of its configs.

        Raises:
            ValueError: for an unknown name, with the nearest known one.
        """
        nested = {name for name in params if "__" in name and name.partition("__")[0] in _DEFAULTS}
        super().set_params(**{name: value for name, value in params.items() if name not in nested})
        for name in nested:
            section, _, field = name.partition("__")
            config = self._config(section)
            if field not in _names(config):
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self}: {type(config).__name__} has no {field!r}"
                    f"{did_you_mean(field, _names(config))}"
                )
            setattr(self, section, config.model_copy(update={field: params[name]}))
        return self

    def _config(self, section: str) -> Any:
        value = getattr(self, section)
        return _DEFAULTS[section] if value is None else value

    def _checked(self, section: str, base: type[Config]) -> Config:
        """The config with its values validated, which neither setting a parameter nor copying a config does."""
        config = self._config(section)
        if not isinstance(config, base):
            raise ConfigError(f"{section}={config!r} is a {type(config).__name__}, not a {base.__name__}")
        return validated(type(config), {name: getattr(config, name) for name in config.model_fields_set}, (section,))

    def _seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _ratings(self, X: Any, y: Any) -> Ratings:
        ratings = column_or_1d(y, warn=True)
        table = self._table(X, reset=True)
        check_consistent_length(table, ratings)
        return Ratings(
            table.assign(rating=ratings),
            scale=self.scale,
            duplicates=self.duplicates,
            user_features=self.user_features,
            item_features=self.item_features,
            rating_features=self._rating_features(),
        )

    def _table(self, X: Any, *, reset: bool) -> pd.DataFrame:
        """The columns user, item, perhaps timestamp and features of the ratings.

        With ``reset`` the names and number of X's columns are learnt; without, they have to be those that were.
        """
        if isinstance(X, pd.DataFrame):
            frame = validate_data(self, X, skip_check_array=True, reset=reset)
        else:
            X = np.asarray(X, dtype=object) if isinstance(X, list | tuple) else X
            least = {"ensure_min_samples": 2, "ensure_min_features": 2} if reset else {}
            array = validate_data(self, X, dtype=None, reset=reset, **least)
            frame = pd.DataFrame(array).infer_objects()
        columns = {"user": self.user, "item": self.item, "timestamp": self.timestamp}
        found = Table(frame.set_axis(self._column_names(), axis=1).reset_index(drop=True), "X", row_number, text=False)
        table = found.renamed(columns, required=("user", "item"))
        if not isinstance(X, pd.DataFrame):
            for side in SIDES:
                table[side] = _integers_of_floats(table[side], side)
        return table.assign(**found.features(self._rating_features()))

    def _column_names(self) -> list[str]:
        if hasattr(self, "feature_names_in_"):
            return list(self.feature_names_in_)
        n = self.n_features_in_
        return list(_UNNAMED[:n]) if n <= len(_UNNAMED) else [str(position) for position in range(n)]

    def _rating_features(self) -> list[str]:
        """The columns of X that are features of the ratings, beside their timestamp."""
        config = FeaturesConfig.of(self.features)
        columns = [feature.column for feature in config.rating]
        columns += [] if config.drift is None else [config.drift.column]
        return [name for name in dict.fromkeys(columns) if name != "timestamp"]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = tags.input_tags.string = True
        tags.regressor_tags.poor_score = True  # on columns that are not ids
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if "predictor_" in state:
            with tempfile.TemporaryDirectory() as folder:
                run = state["predictor_"].save(Path(folder) / "run")
                files = {name: (run / name).read_bytes() for name in files_in(run)}
            state = {**state, "predictor_": files, "run_": replace(state["run_"], model=None)}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "predictor_" in state:
            with tempfile.TemporaryDirectory() as folder:
                for name, content in state["predictor_"].items():
                    (Path(folder) / name).write_bytes(content)
                predictor = Predictor.load(folder)
            state = {**state, "predictor_": predictor, "run_": replace(state["run_"], model=predictor.model)}
        super().__setstate__(state)


def _names(config: Any) -> list[str]:
    """The parameters of a config, whose kind is its class's; none of what is not a config."""
    return [name for name in type(config).model_fields if name != "kind"] if isinstance(config, BaseModel) else []


def _held_out(ratings: Ratings, training: TrainConfig, seed: int) -> tuple[Split, TrainConfig]:
    """The training and validation parts, and how to train on them."""
    if training.validation > 0 and not 0 < round(training.validation * len(ratings)) < len(ratings):
        warnings.warn(
            f"training.validation: {training.validation:g} of {len(ratings)} ratings is no validation part, so "
            f"training goes on for all {training.epochs} epochs",
            stacklevel=3,
        )
        return Split(ratings), training.until(training.epochs)
    return random_split(ratings, validation=training.validation, test=0.0, seed=seed), training


def _integers_of_floats(ids: pd.Series, side: str) -> pd.Series:
    if not pd.api.types.is_float_dtype(ids.dtype):
        return ids
    bad = ((ids % 1 != 0) | (np.spacing(ids.abs()) > 1)).to_numpy()  # beyond 2^53, several integers are one float
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"row {row}: the {side} id {plain_repr(ids.iloc[row])} is not a whole number; ids are integers or strings"
        )
    return ids.astype("int64")
