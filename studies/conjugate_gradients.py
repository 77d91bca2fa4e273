"""Conjugate gradients: steps, bound, and the directions of BFGS (SPEC K4.7.5-22).

As many steps as distinct eigenvalues; before that, an error below the bound by
Chebyshev's polynomials, and far below it where eigenvalues are few or in clusters. BFGS
with exact line searches goes the same way on a quadratic without knowing its matrix.

    python studies/conjugate_gradients.py
"""

import functools
import math
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from _keep import keep
from osculate import curve

SIZE, CONDITION = 64, 100.0
DISTINCT = (1, 2, 4, 8, 16, 32)
STEPS = tuple(range(0, 61, 3))
SPECTRA = {  # all from 1 to the condition number
    "evenly spaced": np.linspace(1.0, CONDITION, SIZE),
    "as Chebyshev's nodes": (CONDITION + 1) / 2
    - (CONDITION - 1) / 2 * np.cos(np.pi * np.arange(SIZE) / (SIZE - 1)),
    "three large, the rest up to 5": np.concatenate(
        [np.linspace(1.0, 5.0, SIZE - 3), [40.0, 70.0, CONDITION]]
    ),
}


def matrix(eigenvalues: np.ndarray, seed: int = 0) -> tuple[jax.Array, jax.Array]:
    """Returns a symmetric matrix of these eigenvalues and a right-hand side."""
    k_basis, k_b = jr.split(jr.key(seed))
    n = len(eigenvalues)
    basis, _ = jnp.linalg.qr(jr.normal(k_basis, (n, n)))
    return (basis * jnp.asarray(eigenvalues)[None]) @ basis.T, jr.normal(k_b, (n,))


@functools.partial(jax.jit, static_argnames="max_steps")
def solve(H: jax.Array, b: jax.Array, tolerance: float, max_steps: int | None = None):
    """Returns what conjugate gradients find."""
    mv = lambda v: H @ v
    given = {"tolerance": tolerance, "max_steps": max_steps}
    return curve.conjugate_gradients(mv, b, **given)


def steps_needed(distinct: int) -> dict[str, Any]:
    """Returns steps to a residual of 1e-8 with so many distinct eigenvalues."""
    values = np.linspace(CONDITION, 1.0, distinct)
    H, b = matrix(np.repeat(values, SIZE // distinct))
    found = solve(H, b, 1e-8)
    residual = jnp.linalg.norm(H @ found.value - b) / jnp.linalg.norm(b)
    return {
        "distinct": distinct,
        "steps": found.steps.item(),
        "residual": residual.item(),
    }


def bound(steps: int) -> float:
    """Returns `1 / T_n((k + 1) / (k - 1))`, the largest error left after n steps."""
    inside = math.acosh((CONDITION + 1) / (CONDITION - 1))
    return 1 / math.cosh(steps * inside)


def errors(eigenvalues: np.ndarray, steps: Iterable[int] = STEPS) -> list[float]:
    """Returns errors in the norm of H by the number of steps, over the first one."""
    H, b = matrix(eigenvalues)
    exact = jnp.linalg.solve(H, b)
    size = lambda v: jnp.sqrt(v @ H @ v)
    after = lambda k: solve(H, b, 0.0, k).value
    left = [size(exact - after(k)) / size(exact) for k in steps]
    return jnp.stack(left).tolist()


def quasi_newton(n: int = 12) -> dict[str, Any]:
    """Returns how BFGS with exact line searches compares with conjugate gradients."""
    H, b = map(np.asarray, matrix(np.linspace(1.0, 10.0, n)))
    theta, h, B = np.zeros(n), np.eye(n), np.eye(n)
    before, found = np.zeros(n), {"angle": 0.0, "secant": 0.0, "inverse": 0.0}
    for k in range(n):
        g = H @ theta - b
        d = -h @ g
        s = -(d @ g) / (d @ H @ d) * d
        y, theta = H @ s, theta + s
        V = np.eye(n) - np.outer(s, y) / (y @ s)
        h = V @ h @ V.T + np.outer(s, s) / (y @ s)
        B = B + np.outer(y, y) / (y @ s) - np.outer(B @ s, B @ s) / (s @ B @ s)
        after = np.asarray(solve(jnp.asarray(H), jnp.asarray(b), 0.0, k + 1).value)
        c, before = after - before, after
        off = d / np.linalg.norm(d) - c / np.linalg.norm(c)
        worst = {
            "angle": np.linalg.norm(off),
            "secant": np.linalg.norm(B @ s - y) / np.linalg.norm(y),
            "inverse": np.abs(B @ h - np.eye(n)).max(),
        }
        found = {name: float(max(found[name], value)) for name, value in worst.items()}
    found["Hessian"] = float(np.abs(B - H).max() / np.abs(H).max())
    return {"size": n, **found}


if __name__ == "__main__":
    with jax.enable_x64(True):
        every = {
            "distinct": [steps_needed(k) for k in DISTINCT],
            "steps": STEPS,
            "bound": [bound(k) for k in STEPS],
            "errors": {name: errors(values) for name, values in SPECTRA.items()},
            "BFGS": quasi_newton(),
        }
    keep("conjugate_gradients", every)
