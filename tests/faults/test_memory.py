"""Memory that does not suffice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import recsys_nn as rn
from tests.faults.kill_saving import content

LIMITED = """
import resource, sys
import recsys_nn.experiment.run, recsys_nn.training.engines.choose, tensorflow as tf
from recsys_nn.cli import main
tf.constant(0)
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 150 * 2**20,) * 2)
sys.argv = ["recsys-nn", *sys.argv[1:]]
main()
"""


CONFIG = (
    "data: {source: synthetic, options: {n_users: 100000, n_items: 2000, n_ratings: 200000}}\ntraining: {epochs: 2}"
)


@pytest.fixture(scope="module")
def old_run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    (folder / "run.yaml").write_text(CONFIG)
    small = ["model.kind=svd", "model.embedding_dim=2", "training.epochs=1", f"output={folder / 'run'}"]
    rn.run_experiment(folder / "run.yaml", overrides=small, progress=False)
    return folder / "run"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the limit is set by what /proc says")
@pytest.mark.parametrize("dimension", [64, 1_000])
def test_a_training_that_needs_more_leaves_the_old_run_and_one_line(tmp_path, old_run, dimension):
    config, run = tmp_path / "run.yaml", shutil.copytree(old_run, tmp_path / "run")
    config.write_text(f"{CONFIG}\nmodel: {{kind: svd, embedding_dim: {dimension}}}\noutput: {run}\n")
    before = content(run)
    command = [sys.executable, "-c", LIMITED, "train", str(config), "--overwrite"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("recsys-nn: there is not enough memory: ")
    assert content(run) == before
    assert {entry.name for entry in tmp_path.iterdir()} == {"run", "run.yaml"}
