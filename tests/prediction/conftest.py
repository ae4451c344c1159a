import shutil
from pathlib import Path

import pytest


@pytest.fixture
def run(saved, tmp_path) -> Path:
    """A copy of the folder that a test module names ``saved``, for a test to change."""
    return Path(shutil.copytree(saved, tmp_path / saved.name))
