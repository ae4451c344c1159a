"""The package on systems without POSIX: what only that has is asked for in one file, and nothing misses it."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import recsys_nn
from tests.as_on_windows import MISSING, MODULES

ASKED = {**MISSING, "sys": {"platform"}}
PACKAGE = Path(recsys_nn.__file__).parent
ONE_FILE = "files/system.py"


def uses(source: str) -> Iterator[str]:
    """The names in a source that not every system has."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom):
            yield from [node.module] if node.module in MODULES else []
            yield from (name.name for name in node.names if name.name in ASKED.get(node.module or "", ()))
        elif isinstance(node, ast.Attribute) and node.attr in ASKED.get(ast.unparse(node.value), ()):
            yield f"{ast.unparse(node.value)}.{node.attr}"


def test_the_search_finds_what_it_seeks():
    source = "import fcntl, os\nfrom signal import SIGALRM\nfrom pwd import getpwnam\nos.fork(); os.replace; os.kill"
    assert set(uses(source)) == {"fcntl", "SIGALRM", "pwd", "os.fork", "os.kill"}


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_no_other_file_asks_what_system_it_runs_on(file):
    found = list(uses(file.read_text(encoding="utf-8")))
    assert file == PACKAGE / ONE_FILE or not found


SCRIPT = """
from pathlib import Path

import recsys_nn as rn
from recsys_nn.training.checkpoints import Checkpoints

data = {"source": "synthetic", "options": {"n_users": 30, "n_items": 20, "n_ratings": 300}}
run = {"data": data, "model": {"kind": "svd", "embedding_dim": 2}, "training": {"epochs": 3, "batch_size": 100}}

rn.run_experiment(run | {"output": "whole"}, progress=False)

save = Checkpoints.save
def disturbed(checkpoints, epoch, state):
    if epoch == 2:
        raise KeyError
    save(checkpoints, epoch, state)
Checkpoints.save = disturbed
try:
    rn.run_experiment(run | {"output": "resumed"}, progress=False)
except KeyError:
    assert Path("resumed.unfinished").is_dir()
Checkpoints.save = save
rn.run_experiment(run | {"output": "resumed"}, resume=True, progress=False)

predictors = [rn.Predictor.load(place) for place in ("whole", "resumed")]
Path("pairs.csv").write_text("user,item\\n1,2\\n3,4\\n", encoding="utf-8")
for number, predictor in enumerate(predictors):
    predictor.predict_file("pairs.csv", f"predicted-{number}.csv")
predictors[0].save("resumed", overwrite=True)
rn.Predictor.load("resumed")

search = {"method": "grid", "space": {"model.l2": [0.001, 0.01]}, "workers": 2}
found = rn.tune(run | {"output": "tuned", "search": search}, progress=False)
assert list(found.trials["state"]) == ["complete", "complete"], found.trials
"""


@pytest.mark.slow
def test_all_goes_on_without_what_windows_does_not_have(tmp_path):
    """In processes that see of the system what Windows has: a run, resumed, saved anew, predicting; a search in two."""
    (tmp_path / "sitecustomize.py").write_text("from tests.as_on_windows import install\ninstall()\n")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    predicted = [(tmp_path / f"predicted-{number}.csv").read_text(encoding="utf-8") for number in (0, 1)]
    assert predicted[0].startswith('"user","item","prediction","source"\n"1","2",3.5')
    assert predicted[0] == predicted[1]
    assert not list(tmp_path.glob(".*"))
