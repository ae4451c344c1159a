"""The commands of the installed wheel, without the repository: those that need no extra, and each extra's own."""

import csv
import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.wheel.installed import ENVIRONMENT, Installed

pytestmark = pytest.mark.slow

RUN = """
output: films
data:
  source: films.csv
  scale: [1, 5]
  split: {kind: random, validation: 0.2, test: 0.2}
model: {kind: svd, embedding_dim: 2}
training: {epochs: 2, engine: keras}
"""
SEARCH = """
search:
  method: grid
  space: {training.learning_rate: [0.001, 0.01]}
"""


def with_table(installed: Installed) -> Installed:
    pairs = [(user, item) for user in range(12) for item in range(10) if (user + item) % 3]
    rows = [f"u{user},i{item},{1 + (user * item + user) % 5}" for user, item in pairs]
    (installed.folder / "films.csv").write_text("\n".join(["user,item,rating", *rows]))
    (installed.folder / "pairs.csv").write_text("user,item\nu1,i1\nnew,i2\n")
    (installed.folder / "films.yaml").write_text(RUN)
    (installed.folder / "search.yaml").write_text(RUN + SEARCH)
    succeeded(installed, "train", "films.yaml")
    return installed


def succeeded(installed: Installed, *arguments: object) -> str:
    done = installed.run("recsys-nn", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def alone(plain) -> Installed:
    return with_table(plain)


@pytest.fixture(scope="module")
def complete(full) -> Installed:
    return with_table(full)


def test_a_run_predicts_where_no_extra_is_installed(alone):
    assert succeeded(alone, "--version").split()[-1] == "0.1.0"
    succeeded(alone, "predict", "films", "pairs.csv", "--output", "predicted.csv")
    with (alone.folder / "predicted.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["user"], row["item"], row["source"]) for row in rows] == [("u1", "i1", "model"), ("new", "i2", "item")]


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("search", ["tune", "search.yaml"]),
        ("serve", ["serve", "films", "--port", "0"]),
        ("onnx", ["export", "films", "--output", "films.onnx", "--format", "onnx"]),
        ("tensorboard", ["train", "films.yaml", "--set", "output=logged", "--set", "tracking.tensorboard=logs"]),
        ("mlflow", ["train", "films.yaml", "--set", "output=logged", "--set", "tracking.mlflow=films"]),
        ("ray", ["train", "films.yaml", "--set", "output=shared", "--set", "cluster.workers=2"]),
    ],
)
def test_what_misses_an_extra_names_it(extra, arguments, alone):
    done = alone.run("recsys-nn", *arguments)
    assert (done.returncode, f"is not installed: pip install 'recsys-nn[{extra}]'" in done.stderr) == (2, True), (
        done.stderr
    )


def test_search(complete):
    succeeded(complete, "tune", "search.yaml")
    assert (complete.folder / "films-search" / "best.yaml").is_file()


def test_serve(complete):
    command = [str(complete.programs / "recsys-nn"), "serve", "films", "--port", "0"]
    with subprocess.Popen(command, cwd=complete.folder, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as server:
        try:
            told = (re.search(r"http://[\d.]+:\d+", line) for line in server.stderr)
            address = next(found[0] for found in told if found)
            with urllib.request.urlopen(f"{address}/", timeout=10) as page:
                assert b"<html" in page.read()
        finally:
            server.terminate()


@pytest.mark.parametrize(
    ("format", "name", "opened"),
    [
        ("onnx", "films.onnx", "import onnxruntime; onnxruntime.InferenceSession('films.onnx')"),
        ("litert", "films.tflite", "from ai_edge_litert.interpreter import Interpreter; Interpreter('films.tflite')"),
    ],
)
def test_export(format, name, opened, complete):
    succeeded(complete, "export", "films", "--output", name, "--format", format)
    done = complete.run("python", "-c", opened)
    assert done.returncode == 0, done.stderr


def test_tracking(complete):
    tracking = {"tensorboard": "logs", "mlflow": {"experiment": "films", "uri": "sqlite:///runs.db"}}
    succeeded(complete, "train", "films.yaml", "--set", "output=logged", "--set", f"tracking={json.dumps(tracking)}")
    assert list((complete.folder / "logs").rglob("events.out.tfevents*"))
    assert (complete.folder / "runs.db").is_file()


def test_as_a_tool_of_uv(uv, built, tmp_path):
    wheel, versions = built
    uv("tool", "install", "--quiet", "--python", sys.executable, "--constraints", versions, wheel,
       UV_TOOL_DIR=str(tmp_path / "tools"), UV_TOOL_BIN_DIR=str(tmp_path / "bin"))  # fmt: skip
    printed = subprocess.run(
        [str(Path(tmp_path / "bin" / "recsys-nn")), "--version"],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "0.1.0" in printed
