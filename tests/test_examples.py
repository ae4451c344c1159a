"""Every public name has an example in its docstring, and what the example shows is what it prints.

An example is run in a folder of its own with ``ratings.csv`` (300 ratings of 30 users and 15 items, with times),
``pairs.csv``, ``run.yaml`` and the finished run ``runs/svd``. It may take as given ``rn``, and made of that folder
``ratings``, ``split``, ``encoder`` (of the training part) and ``predictor`` (of the run).
"""

from __future__ import annotations

import doctest
import inspect
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import recsys_nn as rn
from recsys_nn.models import base

NAMES = sorted(set(rn.__all__) - {"__version__"})
SEVERAL_RUNS = {
    *("Comparison", "CrossValidation", "Curve", "Report", "SearchResult", "bias_variance", "blend", "build_report"),
    *("compare", "cross_validate", "epoch_curve", "learning_curve", "sensitivity", "tune", "validation_curve"),
}
"""Names whose examples carry out several runs."""
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
RUN = """\
output: runs/svd
data:
  source: ratings.csv
  split: {kind: random, validation: 0.2, test: 0.2}
model: {kind: svd, embedding_dim: 2, l2: 0.001}
training: {epochs: 40, learning_rate: 0.02, batch_size: 64}
"""


def table() -> pd.DataFrame:
    """Two thirds of the pairs of 30 users and 15 items, a rating a day: 4 or 5 where both are even or both odd, else
    1 or 2. So one factor and the items' biases tell a rating, which the run finds out."""
    days = [(day % 30, (day // 30 + day) % 15) for day in range(450)]
    pairs = [(user, item) for user, item in days if (user + item) % 3]
    return pd.DataFrame(
        {
            "user": [f"u{user}" for user, _ in pairs],
            "item": [f"i{item}" for _, item in pairs],
            "rating": [1 + 3 * ((user + item) % 2 == 0) + (item // 3) % 2 for user, item in pairs],
            "timestamp": [1_700_000_000 + 86_400 * day for day in range(len(pairs))],
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    table().to_csv(folder / "ratings.csv", index=False)
    (folder / "pairs.csv").write_text("user,item\nu0,i0\nu1,i2\nnew,i4\n", encoding="utf-8")
    (folder / "run.yaml").write_text(RUN, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        rn.run_experiment("run.yaml", progress=False)
    return folder


@pytest.fixture(scope="module")
def given(folder: Path) -> dict[str, Any]:
    ratings = rn.load_ratings(folder / "ratings.csv")
    split = rn.random_split(ratings, validation=0.2, test=0.2)
    return {
        "rn": rn,
        "ratings": ratings,
        "split": split,
        "encoder": rn.Encoder.fit(split.train),
        "predictor": rn.Predictor.load(folder / "runs/svd"),
    }


def examples(name: str) -> Iterator[doctest.DocTest]:
    """The examples of a public name: of its own docstring, and of a class's methods, also those of a base class
    that is not public itself."""
    value = getattr(rn, name)
    above = value.__mro__[1:] if inspect.isclass(value) else ()
    own = (each for each in above if each.__module__.startswith("recsys_nn.") and each.__name__ not in rn.__all__)
    for home in (value, *own):
        yield from doctest.DocTestFinder(exclude_empty=False).find(home, name)


@pytest.fixture
def kinds_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an example registers is gone after it."""
    monkeypatch.setattr(base, "_kinds", dict(base._kinds))


@pytest.mark.usefixtures("untraced", "kinds_as_they_were")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SEVERAL_RUNS else name for name in NAMES]
)
def test_the_examples_of_a_public_name_print_what_they_show(name, folder, given, tmp_path, monkeypatch):
    own, *of_methods = examples(name)
    assert own.examples, f"the docstring of {name} has no example"
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    for example in (own, *of_methods):
        example.globs = dict(given)
        doctest.DocTestRunner(optionflags=OPTIONS, verbose=False).run(example, out=printed.append)
    if printed:
        pytest.fail("".join(printed), pytrace=False)
