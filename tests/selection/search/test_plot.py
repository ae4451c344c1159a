import numpy as np
import pandas as pd
import pytest

from recsys_nn.plots import new_figure
from recsys_nn.selection.search.display import _focus, plotted
from tests.figures import described

TRIALS = pd.DataFrame(
    {
        "trial": range(8),
        "state": ["complete"] * 6 + ["pruned", "diverged"],
        "rmse": [0.95, 0.93, 0.94, 0.92, 0.96, 0.925, 0.99, np.nan],
        **dict.fromkeys(["best_epoch", "epochs", "seconds"], 1),
        "message": "",
        "training.learning_rate": np.geomspace(1e-4, 1e-1, 8),
        "model.embedding_dim": [8, 16] * 4,
        "model.widths": pd.Series([None, "[64, 32]"] * 4, dtype=object),
    }
)


@pytest.fixture(scope="module")
def figure():
    return plotted(TRIALS)


@pytest.fixture(scope="module")
def panels(figure):
    return figure.axes


def test_there_is_a_panel_for_the_order_and_one_for_each_key(panels):
    assert [panel.get_xlabel() for panel in panels if panel.get_visible()] == [
        *("trial", "learning_rate", "embedding_dim", "widths")
    ]


def test_the_best_so_far_falls_over_the_trials_that_came_to_their_end(panels):
    np.testing.assert_allclose(panels[0].lines[0].get_ydata(), [0.95, 0.93, 0.93, 0.92, 0.92, 0.92])


def test_the_best_trial_is_marked_in_every_panel(panels):
    stars = [panel.collections[-1].get_offsets().tolist() for panel in panels[:4]]
    assert stars[0] == [[3, 0.92]]
    assert stars[1][0] == pytest.approx([TRIALS["training.learning_rate"][3], 0.92])
    assert stars[2:] == [[[1, 0.92]], [[1, 0.92]]]


def test_numbers_over_decades_stand_on_a_logarithmic_axis_and_choices_side_by_side(panels):
    assert [panel.get_xscale() for panel in panels[:4]] == ["linear", "log", "linear", "linear"]
    assert [text.get_text() for text in panels[2].get_xticklabels()] == ["8", "16"]
    assert [text.get_text() for text in panels[3].get_xticklabels()] == ["None", "[64, 32]"]


def test_a_few_values_of_a_range_are_numbers_and_no_choices():
    assert plotted(TRIALS.head(5)).axes[1].get_xscale() == "log"


def test_the_whole_plot(figure, snapshot):
    assert described(figure) == snapshot


def test_names_that_are_long_lean_and_numbers_within_a_decade_stand_on_a_linear_axis(snapshot):
    changed = {"training.learning_rate": np.linspace(0.1, 1.9, 8), "model.widths": ["[64, 32]", "[128, 64]"] * 4}
    assert described(plotted(TRIALS.assign(**changed).drop(columns="model.embedding_dim"))) == snapshot


@pytest.mark.parametrize(
    ("errors", "limits"),
    [
        ([1.0, 2, 9], None),
        ([1.0, 2, 3, 9], (0.65, 8.35)),  # 0.75 of them are below 4.5: 3.5 more on top, a tenth on either side
        ([1.0, 1.5, 2, 2.2], (0.895, 2.305)),
        ([2.0, 2, 2, 2], (2 - 1e-7, 2 + 1e-7)),
    ],
)
def test_a_few_trials_that_went_wrong_do_not_press_the_others_onto_a_line(errors, limits):
    with new_figure("title", "x", "y") as (_, axes):
        axes.set_ylim(-3, 33)
        _focus(axes, pd.Series(errors))
    assert axes.get_ylim() == pytest.approx(limits or (-3, 33))
