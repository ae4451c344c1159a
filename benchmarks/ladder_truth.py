"""Whether the rung of the interaction ladder that wins is the one that the truth asks for.

    python benchmarks/ladder_truth.py [--tables 4] [--truths none polynomial spline radial]

Ratings are generated with a known interaction of two factors a side: a dot product, and (but for "none") a nonlinear
part of it, 100 ratings a user. Every rung has three candidates, each trained from a seed of its own, of which the
validation part of a table chooses; the chosen one is judged on its test part, as a ratio to the RMSE of the true
expectation ("oracle"), which no predictor betters but by chance. svd may have twice and four times the true factors,
with which it can express the polynomial and the spline truth exactly: only at the price of more parameters.

Candidates, table and training were settled on tables of the seeds 0 to 25; the default ones were drawn afterwards.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

import recsys_nn as rn

TABLE: dict[str, Any] = {
    "n_users": 2000,
    "n_items": 250,
    "n_ratings": 200_000,
    "embedding_dim": 2,
    "activity": 0,
    "popularity": 0,
    "mean": 0.5,
    "user_bias": 0.01,
    "item_bias": 0.01,
    "strength": 0.02,  # with the noise a quarter of it, and so small that no rating is clipped
    "noise": 0.005,
    "nonlinear_share": 0.15,
    "step": None,
    "years": None,
}
WEAK: dict[str, Any] = {"embedding_dim": 2, "interaction_l2": 1e-9}
CANDIDATES: dict[str, list[rn.ModelConfig]] = {
    "svd": [rn.SVDConfig(embedding_dim=dim) for dim in (2, 4, 8)],
    "polynomial": [rn.PolynomialConfig(degree=degree, **WEAK) for degree in (2, 2, 3)],
    "bspline": [rn.BSplineConfig(rank=rank, **WEAK) for rank in (4, 4, 2)],
    "kernel": [
        rn.KernelConfig(structure=structure, n_features=n, **WEAK)
        for structure, n in (("difference", 32), ("difference", 48), ("additive", 32))
    ],
}
L2 = 0.1  # on p and q in units of the ratings' standard deviation, n times the objective's λ: the same for all
WINNER = {"none": "svd", "polynomial": "polynomial", "spline": "bspline", "radial": "kernel"}
TRAINING = rn.TrainConfig(
    learning_rate=0.02,
    batch_size=4096,
    epochs=100,
    patience=None,
    schedule={"kind": "cosine"},
    engine="compiled",
)


class Table:
    """One generated table, split and encoded."""

    def __init__(self, truth: str, seed: int) -> None:
        ratings = rn.load_ratings("synthetic", nonlinear=truth, seed=seed, **TABLE)
        self.split = rn.random_split(ratings, validation=0.05, test=0.1, seed=seed)
        self.encoder = rn.Encoder.fit(self.split.train)
        self.train, self.validation = map(self.encoder.encode, (self.split.train, self.split.validation))
        self.seed = seed

    def fitted(self, config: rn.ModelConfig, start: int) -> rn.TrainingRun:
        s = self.encoder.rating_std
        l2 = L2 * s ** (1 if config.kind == "svd" else 2) / self.encoder.n_ratings  # svd's λ is of factors times √s
        seed = 10 * self.seed + start
        model = rn.build_model(config.model_copy(update={"l2": l2}), self.encoder, seed=seed)
        training = TRAINING.model_copy(update={"seed": seed})
        return rn.Trainer(training, progress=False).fit(model, self.train, self.validation)

    def ratio_to_oracle(self, run: rn.TrainingRun) -> float:
        evaluation = rn.evaluate(rn.Predictor(run.model, self.encoder), self.split.test)
        return evaluation.rmse / evaluation.oracle


def validation_rmse(run: rn.TrainingRun) -> float:
    return float(run.history["val_rmse"].min())


def told(config: rn.ModelConfig) -> str:
    """The settings in which a rung's candidates differ."""
    rows = [candidate.model_dump() for candidate in CANDIDATES[config.kind]]
    own = config.model_dump()
    return ", ".join(f"{name} {own[name]}" for name in own if len({str(row[name]) for row in rows}) > 1)


def report(truth: str, seeds: range) -> None:
    began = time.perf_counter()
    ratios: dict[str, list[float]] = {kind: [] for kind in CANDIDATES}
    chosen: dict[str, list[str]] = {kind: [] for kind in CANDIDATES}
    for table in (Table(truth, seed) for seed in seeds):
        for kind, candidates in CANDIDATES.items():
            runs = [table.fitted(config, start) for start, config in enumerate(candidates)]
            best = int(np.argmin([validation_rmse(run) for run in runs]))
            ratios[kind].append(table.ratio_to_oracle(runs[best]))
            chosen[kind].append(told(candidates[best]))
    winners = [min(ratios, key=lambda kind: ratios[kind][number]) for number in range(len(seeds))]
    for kind, found in ratios.items():
        each = " ".join(f"{ratio:.4f}" for ratio in found)
        mark = "*" if kind == WINNER[truth] else " "
        settings = "; ".join(dict.fromkeys(chosen[kind]))
        print(f"{truth:<10} {mark} {kind:<10} {np.mean(found):.4f}  {each}  {winners.count(kind)}  {settings}")
    print(f"{truth}: {time.perf_counter() - began:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=4)
    parser.add_argument("--first-seed", type=int, default=40)
    parser.add_argument("--truths", nargs="+", choices=WINNER, default=list(WINNER))
    arguments = parser.parse_args()
    print(
        "truth        rung       test RMSE / oracle: mean, each table; tables won; chosen settings (* the truth's rung)"
    )
    for truth in arguments.truths:
        report(truth, range(arguments.first_seed, arguments.first_seed + arguments.tables))


if __name__ == "__main__":
    main()
