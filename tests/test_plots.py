import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from recsys_nn.plots import Scale, draw_heat_map, draw_layers, draw_lines, label, new_figure


@pytest.fixture
def axes():
    with new_figure("title", "x", "y") as (_, axes):
        yield axes


def ticks(axes):
    return [tick.get_text() for tick in axes.get_xticklabels()]


class TestScale:
    @pytest.mark.parametrize(
        ("values", "scale"),
        [
            ([1, 2, 4, 8, 16], "log"),
            ([1e-5, 1e-4, 1e-3], "log"),
            ([0.1, 0.2, 0.4, 0.6, 0.8, 1.0], "linear"),
            ([0, 1, 2, 4, 8], "linear"),
            (range(1, 61), "linear"),
            ([5], "linear"),
        ],
    )
    def test_numbers_stand_where_their_steps_are_most_alike(self, axes, values, scale):
        Scale(values).apply(axes)
        assert axes.get_xscale() == scale
        np.testing.assert_array_equal(Scale(values).positions, values)

    @pytest.mark.parametrize(
        ("values", "labels"),
        [
            ([0, 1e-4, 1e-3, 1e-2, 1e-1], ["0", "0.0001", "0.001", "0.01", "0.1"]),
            (["none", "8-4"], ["none", "8-4"]),
            ([3, 1, 2], ["3", "1", "2"]),
            ([False, True], ["False", "True"]),
        ],
    )
    def test_all_else_stands_side_by_side(self, axes, values, labels):
        Scale(values).apply(axes)
        np.testing.assert_array_equal(Scale(values).positions, range(len(values)))
        assert ticks(axes) == labels

    def test_the_last_of_falling_numbers_is_at_the_right_too(self, axes):
        Scale([1e-1, 1e-2, 1e-3]).apply(axes)
        assert axes.xaxis_inverted()
        assert ticks(axes) == ["0.1", "0.01", "0.001"]

    def test_of_many_values_some_have_a_tick(self, axes):
        Scale([2**power for power in range(20)]).apply(axes)
        assert ticks(axes) == ["1", "4", "16", "64", "256", "1024", "4096", "16384", "65536", "262144"]

    def test_of_many_epochs_round_ones_have_a_tick(self, axes):
        axes.plot(range(1, 61), range(1, 61))
        Scale(range(1, 61)).apply(axes)
        assert set(axes.get_xticks()) >= {10, 20, 30, 40, 50, 60}


def test_labels():
    assert [label(value) for value in (16200, 3e-4, [64, 32], "svd", None)] == [
        "16200",
        "0.0003",
        "64-32",
        "svd",
        "None",
    ]


def test_a_line_is_the_mean_in_a_band_from_the_least_to_the_greatest(axes):
    table = pd.DataFrame({"dim": [2, 4, 2, 4], "validation_rmse": [0.9, 0.8, 1.1, 0.9]})
    draw_lines(axes, Scale([2, 4]), table, "dim", {"validation": "validation_rmse"})
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_xydata(), [[2, 1.0], [4, 0.85]])
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    assert {tuple(corner) for corner in corners.round(6)} == {(2, 0.9), (2, 1.1), (4, 0.8), (4, 0.9)}


def test_lines_differ_by_more_than_their_colour(axes):
    table = pd.DataFrame({"dim": [1, 2], "a": [1, 2], "b": [2, 3], "c": [3, 4]})
    draw_lines(axes, Scale([1, 2]), table, "dim", {"training": "a", "validation": "b", "bias baseline": "c"})
    assert len({line.get_linestyle() for line in axes.lines}) == len({line.get_marker() for line in axes.lines}) == 3


def test_layers_lie_on_top_of_each_other(axes):
    draw_layers(axes, Scale([1, 2]), {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 1.0]), "c": np.array([1.0, 1.0])})
    heights = [layer.get_paths()[0].vertices[:, 1].max() for layer in axes.collections]
    assert heights == [2, 4, 5]
    assert [layer.get_label() for layer in axes.collections] == ["a", "b", "c"]


class TestHeatMap:
    VALUES = pd.DataFrame({64: [0.9, np.nan], 256: [0.8, 0.85]}, index=[0.001, 10])

    def test_cells_have_their_figures_and_what_is_missing_is_told(self, axes):
        draw_heat_map(axes, self.VALUES, missing="diverged", unit="RMSE")
        written = {text.get_position(): text.get_text() for text in axes.texts}
        assert written == {(0, 0): "0.9000", (1, 0): "0.8000", (0, 1): "diverged", (1, 1): "0.8500"}
        assert ticks(axes) == ["64", "256"]
        assert [tick.get_text() for tick in axes.get_yticklabels()] == ["0.001", "10"]

    def test_the_least_is_framed(self, axes):
        draw_heat_map(axes, self.VALUES, missing="diverged", unit="RMSE")
        (frame,) = axes.patches
        assert frame.get_center() == pytest.approx((1, 0))

    def test_where_all_are_missing_nothing_is_framed(self, axes):
        draw_heat_map(axes, self.VALUES * np.nan, missing="diverged", unit="RMSE")
        assert [text.get_text() for text in axes.texts] == ["diverged"] * 4
        assert not axes.patches


def test_a_figure_is_closed_with_a_legend_of_what_has_a_label():
    with new_figure("title", "x", "y") as (figure, axes):
        axes.plot([0, 1], label="line")
    assert not plt.fignum_exists(figure.number)
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("title", "x", "y")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["line"]
