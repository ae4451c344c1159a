"""How numbers and texts are written on a page."""

import pytest

from recsys_nn.report.formatting import decimals, fixed, signed, with_code


@pytest.mark.parametrize(("scale", "digits"), [((0, 1), 4), ((1, 5), 4), ((1, 10), 4), ((1, 100), 3), ((0, 1e6), 0)])
def test_errors_have_fewer_decimals_on_wider_scales(scale, digits):
    assert decimals(scale) == digits


@pytest.mark.parametrize(
    ("value", "digits", "plain", "with_sign"),
    [(0.92864, 4, "0.9286", "+0.9286"), (-1234.5, 1, "−1,234.5", "−1,234.5"), (-0.00001, 3, "0.000", "+0.000")],
)
def test_minus_signs_thousands_and_zeros(value, digits, plain, with_sign):
    assert fixed(value, digits) == plain
    assert signed(value, digits) == with_sign


def test_only_backticks_become_markup():
    assert with_code("Set `<b>`, not <b>.") == "Set <code>&lt;b&gt;</code>, not &lt;b&gt;."
