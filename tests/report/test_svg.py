"""A chart as it stands in a page."""

import re

from recsys_nn.report.svg import Chart


def drawn(name: str) -> str:
    chart = Chart(name, "Title", "a < b", "caption")
    with chart.drawn(xlabel="across $x$", ylabel="up") as axes:
        axes.plot([0, 1], [0, 1], "o-", label="a line")
        axes.bar([0, 1], [1, 2], hatch="///")
    return chart.svg


def test_a_chart_is_one_picture_with_its_text():
    svg = drawn("mine")
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="'
    assert svg.startswith(head)
    assert re.match(r'0 0 273\.6 194\.4" role="img" aria-label="a &lt; b">\s*<', svg[len(head) :])
    assert svg.rstrip().endswith("</svg>")
    assert "<metadata" not in svg
    for text in ("across $x$", "up", "a line"):
        assert f">{text}</text>" in svg
    assert drawn("mine") == svg


def test_its_names_are_its_own():
    svg = drawn("mine")
    names = re.findall(r'\bid="([^"]*)"', svg)
    used = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', svg)
    assert {name.partition("-")[0] for name in names} == {"mine"}
    assert len({bool(one) for one, _ in used}) == 2  # both kinds of use
    assert {one or other for one, other in used} <= set(names)
    assert drawn("other") == svg.replace("mine-", "other-")
