"""TensorFlow's SavedModel, a folder that TensorFlow alone runs, and TensorFlow Serving.

    model = tf.saved_model.load(folder).signatures["serving_default"]
    model(user=tf.constant([196]), item=tf.constant([242]))["prediction"]

Ids are looked up in hash tables of the graph. The document is among the extra files, ``assets.extra/recsys_nn.json``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from recsys_nn.encoding import SIDES, Vocabulary
from recsys_nn.files import atomic_folder
from recsys_nn.prediction.export.lookups import HashedRows
from recsys_nn.prediction.export.rating_graph import RatingGraph
from recsys_nn.prediction.export.target import SAVEDMODEL_DOCUMENT


def write(graph: RatingGraph, document: str, path: Path) -> None:
    """Writes the graph as a SavedModel folder."""
    with atomic_folder(path, replace=True) as draft:
        save(graph, draft, lookup=HashedRows)
        (draft / SAVEDMODEL_DOCUMENT).parent.mkdir()
        (draft / SAVEDMODEL_DOCUMENT).write_text(document, encoding="utf-8")


def save(graph: RatingGraph, folder: Path, *, lookup: Callable[[Vocabulary], Any]) -> None:
    """Saves the graph from ids to ratings.

    Args:
        graph: graph from rows to ratings.
        folder: folder for the SavedModel's files.
        lookup: function that makes the look-up of ids, a tf.Module with the ``spec`` of its input.
    """
    model = tf.Module(name="recsys_nn")
    model.ratings, model.rows = graph.ratings, [lookup(graph.ids[side]) for side in SIDES]

    def predict(user: Any, item: Any) -> dict[str, Any]:
        of_user, of_item = model.rows
        return {"prediction": model.ratings(of_user(user), of_item(item))}

    specs = [rows.spec for rows in model.rows]
    model.predict = tf.function(predict, input_signature=specs, autograph=False)
    tf.saved_model.save(model, folder, signatures=model.predict)
