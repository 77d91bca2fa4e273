"""Noise scales against batch sizes that pay (SPEC K4.5.8-12).

A network learns to read handwritten digits from batches that are drawn with
replacement. Steps and examples to a loss of the whole table, at the best step size for
every batch size, are fitted by (S/S_min - 1) (E/E_min - 1) = 1; its critical batch size
is set beside the noise scales that gradients have on the way.

    python studies/noise_scale.py
"""

import functools
import math
from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.optimize import least_squares

from _digits import digits
from _keep import keep
from osculate import chance, core, curve, nets

WIDTH = 32
BATCHES = (1, 4, 16, 64, 256, 1024)
STEP_SIZES = tuple((0.005 * 2.0 ** np.arange(0, 9.5, 0.5)).tolist())
LOSSES = (0.5, 0.3, 0.15)
SEEDS, RECORDS = 4, 120

OBJECTIVE = core.Objective(
    {"labels": core.Term(lambda net, x, y: net(x), chance.CategoricalLoss())}
)


@functools.cache
def whole() -> core.Samples:
    """Returns all pictures and their digits."""
    x, y = digits()
    return core.Samples(x, y)


def draw(key: jax.Array, rows: int) -> core.Samples:
    """Returns pictures, drawn with replacement."""
    all_rows = whole()
    index = jr.randint(key, (rows,), 0, len(all_rows.x))
    return core.Samples(jnp.asarray(all_rows.x)[index], jnp.asarray(all_rows.y)[index])


def begin() -> tuple[jax.Array, Any]:
    """Returns the parameters at the start, and what makes a network of such."""
    net = nets.MLP(64, 10, width=WIDTH, depth=1, key=jr.key(1))
    theta, build = core.trainable(net)
    start, unravel = ravel_pytree(theta)
    return start, lambda theta: build(unravel(theta))


@functools.partial(jax.jit, static_argnames=("batch", "every", "records"))
def descend(
    key: jax.Array, size: jax.Array, batch: int, every: int, records: int
) -> tuple[jax.Array, jax.Array]:
    """Returns losses of the whole table, and parameters, after every so many steps."""
    start, build = begin()
    loss = lambda theta, samples: OBJECTIVE(build(theta), samples)[0]

    def one(theta, key):
        slope = jax.grad(loss)(theta, {"labels": draw(key, batch)})
        return theta - size * slope, None

    def many(theta, key):
        theta, _ = jax.lax.scan(one, theta, jr.split(key, every))
        return theta, (loss(theta, {"labels": whole()}), theta)

    return jax.lax.scan(many, start, jr.split(key, records))[1]


@functools.partial(jax.jit, static_argnames=("batch", "every", "records"))
def _curves(keys, sizes, batch, every, records):
    run = lambda size, key: descend(key, size, batch, every, records)[0]
    return jnp.mean(jax.vmap(jax.vmap(run, (None, 0)), (0, None))(sizes, keys), 1)


def crossing(losses: np.ndarray, goal: float, every: int) -> float:
    """Returns steps until a curve of losses is at the goal; inf if it never is."""
    below = np.flatnonzero(losses <= goal)
    if not len(below):
        return math.inf
    n = below[0]
    if n == 0:
        return float(every)
    part = (losses[n - 1] - goal) / (losses[n - 1] - losses[n])
    return float(every * (n + part))


def steps_to(
    batch: int,
    goals: Iterable[float] = LOSSES,
    *,
    most: int,
    seeds: int = SEEDS,
    sizes: tuple[float, ...] = STEP_SIZES,
) -> list[dict[str, Any]]:
    """Returns the fewest steps to each loss, over the step sizes.

    The curves are means over the seeds.
    """
    every = max(1, most // RECORDS)
    keys = jr.split(jr.key(batch), seeds)
    curves = _curves(keys, jnp.asarray(sizes), batch, every, most // every)
    rows = []
    for goal in goals:
        steps = [crossing(c, goal, every) for c in np.asarray(curves)]
        best = int(np.argmin(steps))
        row = {"batch": batch, "loss": goal, "steps": steps[best]}
        rows.append({**row, "step size": sizes[best]})
    return rows


def fitted(batches: list[int], steps: list[float]) -> dict[str, float]:
    """Returns fewest steps and examples, S = S_min (1 + B_crit / B) fitted to logs."""
    B, S = np.asarray(batches, float), np.asarray(steps)
    model = lambda p: p[0] + np.log1p(np.exp(p[1]) / B)
    found = least_squares(lambda p: model(p) - np.log(S), [np.log(S.min()), 3.0])
    fewest, critical = np.exp(found.x)
    product = (S / fewest - 1) * (B * S / (fewest * critical) - 1)
    return {
        "fewest steps": float(fewest),
        "fewest examples": float(fewest * critical),
        "critical batch": float(critical),
        "off": float(np.exp(np.sqrt(np.mean(found.fun**2))) - 1),
        "median product": float(np.median(product)),
    }


@eqx.filter_jit
def _scale(net, key, probes):
    samples = {"labels": whole()}
    return curve.noise_scale(OBJECTIVE, net, samples, key=key, num_probes=probes)


def along(
    batch: int, size: float, *, every: int, records: int, probes: int = 32
) -> list[dict[str, Any]]:
    """Returns loss and noise scales along one run."""
    losses, path = descend(jr.key(4), jnp.asarray(size), batch, every, records)
    rows = []
    for n, (loss, theta) in enumerate(zip(losses, path, strict=True), start=1):
        seen = _scale(begin()[1](theta), jr.key(n), probes)
        row = {"steps": n * every, "loss": loss.item(), "simple": seen.simple.item()}
        rows.append({**row, "critical": seen.critical.item()})
    return rows


def until(noise: list[dict[str, Any]], goal: float) -> dict[str, float]:
    """Returns the medians of both noise scales before a loss is reached."""
    end = next(n for n, row in enumerate(noise) if row["loss"] <= goal) + 1
    middle = lambda name: float(np.median([row[name] for row in noise[:end]]))
    return {"simple": middle("simple"), "noise": middle("critical")}


def most_steps(batch: int) -> int:
    """Returns how long runs are."""
    return int(120 * (1 + 40 / batch))


if __name__ == "__main__":
    with jax.enable_x64(True):
        rows = [row for B in BATCHES for row in steps_to(B, most=most_steps(B))]
        noise = along(64, 0.64, every=2, records=75)
    fits = []
    for goal in LOSSES:
        of = [row for row in rows if row["loss"] == goal]
        found = fitted([row["batch"] for row in of], [row["steps"] for row in of])
        fits.append({"loss": goal, **found, **until(noise, goal)})
    keep("noise_scale", {"runs": rows, "fits": fits, "noise": noise})
