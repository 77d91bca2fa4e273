"""Surrogates with derivatives of ours against those of JENN and of SMT.

The same rows and the same 2,000 test points for all. Errors are root mean squares over
the spread of what is predicted; gradients are measured in units of the spread of each
input first, hence every input counts by what it does. Medians and quartiles over seeds
of points and of starts. Needs an environment of its own:

    uv venv peers --python 3.11
    uv pip install --python peers -e ".[sklearn]" jenn==2.1.1 smt==2.15.0
    OPENBLAS_NUM_THREADS=1 peers/bin/python benchmarks/match_peers.py [--deck FOLDER]
        [--seeds 5] [--smoke] [--only NAME ...] [--ours | --failed]

JENN is set as in its own examples (demo_1_sinusoid, demo_2_rastrigin, demo_4_rosenbrock
and the notebook noisy_partials), elsewhere as for Rastrigin. The engine deck comes with
the SMT toolbox (BSD-3-Clause); without its folder it is left out. The first fit of ours
compiles all; later ones on rows of the same shape do not. A model that takes more than
`LIMIT` seconds is given up; one that has used up `PATIENCE` seconds of a case is fitted
to no further seeds, but to two at least. Cases are kept one by one; the load of the
machine at the end of each is kept beside it.
"""

import argparse
import contextlib
import functools
import os
import signal
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jenn
import numpy as np
from scipy.stats import qmc
from smt.surrogate_models import GEKPLS, GENN, KRG

from _clock import merge, read
from _common import place, spread
from engine_deck import deck
from functions import (
    PARABOLA,
    RASTRIGIN,
    ROBOT_ARM,
    ROSENBROCK,
    SINUSOID,
    WATER_FLOW,
    Function,
)
from osculate import data, tasks
from osculate.core import trainable
from osculate.tasks._build import network_width

LIMIT, PATIENCE, FEWEST = 90, 30, 2
TEST, FEW_TEST = 2000, 100
NOISE = 0.2  # of the root mean square of each partial
DEMO_RASTRIGIN = {
    "hidden": (24, 24),
    "max_iter": 10_000,
    "alpha": 1e-3,
    "lambd": 1e-4,
    "is_normalize": True,
}
DEMO_ROSENBROCK = {
    "hidden": (20, 20, 20),
    "max_iter": 75_000,
    "alpha": 1e-5,
    "lambd": 1e-3,
    "is_normalize": True,
}
DEMO_SINUSOID = {"hidden": (12,), "lambd": 0.1}
DEMO_PARABOLA = {"hidden": (12,), "lambd": 0.01, "is_normalize": True}
DEMO_NOISE = {**DEMO_RASTRIGIN, "max_iter": 5_000, "lambd": 1e-3}


class Rows(NamedTuple):
    """Points `(N, D)`, values `(N,)` and gradients `(N, D)`."""

    x: np.ndarray
    y: np.ndarray
    dydx: np.ndarray


class Fit(NamedTuple):
    """A fitted model.

    Attributes:
        values: From points `(N, D)` to `(N,)`.
        gradients: From points to `(N, D)`.
        parameters: Trained numbers of a network, else None.
        most: At how many of the test points gradients are asked for.
    """

    values: Callable[[np.ndarray], np.ndarray]
    gradients: Callable[[np.ndarray], np.ndarray]
    parameters: int | None = None
    most: int = TEST


Model = Callable[[Rows, int], Fit]


class Case(NamedTuple):
    """What is compared.

    Attributes:
        draw: From a seed to the rows to fit and those to test.
        models: By name; names of ours begin with "ours".
    """

    draw: Callable[[int], tuple[Rows, Rows]]
    models: dict[str, Model]


class _TooLong(Exception):
    """The time of a fit is over."""


def of(function: Function, x: np.ndarray) -> Rows:
    """Evaluates a closed form at points."""
    with jax.enable_x64(True):
        y, dydx = jax.vmap(jax.value_and_grad(function.at))(jnp.asarray(x))
    return Rows(x, np.asarray(y), np.asarray(dydx))


def hypercube(function: Function, N: int, seed: int) -> Rows:
    """Returns a closed form on a Latin hypercube."""
    low, high = np.transpose([*function.ranges.values()])
    unit = qmc.LatinHypercube(len(low), rng=np.random.default_rng(seed)).random(N)
    return of(function, low + (high - low) * unit)


def grid(function: Function, levels: int) -> Rows:
    """Returns a closed form on a full factorial design."""
    axes = [np.linspace(*ends, levels) for ends in function.ranges.values()]
    return of(function, np.stack(np.meshgrid(*axes), -1).reshape(-1, len(axes)))


def sampled(
    function: Function, N: int, seed: int, noise: float = 0.0
) -> tuple[Rows, Rows]:
    """Returns random rows of a closed form, with noise in the partials, and a test."""
    rows = hypercube(function, N, seed)
    unit = np.random.default_rng(100 + seed).standard_normal(rows.dydx.shape)
    size = noise * np.sqrt(np.mean(rows.dydx**2, axis=0))
    noisy = rows._replace(dydx=rows.dydx + size * unit)
    return noisy, hypercube(function, TEST, 1000 + seed)


def on_grid(function: Function, levels: int, seed: int) -> tuple[Rows, Rows]:
    """Returns the same rows for every seed, and random rows to test."""
    return grid(function, levels), hypercube(function, TEST, 1000 + seed)


def drawn(
    table: data.Table, output: int, N: int, test: data.Table | None, seed: int
) -> tuple[Rows, Rows]:
    """Draws rows of a table; without a test table, the others are the test."""
    column = lambda t: Rows(t.x, t.y["value"][:, output], t.y["jacobian"][:, output])
    order = np.random.default_rng(seed).permutation(len(table))
    rest = column(table.rows(order[N:])) if test is None else column(test)
    return column(table.rows(order[:N])), rest


def ours_network(
    rows: Rows, seed: int, *, values_only: bool = False, **choices: Any
) -> Fit:
    """Fits a network of ours; the same with and without derivatives."""
    width = network_width(data.table(rows.x, rows.y, jacobian=rows.dydx[:, None]))
    model = tasks.SobolevRegressor(**{"width": width, "seed": seed, **choices})
    model.fit(rows.x, rows.y, None if values_only else rows.dydx)
    arrays = jax.tree.leaves(trainable(model.surrogate_.result.value)[0])
    size = sum(a.size for a in arrays)
    return Fit(model.predict, model.predict_gradient, size)


def ours_process(
    rows: Rows, seed: int, *, values_only: bool = False, noise: bool = False
) -> Fit:
    """Fits a process of ours, which has no random start."""
    model = tasks.GradientEnhancedGP(noise=noise)
    model.fit(rows.x, rows.y, None if values_only else rows.dydx)
    return Fit(model.predict, model.predict_gradient)


def ours_chosen(rows: Rows, seed: int) -> Fit:
    """Fits both families of ours and takes the one that predicts held-out rows best."""
    table = data.table(rows.x, rows.y, jacobian=rows.dydx[:, None])
    found = tasks.surrogate(table, seed=seed)
    return Fit(
        lambda x: _quiet(found.predict, x)[:, 0],
        lambda x: _quiet(found.gradient, x)[:, 0],
    )


def _quiet(predict: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tasks.OutsideDataWarning)
        return predict(x)


def of_jenn(
    rows: Rows, seed: int, *, settings: dict[str, Any], values_only: bool = False
) -> Fit:
    """Fits a network of JENN, whose points are columns."""
    choices = dict(settings)
    sizes = [rows.x.shape[1], *choices.pop("hidden"), 1]
    slopes = None if values_only else rows.dydx.T[None]
    model = jenn.NeuralNet(sizes)
    model.fit(rows.x.T, rows.y[None], slopes, random_state=seed, **choices)
    return Fit(
        lambda x: model.predict(x.T)[0],
        lambda x: model.predict_partials(x.T)[0].T,
        _size(model),
    )


def _size(model: jenn.NeuralNet) -> int:
    """Returns the number of weights; the first entries of JENN's belong to inputs."""
    found = model.parameters
    return int(sum(a.size for a in [*found.W[1:], *found.b[1:]]))


def of_smt(rows: Rows, seed: int, *, kind: str) -> Fit:
    """Fits a model of SMT; its kriging takes values only."""
    D = rows.x.shape[1]
    quiet = {"print_global": False, "seed": seed}
    process = {"theta0": [1e-2], "xlimits": np.transpose(_ends(rows.x)), **quiet}
    make = {
        "KRG": lambda: KRG(**quiet),
        "GEKPLS": lambda: GEKPLS(extra_points=1, **process),
        "GEKPLS, all": lambda: GEKPLS(n_comp=D, extra_points=D, **process),
        "GENN": lambda: GENN(**quiet),
    }
    model = make[kind]()
    model.set_training_values(rows.x, rows.y[:, None])
    if kind != "KRG":
        for d in range(D):
            model.set_training_derivatives(rows.x, rows.dydx[:, d : d + 1], d)
    model.train()
    slopes = lambda x: np.hstack([model.predict_derivatives(x, d) for d in range(D)])
    size = _size(model.model) if kind == "GENN" else None
    slow = kind.startswith("GEKPLS") and D > 2  # minutes for gradients at all points
    most = FEW_TEST if slow else TEST
    return Fit(lambda x: model.predict_values(x)[:, 0], slopes, size, most)


def _ends(x: np.ndarray) -> np.ndarray:
    return np.stack([x.min(axis=0), x.max(axis=0)])


def models(jenn_settings: dict[str, dict[str, Any]], D: int = 2) -> dict[str, Model]:
    """Returns all models of an ordinary case.

    Args:
        jenn_settings: Settings of JENN by the name of its example.
        D: Number of inputs; `GEKPLS` wants two.

    Returns:
        The models by name.
    """
    usual: dict[str, Model] = {
        "ours, network": ours_network,
        "ours, network, values only": functools.partial(ours_network, values_only=True),
        "ours, process": ours_process,
        "ours, chosen": ours_chosen,
    }
    kinds = ["KRG", "GEKPLS", "GEKPLS, all", "GENN"] if D > 1 else ["KRG", "GENN"]
    if "demo" in jenn_settings:
        hidden = jenn_settings["demo"]["hidden"]
        layers = {"width": hidden[0], "depth": len(hidden)}
        like = functools.partial(ours_network, **layers)
        usual["ours, network, layers of JENN"] = like
    return {
        **usual,
        **{
            f"JENN, {name}": functools.partial(of_jenn, settings=settings)
            for name, settings in jenn_settings.items()
        },
        **{f"SMT, {kind}": functools.partial(of_smt, kind=kind) for kind in kinds},
    }


def with_noise() -> dict[str, Model]:
    """Returns what is compared where partials are noisy."""
    found: dict[str, Model] = {}
    for title, blind in (("", False), (", values only", True)):
        part = functools.partial
        found |= {
            f"ours, network{title}": part(ours_network, values_only=blind),
            f"ours, process{title}": part(ours_process, values_only=blind, noise=True),
            f"JENN{title}": part(of_jenn, settings=DEMO_NOISE, values_only=blind),
        }
    return found


def cases(folder: Path | None) -> dict[str, Case]:
    """Returns all cases by name."""
    part = functools.partial
    usual = models({"as Rastrigin": DEMO_RASTRIGIN})
    tables = data.water(), data.water_test()
    found = {
        "sinusoid, 4": Case(
            part(on_grid, SINUSOID, 4), models({"demo": DEMO_SINUSOID}, D=1)
        ),
        "parabola, 9": Case(
            part(on_grid, PARABOLA, 3), models({"demo": DEMO_PARABOLA})
        ),
        "Rastrigin, 100": Case(
            part(sampled, RASTRIGIN, 100), models({"demo": DEMO_RASTRIGIN})
        ),
        "Rosenbrock, 100": Case(
            part(sampled, ROSENBROCK, 100),
            models({"demo": DEMO_ROSENBROCK, "as Rastrigin": DEMO_RASTRIGIN}),
        ),
        "Rosenbrock, 40": Case(part(sampled, ROSENBROCK, 40), usual),
        "robot arm, 80": Case(part(sampled, ROBOT_ARM, 80), usual),
        "water flow, 80": Case(part(sampled, WATER_FLOW, 80), usual),
        "water h, 100": Case(part(drawn, tables[0], 0, 100, tables[1]), usual),
        "Rastrigin, 100, noisy partials": Case(
            part(sampled, RASTRIGIN, 100, noise=NOISE), with_noise()
        ),
    }
    if folder is not None:
        found["engine deck, thrust, 150"] = Case(
            part(drawn, deck(folder), 0, 150, None), usual
        )
    return found


def errors(fit: Fit, test: Rows) -> tuple[float, float]:
    """Returns errors of values and of gradients, over their spread."""
    unit = test.x.std(axis=0)
    off = fit.values(test.x) - test.y
    part = slice(fit.most)
    slopes = (fit.gradients(test.x[part]) - test.dydx[part]) * unit
    size = np.sqrt(np.mean(np.var(test.dydx * unit, axis=0)))
    found = np.sqrt(np.mean(off**2)) / test.y.std(), np.sqrt(np.mean(slopes**2)) / size
    if not np.isfinite(found).all():
        raise ValueError(f"errors are {found}")
    return float(found[0]), float(found[1])


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raises where a fit takes longer."""

    def stop(*_: Any) -> None:
        raise _TooLong(f"more than {seconds} s per fit")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def compared(case: Case, seeds: int, kept: dict[str, Any]) -> dict[str, Any]:
    """Fits models of a case to every seed, and says how ours relate to peers.

    Args:
        case: What is compared.
        seeds: How many.
        kept: Entries by model that are not measured again.

    Returns:
        Entries by model, and their ratios.
    """
    entries = {
        n: kept.get(n) or measured(model, case, seeds)
        for n, model in case.models.items()
    }
    found: dict[str, Any] = {"N": len(case.draw(0)[0].x), "models": entries}
    peers = {n: e for n, e in entries.items() if n[:4] != "ours" and "values" in e}
    for what in ("values", "gradients"):
        middle = lambda entry, what=what: entry[what]["median"]
        best = min(peers, key=lambda n: middle(peers[n]))
        found[f"{what}, over the best peer"] = {"best": best} | {
            n: middle(e) / middle(peers[best])
            for n, e in entries.items()
            if n[:4] == "ours" and what in e
        }
        found[f"{what}, over values only"] = {
            n: _paired(e[what]["each"], entries[f"{n}, values only"][what]["each"])
            for n, e in entries.items()
            if what in e and what in entries.get(f"{n}, values only", {})
        }
    return found


def _paired(first: list[float], second: list[float]) -> dict[str, Any]:
    return _each([a / b for a, b in zip(first, second, strict=False)])


def _each(numbers: list[float]) -> dict[str, Any]:
    """Returns median and quartiles, and the numbers themselves."""
    pair = numbers if len(numbers) > 1 else 2 * numbers
    return {**spread(pair), "each": numbers}


def measured(model: Model, case: Case, seeds: int) -> dict[str, Any]:
    """Fits one model; the first time compiles what there is to compile."""
    jax.clear_caches()
    off, seconds, fit, begun = [], [], None, time.perf_counter()
    for seed in range(seeds):
        if seed >= FEWEST and time.perf_counter() - begun > PATIENCE + seconds[0]:
            break
        rows, test = case.draw(seed)
        began = time.perf_counter()
        try:
            with limited(LIMIT):
                fit = model(rows, seed)
            seconds.append(time.perf_counter() - began)
            off.append(errors(fit, test))
        except Exception as fault:  # a fault of one model is a result, too
            return {"failed": f"seed {seed}: {type(fault).__name__}: {fault}"[:300]}
    found = {
        "values": _each([v for v, _ in off]),
        "gradients": _each([g for _, g in off]),
        "seconds of the first": seconds[0],
        "seconds of later ones": statistics.median(seconds[1:] or seconds),
    }
    if fit is not None and fit.parameters is not None:
        found["parameters"] = fit.parameters
    return found


def main() -> None:
    """Compares the cases; keeps each unless a smoke test."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--deck", type=Path, help="folder of the engine deck")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="2 seeds, nothing is kept")
    parser.add_argument("--only", nargs="+", help="names of cases")
    parser.add_argument("--ours", action="store_true", help="keep what peers have left")
    parser.add_argument("--failed", action="store_true", help="keep all but failures")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    head = {
        "machine": place(),
        "peers": {n: version(n) for n in ("jenn", "smt", "scikit-learn", "scipy")},
        "seeds, at most": options.seeds,
        "test points": "2000; of the engine deck all other rows; 100 for gradients of "
        "GEKPLS in more than two inputs",
        "limit of a fit": f"{LIMIT} s",
        "no further seeds": f"after {PATIENCE} s, {FEWEST} at least",
    }
    for name, case in cases(options.deck).items():
        if options.only and name not in options.only:
            continue
        began = time.perf_counter()
        models = read("match_peers").get("cases", {}).get(name, {}).get("models", {})
        kept = {n: e for n, e in models.items() if options.ours and n[:4] != "ours"}
        if options.failed:
            kept = {n: e for n, e in models.items() if "failed" not in e}
        found = compared(case, 2 if options.smoke else options.seeds, kept)
        found["load"] = os.getloadavg()[0]
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
        for title, entry in found["models"].items():
            print(f"  {title}: {summary(entry)}", flush=True)
        if not options.smoke:
            merge("match_peers", head, name, found)


def summary(entry: dict[str, Any]) -> str:
    """Returns one line."""
    if "failed" in entry:
        return entry["failed"]
    middle = [entry[what]["median"] for what in ("values", "gradients")]
    taken = [entry[f"seconds of {what}"] for what in ("the first", "later ones")]
    return (
        f"{middle[0]:.3g} / {middle[1]:.3g}; {taken[0]:.2f} s, then {taken[1]:.2f} s; "
        f"parameters {entry.get('parameters')}"
    )


if __name__ == "__main__":
    main()
