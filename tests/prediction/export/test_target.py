"""Where an exported model may be written."""

import sys

import pytest

from recsys_nn import ArtifactError, ConfigError, DataError
from recsys_nn.prediction.export.target import check_export


@pytest.fixture
def places(tmp_path):
    """By name: of a SavedModel, of another folder, of a file, and of nothing."""
    (tmp_path / "model" / "assets.extra").mkdir(parents=True)
    (tmp_path / "model" / "assets.extra" / "recsys_nn.json").write_text("{}")
    (tmp_path / "other").mkdir()
    (tmp_path / "file").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("place", "format", "overwrite"),
    [
        ("new", "savedmodel", False),
        ("model", "savedmodel", True),
        ("new", "litert", False),
        ("file", "litert", True),
        ("new", "onnx", False),
    ],
)
def test_a_place_that_can_be_written(places, place, format, overwrite):
    check_export(places / place, format, overwrite=overwrite)


@pytest.mark.parametrize(
    ("place", "format", "overwrite", "error", "told"),
    [
        ("model", "savedmodel", False, ArtifactError, "already holds a model: choose another output, or overwrite it"),
        ("other", "savedmodel", False, ArtifactError, "exists and is not an exported model: choose another output"),
        ("other", "savedmodel", True, ArtifactError, "exists and is not an exported model: choose another output"),
        ("file", "savedmodel", True, ArtifactError, "exists and is not an exported model: choose another output"),
        ("file", "litert", False, DataError, "exists: choose another output, or overwrite it"),
        ("model", "onnx", True, DataError, "is a folder: name a file"),
    ],
)
def test_one_that_cannot(places, place, format, overwrite, error, told):
    with pytest.raises(error) as refused:
        check_export(places / place, format, overwrite=overwrite)
    assert str(refused.value).removesuffix(" (--overwrite, in Python overwrite=True)") == f"{places / place} {told}"


def test_formats_are_known_and_can_be_made(places, monkeypatch):
    with pytest.raises(ConfigError, match="not 'onxx'; did you mean 'onnx'\\?$"):
        check_export(places / "new", "onxx", overwrite=False)
    with pytest.raises(ConfigError, match="^format must be one of 'savedmodel', 'onnx', 'litert', not 'h5'$"):
        check_export(places / "new", "h5", overwrite=False)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(
        ConfigError, match=r"^onnx needs tf2onnx, which is not installed: pip install 'recsys-nn\[onnx\]'$"
    ):
        check_export(places / "new", "onnx", overwrite=False)
