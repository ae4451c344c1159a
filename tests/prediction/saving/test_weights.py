"""Weights as a file: what is read, what is refused, and what TensorFlow may make while a model is built for them."""

import json
import struct
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from recsys_nn.errors import ArtifactError
from recsys_nn.prediction.saving.manifest import verified, write_manifest
from recsys_nn.prediction.saving.weights import (
    MAX_HEADER_BYTES,
    WEIGHTS,
    no_larger_than,
    read_weights,
    set_weights,
    weights_of,
    write_weights,
)

VALUES = {"0000 table": np.arange(6, dtype=np.float32).reshape(3, 2), "0001 rows": np.array([1, 2], np.int32)}
FILE = Path("run") / WEIGHTS


def stated(folder: Path, shapes: dict) -> Path:
    write_manifest(folder, model_kind="any", sizes={"users": 1, "items": 1}, shapes=shapes)
    return folder


def shapes_of(values: dict) -> dict:
    return {name: list(array.shape) for name, array in values.items()}


def test_what_is_written_is_read(tmp_path):
    write_weights(VALUES, tmp_path)
    found = read_weights(verified(stated(tmp_path, shapes_of(VALUES))))
    assert list(found) == ["0000 table", "0001 rows"]
    for name, values in found.items():
        np.testing.assert_array_equal(values, VALUES[name], strict=True)
        np.testing.assert_array_equal(values, load_file(tmp_path / WEIGHTS)[name], strict=True)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"0000 table": [3, 2]}, "'0001 rows' must be in it and in the manifest, and is in one alone"),
        (
            {"0000 table": [3, 2], "0001 rows": [2], "0002 more": [1]},
            "'0002 more' must be in it and in the manifest, and is in one alone",
        ),
        (
            {"0000 table": [2, 3], "0001 rows": [2]},
            r"0000 table must have shape \[2, 3\], as the manifest states, not \[3, 2\]",
        ),
    ],
)
def test_the_manifest_has_to_state_the_shapes(tmp_path, shapes, message):
    write_weights(VALUES, tmp_path)
    with pytest.raises(ArtifactError, match=f"{WEIGHTS}: {message}"):
        read_weights(verified(stated(tmp_path, shapes)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(tmp_path, value):
    write_weights(VALUES | {"0000 table": np.full((3, 2), value, np.float32)}, tmp_path)
    with pytest.raises(
        ArtifactError, match=f"{WEIGHTS}: the weight 0000 table must be finite, and is not, as its training diverged"
    ):
        read_weights(verified(stated(tmp_path, shapes_of(VALUES))))


def safetensors(header: dict | bytes, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged"),
        (safetensors(b"{"), "is damaged"),
        (struct.pack("<Q", MAX_HEADER_BYTES + 1) + b"{}", ": its header has 2,097,153 bytes"),
        (safetensors({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, bytes(4)), "is damaged"),
        (safetensors({"x": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)), "is damaged"),
        (safetensors({"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, bytes(8)), "is damaged"),
        (safetensors({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(8)), "is damaged"),
        (safetensors({"x": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 4]}}, bytes(4)), "is damaged"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, content, message):
    (tmp_path / WEIGHTS).write_bytes(content)
    with pytest.raises(ArtifactError, match=f"{WEIGHTS}.*{message}"):
        read_weights(verified(stated(tmp_path, {"x": [1]})))


# Models


def model(width: int = 2) -> keras.Model:
    rows = keras.Input((), dtype="int32")
    return keras.Model(rows, keras.layers.Embedding(3, width)(rows))


def test_a_model_gets_its_weights_by_their_place():
    built = model()
    set_weights(built, {"0000 any name": np.ones((3, 2), np.float32)}, FILE)
    (values,) = weights_of(built).values()
    np.testing.assert_array_equal(values, np.ones((3, 2), np.float32), strict=True)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, " must have as many weights as the model, 1, not 0$"),
        (
            {"0 a": np.ones((2, 3), np.float32)},
            r": 0 a must be float32 \(3, 2\), as 0000 \S+ of the model is, not float32 \(2, 3\)",
        ),
        (
            {"0 a": np.ones((3, 2), np.int32)},
            r": 0 a must be float32 \(3, 2\), as 0000 \S+ of the model is, not int32 \(3, 2\)",
        ),
    ],
)
def test_weights_of_another_model_are_refused(weights, message):
    built = model()
    before = built.get_weights()
    with pytest.raises(ArtifactError, match=f"{WEIGHTS}{message}"):
        set_weights(built, weights, FILE)
    np.testing.assert_array_equal(built.get_weights(), before)


def test_a_model_that_is_not_finite_has_no_weights_to_be_saved():
    built = model()
    built.layers[1].embeddings.assign(np.full((3, 2), np.inf, np.float32))
    with pytest.raises(
        ArtifactError,
        match=r"the model: the weight 0000 embedding(_\d+)?/embeddings must be finite, and is not, as its training",
    ):
        weights_of(built)


def test_what_a_file_holds_may_be_made_and_little_beside():
    weights = {"0 table": np.zeros((3, 100_000), np.float32)}
    with no_larger_than(weights, FILE):
        assert model(100_000).count_params() == 300_000
        tf.Variable(tf.zeros(2**14))
        with pytest.raises(ArtifactError, match=rf"{WEIGHTS} is damaged: it lacks float64 \(1\), which the model has"):
            tf.Variable([1.0])
    tf.Variable(tf.zeros(100_000))


@pytest.mark.parametrize("width", [10**5, 10**9, 10**12])
def test_what_a_file_does_not_hold_is_refused_before_it_is_made(width):
    with (
        no_larger_than({"0 table": np.zeros((3, 2), np.float32)}, FILE),
        pytest.raises(ArtifactError, match=rf"it lacks float32 \(3, {width}\), which the model has"),
    ):
        model(width)


def test_each_is_made_once():
    weights = {"0 table": np.zeros((3, 100_000), np.float32)}
    with no_larger_than(weights, FILE):
        model(100_000)
        with pytest.raises(
            ArtifactError,
            match=r"run/weights.safetensors is damaged: it lacks float32 \(3, 100000\), which the model "
            "has$",
        ):
            model(100_000)
