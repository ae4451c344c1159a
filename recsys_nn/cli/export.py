"""The command that exports a model to other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recsys_nn.cli.shared import ManifestHash, Overwrite, RunFolder, out
from recsys_nn.prediction import Format, check_export


def export(
    run: RunFolder,
    format: Annotated[Format, typer.Option(help="Runtime to export to: TensorFlow, onnxruntime or LiteRT.")],
    output: Annotated[Path, typer.Option(help="Folder (savedmodel) or file to write.", metavar="PATH")],
    overwrite: Overwrite = False,
    manifest_sha256: ManifestHash = None,
) -> None:
    """Export a run to another runtime, which predicts ratings from raw ids without this package."""
    from recsys_nn.prediction import Predictor

    check_export(output, format, overwrite=overwrite)
    predictor = Predictor.load(run, manifest_sha256=manifest_sha256)
    predictor.export(output, format, overwrite=overwrite)
    encoder = predictor.encoder
    if missing := encoder.context_columns:
        out.print(
            f"The exported model predicts without {', '.join(missing)}, which the run reads of each pair.",
            highlight=False,
        )
    inputs = ", ".join(f"{side} ({type_})" for side, type_ in encoder.id_types.items())
    out.print(f"{format} written to {output}: {inputs} -> prediction", highlight=False, soft_wrap=True)
