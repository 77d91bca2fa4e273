"""What derivatives buy on water (SPEC S0.3): values only against values + gradients.

The same network, random weights, rows and budget of steps; both arms are measured on
the 2,000 rows of the test table. Medians and quartiles over seeds. RRMSE is ruled by
the few test points next to the critical point, where derivatives diverge; the ratio of
the errors at the median, 90 % and 99 % test point says what the others see.

    python benchmarks/water.py [--seeds 5] [--points 50 100 200 400]
"""

import argparse
import statistics
from typing import Any

import numpy as np

from _common import keep, spread
from osculate import data, report, tasks

QUANTILES = (0.5, 0.9, 0.99)
ORDERS = {0: ("h", "rho"), 1: ("h_T", "h_p", "rho_T", "rho_p")}


def one(points: int, seed: int, order: int) -> dict[str, Any]:
    """Fits the first so many rows with derivatives up to an order, and without."""
    table = data.water().rows(slice(0, points)).up_to(order)
    test = data.water_test().up_to(1)
    found = tasks.surrogate(table, test=test, compare=True, seed=seed)
    shown = found.page.evaluation
    return {
        "quantiles": {q: quantile_ratios(shown, q) for q in QUANTILES},
        "with": {name: m["rrmse"] for name, m in found.metrics.items()},
        "values only": {name: m["rrmse"] for name, m in found.values_only.items()},
        "seconds": found.result.stats["seconds"],
        "network": found.page.facts["Configuration"]["network"],
    }


def quantile_ratios(shown: report.Evaluation, q: float) -> dict[str, float]:
    """Returns error with over error without derivatives, at a quantile, by name."""
    error = lambda columns, n: np.quantile(np.abs(columns[n] - shown.truth[n]), q)
    return {
        n: error(shown.prediction, n) / error(shown.values_only, n) for n in shown.truth
    }


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the seeds, by name, and the gain of each order of derivative."""
    found: dict[str, Any] = {
        arm: {name: spread([r[arm][name] for r in runs]) for name in runs[0][arm]}
        for arm in ("with", "values only")
    }
    for order, names in ORDERS.items():
        ratio = [
            statistics.geometric_mean(r["with"][n] / r["values only"][n] for n in names)
            for r in runs
        ]
        found[f"RRMSE of order {order}, with / values only"] = spread(ratio)
        for q in QUANTILES:
            at = [
                statistics.geometric_mean(r["quantiles"][q][n] for n in names)
                for r in runs
            ]
            found[f"{q:.0%} error of order {order}, with / values only"] = spread(at)
    found["seconds"] = spread([r["seconds"] for r in runs])
    found["network"] = runs[0]["network"]
    return found


def main() -> None:
    """Runs all sizes and keeps the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--points", type=int, nargs="*", default=[50, 100, 200, 400])
    options = parser.parse_args()
    found: dict[str, Any] = {"seeds": options.seeds, "test rows": 2000}
    for order, title in (
        (1, "values + gradients"),
        (2, "values + gradients + Hessians"),
    ):
        for points in options.points:
            runs = [one(points, seed, order) for seed in range(options.seeds)]
            found[f"{title}, {points} points"] = summary(runs)
            print(title, points, flush=True)
    keep("water", found)


if __name__ == "__main__":
    main()
