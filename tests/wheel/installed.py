"""An environment that holds the wheel and nothing of the repository."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

LEFT_OUT = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}


@dataclass(frozen=True)
class Installed:
    """An environment, and a folder outside the repository in which its programs run."""

    programs: Path
    folder: Path

    @property
    def python(self) -> Path:
        return self.programs / "python"

    def run(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(self.programs / program), *map(str, arguments)]
        return subprocess.run(command, cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True)
