"""Each model kind in each exported format, run by the format's own runtime in a process without this package.

Trained for a few epochs on the training file u1.base of MovieLens 100K; on 10,000 pairs of known and unknown ids, what
the runtime predicts is compared with what the predictor does.

    python benchmarks/export.py [--data DIR] [NAME ...]      DIR holds ml-100k/ (by default RECSYS_NN_DATA)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np

from recsys_nn import Predictor, run_experiment
from recsys_nn.data.ids import IdType
from recsys_nn.prediction.export.target import Format
from recsys_nn.prediction.predictor import BlendedPredictor

RUNNER = Path(__file__).with_name("exported.py")
N_PAIRS, UNKNOWN = 10_000, 0.05
FEATURES = {
    "user": ["age", "gender", "occupation"],
    "item": [{"column": "genres", "separator": "|"}, {"column": "release_date", "period": "year"}],
}
KINDS = ("bias", "svd", "svdpp", "gmf", "mlp", "neumf", "polynomial", "bspline", "kernel", "fm", "deepfm", "autorec")
CASES: dict[str, dict[str, Any]] = {
    **{kind: {"model": {"kind": kind}} for kind in KINDS},
    "svd, integer ids": {
        "model": {"kind": "svd"},
        "data": {
            "split": {"kind": "files", "train": "ml-100k/u1.base", "test": "ml-100k/u1.test"},
            "format": {"user": 0, "item": 1, "rating": 2, "timestamp": 3, "header": False, "id_type": "integer"},
            "source": None,
            "scale": [1, 5],
        },
    },
    "svd, bounded": {"model": {"kind": "svd", "head": "bounded"}},
    "svd, ordinal": {"model": {"kind": "svd", "head": "ordinal"}},
    "svd, liked or not": {"model": {"kind": "svd", "head": "binary"}, "data": {"liked": 4}},
    "deepfm, features": {"model": {"kind": "deepfm"}, "data": {"features": FEATURES}},
    "svdpp, features and drift": {
        "model": {"kind": "svdpp"},
        "data": {"features": {**FEATURES, "rating": ["timestamp"], "drift": "timestamp"}},
    },
    "svdpp, average of 8": {
        "model": {"kind": "svdpp", "embedding_dim": 16, "head": "ordinal"},
        "data": {"features": FEATURES},
        "training": {"batch_size": 100_000, "shuffle": False},
        "ensemble": {"samples": 8, "thin": 2, "burn_in": 10, "step_size": 0.15},
    },
}
DTYPES: dict[IdType, type] = {"integer": np.int64, "string": object}
BLENDED = ("mlp", "svdpp, features and drift")
"""Those of which a blend is made."""
NAMED = {"source": "movielens-100k", "split": {"kind": "files", "train": "u1.base", "test": "u1.test"}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=os.environ.get("RECSYS_NN_DATA", "../shared/data"))
    parser.add_argument("names", nargs="*", metavar="NAME", help="of models; all by default")
    given = parser.parse_args()
    os.environ["RECSYS_NN_DATA"] = str(Path(given.data).absolute())
    os.chdir(given.data)
    print("| model | format | largest difference | size | pairs/s | one pair |\n|---|---|---|---|---|---|")
    for name, predictor in predictors(given.names):
        with tempfile.TemporaryDirectory() as folder:
            for format in get_args(Format):
                print(f"| {name} | {format} | {measured(predictor, format, Path(folder))} |", flush=True)


def predictors(names: list[str]) -> Iterator[tuple[str, Predictor]]:
    """The trained models by name, and a blend of two of them."""
    members: dict[str, Predictor] = {}
    for name, case in CASES.items():
        if not names or name in names:
            predictor = trained(case)
            yield name, predictor
            if name in BLENDED:
                members[name] = predictor
    if len(members) == len(BLENDED):
        yield f"blend of {' and '.join(members)}", BlendedPredictor(members, dict.fromkeys(members, 0.5))


def trained(case: Mapping[str, Any]) -> Predictor:
    """The predictor of a case."""
    config = {
        **case,
        "output": None,
        "data": {**NAMED, **case.get("data", {})},
        "training": {"epochs": 3, "learning_rate": 0.01, "batch_size": 2048, **case.get("training", {})},
    }
    return run_experiment(config, progress=False).predictor


def measured(predictor: Predictor, format: Format, folder: Path) -> str:
    """The figures of a format."""
    pairs = asked(predictor)
    np.savez(folder / "pairs.npz", **pairs)
    place = predictor.export(folder / format, format)
    site_packages = sysconfig.get_path("purelib")
    words = [format, place, folder / "pairs.npz", folder / "predictions.npy", site_packages]
    run = subprocess.run(
        [sys.executable, "-I", "-S", RUNNER, *words], check=True, capture_output=True, text=True, cwd=folder
    )
    found = json.loads(run.stdout.splitlines()[-1])
    assert not found["has_this_package"]
    assert format == "savedmodel" or not found["loaded"]
    expected = predictor.predict(users=pairs["user"], items=pairs["item"])["prediction"].to_numpy()
    difference = np.abs(np.load(folder / "predictions.npy") - expected).max()
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files) / 2**20
    return f"{difference:.1e} | {size:.2f} MiB | {found['pairs_a_second']:,.0f} | {found['ms_a_pair']:.2f} ms"


def asked(predictor: Predictor) -> Mapping[str, np.ndarray]:
    """Pairs of ids drawn at random, of each side a twentieth unknown."""
    rng = np.random.default_rng(7)
    pairs = {}
    for side, known in predictor.encoder.vocabularies.items():
        ids = known.ids.sample(N_PAIRS, replace=True, random_state=rng).to_numpy(DTYPES[known.type], copy=True)
        unknown = rng.random(N_PAIRS) < UNKNOWN
        ids[unknown] = 10**15 if known.type == "integer" else "10**15"
        pairs[side] = ids
    return pairs


if __name__ == "__main__":
    main()
