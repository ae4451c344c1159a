"""What each dependency of the runtime weighs, in megabytes and in seconds of import.

    python benchmarks/dependencies.py > benchmarks/results/dependencies.md

Packages of extras follow those of the runtime, as far as they are installed here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import metadata

from packaging.requirements import Requirement

OURS = "recsys-nn"
LARGEST = {"matplotlib": "matplotlib.pyplot", "scipy": "scipy.stats"}
"""The largest module that is used, of packages that import their modules one by one."""
TEXT = """# What the dependencies weigh

`python benchmarks/dependencies.py`. MB are those of the installed files without bytecode: of the package, and of it
with all that is installed for it and for no other dependency (-: another needs it too). Seconds are of the processors,
the least of three processes that import it, above those of an empty one. Keras imports scikit-learn, pandas and
matplotlib where they are installed, so that they count in TensorFlow's seconds too.

| package | extra | MB | MB with its own | import |
|---|---|---|---|---|"""


def main() -> None:
    extras = metadata.metadata(OURS).get_all("Provides-Extra") or []
    print(TEXT)
    runtime = requirements(OURS, "")
    empty = import_seconds("sys")
    for extra, names in [("", runtime), *((extra, requirements(OURS, extra) - runtime) for extra in extras)]:
        for name in sorted(filter(installed, names)):
            own = closure({name}) - closure((runtime | names) - {name})
            whole = f"{megabytes(own):.1f}" if name in own else "-"
            spent = import_seconds(LARGEST.get(name) or module_of(name)) - empty
            print(f"| {name} | {extra} | {megabytes({name}):.1f} | {whole} | {max(spent, 0):.2f} s |", flush=True)


def requirements(name: str, extra: str) -> set[str]:
    found = (Requirement(text) for text in metadata.requires(name) or [])
    return {canonical(one.name) for one in found if one.marker is None or one.marker.evaluate({"extra": extra})}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


def module_of(name: str) -> str:
    """The module of a package, among several the one that is named most like it."""
    modules = [module for module, names in metadata.packages_distributions().items() if name in map(canonical, names)]
    return max(modules, key=lambda module: (canonical(module) == name, not module.startswith("_"), module))


def closure(names: set[str]) -> set[str]:
    """These packages and all that they require, as far as it is installed."""
    found: set[str] = set()
    left = set(names)
    while left:
        name = left.pop()
        if name not in found and installed(name):
            found.add(name)
            left |= requirements(name, "")
    return found


def megabytes(names: set[str]) -> float:
    files = {file.locate() for name in names for file in metadata.files(name) or [] if file.suffix != ".pyc"}
    return sum(os.path.getsize(file) for file in files if os.path.isfile(file)) / 1e6


def import_seconds(module: str) -> float:
    def once() -> float:
        process = subprocess.Popen([sys.executable, "-c", f"import {module}"], stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{module} cannot be imported")
        return usage.ru_utime + usage.ru_stime

    return min(once() for _ in range(3))


if __name__ == "__main__":
    main()
