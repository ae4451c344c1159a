"""ONNX: a file that onnxruntime runs, in many languages.

    session = onnxruntime.InferenceSession("model.onnx")
    (prediction,) = session.run(None, {"user": np.array([196]), "item": np.array([242])})

Ids are looked up by the operator LabelEncoder. The document is the entry ``recsys_nn`` of the file's metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from recsys_nn.data.atomic import atomic_file
from recsys_nn.data.features import SIDES, Side
from recsys_nn.data.vocabulary import Vocabulary
from recsys_nn.errors import ArtifactError
from recsys_nn.prediction.exporting.rating_graph import ROWS, RatingGraph

if TYPE_CHECKING:
    from onnx import GraphProto

OPSET, ML_OPSET = 18, 3
"""Of the operators of networks, and of those of other models, of which LabelEncoder is one."""


def write(graph: RatingGraph, document: str, path: Path) -> None:
    """Writes the file.

    Raises:
        ArtifactError: where the model has operations that ONNX has not, or more than 2 GiB.
    """
    import onnx
    import tf2onnx

    function = tf.function(graph.ratings, autograph=False)
    try:
        model, _ = tf2onnx.convert.from_function(function, input_signature=graph.signature, opset=OPSET)
        model.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", ML_OPSET))
        _look_up_ids(model.graph, graph.ids)
        onnx.helper.set_model_props(model, {"recsys_nn": document})
        onnx.checker.check_model(model)
        content = model.SerializeToString()
    except Exception as error:  # neither library says what it raises
        raise ArtifactError(f"{path}: the model cannot be converted to ONNX: {error}") from error
    with atomic_file(path) as stream:
        stream.write(content)


def _look_up_ids(graph: GraphProto, ids: Mapping[Side, Vocabulary]) -> None:
    """Makes a graph from rows to ratings one from ids, with names for its inputs and its output."""
    from onnx import TensorProto, helper

    types = {"integer": ("keys_int64s", TensorProto.INT64), "string": ("keys_strings", TensorProto.STRING)}
    nodes, inputs = [], []
    for side in SIDES:
        keys, type_ = types[ids[side].type]
        rows: dict[str, Any] = {
            keys: ids[side].ids.tolist(),
            "values_int64s": range(1, ids[side].n_rows),
            "default_int64": 0,
        }
        nodes.append(helper.make_node("LabelEncoder", [side], [f"{side}_label"], domain="ai.onnx.ml", **rows))
        nodes.append(helper.make_node("Cast", [f"{side}_label"], [ROWS[side]], to=TensorProto.INT32))
        inputs.append(helper.make_tensor_value_info(side, type_, ["pairs"]))
    named = helper.make_node("Identity", [graph.output[0].name], ["prediction"])
    output = helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["pairs"])
    for part, content in {"node": [*nodes, *graph.node, named], "input": inputs, "output": [output]}.items():
        graph.ClearField(part)
        getattr(graph, part).extend(content)
