"""How often intervals of surrogates hold the truth, and what chosen points are worth.

Tables of a few functions, drawn anew for each seed; 90 % intervals of values and first
derivatives at 400 points of the box, by a process and by five networks, with their own
deviations and with calibrated ones. Then 5 points added to 8 of a hill with slopes:
those that `propose` chooses, against random ones.

    python studies/surrogate_intervals.py
"""

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri, stdtrit

from _keep import keep
from osculate import data, diff, tasks

SEEDS, DESIGN_SEEDS, LEVEL, POINTS = 3, 7, 0.9, 400
MEMBERS = 5
WAYS = {
    "process": {"model": "process"},
    "networks": {"model": "network", "members": MEMBERS, "budget": "600steps"},
}


class Case(NamedTuple):
    """A function on the box [-1, 1]^D, and what a table knows of it."""

    function: Callable[[Any], Any]
    inputs: int
    rows: int
    slopes: bool = True
    noise: float = 0.0


def hill(x):
    """A smooth hill."""
    return jnp.exp(-(x[0] ** 2) - 2 * x[1] ** 2)


def wave(x):
    """A wave of one input."""
    return jnp.sin(4 * x[0]) + 0.5 * x[0]


def valley(x):
    """Rosenbrock's, over 400."""
    a, b = 2 * x
    return ((1 - a) ** 2 + 100 * (b - a**2) ** 2) / 400


def step(x):
    """A steep step, which a network represents exactly: errors are rounding of fits."""
    return jnp.tanh(6 * (x[0] + 0.5 * x[1]))


def ridge(x):
    """A rounded ridge, which neither family expects."""
    return jnp.sqrt(0.02 + (x[0] + 0.5 * x[1]) ** 2)


def four(x):
    """Four inputs that act together."""
    return jnp.sin(x[0] * x[1] + x[2]) + 0.5 * jnp.exp(-x[3] * x[0])


CASES = {
    "hill, 12 rows with slopes": Case(hill, 2, 12),
    "wave, 8 values": Case(wave, 1, 8, slopes=False),
    "wave, 40 noisy values": Case(wave, 1, 40, slopes=False, noise=0.05),
    "valley, 20 rows with slopes": Case(valley, 2, 20),
    "step, 30 rows with slopes": Case(step, 2, 30),
    "ridge, 30 rows with slopes": Case(ridge, 2, 30),
    "hill, 30 noisy rows with slopes": Case(hill, 2, 30, noise=0.03),
    "four inputs, 40 rows with slopes": Case(four, 4, 40),
}


def jets(function, x):
    """Returns values `(N, 1)` and slopes `(N, 1, D)`."""
    jet = jax.jit(jax.vmap(diff.jet(lambda p: function(p)[None], 1)))
    return [np.asarray(t) for t in jet(jnp.asarray(x))]


def table_of(case: Case, x, random) -> data.Table:
    """Returns what is measured at points."""
    y, J = jets(case.function, x)
    y = y + case.noise * random.normal(size=y.shape)
    J = J + case.noise * random.normal(size=J.shape)
    return data.table(x, y, jacobian=J if case.slopes else None)


def coverage(case: Case, choices: dict[str, Any], seed: int) -> dict[str, Any]:
    """Returns shares of 90 % intervals that hold the truth, and sizes."""
    random = np.random.default_rng(seed)
    table = table_of(case, random.uniform(-1, 1, (case.rows, case.inputs)), random)
    found = tasks.surrogate(table, seed=seed, **choices)
    assert found.calibration is not None
    x = random.uniform(-1, 1, (POINTS, case.inputs))
    result = {}
    for order, truth in enumerate(jets(case.function, x)):
        low, high = found.interval(x, order, LEVEL)
        off = found.jet(x, order)[order] - truth
        factor = found.calibration.factor[order][0]
        own = found.deviation(x, order) / factor
        process = choices["model"] == "process"
        up = (1 + LEVEL) / 2
        times = ndtri(up) if process else stdtrit(MEMBERS - 1, up)
        result["slopes" if order else "values"] = {
            "covered": float(np.mean((low <= truth) & (truth <= high))),
            "covered, not calibrated": float(np.mean(np.abs(off) <= times * own)),
            "factor": factor,
            "error": float(np.sqrt(np.mean(off**2)) / np.std(truth)),
            "half width over error": float(
                np.median(high - low) / 2 / np.median(np.abs(off))
            ),
        }
    return result


def design(choices: dict[str, Any], seed: int) -> dict[str, float]:
    """Returns errors of a hill after 5 points more: chosen, and random."""
    case = Case(hill, 2, 8)
    random = np.random.default_rng(100 + seed)
    x, more = random.uniform(-1, 1, (8, 2)), random.uniform(-1, 1, (5, 2))
    test = random.uniform(-1, 1, (POINTS, 2))
    values, slopes = jets(hill, test)
    error = {}
    fit = lambda x: tasks.surrogate(table_of(case, x, random), seed=seed, **choices)
    first = fit(x)
    chosen = first.propose(5, low=[-1.0, -1.0], high=[1.0, 1.0])
    fits = {
        "8 points": first,
        "5 chosen": fit(np.concatenate([x, chosen])),
        "5 random": fit(np.concatenate([x, more])),
    }
    for name, found in fits.items():
        y, J = found.jet(test, 1)
        for what, off, truth in (("values", y, values), ("slopes", J, slopes)):
            rmse = float(np.sqrt(np.mean((off - truth) ** 2)) / np.std(truth))
            error[f"{name}, {what}"] = rmse
    return error


def main(seeds: int = SEEDS, design_seeds: int = DESIGN_SEEDS) -> dict[str, Any]:
    """Returns coverages by case and way, and medians of the designs."""
    covered: dict[str, Any] = {}
    for name, case in CASES.items():
        covered[name] = {}
        for way, choices in WAYS.items():
            began = time.perf_counter()
            runs = [coverage(case, choices, seed) for seed in range(seeds)]
            covered[name][way] = {
                what: {k: [r[what][k] for r in runs] for k in runs[0][what]}
                for what in runs[0]
            }
            seconds = time.perf_counter() - began
            print(f"{name}, {way}: {seconds:.0f} s", covered[name][way], flush=True)
    designs: dict[str, Any] = {}
    for way, choices in WAYS.items():
        runs = [design(choices, seed) for seed in range(design_seeds)]
        designs[way] = {k: [r[k] for r in runs] for k in runs[0]}
        medians = {k: float(np.median(v)) for k, v in designs[way].items()}
        print(way, medians, flush=True)
        designs[way] = {"runs": designs[way], "medians": medians}
    return {"level": LEVEL, "coverage": covered, "designs": designs}


if __name__ == "__main__":
    warnings.simplefilter("ignore", tasks.OutsideDataWarning)
    warnings.simplefilter("ignore", tasks.DataWarning)
    with jax.enable_x64(True):
        if "--quick" in sys.argv:
            main(1, 1)
        else:
            keep("surrogate_intervals", main())
