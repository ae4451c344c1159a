"""Coverage and width of 90% intervals on official test files, all ratings and those of users with little training.

The shipped svdpp config on MovieLens 100K (u1) and on the Netflix sample, with both kinds of head. Intervals are
calibrated on the validation part of the training file; each test file is scored once.

    python benchmarks/intervals.py [--data DIR]      DIR holds ml-100k/ and netflix-course/ (by default RECSYS_NN_DATA)
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import yaml

from recsys_nn import Encoder, Predictor, Ratings, run_experiment

CONFIG = Path(__file__).parents[1] / "configs" / "svdpp-movielens-100k.yaml"
SEGMENTS = {"all": (0, None), "0": (0, 0), "1-4": (1, 4), "5-19": (5, 19), "under 20": (0, 19), "20+": (20, None)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=os.environ.get("RECSYS_NN_DATA", "../shared/data"))
    folder = Path(parser.parse_args().data).absolute()
    os.environ["RECSYS_NN_DATA"] = str(folder)
    netflix = {name: str(folder / "netflix-course" / f"{name}.csv") for name in ("train", "test")}
    print("| test file | head | users rated in training | ratings | coverage | width |\n|---|---|---|---|---|---|")
    shipped = yaml.safe_load(CONFIG.read_text(encoding="utf-8")) | {"output": None}
    for name, data in (
        ("MovieLens 100K, u1.test", shipped["data"]),
        ("Netflix sample, test.csv", {"scale": [1, 5], "split": {**shipped["data"]["split"], **netflix}}),
    ):
        for head in ("regression", "ordinal"):
            config = {**shipped, "data": data, "model": {**shipped["model"], "head": head}}
            result = run_experiment(config, progress=False)
            for segment, figures in judged(result.predictor, result.split.test).items():
                print(f"| {name} | {head} | {segment} | {figures}", flush=True)


def judged(predictor: Predictor, test: Ratings) -> dict[str, str]:
    """Number of ratings, coverage and mean width by how often their users were rated in training."""
    encoder: Encoder = predictor.encoder
    found = predictor.predict(test, interval=0.9)
    covered = test.frame["rating"].between(found["lower"], found["upper"])
    width = found["upper"] - found["lower"]
    times = encoder.user_counts[encoder.users.lookup(found["user"])]
    figures = {}
    for segment, (least, most) in SEGMENTS.items():
        inside = (times >= least) & (times <= (times.max() if most is None else most))
        if inside.any():
            figures[segment] = f"{inside.sum():,} | {covered[inside].mean():.1%} | {width[inside].mean():.2f} |"
    return figures


if __name__ == "__main__":
    main()
