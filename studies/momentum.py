"""Momentum on quadratics: phases, and rates by condition number (SPEC K4.3.1-14).

On a curvature lambda, momentum is a 2 x 2 matrix in eps lambda and m alone. Runs of
Optax's method shrink by its spectral radius: creeping, critical, swinging or growing.
Over curvatures 1 to k the best momentum takes the root of k where descent takes k, and
so it does near the minimum of a network.

    python studies/momentum.py
"""

import cmath
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from _keep import keep
from osculate import core, curve, nets, train

STEPS = 20_000
CURVATURES = 8  # as many modes, from 1 to the condition number
CONDITIONS = (3, 10, 30, 100, 300, 1000)
POINTS = (  # of eps lambda and m, on both sides of every boundary
    (0.2, 0.0),
    (0.05, 0.3),
    (0.25, 0.25),
    (0.1, 0.9),
    (1.0, 0.5),
    (2.0, 0.9),
    (3.0, 0.7),
    (2.2, 0.2),
    (3.79, 0.9),
    (3.81, 0.9),
    (2.1, 0.0),
    (3.5, 0.5),
)


def eigenvalues(part: float, m: float) -> tuple[complex, complex]:
    """Returns those of a step, eps lambda = part (K4.3.8)."""
    middle = 1 + m - part
    root = cmath.sqrt(middle**2 - 4 * m)
    return (middle + root) / 2, (middle - root) / 2


def phase(part: float, m: float) -> str:
    """Returns what the distance to the minimum does."""
    middle = 1 + m - part
    if part > 2 * (1 + m):
        return "divergent"
    if math.isclose(middle**2, 4 * m, abs_tol=1e-12):
        return "critical"
    if middle**2 < 4 * m:
        return "oscillating"
    return "overdamped" if middle > 0 else "alternating"


@functools.partial(jax.jit, static_argnames="steps")
def measured(
    curvatures: jax.Array, step: jax.Array, m: jax.Array, steps: int = STEPS
) -> jax.Array:
    """Returns the factor per step by which Optax's momentum shrinks the state.

    Momentum is linear here: its state is set back to length 1 after every step, and the
    logarithms are added up over the second half of the run.
    """
    method = optax.sgd(step, m)

    def one(carry, _):
        theta, state = carry
        update, state = method.update(curvatures * theta, state, theta)
        theta = optax.apply_updates(theta, update)
        length = jnp.linalg.norm(ravel_pytree((theta, state))[0])
        return jax.tree.map(lambda a: a / length, (theta, state)), jnp.log(length)

    with core.relaxed():
        theta = jnp.ones_like(curvatures)
        _, logs = jax.lax.scan(one, (theta, method.init(theta)), length=steps)
    return jnp.exp(jnp.mean(logs[steps // 2 :]))


def phases(steps: int = STEPS) -> list[dict[str, Any]]:
    """Returns predicted and measured factors at points of the plane."""
    found = []
    for part, m in POINTS:
        factor = measured(jnp.ones(1), jnp.asarray(part), jnp.asarray(m), steps)
        row = {"step times curvature": part, "momentum": m, "phase": phase(part, m)}
        radius = max(map(abs, eigenvalues(part, m)))
        found.append({**row, "radius": radius, "measured": factor.item()})
    return found


def rates(condition: float, steps: int = STEPS) -> dict[str, Any]:
    """Returns the rates of both methods at their best, and what runs of them show."""
    curvatures = jnp.geomspace(1.0, condition, CURVATURES)
    best = curve.heavy_ball(1.0, condition)
    alone = jnp.asarray(2 / (1 + condition)), jnp.zeros(())
    return {
        "condition": condition,
        "momentum": best.rate.item(),
        "momentum, measured": measured(
            curvatures, best.step, best.momentum, steps
        ).item(),
        "descent": best.plain_rate.item(),
        "descent, measured": measured(curvatures, *alone, steps).item(),
    }


def fitted() -> tuple[Any, jax.Array, curve.Spectrum]:
    """Returns the loss of a network by its parameters, its minimum and the curvatures.

    A penalty keeps all of them positive.
    """
    k_net, k_x, k_seen = jr.split(jr.key(0), 3)
    x = jr.uniform(k_x, (60, 1), minval=-2.0, maxval=2.0)
    samples = {"fit": core.Samples(x, jnp.sin(2 * x)), "small": core.Samples(x[:1])}
    size = core.Term(lambda net, x, y: 0.1 * ravel_pytree(core.trainable(net)[0])[0])
    fit = core.Term(lambda net, x, y: net(x))
    objective = core.Objective({"fit": fit, "small": size})
    net = nets.MLP(1, 1, width=6, depth=1, key=k_net)
    net = train.fit(objective, net, samples, curve.ssbroyden(), steps=3000).value
    hessian = curve.hessian(objective, net, samples)
    seen = curve.spectrum(hessian, k_seen, num_matvecs=19, num_probes=2)
    theta, build = core.trainable(net)
    minimum, unravel = ravel_pytree(theta)
    return lambda t: objective(build(unravel(t)), samples)[0], minimum, seen


def distances(
    loss: Any, minimum: jax.Array, step: jax.Array, m: jax.Array, steps: int
) -> np.ndarray:
    """Returns distances to the minimum along a run that begins near it."""
    method, slope = optax.sgd(step, m), jax.grad(loss)

    def one(carry, _):
        theta, state = carry
        update, state = method.update(slope(theta), state, theta)
        theta = optax.apply_updates(theta, update)
        off = ravel_pytree(theta)[0] - minimum
        return (theta, state), jnp.linalg.norm(off)

    start = minimum + 1e-3 * jr.normal(jr.key(1), minimum.shape)
    with core.relaxed():
        begin = start, method.init(start)
        return np.asarray(jax.lax.scan(one, begin, length=steps)[1])


def near_a_minimum() -> dict[str, Any]:
    """Returns rates near the minimum of a network, by its Hessian and by runs."""
    loss, minimum, seen = fitted()
    best = curve.heavy_ball(seen.low, seen.high)
    alone = 2 / (seen.low + seen.high), jnp.zeros(())
    with_it = distances(loss, minimum, best.step, best.momentum, 2000)
    without = distances(loss, minimum, *alone, 20_000)
    return {
        "parameters": minimum.size,
        "condition": (seen.high / seen.low).item(),
        "momentum": best.rate.item(),
        "momentum, measured": slope_of(with_it),
        "descent": best.plain_rate.item(),
        "descent, measured": slope_of(without),
    }


def slope_of(distances: np.ndarray) -> float:
    """Returns the factor per step while the distance falls from 1e-5 to 1e-12."""
    first, last = (int(np.argmax(distances < d)) for d in (1e-5, 1e-12))
    return float((distances[last] / distances[first]) ** (1 / (last - first)))


if __name__ == "__main__":
    with jax.enable_x64(True):
        every = {
            "phases": phases(),
            "rates": [rates(float(k)) for k in CONDITIONS],
            "network": near_a_minimum(),
        }
    keep("momentum", every)
