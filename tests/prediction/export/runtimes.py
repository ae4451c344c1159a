"""Exported models run within the tests' process, each by its own runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf


def run(model: Path, format: str, users: Any, items: Any) -> np.ndarray:
    """The predictions for pairs of ids."""
    user, item = (np.asarray(ids, np.int64 if isinstance(ids[0], int) else object) for ids in (users, items))
    if format == "savedmodel":
        predict = tf.saved_model.load(model).signatures["serving_default"]
        return predict(user=tf.constant(user), item=tf.constant(item))["prediction"].numpy()
    if format == "onnx":
        from onnxruntime import InferenceSession

        return InferenceSession(model).run(["prediction"], {"user": user, "item": item})[0]
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(model)).get_signature_runner()(user=user, item=item)["prediction"]
