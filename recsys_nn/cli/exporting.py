"""The command that exports a model to other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys_nn.cli.options import Overwrite, RunFolder, out
from recsys_nn.prediction.exporting.export import Format


def export(
    run: RunFolder,
    format: Annotated[Format, typer.Option(help="TensorFlow's, that of onnxruntime, or that of LiteRT.")],
    output: Annotated[Path, typer.Option(help="The folder (savedmodel) or file to write.", metavar="PATH")],
    overwrite: Overwrite = False,
) -> None:
    """Export a run to a runtime that predicts ratings from raw ids, without this package."""
    from recsys_nn.prediction.predictor import Predictor

    predictor = Predictor.load(run)
    written = predictor.export(output, format, overwrite=overwrite)
    encoder = predictor.encoder
    if missing := encoder.context_columns:
        out.print(f"The model reads {', '.join(missing)}: it is exported to predict without.", highlight=False)
    types = ", ".join(f"{side} ({type_})" for side, type_ in encoder.id_types.items())
    out.print(f"{written}: from {types} to prediction", highlight=False, soft_wrap=True)
