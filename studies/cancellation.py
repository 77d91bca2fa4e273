"""Differences cancel, exact derivatives do not (SPEC K1.4.1, K1.4.2, S3.13).

The slope of 1e10 + x^2 at x = 10/9 from forward differences, against the model of
their error; a network, whose error over the step has the shape of a U; and a loss
near its minimum, where the slope itself goes to zero.

    python studies/cancellation.py
"""

import math
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from _keep import keep
from osculate import diff, nets

ROUNDING = np.finfo(float).eps / 2  # u: relative, of one operation


def modelled(step: float, value: float, curvature: float) -> float:
    """Returns h |f''| / 2 + 2 u |f| / h: truncation and rounding (SPEC K1.4.1)."""
    return step * abs(curvature) / 2 + 2 * ROUNDING * abs(value) / step


def best_step(value: float, curvature: float) -> float:
    """Returns the step 2 sqrt(u |f| / |f''|), where both parts are equal."""
    return 2 * math.sqrt(ROUNDING * abs(value) / abs(curvature))


def example() -> dict[str, Any]:
    """Returns the slopes of 1e10 + x^2 at 10/9: AD, complex step, differences."""
    f = lambda x: 10**10 + x[0] ** 2
    x = Fraction(10, 9)
    exact, best = float(2 * x), best_step(1e10, 2)
    slope = lambda **how: diff.difference(f, **how)([float(x)]).value[0].item()
    forward = []
    for h in (Fraction(1, 10**power) for power in range(1, 9)):
        found = slope(method="forward", step=float(h))
        unrounded = float((f([x + h]) - f([x])) / h)
        row = {"step": float(h), "value": found, "without rounding": unrounded}
        row |= {"error": abs(found - exact), "model": modelled(float(h), 1e10, 2)}
        forward.append(row)
    return {
        "exact": exact,
        "AD": diff.gradient(f)(jnp.asarray([float(x)]))[0].item(),
        "complex step": slope(method="complex"),
        "spacing at 1e10": np.spacing(1e10).item(),
        "best step": best,
        "model at best": modelled(best, 1e10, 2),
        "forward": forward,
    }


def values(net: nets.MLP, x: np.ndarray) -> np.ndarray:
    """Returns the network at many points, computed by NumPy in the precision of x."""
    y = x[None]
    for n, (W, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        y = np.tanh(y) if n > 0 else y
        y = np.asarray(W).astype(x.dtype) @ y + np.asarray(b).astype(x.dtype)[:, None]
    return y[0]


def network(num_points: int = 64) -> dict[str, Any]:
    """Returns the median error of the slope of a tanh network, way by way.

    The truth is a complex step in extended precision, Im u(x + ih) / h with h = 1e-30.

    Args:
        num_points: Points in [-1, 1].

    Returns:
        The steps, the errors at each of them, and the errors of ways without a step.
    """
    net = nets.MLP(1, 1, width=32, depth=3, key=jax.random.key(0))
    x = np.linspace(-1, 1, num_points)
    tiny = np.longdouble(1e-30)
    truth = np.imag(values(net, x + 1j * np.clongdouble(tiny))) / tiny
    off = lambda slopes: float(np.median(np.abs(slopes - truth)))
    moved = lambda s: values(net, x + s[0])
    by = lambda **how: off(diff.difference(moved, **how)(np.zeros(1)).value[:, 0])
    slope = jax.jit(jax.vmap(diff.gradient(lambda p: net(p)[0])))
    steps = [10.0 ** (-half / 2) for half in range(2, 31)]
    return {
        "steps": steps,
        "forward": [by(method="forward", step=h) for h in steps],
        "central": [by(method="central", step=h) for h in steps],
        "extrapolated": by(),
        "complex step": by(method="complex"),
        "AD": off(np.asarray(slope(jnp.asarray(x)[:, None]))[:, 0]),
    }


def converging() -> list[dict[str, float]]:
    """Returns relative errors of the slope of 1 + (w - 1)^2 / 2 as w goes to 1."""
    loss = lambda w: 1 + (w[0] - 1) ** 2 / 2
    by = diff.difference(loss, method="forward", step=best_step(1, 1))
    rows = []
    for w in (1 + 10.0**-power for power in range(1, 9)):
        slope = w - 1  # exactly: the subtraction of neighbours does not round
        found = by([w]).value[0].item(), diff.gradient(loss)(jnp.asarray([w]))[0].item()
        forward, exact = (abs(one - slope) / slope for one in found)
        rows.append({"slope": slope, "forward": forward, "AD": exact})
    return rows


if __name__ == "__main__":
    with jax.enable_x64(True):
        every = {"example": example(), "network": network(), "loss": converging()}
    keep("cancellation", every)
