"""A peer on the files of a table; a process of its own, so that it imports nothing of this package.

    python -m benchmarks.accuracy.peer_models surprise-svd FOLDER '[1, 5]'

trains on FOLDER/train.tsv, scores FOLDER/test.tsv once and prints the figures as a line of JSON. Seeds are fixed;
predictions are clipped to the rating scale. The peers' step sizes and priors are made for stars: on the scale 1 to 100
myFM is worse by a quarter. So ratings on a scale wider than ``WIDEST`` are mapped to 1 to 5 for them, and their
predictions back.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

SEED = 0
STARS = (1.0, 5.0)
WIDEST = 10.0  # highest less lowest rating


def _surprise(algorithm: str, **options: Any) -> dict[str, Any]:
    return {"library": "scikit-surprise", "options": {"algorithm": algorithm, **options}}


def _myfm(**options: Any) -> dict[str, Any]:
    return {"library": "myfm", "options": options}


MODELS = {
    "surprise-baseline": _surprise("BaselineOnly"),
    "surprise-svd": _surprise("SVD", random_state=SEED),
    "surprise-knn": _surprise("KNNBaseline"),
    "surprise-svdpp": _surprise("SVDpp", random_state=SEED),
    "myfm": _myfm(rank=10, samples=300, seed=SEED),
    "myfm-probit": _myfm(rank=10, samples=300, seed=SEED, probit=True),
    "myfm-everything": _myfm(rank=10, samples=512, seed=SEED, everything=True),
    "myfm-everything-probit": _myfm(rank=10, samples=512, seed=SEED, everything=True, probit=True),
}
"""Each peer's library and options; what is not among them is the library's default."""


def predict_with_surprise(
    train: pd.DataFrame, test: pd.DataFrame, scale: tuple[float, float], *, algorithm: str, **options: Any
) -> npt.NDArray[np.float64]:
    """The predictions of one of Surprise's algorithms: (n,)."""
    import surprise

    reader = surprise.Reader(rating_scale=scale)
    trainset = surprise.Dataset.load_from_df(train[["user", "item", "rating"]], reader).build_full_trainset()
    model = getattr(surprise, algorithm)(**options).fit(trainset)
    return np.array([model.predict(user, item).est for user, item in zip(test["user"], test["item"], strict=True)])


def score(name: str, folder: Path, scale: tuple[float, float]) -> dict[str, float]:
    """``rmse`` and ``mae`` of the test file; ``fit_seconds``, in which a peer fits and predicts what it has read."""
    library, options = MODELS[name]["library"], MODELS[name]["options"]
    columns = ["user", "item", "rating", "timestamp"]
    read = partial(pd.read_csv, sep="\t", names=columns, dtype={"user": str, "item": str})
    train, test = read(folder / "train.tsv"), read(folder / "test.tsv")
    theirs = STARS if scale[1] - scale[0] > WIDEST else scale
    train["rating"] = np.interp(train["rating"], scale, theirs)
    began = time.perf_counter()
    if library == "myfm":
        from benchmarks.accuracy.myfm_models import predict_with_myfm

        predicted = predict_with_myfm(train, test, folder, **options)
    else:
        predicted = predict_with_surprise(train, test, theirs, **options)
    seconds = time.perf_counter() - began
    errors = np.interp(predicted, theirs, scale) - test["rating"].to_numpy()  # which also clips
    return {
        "rmse": float(np.sqrt(np.mean(errors**2))),
        "mae": float(np.mean(np.abs(errors))),
        "fit_seconds": seconds,
    }


if __name__ == "__main__":
    print(json.dumps(score(sys.argv[1], Path(sys.argv[2]), tuple(json.loads(sys.argv[3])))))
