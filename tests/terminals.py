"""What would break lines and colour numbers where it were let to."""

from typing import TextIO

from rich.console import Console


def narrow_terminal(file: TextIO | None = None) -> Console:
    """A terminal with colours, of 20 characters; by default on the standard output."""
    return Console(file=file, width=20, force_terminal=True, color_system="standard")
