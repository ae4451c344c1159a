"""Every rung of the interaction ladder on MovieLens 100K, official first split, by its shipped config.

    RECSYS_NN_DATA=FOLDER python benchmarks/ladder.py [--output benchmarks/results]

All settings and epochs were chosen on validation parts of u1.base; u1.test is scored once a run. Some kinds are run a
second time with side features of users and items. Writes ladder.md and ladder.png.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import yaml

import recsys_nn as rn

CONFIGS = Path(__file__).parents[1] / "configs"
KINDS = ("bias", "svd", "gmf", "mlp", "neumf", "fm", "deepfm", "polynomial", "bspline", "kernel", "autorec", "svdpp")
WITH_FEATURES = ("svd", "neumf", "fm", "deepfm", "svdpp")
COLUMNS = ("model", "RMSE", "95%", "MAE", "seconds", "parameters", "RMSE less svd's", "95%", "p (Holm)")


def shipped(name: str) -> dict:
    return yaml.safe_load((CONFIGS / f"{name}-movielens-100k.yaml").read_text(encoding="utf-8"))


def trained(folder: Path) -> list[Path]:
    """The run folders of all kinds, named as the table names them."""
    features = shipped("svdpp-features")["data"]["features"]
    runs = {kind: shipped(kind) for kind in KINDS}
    for kind in WITH_FEATURES:
        config = shipped(kind)
        runs[f"{kind}, features"] = {**config, "data": {**config["data"], "features": features}}
    for name, config in runs.items():
        rn.run_experiment({**config, "output": str(folder / name)}, progress=False)
        print(name, flush=True)
    return [folder / name for name in runs]


def table(comparison: rn.Comparison) -> str:
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for row in comparison.table.itertuples():
        apart = ("", "", "")
        if row.model != comparison.reference:
            interval = f"{row.difference_low:+.4f} to {row.difference_high:+.4f}"
            apart = (f"{row.difference:+.4f}", interval, f"{row.p_value:.2g}")
        cells = (
            row.model,
            f"{row.rmse:.4f}",
            f"{row.rmse_low:.3f} to {row.rmse_high:.3f}",
            f"{row.mae:.4f}",
            f"{row.seconds:.1f}",
            f"{row.parameters:,.0f}",
            *apart,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    output = parser.parse_args().output
    with tempfile.TemporaryDirectory() as folder:
        comparison = rn.compare(trained(Path(folder)), reference="svd")
    text = (
        "# The interaction ladder on MovieLens 100K, u1.base -> u1.test\n\n"
        f"`python benchmarks/ladder.py`: {comparison.n:,} test ratings of {comparison.n_users} users. Intervals are of "
        "resampled users; differences are paired.\n\n"
        f"{table(comparison)}\n"
    )
    (output / "ladder.md").write_text(text, encoding="utf-8")
    comparison.plot().savefig(output / "ladder.png", dpi=100)
    print(text)


if __name__ == "__main__":
    main()
