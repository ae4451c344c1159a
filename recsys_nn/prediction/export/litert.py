"""LiteRT, formerly TensorFlow Lite: a file that ``ai_edge_litert`` runs, also on phones, without TensorFlow.

    predict = Interpreter("model.tflite").get_signature_runner()
    predict(user=np.array([196]), item=np.array([242]))["prediction"]

Ids are looked up by operations of the graph. The document is in the archive at the file's end, where LiteRT keeps
associated files: ``unzip -p model.tflite`` prints it.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from recsys_nn.encoding import Vocabulary
from recsys_nn.errors import ArtifactError
from recsys_nn.files import atomic_file
from recsys_nn.prediction.export.lookups import HashedRows, SearchedRows
from recsys_nn.prediction.export.rating_graph import RatingGraph
from recsys_nn.prediction.export.savedmodel import save


def write(graph: RatingGraph, document: str, path: Path) -> None:
    """Writes the graph as a LiteRT file.

    Raises:
        ArtifactError: where the model has operations that LiteRT has not.
    """
    with tempfile.TemporaryDirectory() as folder:
        save(graph, Path(folder), lookup=_lookup)
        try:
            model = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
        except Exception as error:  # of a class that is not public, the first of whose lines names the operation
            reason = str(error).partition("\n")[0]
            raise ArtifactError(f"{path}: the model cannot be converted to LiteRT: {reason}") from error
    content = io.BytesIO(model)
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("recsys_nn.json", document)
    with atomic_file(path) as stream:
        stream.write(content.getbuffer())


def _lookup(ids: Vocabulary) -> Any:
    return SearchedRows(ids) if ids.type == "integer" else HashedRows(ids)
