"""How long scoring takes: one request from features to score and contributions, and loading the bundle.

``python -m benchmarks.scoring`` measures the candidate of the last training (or ``--bundle DIRECTORY``) on its own test
cases and prints medians beside their budgets: 2 ms a request, 1 s for the bundle. Exit code 1 where one is broken.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

from features.types import FeatureVector
from models.bundle import load_bundle
from training.config import DATA_DIRECTORY
from training.dataset import load

SCORE_BUDGET_MS = 2.0
LOAD_BUDGET_MS = 1000.0


def main() -> int:
    """Measure and print; 1 where a budget is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DATA_DIRECTORY, help="directory of the training's table")
    parser.add_argument("--bundle", type=Path, help="bundle to load (default: OUT/candidate)")
    parser.add_argument("--n", type=int, default=1000, help="requests to score")
    options = parser.parse_args()
    directory = options.bundle or options.out / "candidate"
    cases = load(options.out / "features.parquet").split("test")
    # The first load pays for importing scikit-learn and skops, as a process does once.
    began = time.perf_counter()
    bundle = load_bundle(directory)
    cold = 1000.0 * (time.perf_counter() - began)
    loads = []
    for _ in range(5):
        began = time.perf_counter()
        bundle = load_bundle(directory)
        loads.append(1000.0 * (time.perf_counter() - began))
    rows = cases.features[: options.n].tolist()
    bundle.score(FeatureVector(cases.schema, tuple(rows[0])))
    taken = []
    for row in rows:
        vector = FeatureVector(cases.schema, tuple(row))
        began = time.perf_counter()
        bundle.score(vector)
        taken.append(1000.0 * (time.perf_counter() - began))
    quantiles = statistics.quantiles(taken, n=20)
    score, load_ms = statistics.median(taken), statistics.median(loads)
    print(f"score and contributions, {len(taken)} requests: median {score:.2f} ms, 95 % {quantiles[-1]:.2f} ms "
          f"(budget {SCORE_BUDGET_MS:g} ms)")  # fmt: skip
    print(
        f"loading the bundle: median {load_ms:.0f} ms, first in the process {cold:.0f} ms (budget {LOAD_BUDGET_MS:g} ms)"
    )
    return int(score > SCORE_BUDGET_MS or load_ms > LOAD_BUDGET_MS)


if __name__ == "__main__":
    sys.exit(main())
