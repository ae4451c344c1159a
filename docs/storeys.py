"""Draws the storeys of the package, as the import contracts of pyproject.toml have them.

python docs/storeys.py        writes docs/storeys.svg
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = Path(__file__).with_name("storeys.svg")
WIDTH, HEIGHT, GAP = 560, 30, 6
STYLE = "rect{fill:#eef3f8;stroke:#4a6a8a}text{font:14px sans-serif;text-anchor:middle;fill:#1f2d3a}"


def layers() -> list[list[str]]:
    """The names of each storey, from the roof down."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (each for each in pyproject["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    return [layer.split(" | ") for layer in contract["layers"]]


def drawn(storeys: list[list[str]]) -> str:
    """The picture: a row a storey, a box for each name."""
    height = len(storeys) * (HEIGHT + GAP) + GAP
    boxes = "\n".join(_boxes(storeys))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
    title = "<title>Storeys of recsys_nn: each imports only what stands below it</title>"
    return f"{head}\n{title}\n<style>{STYLE}</style>\n{boxes}\n</svg>\n"


def _boxes(storeys: list[list[str]]) -> Iterator[str]:
    for row, names in enumerate(storeys):
        width = (WIDTH - GAP * (len(names) + 1)) / len(names)
        y = GAP + row * (HEIGHT + GAP)
        for place, name in enumerate(names):
            x = GAP + place * (width + GAP)
            yield f'<rect x="{x:g}" y="{y}" width="{width:g}" height="{HEIGHT}" rx="4"/>'
            yield f'<text x="{x + width / 2:g}" y="{y + 20}">{name}</text>'


if __name__ == "__main__":
    PICTURE.write_text(drawn(layers()), encoding="utf-8")
