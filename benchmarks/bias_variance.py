"""Whether bias², variance and noise add up to the measured error, and fall and rise with complexity.

    python benchmarks/bias_variance.py [--resamples 30] [--output benchmarks/results]

The latent-factor model without penalties and without early stopping, on generated ratings of four true factors: by the
length of its vectors after 40 epochs, and by the number of epochs with vectors of length 8. Writes bias_variance.md
and a picture of each.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

import recsys_nn as rn

CONFIG = {
    "data": {
        "source": "synthetic",
        "options": {
            "n_users": 200,
            "n_items": 120,
            "n_ratings": 9000,
            "embedding_dim": 4,
            "noise": 0.15,
            "step": None,
            "years": None,
        },
        "split": {"validation": 0, "test": 0.3},
    },
    "model": {"kind": "svd", "embedding_dim": 8, "l2": 0},
    "training": {"learning_rate": 0.01, "batch_size": 256, "epochs": 40, "patience": None},
}
DIMS = [1, 2, 3, 4, 6, 8, 16, 32]
EPOCHS = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60]
HEADER = "bias² | variance | noise | sum | measured error | its standard error | difference / standard error | z"


def rows(table: pd.DataFrame) -> list[str]:
    key = table.columns[0]
    lines = [f"| {key} | {HEADER} |", "|---" * 9 + "|"]
    for row in table.to_dict("records"):
        terms = [f"{row[name]:.4f}" for name in ("bias_squared", "variance", "noise", "sum", "error", "standard_error")]
        apart = (row["error"] - row["sum"]) / row["standard_error"]
        lines.append(f"| {row[key]} | " + " | ".join([*terms, f"{apart:+.2f}", f"{row['z']:+.2f}"]) + " |")
    return lines


def verdict(table: pd.DataFrame) -> str:
    apart = ((table["error"] - table["sum"]) / table["standard_error"]).abs()
    z, key = table["z"], table.columns[0]
    lowest = int(table["sum"].argmin())
    falls, rises = np.diff(table["sum"])[:lowest] < 0, np.diff(table["sum"])[lowest:] > 0
    return (
        f"Within one standard error of the measured error on {(apart <= 1).sum()} of {len(table)} rows, at most "
        f"{apart.max():.2f} of them away; z has the root mean square {np.sqrt((z**2).mean()):.2f} and is at most "
        f"{z.abs().max():.2f}. The sum falls until {table[key].iloc[lowest]} ({falls.sum()} of {len(falls)} steps), "
        f"then rises ({rises.sum()} of {len(rises)} steps)."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resamples", type=int, default=30)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    report = [
        "# Bias, variance and noise",
        f"`python benchmarks/bias_variance.py --resamples {arguments.resamples}`. svd without penalties and early "
        "stopping on 6,300 training ratings (not rounded, scale 1 to 5) of four true factors, noise drawn anew for "
        f"each of {arguments.resamples} training sets; 2,700 test pairs. z is the difference of measured error and sum "
        "by the standard error that the test ratings' noise alone gives it.",
        "Vectors of length 32 are more parameters (10,560) than there are ratings: past that point errors fall again "
        "(Belkin, Hsu, Ma & Mandal 2019).",
    ]
    for key, values in (("model.embedding_dim", DIMS), ("training.epochs", EPOCHS)):
        began = time.perf_counter()
        curve = rn.bias_variance(CONFIG, key=key, values=values, resamples=arguments.resamples, progress=False)
        picture = f"bias_variance_{key.split('.')[1]}.png"
        curve.figure.savefig(arguments.output / picture, dpi=90)
        told = ["\n".join(rows(curve.table)), verdict(curve.table)]
        report += [*told, f"![{key}]({picture})"]
        print("\n\n".join(told), f"{time.perf_counter() - began:.0f} s", sep="\n", flush=True)
    (arguments.output / "bias_variance.md").write_text("\n\n".join(report) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
