"""Decomposition of a model's error into bias, variance and noise, where the truth is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.config import RunConfig
from recsys_nn.data import Ratings, Split, Truth
from recsys_nn.errors import ConfigError, DataError
from recsys_nn.experiment import run_on_split
from recsys_nn.plots import Scale, draw_layers, new_figure
from recsys_nn.prediction import Predictor
from recsys_nn.runs import load_split
from recsys_nn.selection.curves.result import Curve
from recsys_nn.selection.curves.runs import AnyConfig, named, seeded, unwritten
from recsys_nn.selection.processes import in_order

Floats = npt.NDArray[np.float64]
EPOCHS = "training.epochs"


def bias_variance(
    config: AnyConfig,
    data: Split | Ratings | None = None,
    *,
    key: str,
    values: Sequence[Any] | Mapping[str, Any],
    resamples: int = 20,
    overrides: Sequence[str] = (),
    workers: int = 1,
    progress: bool = True,
) -> Curve:
    """Splits the expected squared error of a model on generated ratings, by a setting of its complexity.

    Such a setting is ``model.embedding_dim`` with the values 1, 2, 4, 8, 16, or ``training.epochs`` with 1 to 60.

    For a pair k of the test part let r_k be its rating, f_k = E r_k, and g_k what the model predicts, which is random
    as its training ratings and its seed are. Then (Geman, Bienenstock & Doursat 1992, "Neural networks and the
    bias/variance dilemma")

        E (r_k - g_k)²  =  (E g_k - f_k)²  +  E (g_k - E g_k)²  +  E (r_k - f_k)²
                               bias²              variance              noise

    The model is trained on D training sets d: the pairs of the training part with noise drawn anew, and the seeds that
    follow the config's. With m_k the mean of g_dk over d, each term is the mean over the test pairs of

        variance_k = Σ_d (g_dk - m_k)² / (D - 1)      bias²_k = (m_k - f_k)² - variance_k / D      noise_k = Var[r_k]

    unbiased all (m_k varies by variance_k / D itself, and bias² can come out below 0 where there is none); f_k and
    Var[r_k] are known exactly, rounding and clipping included. The error is measured too, on test ratings drawn anew
    for every training set and value: the mean over d of e_d = mean_k (r_dk - g_dk)², with the standard error
    sd(e_d) / √D. From the sum it differs by the luck of these ratings, the mean over d and k of

        l_dk = (r_dk - g_dk)² - (f_k - g_dk)² - noise_k

    which are independent and of mean 0, given what was predicted; ``z`` is that difference by its own, smaller standard
    error √(Σ l²) / (D n), and so standard normal.

    All values meet the same training sets. Where the config names a validation part and patience, early stopping is
    part of what is judged, and so is an ensemble or a refit. For a look at complexity alone set
    ``data.split.validation`` to 0, ``training.patience`` to null and the model's penalties to 0.

    Args:
        config: a RunConfig, a mapping, the path of a YAML file, or a model's config with defaults for all else.
        data: generated ratings in memory, split as the config says, or a split of them.
        key: the setting's dotted key, as in ``--set``. With ``training.epochs`` each training is looked at after each
            of the epochs, without early stopping: the epoch is the complexity.
        values: values to try, from the simplest to the most complex; a mapping gives them names.
        resamples: number D of training sets.
        overrides: ``"training.epochs=50"`` and the like, for a mapping or a file.
        workers: the processes that training sets are worked on in.
        progress: whether to print a line a training set.

    Returns:
        A table of the key, bias_squared, variance, noise, sum, error, standard_error, z; all but z in squared rating
        units. Marked is the ``best``, the value of the least sum.

    Raises:
        ConfigError: for a wrong key or value, and for one that changes the data.
        DataError: where the ratings were not generated, or there is no test part.
        RecsysError: as :func:`run_experiment` does.

    Example:
        >>> made = rn.load_ratings("synthetic", n_users=30, n_items=20, n_ratings=300)
        >>> key, values = "model.user_shrinkage", [100, 1]  # from the simplest
        >>> curve = rn.bias_variance(rn.UserMeanConfig(), made, key=key, values=values, resamples=4, progress=False)
        >>> curve.table["bias_squared"].is_monotonic_decreasing, curve.table["variance"].is_monotonic_increasing
        (True, True)
    """
    config = unwritten(config, overrides)
    values, split = named(values), load_split(config.data, config.seed, data)
    truth = _checked_truth(key, resamples, split)
    pairs = split.test.frame["user"], split.test.frame["item"]
    expected, noise = truth.expected(*pairs), truth.variance(*pairs)
    for_training, for_test = np.random.default_rng((config.seed, resamples)).spawn(2)
    configs = [config.with_values({key: value}) for value in values.values()]
    sets = (
        _TrainingSet(number, [seeded(one, config.seed + number) for one in configs], split, rng)
        for number, rng in enumerate(for_training.spawn(resamples))
    )
    predict = _after_epochs if key == EPOCHS else _after_training
    found = in_order(predict, sets, told=_ended, workers=workers, progress=progress)
    predicted = np.stack(found, axis=1)  # (values, D, n)
    rows = []
    for name, of_value in zip(values, predicted, strict=True):
        ratings = np.stack([truth.draw(*pairs, for_test) for _ in range(resamples)])
        rows.append({key: name, **decomposition(of_value, ratings, expected, noise)})
    table = pd.DataFrame(rows)
    best = list(values)[int(table["sum"].argmin())]
    return Curve(table, {"best": best}, _drawn(config, key, table, resamples))


def decomposition(predicted: Floats, ratings: Floats, expected: Floats, noise: Floats) -> dict[str, float]:
    """Computes the terms and the measured error of :func:`bias_variance`, for n pairs and D training sets.

    Args:
        predicted: predictions g, (D, n).
        ratings: ratings r, (D, n), drawn independently of the training sets.
        expected: expected ratings f, (n,).
        noise: variances Var[r] of the ratings, (n,).
    """
    resamples = len(predicted)
    variance = predicted.var(axis=0, ddof=1)
    bias_squared = (predicted.mean(axis=0) - expected) ** 2 - variance / resamples
    terms = {"bias_squared": bias_squared.mean(), "variance": variance.mean(), "noise": noise.mean()}
    squared = (ratings - predicted) ** 2
    luck = squared - (predicted - expected) ** 2 - noise
    of_luck = np.sqrt(np.square(luck).sum()) / luck.size
    measured, total = squared.mean(axis=1), sum(terms.values())
    found = {
        **terms,
        "sum": total,
        "error": measured.mean(),
        "standard_error": measured.std(ddof=1) / np.sqrt(resamples),
        "z": (measured.mean() - total) / of_luck if of_luck else 0.0,
    }
    return {name: float(value) for name, value in found.items()}


def _checked_truth(key: str, resamples: int, split: Split) -> Truth:
    if key.split(".")[0] in ("data", "seed", "output"):
        raise ConfigError(
            f"key must be a setting of the model or its training, such as 'model.embedding_dim', not {key!r}"
        )
    if resamples < 2:
        raise ConfigError(f"resamples must be an integer of at least 2, not {resamples}")
    if split.train.truth is None:
        raise DataError("bias and variance need generated ratings: take the data set 'synthetic'")
    if not len(split.test):
        raise DataError("bias and variance need a test part: set data.split.test above 0")
    return split.train.truth


class _TrainingSet(NamedTuple):
    """Training set: its number from 0, the configs to train on it, the parts whose ratings are redrawn, a generator."""

    number: int
    configs: list[RunConfig]
    split: Split
    rng: np.random.Generator

    def drawn(self) -> Split:
        train, validation = (
            part.redrawn(self.rng) if len(part) else part for part in (self.split.train, self.split.validation)
        )
        return Split(train, validation)


def _after_training(given: _TrainingSet) -> Floats:
    """Predictions of the test part by each config's training, (values, n)."""
    drawn, predicted = given.drawn(), []
    for config in given.configs:
        result = run_on_split(config, drawn)
        if result.run.stop_reason == "interrupted":
            raise KeyboardInterrupt
        predicted.append(_predictions(result.predictor, given.split.test))
    return np.stack(predicted)


def _after_epochs(given: _TrainingSet) -> Floats:
    """Predictions of the test part by one training at the epochs of the configs, (values, n)."""
    from recsys_nn.selection.curves.watched_training import followed

    epochs = [config.training.epochs for config in given.configs]
    look = partial(_predictions, test=given.split.test)
    longest = given.configs[int(np.argmax(epochs))]
    seen = followed(longest, Split(given.drawn().train), max(epochs), look).seen
    return np.stack([seen[epoch - 1] for epoch in epochs])


def _ended(given: _TrainingSet, predicted: Floats) -> str:
    return f"training set {given.number + 1}: {len(predicted)} predictions of {predicted.shape[1]:,} pairs"


def _predictions(predictor: Predictor, test: Ratings) -> Floats:
    return predictor.predict(test)["prediction"].to_numpy(np.float64)


def _drawn(config: RunConfig, key: str, table: pd.DataFrame, resamples: int) -> Any:
    title = f"{config.model.kind}: bias, variance and noise over {resamples} training sets"
    scale = Scale(table[key].tolist())
    with new_figure(title, key, "squared error (rating units²)") as (figure, axes):
        layers = {"noise": "noise", "bias²": "bias_squared", "variance": "variance"}
        draw_layers(axes, scale, {name: table[column].clip(lower=0).to_numpy() for name, column in layers.items()})
        axes.errorbar(
            scale.positions,
            table["error"],
            yerr=table["standard_error"],
            fmt="o",
            color="black",
            markersize=4,
            capsize=3,
            label="measured error ± its standard error",
        )
        axes.set_ylim(bottom=0)
    return figure
