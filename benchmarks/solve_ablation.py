"""What each choice of the solver is worth: one changed at a time, all else equal.

    python benchmarks/solve_ablation.py [--seeds 1] [--only NAME ...]

Poisson's equation (30 s) and Burgers' (60 s), with the same network, number of points,
start and time, compilation included. Changed are the precision, how conditions are met,
the method, and whether points are drawn anew where the residual is large. Errors are
relative L2 norms on the grid of the problem.
"""

import argparse
import json
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from _clock import in_a_process, merge
from _common import place
from osculate import curve, solve, train
from osculate.solve import problems
from osculate.tasks._reference import relative_l2

SECONDS = {"poisson": 30.0, "burgers": 60.0}
POINTS = {"poisson": 900, "burgers": 4000}
EVERY = 400


class Way(NamedTuple):
    """One choice for everything; `adaptive` is None where the equation decides."""

    precision: str = "float64"
    soft: bool = False
    method: str = "ssbroyden"
    adaptive: bool | None = None


WAYS = {
    "as it is": Way(),
    "float32": Way(precision="float32"),
    "soft conditions": Way(soft=True),
    "Adam": Way(method="adam"),
    "L-BFGS": Way(method="lbfgs"),
    "Levenberg-Marquardt": Way(method="levenberg_marquardt"),
    "fixed points": Way(adaptive=False),
    "adaptive points": Way(adaptive=True),
}


def optimizer(way: Way) -> Any:
    """Returns the method of a way."""
    return {
        "ssbroyden": lambda: curve.ssbroyden(dtype=way.precision),
        "levenberg_marquardt": curve.levenberg_marquardt,
        "adam": lambda: train.first_order(optax.adam, 1e-3),
        "lbfgs": train.lbfgs,
    }[way.method]()


def one(name: str, title: str, seed: int) -> dict[str, Any]:
    """Fits once and returns what came of it."""
    way, entry, began = WAYS[title], problems.named(name), time.perf_counter()
    with jax.enable_x64(way.precision == "float64"):
        declared = entry.make()
        declared = declared.softened() if way.soft else declared
        keys = jr.split(jr.key(seed), 5)
        model = solve.model_of(declared, **entry.network, key=keys[0])
        counts = solve.Counts(POINTS[name], 200)
        samples = solve.samples_of(declared, counts, keys[1])
        fresh = solve.Counts(2 * POINTS[name], 200)
        validation = solve.samples_of(declared, fresh, keys[2])
        objective = solve.objective_of(declared)
        if len(objective.terms) > 1:
            weights = solve.balanced(objective, model, samples, keys[3])
            objective = solve.objective_of(declared, weights)
        adaptive = way.adaptive
        if adaptive is None:
            adaptive = not solve.is_linear(declared)
        more = {}
        if adaptive:
            sampler = solve.residual_adaptive(declared)
            more = {"sampler": sampler, "sample_every": EVERY, "key": keys[4]}
        found = train.fit(
            objective,
            model,
            samples,
            optimizer(way),
            seconds=SECONDS[name] - (time.perf_counter() - began),
            validation=validation,
            **more,
        )

        def at(**coordinates: Any) -> np.ndarray:
            names = declared.domain.names
            x = jnp.stack([jnp.asarray(coordinates[n]) for n in names], axis=-1)
            fields = jax.jit(jax.vmap(solve.fields_of(found.value)))
            return np.asarray(fields(x)["u"], float)

        error = relative_l2(declared, at, entry.grid)
    return {"error": error, "steps": found.stats["steps"]}


def main() -> None:
    """Measures and keeps both problems."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", help="names of problems")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, title, seed = options.one
        print(json.dumps(one(name, title, int(seed))))
        return
    for name in options.only or SECONDS:
        for title in WAYS:
            rows = [
                in_a_process(__file__, name, title, seed)
                for seed in range(options.seeds)
            ]
            print(name, title, rows, flush=True)
            merge("solve_ablation", {"machine": place()}, name, {title: rows})


if __name__ == "__main__":
    main()
