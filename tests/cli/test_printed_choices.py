"""What commands that choose among models ask of the package, and what they print; what they ask for is made up here."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recsys_nn import Blend, Comparison, load_config
from tests.cli.made_up import CONFIG, LAID_OUT, LAYOUT, PLACE
from tests.figures import described

pytestmark = pytest.mark.usefixtures("configs")

TABLE = pd.DataFrame({"run": ["bias", "svd [old]"], "weight": [0.25, 0.71234], "rmse": [0.95, 0.91234]})


def test_blend(printed, gives, snapshot):
    blended = Blend("predictor", TABLE, rmse=0.90123, cross_fitted_rmse=0.90456, n=1234, path=Path(PLACE))
    read = gives("recsys_nn.cli.blend.read_given_ratings", "ratings")
    asked = gives("recsys_nn.experiment.blend", blended)
    words = ("bias", "svd", "--output", "blended", "--ratings", "new.csv", *LAID_OUT, "--overwrite")
    assert printed("blend", *words) == snapshot
    assert read == [("new.csv", "bias", LAYOUT)]
    assert asked == [(["bias", "svd"], "ratings", {"output": Path("blended"), "overwrite": True})]


def of_models(*rows, reference="svd", oracle=0.5):
    figures = ["rmse", "mae", "difference"]
    of_figures = [f"{figure}{end}" for figure in figures for end in ("", "_low", "_high")]
    table = pd.DataFrame(rows, columns=["model", *of_figures, "p_value", "seconds", "parameters"])
    baselines = {"global": 1.1, "bias": 0.98765}
    return Comparison(table, pd.DataFrame(), reference, baselines, oracle, n=1234, n_users=1000, predictors={})


COMPARED = of_models(
    ("svd", 0.9, 0.8, 0.95, 0.7, 0.6, 0.75, np.nan, np.nan, np.nan, np.nan, 1.26, 12345),
    ("[bias]", 0.91, 0.85, 0.96, 0.71, 0.61, 0.76, 0.01, -0.02, 0.03, 0.0512, np.nan, 7),
    ("b", 0.92, 0.86, 0.97, 0.72, 0.62, 0.77, 0.02, 0.01, 0.03, 0.049, 0.0, 7),
    ("c", 0.92, 0.86, 0.97, 0.72, 0.62, 0.77, 0.02, 0.01, 0.03, 0.01, 0.0, 7),
    ("d", 0.92, 0.86, 0.97, 0.72, 0.62, 0.77, 0.02, 0.01, 0.03, 0.0099, 0.0, 7),
    ("e", 0.92, 0.86, 0.97, 0.72, 0.62, 0.77, 0.02, 0.01, 0.03, 0.0001, 0.0, 7),
    ("f", 0.92, 0.86, 0.97, 0.72, 0.62, 0.77, 0.02, 0.01, 0.03, 0.00009, 0.0, 7),
)


def test_compare(printed, gives, snapshot):
    read = gives("recsys_nn.cli.compare.read_given_ratings", "ratings")
    asked = gives("recsys_nn.experiment.compare", COMPARED)
    words = ("runs/svd", "runs/bias", "--ratings", "new.csv", *LAID_OUT, "--reference", "svd")
    assert printed("compare", *words, "--output", "table.csv") == snapshot
    assert read == [("new.csv", "runs/svd", LAYOUT)]
    assert asked == [(["runs/svd", "runs/bias"], "ratings", {"reference": "svd"})]
    assert Path("table.csv").read_text().splitlines()[0].startswith('"model","rmse","rmse_low",')


def test_the_plot_of_a_comparison(snapshot):
    assert described(COMPARED.plot()) == snapshot


def test_compare_without_a_known_oracle(printed, gives, snapshot):
    first, *_ = COMPARED.table.itertuples(index=False)
    gives("recsys_nn.experiment.compare", of_models(first, oracle=None))
    assert printed("compare", "a", "b")[-2:] == snapshot


def test_a_plot_of_a_comparison_has_150_dots_an_inch(printed, gives):
    def savefig(stream, **named):
        stream.write(repr(named).encode())

    gives("recsys_nn.experiment.compare", COMPARED)
    gives("recsys_nn.evaluation.comparison.Comparison.plot", SimpleNamespace(savefig=savefig))
    printed("compare", "a", "b", "--plot", "plot.PNG")
    assert Path("plot.PNG").read_text() == "{'format': 'png', 'dpi': 150}"


FOLDS = pd.DataFrame(
    [(1, 1000, 250, 0.91234, 0.71234, 3, 12, 1.26), (2, 1000, 250, 0.93456, 0.73456, 5, 7, 0.04)],
    columns=["fold", "training", "validation", "rmse", "mae", "best_epoch", "epochs", "seconds"],
)
ERRORS = {"rmse": 0.92345, "rmse_std": 0.01571, "mae": 0.72345, "mae_std": 0.0157}
JUDGED = {"n": 1234.0, "rmse": 0.91234, "mae": 0.71234, "bias_rmse": 0.95678}


def test_cross_validate(printed, gives, snapshot):
    validated = SimpleNamespace(folds=[1, 2], table=FOLDS, metrics=ERRORS, epochs=3)
    asked = gives("recsys_nn.selection.cross_validate", validated)
    checked = gives("recsys_nn.selection.refit", SimpleNamespace(metrics=JUDGED))
    assert printed("cross-validate", "run.yaml") == snapshot
    assert checked == []
    words = ("--refit", "--output", PLACE, "--overwrite", "--folds", 7, "--workers", 2, "--set", "seed=3")
    assert printed("cross-validate", "run.yaml", *words)[-3:] == snapshot
    assert asked == [
        (load_config(CONFIG), {"folds": 5, "workers": 1}),
        (load_config(CONFIG | {"seed": 3, "output": PLACE}), {"folds": 7, "workers": 2}),
    ]
    assert checked == [(validated, {"overwrite": True})]


def found(metrics):
    trials = pd.DataFrame(
        {
            "trial": [0, 1, 2, 3],
            "state": ["pruned", "complete", "complete", "diverged"],
            "rmse": [0.8, 0.95, 0.91234, np.inf],
            "model.embedding_dim": [1, 1, 8, 8],
            "training.learning_rate": [0.1, 0.05, 0.0123, 0.1],
        }
    )
    return SimpleNamespace(
        path=Path(PLACE), trials=trials, config=load_config("search.yaml"), score=0.91234, metrics=metrics
    )


def test_tune(printed, gives, snapshot):
    asked = gives("recsys_nn.selection.tune", found(JUDGED))
    assert printed("tune", "search.yaml") == snapshot
    printed("tune", "search.yaml", "--output", "other", "--overwrite", "--set", "seed=3")
    assert asked == [
        (load_config("search.yaml"), {"output": None, "overwrite": False}),
        (load_config("search.yaml", overrides=["seed=3"]), {"output": Path("other"), "overwrite": True}),
    ]


def test_tune_without_a_test_part(printed, gives, snapshot):
    gives("recsys_nn.selection.tune", found({}))
    assert printed("tune", "search.yaml")[-2:] == snapshot


@pytest.mark.parametrize(("words", "place"), [((), "run-search"), (("--output", PLACE), PLACE)])
def test_tune_is_interrupted(printed, gives, words, place):
    gives("recsys_nn.selection.tune", KeyboardInterrupt())
    told = f"Interrupted: the trials are kept in {place}. The same command resumes the search."
    assert printed("tune", "search.yaml", *words, code=130) == [told]
