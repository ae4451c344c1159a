"""The architecture, held against the source: who may import whom, and that documentation tells the truth."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
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

# A station may import from itself and from these (the table of CONTRIBUTING.md).
MAY_IMPORT = {
    "errors": [],
    "accepting": [],
    "data": ["errors"],
    "models": ["accepting", "data.encoding", "data.features", "data.baselines", "data.tensors", "errors"],
    "training": ["accepting", "data.tensors", "data.aligned", "data.atomic", "errors"],
    "prediction": ["data", "models", "training", "errors"],
    "evaluation": ["prediction", "data", "errors"],
    "strict_yaml": ["errors"],
    "validation": ["errors"],
    "search_space": ["validation", "errors"],
    "tracking_config": ["validation", "errors"],
    "cluster_config": ["validation", "errors"],
    "config": [
        *("search_space", "tracking_config", "cluster_config", "strict_yaml", "validation"),
        *("data", "models", "training", "errors"),
    ],
    "ensembling": ["data.tensors", "models", "training", "errors"],
    "run_data": ["config", "data", "evaluation", "errors"],
    "tracking": ["config", "tracking_config", "run_data", "data", "models", "training", "errors"],
    "unfinished": ["config", "run_data", "data", "models", "training", "prediction", "errors"],
    "cluster": ["cluster_config", "validation", "tracking", "data", "models", "training", "prediction", "errors"],
    "experiment_result": [
        *("unfinished", "config", "finished_run", "data", "training", "prediction", "evaluation", "errors"),
    ],
    "experiment": [
        *("experiment_result", "unfinished", "run_data", "finished_run", "advice", "tracking", "cluster"),
        *("ensembling", "config", "cluster_config"),
        *("data", "models", "training", "prediction", "evaluation", "errors"),
    ],
    "finished_run": ["config", "run_data", "strict_yaml", "data", "training", "prediction", "errors"],
    "opening": ["config", "finished_run", "models", "prediction", "errors"],
    "comparing": [
        *("config", "run_data", "experiment", "finished_run", "opening"),
        *("data", "models", "training", "prediction", "evaluation", "errors"),
    ],
    "blending": ["run_data", "finished_run", "opening", "data", "prediction", "evaluation", "errors"],
    "estimator": [
        *("config", "run_data", "experiment", "validation"),
        *("data", "models", "training", "prediction", "errors"),
    ],
    "selection": [
        *(
            "config",
            "search_space",
            "run_data",
            "tracking",
            "cluster",
            "cluster_config",
            "experiment",
            "experiment_result",
            "strict_yaml",
            "validation",
        ),
        *("data", "models", "training", "prediction", "evaluation", "errors"),
    ],
    "advice": [
        *("config", "run_data", "finished_run", "strict_yaml"),
        *("data", "models", "training", "prediction", "evaluation", "errors"),
    ],
    "report": [
        *("advice", "selection", "tracking", "finished_run", "opening"),
        *("data", "training", "prediction", "evaluation", "errors"),
    ],
    "serving": ["validation", "data", "models", "prediction", "errors"],
    "cli": [
        "serving",
        "cluster",
        "cluster_config",
        "validation",
        "report",
        "advice",
        "run_data",
        "strict_yaml",
        "selection",
        "config",
        "experiment",
        "experiment_result",
        "comparing",
        "blending",
        "opening",
        "finished_run",
        "data",
        "models",
        "training",
        "prediction",
        "evaluation",
        "errors",
    ],
}


def source(module: str) -> str:
    return Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8")


def imports_of(module: str, *, at_run_time: bool = True) -> set[str]:
    """The package's modules that a module imports, also within functions; not those for type checkers alone."""
    tree = ast.parse(source(module))
    found: set[str] = set()
    for node in _executed(tree) if at_run_time else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("recsys_nn.")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("recsys_nn"):
            found |= {
                name if (name := f"{node.module}.{alias.name}") in MODULES else node.module
                for alias in node.names
                if alias.name != "__version__"
            }
    return found


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _executed(child)


def station(module: str) -> str:
    return module.removeprefix("recsys_nn.").split(".")[0]


@pytest.mark.parametrize("module", [name for name in MODULES if name != "recsys_nn"])
def test_a_station_imports_only_stations_above_it(module):
    allowed = [station(module), *MAY_IMPORT[station(module)]]
    for imported in imports_of(module, at_run_time=False):
        inner = imported.removeprefix("recsys_nn.")
        assert any(inner == name or inner.startswith(f"{name}.") for name in allowed), f"{module} imports {imported}"


def test_every_station_stands_in_the_table():
    assert {station(name) for name in MODULES if name != "recsys_nn"} == set(MAY_IMPORT)


def test_no_module_imports_itself_in_a_circle():
    # Predictors and their run folders are the ones that know each other: saving is a method of what is saved.
    saved = {f"recsys_nn.prediction.{name}" for name in ("predictor", "run_folder", "pickling", "blend")}
    graph = {name: {other for other in imports_of(name) if not {name, other} <= saved} for name in MODULES}
    TopologicalSorter(graph).prepare()


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
    stations = ["training.trainer", "evaluation.evaluate", "report.page", "experiment", "selection.search"]
    assert loaded_by(script, *heavy, *(f"recsys_nn.{name}" for name in stations)) == []
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
