"""How well the svd kind minimises its objective: against full alternating least squares on the same ratings.

    python benchmarks/svd_objective.py [--data FOLDER]

Data: the Netflix sample's training file (netflix-course/train.csv under --data, by default RECSYS_NN_DATA), all of it,
no validation part; K = 10, λ = 2e-4, biases unpenalised. The objective

    (1/|Ω|) Σ (r_ui - μ - a_u - b_i - p_u·q_i)² + λ (Σ ‖p_u‖² + Σ ‖q_i‖²)

is computed in float64 from the weights of each.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np

import recsys_nn as rn

K, L2, SWEEPS = 10, 2e-4, 10
TRAINING = rn.TrainConfig(
    learning_rate=0.02,
    schedule={"kind": "cosine"},
    batch_size=2048,
    epochs=50,
    patience=None,
    validation=0,
    seed=1,
)


def objective(users, items, ratings, mean, a, b, p, q) -> float:
    errors = ratings - mean - a[users] - b[items] - np.sum(p[users] * q[items], axis=1)
    return float(np.mean(errors**2) + L2 * (np.sum(p**2) + np.sum(q**2)))


def alternating_least_squares(users, items, ratings, n_users: int, n_items: int) -> list[float]:
    """The objective after each sweep; a sweep solves every (a_u, p_u), then every (b_i, q_i), exactly."""
    rng = np.random.default_rng(1)
    mean, n = ratings.mean(), len(ratings)
    a, b = np.zeros(n_users), np.zeros(n_items)
    p, q = rng.normal(0, 0.1, (n_users, K)), rng.normal(0, 0.1, (n_items, K))
    sides = [(users, items, a, p, b, q), (items, users, b, q, a, p)]
    groups = [np.split(np.argsort(rows, kind="stable"), np.cumsum(np.bincount(rows))[:-1]) for rows, *_ in sides]
    penalty = n * L2 * np.diag([0.0] + [1.0] * K)
    history = []
    for _ in range(SWEEPS):
        for (_, others, bias, factors, other_bias, other_factors), members in zip(sides, groups, strict=True):
            for row, rated in enumerate(members):
                if len(rated):
                    design = np.column_stack([np.ones(len(rated)), other_factors[others[rated]]])
                    target = ratings[rated] - mean - other_bias[others[rated]]
                    solution = np.linalg.solve(design.T @ design + penalty, design.T @ target)
                    bias[row], factors[row] = solution[0], solution[1:]
        history.append(objective(users, items, ratings, mean, a, b, p, q))
    return history


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("RECSYS_NN_DATA", "data")))
    table = rn.load_ratings(parser.parse_args().data / "netflix-course" / "train.csv", scale=(1, 5))
    encoder = rn.Encoder.fit(table)
    tensors = encoder.encode(table)
    users, items = tensors.inputs["user"], tensors.inputs["item"]
    ratings = tensors.targets.astype(np.float64)

    began = time.perf_counter()
    sweeps = alternating_least_squares(users, items, ratings, encoder.users.n_rows, encoder.items.n_rows)
    print(f"ALS: {', '.join(f'{value:.4f}' for value in sweeps)} ({time.perf_counter() - began:.1f} s)")

    model = rn.build_model(rn.SVDConfig(embedding_dim=K, l2=L2), encoder, seed=1)
    run = rn.Trainer(TRAINING, progress=False).fit(model, tensors)
    s = encoder.rating_std
    a, b, p, q = (
        model.get_layer(name).embeddings.numpy().astype(np.float64) * unit
        for name, unit in (("user_bias", s), ("item_bias", s), ("user_factors", s**0.5), ("item_factors", s**0.5))
    )
    reached = objective(users, items, ratings, encoder.rating_mean, a[:, 0], b[:, 0], p, q)
    print(f"svd: {reached:.4f} after {len(run.history)} epochs ({run.seconds:.1f} s)")
    print(f"svd / ALS after {SWEEPS} sweeps: {reached / sweeps[-1]:.4f}")


if __name__ == "__main__":
    main()
