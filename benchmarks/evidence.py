"""What penalties and noise levels found by evidence gain over none, on small networks.

    python benchmarks/evidence.py [--seeds 3] [--only NAME ...]

The network that `tasks.surrogate` chooses by the table, with `regularization` "auto"
and "none". Errors are root mean squares over the spread of the function, at 2,000
points; one draw of the rows and of the start per seed. Where slopes are noisy (20 % of
the root mean square of each), values are exact, and the network of values alone is
fitted too. No times: they are in `match_peers.py`.
"""

import argparse
import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import qmc

from _clock import merge
from _common import place
from functions import PARABOLA, RASTRIGIN, ROSENBROCK, SINUSOID, WATER_FLOW, Function
from osculate import data, tasks

TEST, NOISE = 2000, 0.2


class Case(NamedTuple):
    """A function, its rows, and noise in its slopes; a grid where levels are given."""

    function: Function
    rows: int
    noise: float = 0.0
    levels: int = 0


CASES = {
    "sinusoid, 4": Case(SINUSOID, 4, levels=4),
    "parabola, 9": Case(PARABOLA, 9, levels=3),
    "Rosenbrock, 10": Case(ROSENBROCK, 10),
    "water flow, 20": Case(WATER_FLOW, 20),
    "Rosenbrock, 40": Case(ROSENBROCK, 40),
    "Rastrigin, 100": Case(RASTRIGIN, 100),
    "Rosenbrock, 40, noisy slopes": Case(ROSENBROCK, 40, NOISE),
    "Rastrigin, 100, noisy slopes": Case(RASTRIGIN, 100, NOISE),
}


def points(function: Function, N: int, seed: int, levels: int = 0) -> np.ndarray:
    """Returns a Latin hypercube, or a full grid."""
    low, high = np.transpose([*function.ranges.values()])
    if levels:
        axes = [np.linspace(a, b, levels) for a, b in zip(low, high, strict=True)]
        return np.stack(np.meshgrid(*axes), -1).reshape(-1, len(axes))
    unit = qmc.LatinHypercube(len(low), rng=np.random.default_rng(seed)).random(N)
    return low + (high - low) * unit


def table(case: Case, seed: int) -> data.Table:
    """Returns the rows of a case."""
    x = points(case.function, case.rows, seed, case.levels)
    with jax.enable_x64(True):
        found = jax.vmap(jax.value_and_grad(case.function.at))(jnp.asarray(x))
    y, slopes = map(np.asarray, found)
    unit = np.random.default_rng(100 + seed).standard_normal(slopes.shape)
    noisy = slopes + case.noise * np.sqrt(np.mean(slopes**2, axis=0)) * unit
    return data.table(x, y, jacobian=noisy[:, None])


def error(case: Case, rows: data.Table, seed: int, regularization: str) -> float:
    """Fits, and returns the error of values over their spread."""
    fitted = tasks.surrogate(
        rows, model="network", regularization=regularization, seed=seed
    )
    x = points(case.function, TEST, 1000 + seed)
    with jax.enable_x64(True):
        y = np.asarray(jax.vmap(case.function.at)(jnp.asarray(x)))
    off = fitted.predict(x)[:, 0] - y
    return float(np.sqrt(np.mean(off**2)) / y.std())


def measured(case: Case, seeds: int) -> dict[str, list[float]]:
    """Returns errors by way, one per seed."""
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        rows = table(case, seed)
        ways = {"auto": (rows, "auto"), "none": (rows, "none")}
        if case.noise:
            ways["auto, values only"] = (rows.up_to(0), "auto")
        for name, (given, regularization) in ways.items():
            found.setdefault(name, []).append(error(case, given, seed, regularization))
        print({name: f"{errors[-1]:.2g}" for name, errors in found.items()}, flush=True)
    return found


def main() -> None:
    """Measures the cases and keeps each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", help="names of cases")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    head = {"machine": place(), "test points": TEST, "noise of slopes": NOISE}
    for name, case in CASES.items():
        if options.only and name not in options.only:
            continue
        print(name, flush=True)
        merge("evidence", head, name, measured(case, options.seeds))


if __name__ == "__main__":
    main()
