"""A third stage of momentum and the cube root of the condition number (SPEC K4.3/a).

A method of three stages with fixed coefficients has a cubic in place of the quadratic
of momentum. If curvatures are 1 and k and nothing between, its triple roots are reached
by the cube root of k in place of the root. Over all curvatures from 1 to k they are
not: a search over the coefficients comes back to momentum, as it must, for no method
that adds up gradients beats the polynomials of Chebyshev (Nemirovski).

    python studies/three_stage_momentum.py
"""

from typing import Any

import numpy as np
from scipy.optimize import minimize

from _keep import keep

CONDITIONS = (4, 10, 30, 100, 300, 1000)
CURVATURES = 80
STARTS = 12

# With x from -1 at curvature 1 to 1 at k, the distances e to the minimum follow
#     e'' + (a2 + b2 x) e' + (a1 + b1 x) e + (a0 + b0 x) e_before = 0;
# a method has these six numbers, less one: curvature 0 leaves all as it is.


def rate(roots: int, condition: float) -> float:
    """Returns `(k^(1/roots) - 1) / (k^(1/roots) + 1)`."""
    root = condition ** (1 / roots)
    return (root - 1) / (root + 1)


def method(free: np.ndarray, condition: float) -> np.ndarray:
    """Returns all six of `[a2, a1, a0, b2, b1, b0]` from those but b2."""
    a2, a1, a0, b1, b0 = free
    flat = -(condition + 1) / (condition - 1)  # x at the curvature 0
    b2 = -(1 + a2 + a1 + a0) / flat - b1 - b0
    return np.array([a2, a1, a0, b2, b1, b0])


def radii(coefficients: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Returns the largest root of the cubic at every x."""
    a, b = coefficients[:3], coefficients[3:]
    companion = np.zeros((len(x), 3, 3))
    companion[:, 0] = -(a + x[:, None] * b)
    companion[:, 1, 0] = companion[:, 2, 1] = 1.0
    return np.abs(np.linalg.eigvals(companion)).max(1)


def two_stages(condition: float) -> np.ndarray:
    """Returns the best momentum, as numbers for `method`."""
    return np.array([0.0, rate(2, condition) ** 2, 0.0, 0.0, 0.0])


def for_two_curvatures(condition: float) -> np.ndarray:
    """Returns the method of the cubics `(z + r)^3` at k and `(z - r)^3` at 1.

    They agree with the curvature 0, z = 1, if `((1 + r) / (1 - r))^3 = k`.
    """
    r = rate(3, condition)
    return np.array([0.0, 3 * r**2, 0.0, 0.0, r**3])


def search(condition: float, starts: int = STARTS, seed: int = 0) -> dict[str, Any]:
    """Returns the best worst rate over all curvatures that a search finds."""
    x = np.cos(np.linspace(0, np.pi, CURVATURES))
    worst = lambda free: radii(method(free, condition), x).max()
    known = two_stages(condition), for_two_curvatures(condition)
    rng, best = np.random.default_rng(seed), np.inf
    for n in range(starts):
        start = known[n % 2] + rng.normal(size=5) * (0.02, 0.1, 0.3)[n // 2 % 3]
        options = {"maxiter": 2500, "xatol": 1e-9, "fatol": 1e-11, "adaptive": True}
        for _ in range(2):  # Nelder and Mead's simplex may shrink too early
            start = minimize(worst, start, method="Nelder-Mead", options=options).x
        best = min(best, worst(start))
    return {
        "condition": condition,
        "square root": rate(2, condition),
        "cube root": rate(3, condition),
        "best of three stages": float(best),
    }


def slope(coefficients: np.ndarray, x: float, steps: int = 4000) -> float:
    """Returns the factor per step of a run at one curvature."""
    a, b = coefficients[:3], coefficients[3:]
    recent, logs = np.array([1.0, 0.6, 0.3]), []
    for _ in range(steps):
        recent = np.array([-(a + x * b) @ recent, *recent[:2]])
        length = np.linalg.norm(recent)
        recent, logs = recent / length, [*logs[-steps // 2 :], np.log(length)]
    return float(np.exp(np.mean(logs[-steps // 2 :])))


def ends_and_between(condition: float = 100.0, points: int = 41) -> dict[str, Any]:
    """Returns factors by curvature of the method for two curvatures and of momentum."""
    x = np.linspace(-1, 1, points)
    found = {"condition": condition, "x": x.tolist()}
    for name, free in (
        ("two stages", two_stages(condition)),
        ("three stages for two curvatures", for_two_curvatures(condition)),
    ):
        coefficients = method(free, condition)
        found[name] = np.round(radii(coefficients, x), 5).tolist()
        found[f"{name}, runs"] = [slope(coefficients, end) for end in (-1, 0, 1)]
    return found


if __name__ == "__main__":
    rows = [search(float(k)) for k in CONDITIONS]
    keep("three_stage_momentum", {"rows": rows, "by curvature": ends_and_between()})
