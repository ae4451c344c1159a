"""Predictors in the formats of other runtimes: raw ids in, ratings out, without this package.

    savedmodel   a folder, run by TensorFlow alone
    onnx         a file, run by onnxruntime
    litert       a file, run by LiteRT (formerly TensorFlow Lite)

Their inputs are ``user`` and ``item``, any number of ids of the type that they had in training, 64-bit integers or
strings; their output is ``prediction``, float32, within the rating scale. Unknown ids are predicted as
``Predictor.predict`` predicts them. What a model reads of the ratings themselves, their features or their time, is a
missing value of each pair. Each carries a JSON document, ``recsys_nn``, that says so (:func:`described`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recsys_nn.prediction.core import PredictorCore
from recsys_nn.prediction.export.target import Format, check_export


def export(predictor: PredictorCore, path: str | Path, format: Format, *, overwrite: bool = False) -> Path:
    """Writes a predictor in one of the formats, whole or not at all; see :meth:`Predictor.export`."""
    target = Path(path).expanduser().resolve()
    check_export(target, format, overwrite=overwrite)
    from recsys_nn.prediction.export import litert, onnx, savedmodel
    from recsys_nn.prediction.export.rating_graph import rating_graph

    write = {"savedmodel": savedmodel.write, "onnx": onnx.write, "litert": litert.write}[format]
    document = json.dumps(described(predictor), indent=2) + "\n"
    write(rating_graph(predictor), document, target)
    return target


def described(predictor: PredictorCore) -> dict[str, Any]:
    """Description of an exported model: the types of ``inputs``, the ``output`` and the rating ``scale``, the
    columns that are ``missing`` of each pair, the ``model``, and the ``versions`` that it was made with."""
    from recsys_nn.prediction.saving.manifest import versions

    encoder = predictor.encoder
    return {
        "model": predictor.model.name,
        "inputs": encoder.id_types,
        "output": "prediction",
        "scale": list(encoder.scale),
        "missing": list(encoder.context_columns),
        "versions": versions(),
    }
