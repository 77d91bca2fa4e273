"""How near solutions of the library's problems come to the truth, and in what time.

    python benchmarks/solve_library.py [--seeds 5] [--first 0] [--only NAME ...]

Every run is a process of its own that has compiled nothing, one at a time. The budget
of seed 0 is in seconds and counts from the call of `tasks.solve`; "wall" is that call,
compilation and certificate included. The other seeds take as many steps as seed 0
could: they may run beside other work. Errors are relative L2 norms on the grid of the
problem, for the cavity over the velocities in the tables of Ghia, Ghia and Shin (1982);
the aim stands beside them.
"""

import argparse
import json
import os
import time
from typing import Any, NamedTuple

import numpy as np

from _clock import in_a_process, merge, read
from _common import place
from osculate import tasks
from osculate.solve import problems
from osculate.solve.problems import _cavity

NO_CACHE = ("JAX_COMPILATION_CACHE_DIR", "OSCULATE_CACHE")


class Run(NamedTuple):
    """A problem with a budget in seconds, and the error that is aimed at."""

    problem: str
    seconds: int
    aim: float
    options: dict[str, Any]


RUNS = {
    "Poisson, 15 s": Run("poisson", 15, 1e-12, {}),
    "Poisson, soft, 15 s": Run("poisson", 15, 1e-9, {"soft": True}),
    "heat, 15 s": Run("heat", 15, 5e-12, {}),
    "Helmholtz, 60 s": Run("helmholtz", 60, 1e-6, {}),
    "wave, 60 s": Run("wave", 60, 1e-6, {}),
    "KdV, 60 s": Run("kdv", 60, 1e-6, {}),
    "Kovasznay, 60 s": Run("kovasznay", 60, 1e-6, {}),
    "Burgers, 60 s": Run("burgers", 60, 2e-6, {}),
    "Allen-Cahn, 60 s": Run("allen-cahn", 60, 2e-6, {}),
    "Poisson, 1 min": Run("poisson", 60, 1e-12, {}),
    "heat, 1 min": Run("heat", 60, 5e-12, {}),
    "Poisson, soft, 1 min": Run("poisson", 60, 1e-9, {"soft": True}),
    "Helmholtz, 4 min": Run("helmholtz", 240, 1e-6, {}),
    "wave, 4 min": Run("wave", 240, 1e-6, {}),
    "KdV, 4 min": Run("kdv", 240, 1e-6, {}),
    "Burgers, 2 min": Run("burgers", 120, 2e-6, {}),
    "Allen-Cahn, 2 min": Run("allen-cahn", 120, 2e-6, {}),
    "Poisson 5-D, 5 min": Run("poisson-5d", 300, 1e-7, {}),
    "Poisson 5-D, soft, 5 min": Run("poisson-5d", 300, 1e-7, {"soft": True}),
    "L-shape, 1 min": Run("poisson-l", 60, 1e-6, {}),
    "Lotka-Volterra, 1 min": Run("lotka-volterra", 60, 1e-6, {}),
    "Lorenz, 1 min": Run("lorenz", 60, 1e-6, {}),
    "elliptic inverse, 1 min": Run("elliptic-inverse", 60, 1e-5, {}),
    "Poisson 100-D, 1 min": Run("poisson-100d", 60, 1e-2, {}),
    "cavity, 4 min": Run("cavity", 240, 1e-2, {}),
    "cavity-400, 4 min": Run("cavity-400", 240, 1e-2, {}),
    "Burgers, 10 min": Run("burgers", 600, 1e-7, {}),
    "Allen-Cahn, 10 min": Run("allen-cahn", 600, 3e-7, {}),
    "heat 4-D, 10 min": Run("heat-4d", 600, 1e-6, {}),
    "heat 4-D, soft, 10 min": Run("heat-4d", 600, 1e-6, {"soft": True}),
}


def one(name: str, budget: str, seed: int, options: dict[str, Any]) -> dict:
    """Solves once and returns what came of it."""
    entry = problems.named(name)
    choices = {"budget": budget, "seed": seed, **options}
    declared: Any = name
    if choices.pop("soft", False):
        declared = entry.make().softened()
        choices = {**entry.choices, **choices}
    began = time.perf_counter()
    found = tasks.solve(declared, **choices)
    wall = time.perf_counter() - began
    return {
        "error": from_tables(name, found) or found.relative_l2(),
        "estimated": found.error_estimate,
        "verdict": found.verdict,
        "steps": found.result.stats["steps"],
        "fit": found.result.stats["seconds"],
        "wall": wall,
    }


def from_tables(name: str, found: tasks.Solution) -> float | None:
    """Returns the distance of a cavity's velocities from those in print."""
    if not name.startswith("cavity"):
        return None
    reynolds = 400 if name.endswith("400") else 100
    y, x = np.array(_cavity.LINE_Y), np.array(_cavity.LINE_X)
    u = found(x=np.full_like(y, 0.5), y=y)["u"], _cavity.LINE_U[reynolds]
    v = found(x=x, y=np.full_like(x, 0.5))["v"], _cavity.LINE_V[reynolds]
    came, told = np.concatenate([u, v], axis=1)
    misprint = np.concatenate([y < 0, (x == 0.9063) & (reynolds == 400)])
    came, told = came[~misprint], told[~misprint]
    return float(np.linalg.norm(came - told) / np.linalg.norm(told))


def measured(run: Run, kept: list[dict], seeds: int) -> dict[str, Any]:
    """Returns all seeds of one run, its median and its worst; `kept` are the first."""
    found = list(kept)
    env = {k: v for k, v in os.environ.items() if k not in NO_CACHE}
    options = json.dumps(run.options)
    for seed in range(len(kept), seeds):
        budget = f"{found[0]['steps']}steps" if found else f"{run.seconds}s"
        words = (run.problem, budget, seed, options)
        found.append(in_a_process(__file__, *words, env=env))
        last = found[-1]
        print(
            f"  {last['error']:.1e} (estimated {last['estimated']:.1e}), "
            f"{last['steps']} steps, {last['wall']:.0f} s",
            flush=True,
        )
    errors = sorted(row["error"] for row in found)
    return {
        "aim": run.aim,
        "floor": problems.named(run.problem).floor,
        "median": errors[len(errors) // 2],
        "worst": errors[-1],
        "seeds": found,
    }


def main() -> None:
    """Measures and keeps each case."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="seeds before it are kept")
    parser.add_argument("--only", nargs="+", help="names of cases")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, budget, seed, choices = options.one
        found = one(name, budget, int(seed), json.loads(choices))
        print(json.dumps(found))
        return
    head, before = {"machine": place()}, read("solve_library").get("cases", {})
    for name, run in RUNS.items():
        if options.only and name not in options.only:
            continue
        print(f"{name} (aim {run.aim:g})", flush=True)
        kept = before[name]["ours"]["seeds"][: options.first] if options.first else []
        found = measured(run, kept, options.seeds)
        merge("solve_library", head, name, {"ours": found})


if __name__ == "__main__":
    main()
