"""The weights of a model as weights.safetensors, which holds numbers and their shapes and no more.

They are known by their place: Keras numbers the paths of unnamed layers anew in every model of a process.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recsys_nn.errors import ArtifactError, DataError
from recsys_nn.hooks import ChecksWeights, layers_with, network_of

if TYPE_CHECKING:
    import keras

    from recsys_nn.prediction.saving.manifest import VerifiedFolder

Weights = Mapping[str, npt.NDArray[Any]]
WEIGHTS = "weights.safetensors"
MAX_HEADER_BYTES = 2 * 2**20
UNSAVED_BYTES = 2**16
"""Of variables that a builder may make beside the weights of its model, such as the states of random generators."""


def weights_of(model: keras.Model) -> dict[str, npt.NDArray[Any]]:
    """The weights of a model by place and path.

    Raises:
        ArtifactError: naming one that is not finite.
    """
    weights = {name: np.asarray(variable.numpy()) for name, variable in _named(model).items()}
    _check_finite(weights, "the model")
    return weights


def write_weights(weights: Weights, folder: Path) -> None:
    """Writes weights into a folder, as weights.safetensors.

    Raises:
        ArtifactError: where the disk refuses.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        save_file(dict(weights), folder / WEIGHTS)
    except SafetensorError as error:
        raise ArtifactError(f"{WEIGHTS} cannot be written: {error}") from error


def read_weights(folder: VerifiedFolder) -> Weights:
    """Reads the weights in a run folder, of the names and shapes that its manifest states, all finite.

    Raises:
        ArtifactError: naming the file and what is wrong with it.
    """
    from safetensors import SafetensorError, safe_open

    file = folder.path / WEIGHTS
    try:
        with file.open("rb") as stream:
            header_bytes = int.from_bytes(stream.read(8), "little")
        if header_bytes > MAX_HEADER_BYTES:
            raise ArtifactError(f"{file} is damaged: its header has {header_bytes:,} bytes")
        with safe_open(file, "numpy") as opened:
            shapes = {name: opened.get_slice(name).get_shape() for name in opened.keys()}  # noqa: SIM118
            _check_shapes(shapes, folder.manifest.shapes, file)
            weights = {name: opened.get_tensor(name) for name in sorted(shapes)}
    except ArtifactError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{file} is damaged: {error}") from None
    _check_finite(weights, str(file))
    return weights


def set_weights(model: keras.Model, weights: Weights, file: Path) -> None:
    """Gives a model the weights of a file.

    Raises:
        ArtifactError: where they are not of its shapes and types, or hold rows that it does not have.
    """
    variables = _named(model)
    if len(weights) != len(variables):
        raise ArtifactError(f"{file} must have as many weights as the model, {len(variables)}, not {len(weights)}")
    pairs = list(zip(variables.items(), sorted(weights.items()), strict=True))
    for (name, variable), (saved_name, values) in pairs:
        found, expected = _form(values.shape, values.dtype.name), _form(variable.shape, variable.dtype)
        if found != expected:
            raise ArtifactError(f"{file}: {saved_name} must be {expected}, as {name} of the model is, not {found}")
    for (_, variable), (_, values) in pairs:
        variable.assign(values)
    for layer in layers_with(network_of(model).layers, ChecksWeights):
        try:
            layer.check_weights()
        except DataError as error:
            raise ArtifactError(f"{file}: {error}") from None


@contextmanager
def no_larger_than(weights: Weights, file: Path) -> Iterator[None]:
    """Stops TensorFlow within the block, by an ArtifactError, from making a variable that is not among these weights.

    So a config that asks for more than a file holds is refused before anything of it is allocated, whatever the kind of
    the model and whoever has written its builder.
    """
    import tensorflow as tf

    left, unsaved = Counter(_form(values.shape, values.dtype.name) for values in weights.values()), 0

    def make(make_next: Any, **options: Any) -> Any:
        nonlocal unsaved
        with tf.Graph().as_default():
            initial = options["initial_value"]
            value = initial() if callable(initial) else initial
        if not hasattr(value, "dtype"):
            value = np.asarray(value)
        dtype = tf.as_dtype(value.dtype)
        if left[form := _form(value.shape, dtype.name)]:
            left[form] -= 1
        else:
            unsaved += dtype.size * math.prod(value.shape)
            if unsaved > UNSAVED_BYTES:
                raise ArtifactError(f"{file} is damaged: it lacks {form}, which the model has")
        return make_next(**options)

    with tf.variable_creator_scope(make):
        yield


def _form(shape: Iterable[int], dtype: str) -> str:
    return f"{dtype} ({', '.join(map(str, shape))})"


def _named(model: keras.Model) -> dict[str, Any]:
    return {f"{place:04d} {variable.path}": variable for place, variable in enumerate(model.weights)}


def _check_shapes(found: Mapping[str, list[int]], expected: Mapping[str, list[int]], file: Path) -> None:
    if found.keys() != expected.keys():
        odd = sorted(found.keys() ^ expected.keys())[0]
        raise ArtifactError(f"{file}: {odd!r} must be in it and in the manifest, and is in one alone")
    for name, shape in found.items():
        if shape != expected[name]:
            raise ArtifactError(f"{file}: {name} must have shape {expected[name]}, as the manifest states, not {shape}")


def _check_finite(weights: Weights, where: str) -> None:
    for name, values in weights.items():
        if np.issubdtype(values.dtype, np.inexact) and not np.isfinite(values).all():
            raise ArtifactError(f"{where}: the weight {name} must be finite, and is not, as its training diverged")
