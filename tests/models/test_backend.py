import os
import subprocess
import sys

import keras
import pytest

from recsys_nn import ConfigError
from recsys_nn.models.backend import import_keras

BUILD = "from recsys_nn.models.backend import import_keras; import_keras()"


def imported(**environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run([sys.executable, "-c", BUILD], capture_output=True, text=True, env=clean | environment)


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{}, {"TF_CPP_MIN_LOG_LEVEL": "3"}])  # which tf2onnx sets
def test_tensorflow_comes_without_its_greetings(environment):
    result = imported(**environment)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.slow
def test_who_sets_the_log_level_hears_all():
    assert imported(TF_CPP_MIN_LOG_LEVEL="0").stderr  # what exactly TensorFlow says differs by machine


def test_a_failing_import_shows_what_was_held_back():
    result = imported(KERAS_BACKEND="no-such-backend")
    assert result.returncode == 1
    assert "no-such-backend" in result.stderr


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(
        ConfigError,
        match=(
            "Keras runs on jax here; recsys_nn needs TensorFlow: set KERAS_BACKEND=tensorflow before Keras is imported"
        ),
    ):
        import_keras()
