"""ONNX: a file that onnxruntime runs, in many languages.

    session = onnxruntime.InferenceSession("model.onnx")
    (prediction,) = session.run(None, {"user": np.array([196]), "item": np.array([242])})

Ids are looked up by the operator LabelEncoder. The document is the entry ``recsys_nn`` of the file's metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from recsys_nn.encoding import SIDES, Side, Vocabulary
from recsys_nn.errors import ArtifactError
from recsys_nn.files import atomic_file
from recsys_nn.prediction.export.rating_graph import ROWS, RatingGraph

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

OPSET, ML_OPSET = 18, 3
"""Of the operators of networks, and of those of other models, of which LabelEncoder is one."""
TABLE_BYTES = 2**16
"""Constants of more are large."""


def write(graph: RatingGraph, document: str, path: Path) -> None:
    """Writes the graph as an ONNX file.

    Raises:
        ArtifactError: where the model has operations that ONNX has not, or more than 2 GiB.
    """
    try:
        content = _converted(graph, document).SerializeToString()
    except Exception as error:  # the libraries do not say what they raise
        raise ArtifactError(f"{path}: the model cannot be converted to ONNX: {error}") from error
    with atomic_file(path) as stream:
        stream.write(content)


def _converted(graph: RatingGraph, document: str) -> ModelProto:
    import tf2onnx
    from onnx import checker, helper, numpy_helper

    function, tables = _without_tables(graph)
    names = [f"table_{place}" for place in range(len(tables))]
    specs = [tf.TensorSpec(table.shape, table.dtype, name) for name, table in zip(names, tables, strict=True)]
    model, _ = tf2onnx.convert.from_function(function, input_signature=[*graph.signature, *specs], opset=OPSET)
    model.graph.initializer.extend(map(numpy_helper.from_array, tables, names))
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
    _look_up_ids(model.graph, graph.ids)
    helper.set_model_props(model, {"recsys_nn": document})
    checker.check_model(model)
    return model


def _without_tables(graph: RatingGraph) -> tuple[Any, list[npt.NDArray[Any]]]:
    """The graph as a function of its inputs and its large constants, which tf2onnx would copy many times; and these."""
    function = tf.function(graph.ratings, autograph=False).get_concrete_function(*graph.signature)
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    definition = frozen.graph.as_graph_def()
    constants = {node.name: node.attr["value"].tensor for node in definition.node if node.op == "Const"}
    large = {name: tensor for name, tensor in constants.items() if tensor.ByteSize() > TABLE_BYTES}
    others = [node for node in definition.node if node.name not in large]
    part = tf.compat.v1.GraphDef(node=others, library=definition.library, versions=definition.versions)
    names = [*(tensor.name for tensor in frozen.inputs), *(f"{name}:0" for name in large)]

    def ratings(*values: Any) -> Any:
        input_map = dict(zip(names, values, strict=True))
        return tf.graph_util.import_graph_def(part, input_map, [frozen.outputs[0].name], name="")[0]

    return tf.function(ratings, autograph=False), [tf.make_ndarray(tensor) for tensor in large.values()]


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
