"""How long the generator takes for ten million ratings, the Ratings value included, and its peak memory.

python benchmarks/synthetic_speed.py [--ratings 10000000]
"""

from __future__ import annotations

import argparse
import resource
import time

import recsys_nn as rn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=int, default=10_000_000)
    n = parser.parse_args().ratings
    began = time.perf_counter()
    ratings = rn.load_ratings("synthetic", n_users=n // 50, n_items=n // 500, n_ratings=n, seed=1)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{ratings}: {seconds:.1f} s, peak memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
