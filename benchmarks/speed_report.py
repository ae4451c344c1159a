"""results/speed.md and results/speed.png from what benchmarks/speed.py measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
NAMES = {
    "model.fit": "plain `model.fit`",
    "keras": "Trainer, engine keras",
    "auto": "Trainer, engine auto",
    "compiled": "Trainer, engine compiled",
    "surprise": "Surprise SVD",
    "tutorial": "Keras tutorial model, `model.fit`",
    "keras-rs": "keras-rs DotInteraction, `model.fit`",
}


def write_report(found: dict[str, Any], folder: Path) -> None:
    sections = []
    for part, describe in SECTIONS.items():
        if part in found:
            about = found[part]
            sections.append(
                f"{describe(found[part]['rows'])}\n\n{about['date']}, {about['machine']}, {about['software']}.\n"
            )
    text = "# Speed and memory\n\nMade by `python benchmarks/speed.py`.\n\n" + "\n".join(sections)
    (folder / "speed.md").write_text(text, encoding="utf-8")
    if "users" in found and "ratings" in found:
        plot(found["users"]["rows"], found["ratings"]["rows"], folder / "speed.png")


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def millions(row: Row) -> str:
    value = row["per_second"] / 1e6
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def movielens(rows: list[Row]) -> str:
    def plain(row: Row) -> float:
        same = ("kind", "batch")
        (fit,) = (
            other["per_second"]
            for other in rows
            if other["system"] == "model.fit" and [other[key] for key in same] == [row[key] for key in same]
        )
        return fit

    lines = []
    for row in rows:
        comparable = row["system"] in ("keras", "auto", "compiled") and row["optimizer"] == "adam"
        ratio = f"{row['per_second'] / plain(row):.1f}" if comparable else ""
        optimizer = "one rating at a time" if row["system"] == "surprise" else row["optimizer"]
        batch = "" if row["system"] == "surprise" else row["batch"]
        lines.append([row["kind"], optimizer, batch, NAMES[row["system"]], millions(row), ratio, f"{row['first']:.1f}"])
    header = ["model", "optimizer", "batch", "system", "M ratings/s", "times `model.fit`", "s before the first epoch"]
    return (
        "## MovieLens 100K (u1.base, 80,000 ratings)\n\nsvd: 32 factors; neumf: 32 factors, tower 64-32-16, "
        "dropout .5. Medians of 5 epochs.\n\n" + table(header, lines)
    )


def race(rows: list[Row]) -> str:
    def medians(system: str, *names: str) -> list[float]:
        return [statistics.median(row[name] for row in rows if row["system"] == system) for name in names]

    target, epochs, to_best, best, preparing = medians(
        "compiled", "to_target", "epochs_to_target", "to_best", "rmse", "preparing"
    )
    surprise_seconds, surprise_best = medians("surprise", "to_best", "rmse")
    return (
        "## Time to a validation RMSE (nine tenths of u1.base, 32 factors)\n\n"
        + table(
            ["system", "seconds", "validation RMSE"],
            [
                ["row-wise Adagrad, compiled, to .940", f"{target:.3f} ({epochs:.0f} epochs)", "≤ .9400"],
                ["the same, to its best", f"{to_best:.3f}", f"{best:.4f}"],
                [
                    "Surprise SVD, its default rate and penalty, to its best",
                    f"{surprise_seconds:.3f}",
                    f"{surprise_best:.4f}",
                ],
            ],
        )
        + f"\n\nMedians of 5; ours, tuned on this part, include validation in every epoch, and follow "
        f"{preparing:.1f} s of compiling."
    )


def users(rows: list[Row]) -> str:
    systems = list(dict.fromkeys((row["system"], row.get("optimizer", "")) for row in rows))
    sizes = list(dict.fromkeys((row["users"], row["items"]) for row in rows))
    lines = []
    for system, optimizer in systems:
        cells = []
        for size in sizes:
            match = [
                row
                for row in rows
                if (row["system"], row.get("optimizer", "")) == (system, optimizer) and row["users"] == size[0]
            ]
            cells.append(millions(match[0]) if match else "")
        lines.append([f"{NAMES[system]} {optimizer}".strip(), *cells])
    header = ["M ratings/s"] + [f"{n_users:,} × {n_items:,}" for n_users, n_items in sizes]
    return "## Users × items (32 factors, batch 1024, ratings drawn uniformly)\n\n" + table(header, lines)


def ratings(rows: list[Row]) -> str:
    lines = [[f"{row['ratings']:,}", millions(row), f"{row['peak_mib'] / 1024:.2f}"] for row in rows]
    return "## Number of ratings (1,000,000 users × 100,000 items, 32 factors, row-wise SGD, batch 1024)\n\n" + table(
        ["ratings", "M ratings/s", "peak GiB of the process"], lines
    )


def memory(rows: list[Row]) -> str:
    per_rating = rows[0]["bytes_per_rating"]
    return f"## Memory\n\n{per_rating:.1f} bytes a resident rating at the peak, beside tables and TensorFlow."


def stream(rows: list[Row]) -> str:
    row = rows[0]
    lines = [
        [name, f"{row[f'{key}_per_second'] / 1e6:.2f}"]
        for name, key in (("Encoder.fit", "fit"), ("encode_stream", "encode"), ("an epoch, row-wise SGD", "epoch"))
    ]
    return (
        "## 100 million ratings streamed from Parquet (1,000,000 users × 100,000 items)\n\n"
        + table(["pass", "M ratings/s"], lines)
        + f"\n\nPeak memory of the process {row['peak_mib'] / 1024:.2f} GiB, its tables {row['tables_mib'] / 1024:.2f}."
    )


def predict(rows: list[Row]) -> str:
    row = rows[0]
    return (
        "## Prediction (svd, 32 factors, 1,000,000 pairs)\n\n"
        f"{row['rows_per_second'] / 1e6:.1f} M pairs/s on encoded rows, {row['frame_per_second'] / 1e6:.1f} M from raw "
        f"ids in a DataFrame; `recsys-nn predict` on a CSV of them {row['file_seconds']:.1f} s, start-up included."
    )


SECTIONS: dict[str, Callable[[list[Row]], str]] = {
    "movielens": movielens,
    "race": race,
    "users": users,
    "ratings": ratings,
    "memory": memory,
    "stream": stream,
    "predict": predict,
}


def plot(by_users: list[Row], by_ratings: list[Row], file: Path) -> None:
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="constrained")
    labels = {
        ("compiled", "rowwise_sgd"): "row-wise SGD",
        ("compiled", "rowwise_adagrad"): "row-wise Adagrad",
        ("compiled", "lazy_adam"): "lazy Adam",
        ("model.fit", "adam"): "plain Keras, Adam",
        ("surprise", ""): "Surprise SVD",
    }
    for (system, optimizer), label in labels.items():
        rows = [row for row in by_users if (row["system"], row.get("optimizer", "")) == (system, optimizer)]
        style = "o-" if system == "compiled" else "s--"
        left.loglog([row["users"] for row in rows], [row["per_second"] for row in rows], style, label=label)
    right.loglog(
        [row["ratings"] for row in by_ratings],
        [row["per_second"] for row in by_ratings],
        "o-",
        label="row-wise SGD, 10⁶ users",
    )
    left.set(xlabel="users", ylabel="ratings per second", title="32 factors, batch 1024")
    right.set(xlabel="ratings", title="an epoch, resident in memory")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(file, dpi=120)
