"""Formatting of numbers and texts on a page."""

from __future__ import annotations

import math
import re

from markupsafe import Markup, escape

_CODE = re.compile(r"`([^`]+)`")


def decimals(scale: tuple[float, float]) -> int:
    """Number of an error's decimals: four on a scale of five stars, one less on a scale ten times as wide."""
    return min(4, max(0, 4 - round(math.log10((scale[1] - scale[0]) / 4))))


def fixed(value: float, digits: int) -> str:
    """Writes a number with this many decimals, thousands apart; a zero has no sign."""
    return f"{value:z,.{digits}f}".replace("-", "−")


def signed(value: float, digits: int) -> str:
    """Writes a number as :func:`fixed` does, with its sign."""
    return f"{value:+z,.{digits}f}".replace("-", "−")


def with_code(text: str) -> Markup:
    """Marks up text in backticks as code; all else is escaped."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))
