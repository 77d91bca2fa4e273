"""RMSProp on quadratics: steps of one size, limit cycles, and rotations (SPEC K4.4.6).

The step is in units of the parameter: whatever the curvature, the distance falls by
about eps a step and ends in a cycle of eps / 2, after a burst where the memory is long.
That holds along the axes only: turned against them, a long valley is as slow to it as
to descent, also where eps decays to 0.

    python studies/rmsprop.py
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from _keep import keep
from osculate import core

STEP, RUN, ROUNDING = 1e-3, 40_000, 1e-12
MEMORIES = (0.0, 0.5, 0.9, 0.99, 0.999)
DEGREES = (0, 1, 3, 10, 30, 45)
CONDITION, LENGTHS = 1e4, (300, 1000, 3000)
STEPS = tuple(np.geomspace(1e-3, 10.0, 17).tolist())
DIRECTIONS = 8  # starting points, around the minimum at the distance 1


@functools.partial(jax.jit, static_argnames="steps")
def path(
    H: jax.Array,
    start: jax.Array,
    sizes: jax.Array,
    beta: Any,
    steps: int,
    *,
    noise: float = 0.0,
):
    """Returns the iterates of Optax's RMSProp with the size of every step given."""
    method = optax.rmsprop(1.0, decay=beta, eps=1e-300, bias_correction=True)

    def one(carry, now):
        theta, state = carry
        size, error = now
        update, state = method.update(H @ theta + error, state, theta)
        theta = theta + size * update
        return (theta, state), theta

    with core.relaxed():
        sizes = jnp.broadcast_to(sizes, (steps,))
        errors = noise * jr.normal(jr.key(0), (steps, *start.shape))
        return jax.lax.scan(one, (start, method.init(start)), (sizes, errors))[1]


def fall(beta: float, curvature: float, steps: int) -> np.ndarray:
    """Returns |theta| / eps along a run in one dimension, from 999.7 down.

    Errors as of rounding keep the gradient from vanishing.
    """
    H, start = jnp.full((1, 1), curvature), jnp.full(1, 1 - 0.3 * STEP)
    noise = ROUNDING * curvature
    theta = path(H, start, jnp.asarray(STEP), beta, steps, noise=noise)
    return np.abs(np.asarray(theta)[:, 0]) / STEP


def cycle(beta: float, run: int = RUN) -> dict[str, Any]:
    """Returns how a run falls and where it stays, at two curvatures."""
    found, steep = fall(beta, 1.0, run), fall(beta, 1e4, run)
    low = int(np.argmax(found < 0.5))
    return {
        "beta": beta,
        "steps to half": int(np.argmax(found < 500)) + 1,
        "steps to 2 eps": int(np.argmax(found < 2)) + 1,
        "lowest": float(found.min()),
        "highest after": float(found[low:].max()),
        "at the end": float(found[-run // 4 :].mean()),
        "off between curvatures": float(np.abs(found - steep)[:1000].max()),
    }


def shown(beta: float, run: int = RUN) -> dict[str, Any]:
    """Returns a part of a run for the picture, at steps about evenly spaced in logs."""
    falling = fall(beta, 1.0, run)
    at = np.unique(np.geomspace(1, run, 240).astype(int))
    return {"step": at.tolist(), "theta over eps": falling[at - 1].tolist()}


@functools.partial(jax.jit, static_argnames=("kind", "steps", "decays"))
def _losses(angle, sizes, kind: str, steps: int, decays: bool):
    """Returns last losses by size and start, over the first ones."""
    c, s = jnp.cos(angle), jnp.sin(angle)
    turn = jnp.array([[c, -s], [s, c]])
    H = turn @ jnp.diag(jnp.array([1.0, CONDITION])) @ turn.T
    around = 2 * math.pi * (jnp.arange(DIRECTIONS, dtype=float) + 0.25) / DIRECTIONS
    # The same starts in coordinates of the valley, whatever the angle.
    starts = jnp.stack([jnp.cos(around), jnp.sin(around)], 1) @ turn.T
    shape = jnp.linspace(1.0, 0.0, steps, endpoint=False) if decays else 1.0
    loss = lambda theta: 0.5 * theta @ H @ theta

    def one(size, start):
        if kind == "RMSProp":
            last = path(H, start, size * shape, 0.9, steps)[-1]
        else:
            advance = lambda theta, e: (theta - e * H @ theta / CONDITION, None)
            sizes = jnp.broadcast_to(size * shape, (steps,))
            last = jax.lax.scan(advance, start, sizes)[0]
        return loss(last) / loss(start)

    return jax.vmap(jax.vmap(one, (None, 0)), (0, None))(sizes, starts)


def rotated(
    degrees: float,
    steps: int,
    kind: str = "RMSProp",
    decays: bool = True,
    sizes: tuple[float, ...] = STEPS,
) -> float:
    """Returns log10 of the loss that is left, at the best of the step sizes.

    It is the mean over the starting points; steps of descent are in units of one over
    the largest curvature.
    """
    angle = jnp.asarray(math.radians(degrees))
    left = _losses(angle, jnp.asarray(sizes), kind, steps, decays)
    logs = jnp.mean(jnp.log10(jnp.maximum(left, 1e-30)), 1)
    return jnp.nanmin(logs).item()


def by_angle(degrees: float) -> dict[str, Any]:
    """Returns what is left of the loss by the number of steps, at one angle."""
    row: dict[str, Any] = {"degrees": degrees}
    for steps in LENGTHS:
        row[str(steps)] = {
            "decaying": rotated(degrees, steps),
            "constant": rotated(degrees, steps, decays=False),
            "descent": rotated(degrees, steps, "descent", decays=False),
        }
    return row


if __name__ == "__main__":
    with jax.enable_x64(True):
        every = {
            "cycles": [cycle(beta) for beta in MEMORIES],
            "runs": {f"{beta:g}": shown(beta) for beta in (0.0, 0.9, 0.999)},
            "angles": [by_angle(degrees) for degrees in DEGREES],
        }
    keep("rmsprop", every)
