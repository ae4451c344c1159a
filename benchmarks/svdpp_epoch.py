"""Seconds of an epoch of svdpp beside one of svd, and how they grow with the table.

    RECSYS_NN_DATA=FOLDER python benchmarks/svdpp_epoch.py [--epochs 7]

Both have 32 factors and the same engine. svdpp makes one step an epoch, as its shipped config does; svd is timed so,
and in batches of 4,096, as its own config trains. Epochs after the first are timed, which compiling does not touch; the
two kinds alternate, and medians are compared.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator

import recsys_nn as rn

CASES = {
    "svd, batches of 4,096": (rn.SVDConfig(embedding_dim=32), 4096),
    "svd, one step": (rn.SVDConfig(embedding_dim=32), None),
    "svdpp, one step": (rn.SVDPPConfig(embedding_dim=32), None),
}


def tables() -> Iterator[tuple[str, rn.Ratings]]:
    yield "MovieLens 100K", rn.load_ratings("movielens-100k")
    yield (
        "synthetic, 100,000 users, 20,000 items, 5 million ratings",
        rn.load_ratings("synthetic", n_users=100_000, n_items=20_000, n_ratings=5_000_000, years=None),
    )


def epoch_seconds(
    model_config: rn.ModelConfig, batch_size: int | None, ratings: rn.Ratings, epochs: int
) -> list[float]:
    encoder = rn.Encoder.fit(ratings)
    tensors = encoder.encode(ratings)
    settings = rn.TrainConfig(
        batch_size=batch_size or len(tensors), epochs=epochs + 1, patience=None, validation=0, engine="compiled"
    )
    run = rn.Trainer(settings, progress=False).fit(rn.build_model(model_config, encoder), tensors)
    return run.history["seconds"].tolist()[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for title, ratings in tables():
        seconds: dict[str, list[float]] = {name: [] for name in CASES}
        for _ in range(arguments.rounds):
            for name, (config, batch_size) in CASES.items():
                seconds[name] += epoch_seconds(config, batch_size, ratings, arguments.epochs)
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        print(title)
        for name, median in medians.items():
            ratio = medians["svdpp, one step"] / median
            print(
                f"    {name:<24} {median * 1000:9.1f} ms an epoch    svdpp takes {ratio:.2f} times as long", flush=True
            )


if __name__ == "__main__":
    main()
