"""Methods for the second stage of a surrogate's fit, at equal seconds.

Tables, split, network, objective and first stage (Adam) are those of
`tasks.surrogate`; every method then goes on from the same point for the same seconds
and is judged by the rows held out, as in the task, and by rows of a test table. With
compilation included, the time of a method begins with its first call: what it took to
compile is taken off its seconds. Ratios are medians over seeds of the recipe of the
task over those of a method: below 1, the task's is better.

    python benchmarks/curve_races.py [--engine FOLDER] [--seconds 7] [--seeds 5]

FOLDER holds the engine deck, as for `engine_deck.py`; without it that is left out.
"""

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

import functions
from _common import keep, spread
from engine_deck import deck
from osculate import curve, data, report, train
from osculate.core import Objective, Optimizer, trainable
from osculate.tasks._arm import ROWS_PER_CHUNK
from osculate.tasks._auto import auto
from osculate.tasks._build import (
    LABEL,
    Split,
    held_out_rows,
    keys_of,
    network,
    objective,
    orders_of,
    scales_of,
    split,
)
from osculate.tasks._evaluate import evaluation
from osculate.tasks._plan import WARM_UP
from osculate.tasks._settings import Settings

ROWS, TEST_ROWS = 400, 2000  # of the closed forms
TASK = "task"
METHODS: dict[str, Callable[[Any], Optimizer]] = {
    TASK: lambda model: auto(model, ROWS).optimizers[0],
    "L-BFGS": lambda model: train.lbfgs(),
    "Levenberg-Marquardt": lambda model: curve.levenberg_marquardt(),
}
CHUNKS = {"Levenberg-Marquardt": 5}  # steps between two looks, where steps are long

Tables = tuple[data.Table, data.Table]


class Start(NamedTuple):
    """Where all methods begin.

    Attributes:
        wanted: The objective.
        model: The network after Adam.
        rows: Fitted and held-out rows.
        every: Steps between two looks.
        test: Rows to judge by.
        seconds: That the first stage took, compilation included.
    """

    wanted: Objective
    model: Any
    rows: Split
    every: int
    test: data.Table
    seconds: float


def water(output: int, seed: int) -> Tables:
    """Returns one output of the tables of water; the seed is that of the split alone.

    Args:
        output: Its index.
        seed: Not used.

    Returns:
        Training and test table.
    """
    del seed
    return column(data.water(), output), column(data.water_test(), output)


def column(table: data.Table, output: int) -> data.Table:
    """Returns the values and gradients of one output of a table."""
    return data.table(
        table.x,
        table.y["value"][:, output],
        jacobian=table.y["jacobian"][:, output],
        inputs=table.inputs,
        outputs=table.outputs[output : output + 1],
    )


def closed_form(function: functions.Function, seed: int) -> Tables:
    """Returns tables of a function; the test rows are the same for all seeds."""
    return (
        functions.sampled(function, ROWS, seed + 1),
        functions.sampled(function, TEST_ROWS, 0),
    )


def halves(table: data.Table, seed: int) -> Tables:
    """Returns both halves of a table, drawn by the seed."""
    order = np.random.default_rng(seed).permutation(len(table))
    return table.rows(order[: len(table) // 2]), table.rows(order[len(table) // 2 :])


def begun(tables: Tables, seed: int) -> Start:
    """Builds the problem as the task does, and takes its first stage."""
    table, test = tables
    settings = Settings(seed=seed)
    held_out = held_out_rows(table, settings)
    scales = scales_of(table, ~held_out)
    model = network(table, scales, settings, keys_of(settings)[0])
    wanted = objective(orders_of(table), scales)
    rows = split(table, held_out)
    every = int(np.clip(ROWS_PER_CHUNK // rows.fitted[LABEL].x.shape[0], 10, 100))
    schedule = train.Recipe(optax.cosine_decay_schedule, 1e-2, WARM_UP)
    first = train.fit(
        wanted,
        model,
        rows.fitted,
        train.first_order(optax.adam, schedule),
        steps=WARM_UP,
        every=min(every, 50),
    )
    return Start(wanted, first.value, rows, every, test, first.stats["seconds"])


class Keeper:
    """The best iterate at two deadlines, as an observer of a fit.

    Attributes:
        best: The last best iterate that was there before each deadline.
    """

    def __init__(self, deadlines: dict[str, float], start: Any):
        """Begins the clock.

        Args:
            deadlines: Seconds from now, by name.
            start: The iterate before the first step.
        """
        self._deadlines, self._began = deadlines, time.perf_counter()
        self.best = dict.fromkeys(deadlines, start)

    def __call__(self, now: train.Progress) -> None:
        """Keeps the best iterate, unless it is too late for it."""
        jax.block_until_ready(now.carry.best)
        taken = time.perf_counter() - self._began
        for name, deadline in self._deadlines.items():
            if taken <= deadline:
                self.best[name] = now.carry.best


def compiled(start: Start, name: str) -> float:
    """Returns the seconds of the first step of a method, which compile it."""
    begun = time.perf_counter()
    _fit(start, name, steps=1)
    return time.perf_counter() - begun


def _fit(start: Start, name: str, **limits: Any) -> Any:
    return train.fit(
        start.wanted,
        start.model,
        start.rows.fitted,
        METHODS[name](start.model),
        every=CHUNKS.get(name, start.every),
        validation=start.rows.held_out,
        **limits,
    )


def run(start: Start, name: str, seconds: float, compilation: float) -> dict[str, Any]:
    """Returns the errors of a method with and without its compilation."""
    deadlines = {"excluded": seconds, "included": seconds - compilation}
    keeper = Keeper(deadlines, start.model)
    done = _fit(start, name, seconds=seconds, watch=[keeper])
    found = {
        f"compilation {name}": errors(start, model)
        for name, model in keeper.best.items()
    }
    loss = float(done.history["loss"][-1])
    return {**found, "loss": loss, **done.stats, "status": done.status.name}


def errors(start: Start, model: Any) -> dict[str, float]:
    """Returns the RMSE of the held-out rows, and the RRMSE of the test rows.

    Args:
        start: The problem.
        model: A fitted network.

    Returns:
        The root of the held-out loss, twice, in standardized units; the geometric mean
        over columns of the relative error of values and of partials, and the error of
        values that nine of ten test rows stay below, over the spread of the truth.
    """
    held_out = start.wanted(model, start.rows.held_out)[0]
    shown = evaluation(start.test, "test", model, None)
    found: dict[str, Any] = report.metrics(shown.truth, shown.prediction)
    mean = lambda names: statistics.geometric_mean(found[n]["rrmse"] for n in names)
    values = [n for n in found if n in start.test.outputs]
    low = [
        np.quantile(np.abs(shown.prediction[n] - shown.truth[n]), 0.9)
        / np.std(shown.truth[n])
        for n in values
    ]
    return {
        "held out": float((2 * held_out) ** 0.5),
        "values": mean(values),
        "values, 90 %": statistics.geometric_mean(low),
        "partials": mean(n for n in found if n not in values),
    }


def race(make: Callable[[int], Tables], seeds: int, seconds: float) -> dict[str, Any]:
    """Returns errors of all methods on one problem, in turn over the seeds."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in METHODS}
    compilation, firsts, size = {}, [], 0
    for seed in range(seeds):
        start = begun(make(seed), seed)
        size = sum(a.size for a in jax.tree.leaves(trainable(start.model)[0]))
        firsts.append(start.seconds)
        if not seed:
            compilation = {name: compiled(start, name) for name in METHODS}
        for name in METHODS:
            runs[name].append(run(start, name, seconds, compilation[name]))
    methods = {
        name: {"compilation": compilation[name], **summary(runs[name])}
        for name in METHODS
    }
    head = {"P": size, "first stage": spread(firsts)}
    return {**head, "methods": methods, "ratios": ratios(methods)}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns medians and quartiles of all numbers, and how fits ended."""
    kinds = [key for key in runs[0] if key.startswith("compilation")]
    found: dict[str, Any] = {
        kind: {k: spread([r[kind][k] for r in runs]) for k in runs[0][kind]}
        for kind in kinds
    }
    for key in ("loss", "steps", "best_step", "seconds"):
        found[key] = spread([r[key] for r in runs])
    return {**found, "status": sorted(r["status"] for r in runs)}


def ratios(methods: dict[str, Any]) -> dict[str, Any]:
    """Returns the medians of the task's recipe over those of the other methods."""
    ours = methods[TASK]
    kinds = [key for key in ours if key.startswith("compilation ")]
    return {
        name: {
            kind: {
                error: ours[kind][error]["median"] / found[kind][error]["median"]
                for error in ours[kind]
            }
            for kind in kinds
        }
        for name, found in methods.items()
        if name != TASK
    }


def problems(engine: Path | None) -> dict[str, Callable[[int], Tables]]:
    """Returns the tables of every problem, by name."""
    found = {
        "water h": functools.partial(water, 0),
        "water rho": functools.partial(water, 1),
        "water flow": functools.partial(closed_form, functions.WATER_FLOW),
        "robot arm": functools.partial(closed_form, functions.ROBOT_ARM),
    }
    if engine is not None:
        found["engine deck"] = functools.partial(halves, deck(engine))
    return found


def main() -> None:
    """Runs all races and keeps the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--engine", type=Path)
    parser.add_argument("--seconds", type=float, help="of every method, 7")
    parser.add_argument("--seeds", type=int, help="5")
    parser.add_argument("--only", nargs="+", help="names of problems")
    parser.add_argument("--smoke", action="store_true", help="short, nothing is kept")
    options = parser.parse_args()
    seconds = options.seconds or (1.0 if options.smoke else 7.0)
    seeds = options.seeds or (2 if options.smoke else 5)
    found = {}
    with jax.enable_x64(True):
        for name, make in problems(options.engine).items():
            if options.only is None or name in options.only:
                found[name] = race(make, seeds, seconds)
                print(name, found[name]["ratios"], flush=True)
    if not options.smoke:
        keep("curve_races", {"seconds": seconds, "seeds": seeds, "problems": found})


if __name__ == "__main__":
    main()
