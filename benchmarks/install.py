"""How soon a new machine has trained a model: `make train` in fresh clones, with empty caches and with warm ones.

    python benchmarks/install.py [--against COMMIT] [--warm 3]

Clones the last commit of this repository into a temporary folder, without uv on the PATH, times `make train` as a whole
process, and lists the installed packages that the training did not import. ``--against`` times an older commit with
empty caches beside it. The caches are of this run alone; what the system itself keeps of files is not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]

UNUSED = """
import importlib.metadata, json, sys
sys.argv = ["recsys-nn", "train", "configs/quickstart.yaml", "--overwrite"]
from recsys_nn.cli import main
try:
    main()
except SystemExit:
    pass
loaded = {name.partition(".")[0] for name in sys.modules}
packages = importlib.metadata.packages_distributions()
used = {package for module in loaded for package in packages.get(module, [])}
found = {each.metadata["Name"]: each.files or [] for each in importlib.metadata.distributions()}
sizes = {name: sum(file.size or 0 for file in files) for name, files in found.items()}
with open("unused.json", "w") as stream:
    json.dump({"all": sum(sizes.values()), "unused": {name: sizes[name] for name in sizes.keys() - used}}, stream)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", metavar="COMMIT")
    parser.add_argument("--warm", type=int, default=3, metavar="RUNS")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        cold = trained(folder / "clone", folder / "caches", "HEAD")
        print(f"make train, empty caches    {cold:6.1f} s")
        warm = [trained(folder / "clone", folder / "caches", "HEAD") for _ in range(given.warm)]
        print(f"make train, warm caches     {statistics.median(warm):6.1f} s   ({min(warm):.1f} to {max(warm):.1f})")
        tell_sizes(folder / "clone")
        if given.against:
            before = trained(folder / "clone", folder / "old caches", given.against)
            print(f"{given.against:<12} empty caches  {before:6.1f} s, so the ratio is {cold / before:.2f}")


def trained(clone: Path, caches: Path, commit: str) -> float:
    """Seconds of `make train` in a fresh clone."""
    shutil.rmtree(clone, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    subprocess.run(["git", "checkout", "--quiet", commit], cwd=clone, check=True)
    kept = {"UV_CACHE_DIR": str(caches / "uv"), "PIP_CACHE_DIR": str(caches / "pip"), "PATH": without_uv()}
    began = time.perf_counter()
    subprocess.run(["make", "train"], cwd=clone, env=os.environ | kept, check=True, capture_output=True)
    return time.perf_counter() - began


def without_uv() -> str:
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if not (Path(folder) / "uv").exists())


def tell_sizes(clone: Path) -> None:
    subprocess.run([".venv/bin/python", "-c", UNUSED], cwd=clone, check=True, capture_output=True)
    found = json.loads((clone / "unused.json").read_text())
    print(f"installed                   {found['all'] / 1e6:6.0f} MB")
    for name, size in sorted(found["unused"].items(), key=lambda item: -item[1]):
        print(f"  not imported by training: {name}, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
