"""Lists of recommendations and folding in: how fast, and how good.

    RECSYS_NN_DATA=FOLDER python benchmarks/recommend.py [large] [lists] [fold-in]

lists     top 10 of all 943 users of MovieLens 100K, for several kinds, the first call of a process included
large     top 10 of 100,000 users among 50,000 items with 32 factors (of an untrained svd), memory, and 500 of the
          lists by brute force
fold-in   100 users held out of MovieLens 100K, 10 ratings of each given: the RMSE of their others when folded in, and
          when a network is trained anew with these 1,000 ratings; five draws of users

The report is written to benchmarks/results/recommend.md. Settings are those of the shipped configs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import recsys_nn as rn

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "recommend.md"
LISTED = ("bias", "svd", "svdpp", "gmf", "fm", "autorec", "neumf", "kernel")
FOLDED = ("svd", "neumf", "svdpp", "bias", "gmf", "mlp", "kernel", "bspline", "fm", "deepfm", "autorec")
DRAWS = 5


def lists() -> Iterator[str]:
    yield "| kind | first call, s | second call, s |\n|---|---|---|"
    for kind in LISTED:
        config = rn.load_config(ROOT / "configs" / f"{kind}-movielens-100k.yaml", overrides=["training.epochs=2"])
        config = config.model_copy(update={"output": None})
        predictor = rn.run_experiment(config, progress=False).predictor
        seconds = [timed(predictor.recommend)[0] for _ in range(2)]
        yield f"| {kind} | {seconds[0]:.2f} | {seconds[1]:.2f} |"


def large() -> Iterator[str]:
    n_users, n_items, per_user = 100_000, 50_000, 20
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "user": np.repeat(np.arange(n_users), per_user),
            "item": rng.integers(0, n_items, n_users * per_user),
            "rating": rng.integers(1, 6, n_users * per_user),
        }
    ).drop_duplicates(["user", "item"], ignore_index=True)
    ratings = rn.Ratings(frame, scale=(1, 5))
    encoder = rn.Encoder.fit(ratings)
    predictor = rn.Predictor(rn.build_model(rn.SVDConfig(embedding_dim=32), encoder), encoder).with_seen(ratings)
    before = memory_from_here()
    seconds, found = timed(predictor.recommend)
    yield f"{encoder.n_users:,} users, {encoder.n_items:,} items, 32 factors: {seconds:.1f} s"
    yield f"\nat most {peak() - before:.2f} GiB more than before, the lists themselves included"
    p, q, b = (
        predictor.model.get_layer(name).embeddings.numpy()[1:] for name in ("user_factors", "item_factors", "item_bias")
    )
    users = rng.choice(encoder.users.ids, 500, replace=False)
    for user in users:
        row = encoder.users.lookup([user])[0] - 1
        scores = q @ p[row] + b[:, 0]
        scores[encoder.items.lookup(predictor.seen_by(user)["item"]) - 1] = -np.inf
        best = scores[np.argsort(-scores, kind="stable")[:10]]
        listed = scores[encoder.items.lookup(found.loc[found["user"] == user, "item"]) - 1]
        np.testing.assert_allclose(listed, best, rtol=1e-5, atol=1e-6)
    yield f"\nthe same scores as by brute force for {len(users)} users"


def fold_in() -> Iterator[str]:
    yield "| kind | unknown | folded in | trained anew | folded against anew | ms a user |\n|---|---|---|---|---|---|"
    ratings = rn.load_ratings("movielens-100k")
    frame, scale = ratings.frame, ratings.scale
    rated_often = frame["user"].value_counts()[lambda counts: counts >= 30].index
    for kind in FOLDED:
        config = rn.load_config(ROOT / "configs" / f"{kind}-movielens-100k.yaml")
        figures = []
        for draw in range(DRAWS):
            users = np.random.default_rng(draw).choice(rated_often, 100, replace=False)
            of_users = frame[frame["user"].isin(users)].sample(frac=1, random_state=draw)
            given = of_users.groupby("user").head(10)
            judged = rn.Ratings(of_users.drop(given.index).reset_index(drop=True), scale=scale)
            train = frame[~frame["user"].isin(users)]
            without, anew = (trained(config, part, scale) for part in (train, pd.concat([train, given])))
            seconds, folded = timed(lambda given=given, without=without: without.fold_in(given))
            figures.append([*(rn.evaluate(each, judged).rmse for each in (without, folded, anew)), 10 * seconds])
        unknown, folded, anew, milliseconds = np.mean(figures, axis=0)
        row = f"{unknown:.4f} | {folded:.4f} | {anew:.4f} | {folded / anew - 1:+.2%} | {milliseconds:.1f}"
        yield f"| {kind} | {row} |"


def trained(config: rn.RunConfig, frame: pd.DataFrame, scale: tuple[float, float]) -> rn.Predictor:
    """With a tenth of the ratings held out to stop by."""
    ratings = rn.Ratings(frame.reset_index(drop=True), scale=scale)
    encoder = rn.Encoder.fit(ratings, features=config.data.features)
    trainer = rn.Trainer(config.training.model_copy(update={"validation": 0.1}), progress=False)
    run = trainer.fit(rn.build_model(config.model, encoder, seed=config.seed), encoder.encode(ratings))
    return rn.Predictor(run.model, encoder, config=config.model)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def memory_from_here() -> float:
    """The memory that the process has, GiB; from now on its peak is counted (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> float:
    """The most memory that the process has had, GiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20


def main() -> None:
    parts = {
        "large": ("A large table", large),  # before any training, which makes TensorFlow's operations deterministic
        "lists": ("Top 10 of all 943 users of MovieLens 100K", lists),
        "fold-in": ("Folding in 100 users by 10 ratings each", fold_in),
    }
    report = ["# Recommending and folding in\n", "By `python benchmarks/recommend.py`.\n"]
    for name in sys.argv[1:] or parts:
        title, work = parts[name]
        report.append(f"## {title}\n")
        for line in work():
            print(line, flush=True)
            report.append(line)
        report.append("")
    if not sys.argv[1:]:
        RESULTS.write_text("\n".join(report))


if __name__ == "__main__":
    main()
