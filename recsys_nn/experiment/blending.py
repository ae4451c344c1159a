"""Blending of finished runs: a weighted sum, its weights fitted to their predictions of held-out ratings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data import Ratings
from recsys_nn.encoding import JointEncoder
from recsys_nn.errors import ConfigError, DataError, must_be
from recsys_nn.evaluation import check_scale, rmse
from recsys_nn.experiment.models_by_name import all_of, opened_by_name, sorts
from recsys_nn.prediction import (
    HELD_OUT,
    PREDICTIONS,
    STDS,
    BlendedPredictor,
    Calibration,
    Predictor,
    check_place,
    predict_held_out,
    run_copier,
    write_blend_folder,
)
from recsys_nn.runs import FinishedRun, as_json, common_part, described, kept_predictions, unseen

FOLDS = 5


@dataclass(frozen=True, eq=False)
class Blend:
    """A blend, its weights and its errors.

    Attributes:
        predictor: the blend as a predictor.
        table: a row a run, in the order given: run, weight, validation_rmse (of a refitted run: before its refit).
        rmse: RMSE of the blend on the ratings that its weights were fitted on, so slightly optimistic.
        cross_fitted_rmse: RMSE on them, each predicted with weights that were fitted on four fifths without it.
        n: number of these ratings.
        path: the run folder, where one was asked for.

    Example:
        >>> users = rn.run_experiment(rn.UserMeanConfig(), split, progress=False).predictor
        >>> items = rn.run_experiment(rn.ItemMeanConfig(), split, progress=False).predictor
        >>> blend = rn.blend({"users": users, "items": items}, split.validation)  # on ratings that none was trained on
        >>> blend.table["run"].tolist(), blend.path
        (['users', 'items'], None)
        >>> blend.predictor.predict([("u0", "i0")]).columns.tolist()
        ['user', 'item', 'prediction', 'source']
    """

    predictor: BlendedPredictor
    table: pd.DataFrame = field(repr=False)
    rmse: float
    cross_fitted_rmse: float
    n: int
    path: Path | None

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False, float_format="{:.4f}".format)


def blend(
    runs: Mapping[str, Predictor | str | Path] | Sequence[Predictor | str | Path],
    ratings: Ratings | None = None,
    *,
    output: str | Path | None = None,
    overwrite: bool = False,
    seed: int = 0,
) -> Blend:
    """Blends runs that were trained on the same ratings: r̂ = μ + Σ_k w_k (r̂_k − μ), clipped to the rating scale.

    μ is the mean of the training ratings. The weights minimise Σ (r − r̂)², before clipping, over ratings that no r̂_k
    there was trained on, with all w_k >= 0, which keeps them steady where runs are alike (Breiman 1996, "Stacked
    regressions", Machine Learning 24). They need not sum to 1.

    Of their validation part runs keep what they predicted (``prediction/held_out.py``). Refitted runs have since been
    trained on it; what they would predict of it now is not looked at. As in stacked generalisation (Wolpert 1992,
    Neural Networks 5), weights and figures are those of the networks before the refit, and the blend takes the
    refitted ones in their place.

    The blend is calibrated on the same predictions (``prediction/intervals.py``): its intervals are those of the
    networks before the refit too, a little wide for what has seen more ratings. That the weights (and, of refitted
    runs, μ) rest on these ratings as well is left out of account. Test parts are not looked at; ``rn.compare`` does, of
    the blend and its runs.

    Args:
        runs: two or more, run folders or predictors, by name or in a list; blends among them.
        ratings: ratings to fit the weights on, instead of the validation part that the runs share.
        output: the run folder to write.
        overwrite: whether a run that already stands there is replaced.
        seed: seed of the folds of ``cross_fitted_rmse``.

    Raises:
        ConfigError: for what is no finished run, or fewer than two.
        DataError: where the runs were not trained on the same ratings, do not share their validation part, or some of
            the given ratings are known to be in their training part.

    Example:
        >>> _ = rn.run_experiment("run.yaml", overrides=["model={kind: bias}", "output=runs/bias"], progress=False)
        >>> blend = rn.blend(["runs/svd", "runs/bias"], output="runs/blend")  # on the validation part that they share
        >>> blend.n, blend.path.name
        (48, 'blend')
        >>> bool(blend.rmse <= blend.table["validation_rmse"].min())
        True
    """
    opened = opened_by_name(runs)
    finished = all_of(FinishedRun, opened)
    if len(opened) < 2:
        raise ConfigError(f"a blend needs two runs or more, not {len(opened)}")
    if not finished:
        raise ConfigError(f"a blend needs finished runs, run folders or Predictors: {sorts(opened)}")
    if not isinstance(ratings, Ratings | None):
        raise DataError(must_be("ratings", "Ratings (rn.load_ratings makes them)", ratings))
    if output is not None:
        check_place(output, overwrite=overwrite)
    predictors = {name: run.predictor for name, run in finished.items()}
    encoder = JointEncoder.of({name: predictor.encoder for name, predictor in predictors.items()})
    tables, validation = _held_out(finished, ratings, encoder.scale)
    weights, cross_fitted, held_out = _fitted(tables, encoder.rating_mean, encoder.scale, seed=seed)
    blended = BlendedPredictor(
        predictors,
        dict(zip(predictors, weights.tolist(), strict=True)),
        calibration=Calibration.of(held_out, encoder.scale),
    )
    actual = held_out["rating"]
    errors = {
        "validation_rmse": rmse(actual, held_out["prediction"]),
        "cross_fitted_rmse": rmse(actual, cross_fitted),
    }
    path = None
    if output is not None:
        documents: dict[str, str | bytes] = {
            "metrics.json": as_json(errors | _seconds(finished)),
            "data.json": as_json({"parts": _parts(finished, validation)}),
            HELD_OUT: held_out.to_parquet(index=False),
        }
        members = {
            name: predictors[name].save if run.folder is None else run_copier(run.folder)
            for name, run in finished.items()
        }
        path = write_blend_folder(output, blended, members, blended.weights, documents=documents, overwrite=overwrite)
    return Blend(
        predictor=blended,
        table=pd.DataFrame(
            {
                "run": list(predictors),
                "weight": weights,
                "validation_rmse": [rmse(actual, table["prediction"]) for table in tables.values()],
            }
        ),
        rmse=errors["validation_rmse"],
        cross_fitted_rmse=errors["cross_fitted_rmse"],
        n=len(actual),
        path=path,
    )


def _held_out(
    runs: Mapping[str, FinishedRun], ratings: Ratings | None, scale: tuple[float, float]
) -> tuple[dict[str, pd.DataFrame], Ratings | None]:
    """Predictions of each run for the given ratings, else those kept of its validation part, else new ones of that.

    Beside them these ratings, unless the predictions were kept.
    """
    if ratings is None and (kept := kept_predictions(runs)):
        return kept, None
    held_out = common_part(runs, "validation") if ratings is None else unseen(ratings, runs)
    check_scale(held_out, scale)
    return {name: predict_held_out(run.predictor, held_out) for name, run in runs.items()}, held_out


def _fitted(
    tables: Mapping[str, pd.DataFrame], mean: float, scale: tuple[float, float], *, seed: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], pd.DataFrame]:
    """Fits the weights, the blend's cross-fitted predictions, and its table to the tables of the runs.

    A blend has no spread of its own (``Predictor.predict_row_std``).
    """
    first = next(iter(tables.values()))
    if len(first) < FOLDS:
        raise DataError(f"a blend needs {FOLDS} ratings or more to fit its weights on, not {len(first)}")
    deviations = np.stack([table[PREDICTIONS].to_numpy(np.float64) for table in tables.values()], axis=-1) - mean
    weights, cross_fitted = stacked(deviations[:, 0], first["rating"].to_numpy() - mean, seed=seed)
    blended = np.clip(mean + deviations @ weights, *scale)
    held_out = first.assign(**dict(zip(PREDICTIONS, blended.T, strict=True)), **dict.fromkeys(STDS, 0.0))
    return weights, np.clip(mean + cross_fitted, *scale), held_out


def stacked(
    predicted: npt.NDArray[np.float64], actual: npt.NDArray[np.float64], *, seed: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Non-negative least squares without a constant: argmin_{w >= 0} ‖A w − b‖², by scipy.optimize.nnls.

    Args:
        predicted: the matrix A, (n, K).
        actual: the vector b, (n,).
        seed: seed of the folds.

    Returns:
        The weights, (K,), and A w with each row's w fitted on the other folds, (n,).
    """
    from scipy.optimize import nnls

    cross_fitted = np.empty(len(actual))
    for fold in np.array_split(np.random.RandomState(seed).permutation(len(actual)), FOLDS):  # scikit-learn's KFold
        others = np.delete(np.arange(len(actual)), fold)
        cross_fitted[fold] = predicted[fold] @ nnls(predicted[others], actual[others])[0]
    return nnls(predicted, actual)[0], cross_fitted


def _parts(runs: Mapping[str, FinishedRun], validation: Ratings | None) -> dict[str, dict[str, Any]]:
    """Record of the parts that the runs have in common, and of other ratings, which are then no longer a test part."""
    first, *others = runs.values()
    common = {name: part for name, part in first.parts.items() if all(run.parts.get(name) == part for run in others)}
    if validation is None:
        return common
    seen = described(validation)
    kept = {name: part for name, part in common.items() if part["sha256"] != seen["sha256"]}
    return kept | {"validation": seen}


def _seconds(runs: Mapping[str, FinishedRun]) -> dict[str, float]:
    """Seconds of all trainings together, where each run records its own."""
    seconds = sum(run.seconds for run in runs.values())
    return {} if math.isnan(seconds) else {"seconds": seconds}
