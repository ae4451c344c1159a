"""Constant folding: what a function computes whatever its inputs are becomes constants of its graph.

TensorFlow's own folding leaves large constants alone, and those are the ones that count here: the sums over who rated
what, at a cost of one vector a training rating, become one vector a user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

TABLE = 64
"""Constants of so many numbers are variables, which are kept beside a graph; smaller ones are within."""


class Folded(tf.Module):
    """A function's graph in which nothing is left that does not depend on its inputs.

    Args:
        function: function of tensors to a tensor, without effects.
        signature: the specifications of its inputs.

    Attributes:
        constants: values that were worked out beforehand.
        variables_read: variables of the function that the graph still reads.
    """

    def __init__(self, function: Callable[..., Any], signature: Sequence[tf.TensorSpec]) -> None:
        super().__init__(name="folded")
        traced = tf.function(function, autograph=False).get_concrete_function(*signature)
        self._definition = traced.graph.as_graph_def()
        self._inputs, self._output = traced.inputs[: len(signature)], traced.outputs[0]
        captured = {inside.name: outside for outside, inside in traced.graph.captures}
        edges = _edges(traced.graph.get_operations(), self._inputs)
        self._handles = {edge.name: captured[edge.name] for edge in edges if edge.dtype == tf.resource}
        self._folded = [edge for edge in edges if edge.dtype != tf.resource]
        still_read = [id(handle) for handle in self._handles.values()]
        self.variables_read = [variable for variable in traced.variables if id(variable.handle) in still_read]
        worked_out = tf.function(lambda: self._part(_captured(captured), self._folded), autograph=False)
        self.constants = [
            tf.Variable(value, trainable=False) if value.shape.num_elements() >= TABLE else value.numpy()
            for value in worked_out.get_concrete_function()()
        ]

    def __call__(self, *inputs: Any) -> Any:
        """The function's value, in a graph that is being traced."""
        for variable in self.variables_read:
            tf.compat.v1.get_default_graph().watch_variable(variable)
        values = [*inputs, *map(tf.convert_to_tensor, self.constants)]
        given = {tensor.name: value for tensor, value in zip([*self._inputs, *self._folded], values, strict=True)}
        (output,) = self._part(given | _captured(self._handles), [self._output])
        return output

    def _part(self, given: Mapping[str, Any], wanted: Sequence[Any]) -> list[Any]:
        """The wanted tensors of the graph, from the values of those that are given."""
        operations, used = _leading_to(wanted, given)
        part = tf.compat.v1.GraphDef(versions=self._definition.versions, library=self._definition.library)
        for node in self._definition.node:
            if node.name in operations:
                added = part.node.add()
                added.CopyFrom(node)
                added.input[:] = [name for name in node.input if not name.startswith("^")]
        names = [tensor.name for tensor in wanted]
        input_map = {name: given[name] for name in used}
        return tf.graph_util.import_graph_def(part, input_map=input_map, return_elements=names, name="")


def _edges(operations: Iterable[Any], inputs: Iterable[Any]) -> list[Any]:
    """The tensors that do not depend on the inputs but are read by an operation that does; not the graph's constants.

    Args:
        operations: operations in the order in which they were traced, so that what one reads is before it.
        inputs: input tensors of the function.
    """
    depending = {tensor.op.name for tensor in inputs}
    edges: dict[str, Any] = {}
    for operation in operations:
        if any(tensor.op.name in depending for tensor in operation.inputs):
            depending.add(operation.name)
            edges |= {tensor.name: tensor for tensor in operation.inputs if tensor.op.name not in depending}
    return [edge for edge in edges.values() if edge.op.type != "Const"]


def _leading_to(wanted: Iterable[Any], given: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """The operations that lead from the given tensors to the wanted ones, and which of the given they read, by name."""
    operations: set[str] = set()
    used: set[str] = set()
    ahead = [tensor.op for tensor in wanted]
    while ahead:
        operation = ahead.pop()
        if operation.name not in operations:
            operations.add(operation.name)
            used |= {tensor.name for tensor in operation.inputs if tensor.name in given}
            ahead += [tensor.op for tensor in operation.inputs if tensor.name not in given]
    return operations, used


def _captured(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the program as tensors of the graph that is being traced."""
    capture = tf.compat.v1.get_default_graph().capture
    return {name: capture(value) for name, value in values.items()}
