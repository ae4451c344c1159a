"""``recsys-nn evaluate``: a saved run, judged on other ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from recsys_nn.cli.shared import ManifestHash, RunFolder, out, read_test_ratings, with_layout

if TYPE_CHECKING:
    from recsys_nn.data import TableFormat
    from recsys_nn.evaluation import Evaluation


@with_layout("user", "item", "rating", "timestamp")
def evaluate(
    run: RunFolder,
    ratings: Annotated[str, typer.Argument(help="File of ratings, or named data set.", metavar="RATINGS")],
    *,
    layout: TableFormat,
    manifest_sha256: ManifestHash = None,
) -> None:
    """Evaluate a saved run on other ratings."""
    from recsys_nn.evaluation import evaluate as judge
    from recsys_nn.runs import FinishedRun

    finished = FinishedRun.load(run, manifest_sha256=manifest_sha256)
    print_evaluation(judge(finished.predictor, read_test_ratings(ratings, finished, layout)))


def print_evaluation(evaluation: Evaluation) -> None:
    """Prints the errors of a predictor, overall and by segment."""
    from rich.table import Table

    summary = Table("predictor", "RMSE", title=f"{evaluation.n:,} ratings")
    for name, rmse in evaluation.summary.itertuples(index=False):
        summary.add_row(name, f"{rmse:.4f}", style="bold" if name == "model" else None)
    out.print(summary)
    relation = "below" if evaluation.lift >= 0 else "above"
    out.print(
        f"MAE {evaluation.mae:.4f}, R² {evaluation.r2:.4f}, RMSE {abs(evaluation.lift):.1%} {relation} "
        f"the best baseline ({evaluation.best_baseline})",
        highlight=False,
    )
    if evaluation.of_probabilities:
        found = ", ".join(
            f"{name.replace('_', ' ')} {value:.4f}" for name, value in evaluation.of_probabilities.items()
        )
        out.print(f"Probabilities: {found}", highlight=False)
    columns = ["side", "rated in training", "ratings", "RMSE", "MAE", "bias RMSE"]
    if evaluation.interval is not None:
        out.print(
            f"{evaluation.interval:.0%} intervals: they cover {evaluation.coverage:.1%} of the ratings, "
            f"mean width {evaluation.width:.2f}",
            highlight=False,
        )
        columns += ["coverage", "width"]
    segments = Table(*columns, title="By segment")
    for side, times, n, *figures in evaluation.segments.itertuples(index=False):
        if n:
            segments.add_row(side, times, f"{n:,}", *(f"{figure:.4f}" for figure in figures))
    out.print(segments)
