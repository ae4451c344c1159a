"""What importing loads, and that documentation tells the truth; who may import whom stands in pyproject.toml."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pydantic import BaseModel

import recsys_nn
import recsys_nn as rn

PACKAGE = Path(recsys_nn.__file__).parent
MODULES = sorted(
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
)


def source(module: str) -> str:
    return Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8")


def imported_by(file: Path) -> Iterator[str]:
    """The modules of the package that a file imports from, also within functions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("recsys_nn."):
            yield node.module


@pytest.mark.parametrize("storey", sorted(folder.name for folder in PACKAGE.iterdir() if folder.is_dir()))
def test_outsiders_import_from_the_face_of_a_storey(storey):
    """Which is the list in its ``__init__.pyi``, lazily loaded."""
    outside = [file for file in PACKAGE.rglob("*.py") if PACKAGE / storey not in file.parents]
    found = {(file.name, name) for file in outside for name in imported_by(file)}
    assert [each for each in found if each[1].startswith(f"recsys_nn.{storey}.")] == []


def loaded_by(script: str, *modules: str) -> list[str]:
    """Those of these modules that a process has loaded at the end of a script without scikit-learn, which Keras would
    import, and with it most of SciPy."""
    script = f"import sys; sys.modules['sklearn'] = None; {script}; print(*sorted({set(modules)} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    return printed.splitlines()[-1].split()


def test_importing_the_package_loads_neither_tensorflow_nor_pandas():
    assert loaded_by("import recsys_nn", "tensorflow", "keras", "pandas", "numpy", "pydantic") == []


def test_help_is_printed_without_reading_tables():
    script = "from recsys_nn.cli import app; app(['--help'], standalone_mode=False)"
    assert loaded_by(script, "tensorflow", "keras", "pandas", "numpy", "pyarrow", "pydantic") == []


def test_configs_are_read_and_functions_looked_up_without_tensorflow():
    script = (
        "import recsys_nn as rn; rn.load_config({'data': {'source': 'synthetic'}, 'model': {'kind': 'neumf'}});"
        "rn.run_experiment, rn.cross_validate, rn.tune, rn.compare"
    )
    assert loaded_by(script, "tensorflow", "keras") == []


def test_a_pair_is_predicted_without_what_trainings_and_reports_need(tmp_path):
    encoder = rn.Encoder.fit(rn.Ratings(pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "rating": [1, 5]})))
    rn.Predictor(rn.build_model(rn.SVDConfig(), encoder), encoder).save(tmp_path / "run")
    (tmp_path / "pairs.csv").write_text("user,item\na,y\n")
    arguments = ["predict", *(str(tmp_path / name) for name in ("run", "pairs.csv")), "--output"]
    arguments.append(str(tmp_path / "predicted.csv"))
    script = f"from recsys_nn.cli import app; app({arguments}, standalone_mode=False)"
    heavy = ["scipy.optimize", "scipy.special", "scipy.stats", "jinja2", "loky", "optuna"]
    storeys = ["training.trainer", "evaluation.evaluate", "report.page", "experiment.run", "selection.search.search"]
    assert loaded_by(script, *heavy, *(f"recsys_nn.{name}" for name in storeys)) == []
    assert (tmp_path / "predicted.csv").read_text().count("\n") == 2


def test_scikit_learn_is_needed_by_its_estimator_alone():
    assert {name for name in MODULES if re.search(r"^\s*(from|import) sklearn\b", source(name), re.MULTILINE)} == {
        "recsys_nn.estimator"
    }


def test_every_public_name_is_loaded_from_its_home():
    for name in recsys_nn.__all__:
        assert getattr(recsys_nn, name).__name__ == name
    assert set(recsys_nn.__all__) <= set(dir(recsys_nn))
    with pytest.raises(AttributeError, match="No recsys_nn attribute Predicter"):
        recsys_nn.Predicter  # noqa: B018


NEED_RAY = ["recsys_nn.cluster.addresses"]


def test_what_a_module_lists_as_its_own_it_has():
    lists = {name: getattr(importlib.import_module(name), "__all__", ()) for name in MODULES if name not in NEED_RAY}
    assert {name for name, listed in lists.items() if listed} >= {"recsys_nn", "recsys_nn.models"}
    for name, listed in lists.items():
        assert [one for one in listed if not hasattr(importlib.import_module(name), one)] == []


def public_objects() -> dict[str, object]:
    found = {}
    for info in pkgutil.walk_packages([str(PACKAGE)], "recsys_nn."):
        if info.name in NEED_RAY and importlib.util.find_spec("ray") is None:
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if getattr(value, "__module__", None) != info.name or name.startswith("_"):
                continue
            if inspect.isfunction(value) or inspect.isclass(value):
                found[f"{info.name}.{name}"] = value
            if inspect.isclass(value):
                methods = inspect.getmembers(value, inspect.isroutine)
                found |= {
                    f"{info.name}.{name}.{method}": function
                    for method, function in methods
                    if not method.startswith("_") and method in vars(value)
                }
    return found


PUBLIC = public_objects()


def documented_parameters(docstring: str) -> list[str]:
    section = re.search(r"^Args:\n((?:[ ]+.*\n|\n)+)", docstring + "\n", re.MULTILINE)
    lines = re.findall(r"^ {4}(\w+(?:, \w+)*):", section.group(1), re.MULTILINE) if section else []
    return [name for line in lines for name in line.split(", ")]


def actual_parameters(value: object) -> list[str]:
    if inspect.isclass(value) and issubclass(value, BaseModel):
        return [name for name in value.__annotations__ if name in value.model_fields and name != "kind"]
    return [name for name in inspect.signature(value).parameters if name not in ("self", "cls", "kwargs")]


@pytest.mark.parametrize("name", [name for name, value in PUBLIC.items() if "Args:" in (value.__doc__ or "")])
def test_documented_parameters_are_those_of_the_signature(name):
    value = PUBLIC[name]
    assert documented_parameters(inspect.getdoc(value)) == actual_parameters(value)


@pytest.mark.parametrize("name", recsys_nn.__all__)
def test_every_public_name_is_documented(name):
    assert inspect.getdoc(getattr(recsys_nn, name)), name
