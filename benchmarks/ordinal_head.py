"""The ordinal head beside regression on the same network: error of the expected rating, and calibration by class.

    RECSYS_NN_DATA=FOLDER python benchmarks/ordinal_head.py

MovieLens 100K, first official split; epochs are chosen by a twentieth of u1.base, and u1.test is scored once a model. A
class is calibrated where the mean of its probabilities is its share of the ratings; within tenths of the rows, ordered
by the class's probability, the largest gap between the two is shown too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import recsys_nn as rn

NETWORKS = ("svd", "neumf", "svdpp")
CONFIGS = Path(__file__).parents[1] / "configs"


def result(network: str, head: str) -> rn.ExperimentResult:
    overrides = [f"model.head={head}", "output=null"]
    return rn.run_experiment(CONFIGS / f"{network}-movielens-100k.yaml", overrides=overrides, progress=False)


def gaps(probability: np.ndarray, happened: np.ndarray) -> tuple[float, float, float]:
    """Mean probability, share, and the largest gap between them within tenths of the rows."""
    tenths = np.array_split(np.argsort(probability), 10)
    largest = max(abs(probability[rows].mean() - happened[rows].mean()) for rows in tenths)
    return float(probability.mean()), float(happened.mean()), largest


def main() -> None:
    for network in NETWORKS:
        found = {head: result(network, head) for head in ("regression", "ordinal")}
        test = found["ordinal"].split.test
        compared = rn.compare({head: one.predictor for head, one in found.items()}, test, reference="regression")
        row = compared.table.set_index("model").loc["ordinal"]
        errors = ", ".join(f"{head} {one.metrics['rmse']:.4f}" for head, one in found.items())
        difference = f"{row.difference:+.4f} (95%: {row.difference_low:+.4f} to {row.difference_high:+.4f})"
        print(f"{network}: RMSE {errors}; difference {difference}, p = {row.p_value:.3g}")
        probabilities = found["ordinal"].predictor.predict_probabilities(test).drop(columns=["user", "item"])
        off = np.abs(probabilities.sum(axis=1) - 1).max()
        print(f"    the sum of a row's probabilities is off 1 by at most {off:.1e}")
        for level in probabilities:
            mean, share, largest = gaps(probabilities[level].to_numpy(), (test.frame["rating"] == level).to_numpy())
            print(f"    rating {level:g}: mean probability {mean:.3f}, share {share:.3f}, largest gap {largest:.3f}")


if __name__ == "__main__":
    main()
