"""How soon the package answers: `recsys-nn --help` and `import recsys_nn`, as whole processes.

    python benchmarks/startup.py [--runs 11]

Prints the median and the range of wall times, and the bare interpreter's for comparison.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": "pass",
    "import recsys_nn": "import recsys_nn",
    "recsys-nn --help": "import sys; sys.argv = ['recsys-nn', '--help']; from recsys_nn.cli import main; main()",
}


def seconds(script: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=11)
    runs = parser.parse_args().runs
    for name, script in COMMANDS.items():
        seconds(script)
        times = [seconds(script) for _ in range(runs)]
        print(
            f"{name:<18} median {statistics.median(times):.3f} s   ({min(times):.3f} to {max(times):.3f}, {runs} runs)"
        )


if __name__ == "__main__":
    main()
