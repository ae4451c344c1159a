"""Keras and TensorFlow, imported when the first model is built."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from recsys_nn.errors import ConfigError, check_process, note_tensorflow

_LOG_LEVEL, _ERRORS, _TALKATIVE = "TF_CPP_MIN_LOG_LEVEL", "2", ("0", "1")


def import_keras() -> None:
    """Imports Keras on TensorFlow, without TensorFlow's greetings unless ``TF_CPP_MIN_LOG_LEVEL`` asks for them.

    Raises:
        ConfigError: where Keras is set to another backend, and in a process that was forked after TensorFlow had begun.
    """
    check_process()
    if os.environ.setdefault(_LOG_LEVEL, _ERRORS) in _TALKATIVE:  # processes begun by this one find ours
        _import()
        return
    with quiet_unless_it_fails():
        _import()


@contextmanager
def float32_layers() -> Iterator[None]:
    """Has layers compute in float32 that are made within the block, whatever policy the program has set for others.

    A run has one precision: under a global mixed policy it would predict otherwise than it was judged.
    """
    import keras

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def _import() -> None:
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            f"Keras runs on {keras.backend.backend()} here; recsys_nn needs TensorFlow: set KERAS_BACKEND=tensorflow "
            "before Keras is imported"
        )
    tf.constant(0)  # the first operation looks for devices, and tells of it
    note_tensorflow()


@contextmanager
def quiet_unless_it_fails() -> Iterator[None]:
    """Holds back what TensorFlow writes to the process's error stream, below Python's, and shows it after a failure."""
    with tempfile.TemporaryFile() as held_back:
        stream = os.dup(2)
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            os.write(stream, held_back.read())
            raise
        finally:
            os.dup2(stream, 2)
            os.close(stream)
