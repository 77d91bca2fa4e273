"""How often the intervals of an inverse problem hold the truth.

    python benchmarks/solve_coverage.py [--draws 400]

The heat equation with an unknown conductivity, measured at 81 points with a noise of
1 % of the largest value. Without noise `tasks.solve` finds it; from that solution every
draw of the noise is fitted anew, and its interval of 95 % either holds the true number
or does not. All draws share what is compiled.
"""

import argparse
import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from _common import keep
from osculate import curve, solve, tasks, train

TRUTH, NOISE, STEPS, POINTS = 0.4, 0.01, 20, 400


def measured() -> dict[str, np.ndarray]:
    """Returns where the temperature is measured, and what it is there."""
    line = np.linspace(0, 1, 9)
    x, t = (a.ravel() for a in np.meshgrid(line, line))
    u = np.sin(np.pi * x) * np.exp(-TRUTH * np.pi**2 * t)
    return {"x": x, "t": t, "u": u}


def declared() -> solve.Problem:
    """Returns the problem with measurements that are exact."""
    return solve.problem(
        solve.interval(x=(0, 1)) * solve.time(t=(0, 1)),
        lambda u_t, u_xx, k: u_t - k * u_xx,
        initial=lambda x: jnp.sin(jnp.pi * x),
        boundary={"x": 0.0},
        unknowns={"k": 1.0},
        data=measured(),
    )


def covered(solution: tasks.Solution, draws: int) -> dict[str, Any]:
    """Returns how often an interval holds the truth, and how wide it is."""
    problem, result = solution.problem, solution.result
    x = jax.tree.map(jnp.asarray, result.samples)
    dense = solve.samples_of(problem, solve.Counts(2 * POINTS, 1), jr.key(1))
    method, held, estimates, widths = curve.levenberg_marquardt(), [], [], []
    for k in range(draws):
        noise = NOISE * jr.normal(jr.key(k), (81,))
        seen = x["data"]
        moved = dataclasses.replace(seen, y={"u": seen.y["u"] + noise})
        fit = train.fit(
            result.objective, result.value, {**x, "data": moved}, method, steps=STEPS
        )
        sure = curve.covariance(
            result.objective,
            fit.value,
            {**dense, "data": moved},
            of=lambda model: model["unknowns"],
            observed="data",
        )
        low, high = sure.interval(0.95)
        held.append(bool(low["k"] <= TRUTH <= high["k"]))
        estimates.append(float(sure.value["k"]))
        widths.append(float(sure.standard_error["k"]))
    return {
        "draws": draws,
        "coverage": float(np.mean(held)),
        "spread of the estimates": float(np.std(estimates)),
        "mean of the estimates": float(np.mean(estimates)),
        "mean standard error": float(np.mean(widths)),
    }


def main() -> None:
    """Fits, covers, keeps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=400)
    draws = parser.parse_args().draws
    jax.config.update("jax_enable_x64", True)
    choices = {"width": 10, "depth": 2, "points": POINTS, "budget": "600steps"}
    solution = tasks.solve(declared(), **choices)
    began = time.perf_counter()
    found = covered(solution, draws)
    keep(
        "solve_coverage",
        {
            "truth": TRUTH,
            "noise": NOISE,
            "without noise": {
                "k": float(solution.unknowns["k"]),
                "error": abs(float(solution.unknowns["k"]) - TRUTH),
            },
            "with noise": found,
            "seconds": time.perf_counter() - began,
        },
    )


if __name__ == "__main__":
    main()
