"""The doctor on real runs: what it finds in sound ones, and in one for each pitfall.

    RECSYS_NN_DATA=FOLDER python benchmarks/doctor.py [--only sound|provoked]

Sound are shipped configs and runs of other kinds on other tables, with settings from validation parts; there nothing
should be found. Provoked is a run of MovieLens 100K (svd) with one thing made wrong. The report is written to
benchmarks/results/doctor.md; test parts are looked at by the doctor alone.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import recsys_nn as rn

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "doctor.md"
SHIPPED = ("svd", "gmf", "mlp", "neumf", "fm", "bspline", "autorec", "svdpp", "bias")
FITTED = {"training": {"learning_rate": 0.01, "batch_size": 1024, "epochs": 100, "patience": 5}}
OTHERS: dict[str, dict[str, Any]] = {
    "svd, Netflix sample, a random split": {
        **FITTED,
        "data": {
            "source": str(Path(os.environ.get("RECSYS_NN_DATA", ".")) / "netflix-course" / "train.csv"),
            "format": {"user": "user_id", "item": "movie_id"},
            "scale": [1, 5],
        },
        "model": {"kind": "svd", "bias_l2": None},
    },
    "neumf, MovieLens latest-small, each user's last": {
        **FITTED,
        "data": {"source": "movielens-latest-small", "split": {"kind": "leave_last_out", "n": 5, "validation": 0.1}},
        "model": {"kind": "neumf", "bias_l2": None},
    },
    "svd, generated, 1 to 100": {
        **FITTED,
        "data": {"source": "synthetic", "options": {"n_ratings": 50_000, "scale": [1, 100]}},
        "model": {"kind": "svd"},
    },
}
U1 = ROOT / "configs" / "svd-movielens-100k.yaml"


def sound() -> Iterator[tuple[str, rn.Diagnosis]]:
    for kind in SHIPPED:
        config = rn.load_config(ROOT / "configs" / f"{kind}-movielens-100k.yaml")
        yield f"{kind}, MovieLens 100K, u1", after(config)
    yield "svd, generated, as the quickstart", after(rn.load_config(ROOT / "configs" / "quickstart.yaml"))
    for name, values in OTHERS.items():
        yield name, after(rn.load_config(values))


def provoked() -> Iterator[tuple[str, str, rn.Diagnosis]]:
    """What should be found, how it was brought about, and what was found."""
    config = rn.load_config(U1)
    settings: dict[str, dict[str, Any]] = {
        "learning-rate-too-high": {"training.learning_rate": 3.0},
        "learning-rate-too-low": {"training.learning_rate": 1e-6, "training.epochs": 20},
        "no-validation": {"data.split.validation": 0, "training.patience": None, "training.epochs": 10},
        "no-early-stopping": {"training.patience": None, "model.l2": 0, "training.epochs": 60},
        "patience-never-fired": {"training.patience": 20, "training.epochs": 20},
        "too-few-epochs": {"training.epochs": 3},
        "extreme-batch-size": {"training.batch_size": 1_000_000, "training.epochs": 20},
        "predictions-constant": {"model.l2": 10.0, "model.bias_l2": 10.0},
        "worse-than-bias": {"model.l2": 0, "model.embedding_dim": 64, "training.patience": None, "training.epochs": 2},
        "embedding-too-large": {"model.embedding_dim": 512, "training.epochs": 3},
    }
    for code, changes in settings.items():
        yield code, ", ".join(f"{key}: {value}" for key, value in changes.items()), after(config.with_values(changes))
    ratings = rn.load_ratings("movielens-100k")
    split, frame = rn.random_split(ratings, seed=1), ratings.frame
    by_time = rn.temporal_split(ratings, test=0.1)
    short = rn.RunConfig(
        model=config.model, training=config.training.model_copy(update={"epochs": 100, "patience": 5, "seed": 0})
    )
    strangers = frame["user"].astype(int).to_numpy() > 850
    known = rn.random_split(ratings.take(~strangers), validation=0, test=0.1, seed=1)
    twice = pd.concat([frame, frame[::10]])
    parts: dict[str, tuple[str, Any]] = {
        "leakage": ("the whole table to train on", rn.Split(ratings, split.validation, split.test)),
        "time-order-broken": (
            "a twentieth of the latest ratings to train on too",
            rn.Split(
                by_time.train.joined(by_time.test.take(np.arange(0, len(by_time.test), 20))), test=by_time.test
            ).with_validation(0.1),
        ),
        "validation-not-representative": (
            "the users above 850 for validation",
            rn.Split(known.train, ratings.take(strangers), known.test),
        ),
        "scale-mismatch": ("a scale of 0 to 100", rn.Ratings(frame, scale=(0, 100))),
        "duplicate-pairs": ("a tenth of the rows twice", rn.Ratings(twice, scale=(1, 5), duplicates="last")),
        "unknown-ids": ("split by time", rn.temporal_split(ratings)),
    }
    for code, (how, data) in parts.items():
        yield code, how, rn.diagnose(rn.run_experiment(short, data, progress=False))


def after(config: rn.RunConfig) -> rn.Diagnosis:
    """What is found after a run, or after what it has come to."""
    alone = config.model_copy(update={"output": None})
    try:
        return rn.diagnose(rn.run_experiment(alone, progress=False))
    except rn.TrainingError as error:
        return rn.diagnose(error)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("sound", "provoked"))
    only = parser.parse_args().only
    lines = ["# The doctor on real runs", "", "By `python benchmarks/doctor.py`."]
    if only != "provoked":
        lines += ["", "| a sound run | found |", "|---|---|"]
        for name, found in sound():
            lines.append(f"| {name} | {', '.join(found.codes) or 'nothing'} |")
            print(lines[-1], flush=True)
    if only != "sound":
        lines += ["", "| should be found | made wrong | found | evidence |", "|---|---|---|---|"]
        for code, how, found in provoked():
            evidence = next((finding.evidence for finding in found if finding.code == code), "MISSED")
            lines.append(f"| {code} | {how} | {', '.join(found.codes)} | {evidence} |")
            print(lines[-1], flush=True)
    if only is None:
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
