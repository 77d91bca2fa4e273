"""The norm of Sobolev spaces on a box, by quadrature and by random points."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from numpy.typing import ArrayLike

from osculate import diff

Scalar = Float[Array, ""]
Point = Float[Array, " D"]
MAX_POINTS = 10**6  # of a quadrature rule
CHUNK = 4096  # points that are looked at together


def sobolev_norm(
    u: Callable[[Point], Any],
    lower: ArrayLike,
    upper: ArrayLike,
    *,
    order: int = 1,
    p: float = 2.0,
    nodes: int = 64,
) -> Scalar:
    """Returns the norm of u in W^{k,p} of a box, by Gauss-Legendre quadrature.

    `(sum_j integral |D^j u|_p^p)^(1/p)` over j = 0..k, with `|.|_p` the p-norm of all
    entries of the full tensor; at p = inf the largest entry of all tensors at the
    nodes, a lower bound of the supremum. Cost: nodes^D points; the error falls
    exponentially for analytic u and is at worst that of a kink between two nodes.

    Args:
        u: Function of one point, `(D,) -> (...)`.
        lower: Corner of the box, `(D,)`.
        upper: The opposite corner, `(D,)`.
        order: k, 0 or more.
        p: From 1 to inf.
        nodes: Points per dimension.

    Returns:
        The norm: a mixture of units, where u or x have some.

    Raises:
        ValueError: If the box, the order or p make no sense, or there are more than a
            million nodes.

    Reference: SPEC S0.11.

    Example:
        >>> u = lambda x: jnp.sin(x[0])
        >>> round(float(sobolev_norm(u, [0.0], [2 * jnp.pi])) ** 2, 4)  # 2 pi
        6.2832
    """
    low, high = _box("sobolev_norm", lower, upper, order, p)
    D = low.size
    if nodes < 1 or nodes**D > MAX_POINTS:
        raise ValueError(
            f"`sobolev_norm`: {nodes} nodes in each of {D} dimensions; expected 1 to "
            f"{MAX_POINTS:,} in all. Use fewer, or `estimate_sobolev_norm`."
        )
    x, w = np.polynomial.legendre.leggauss(nodes)
    grid = np.stack(np.meshgrid(*D * [x], indexing="ij"), -1).reshape(-1, D)
    weights = np.prod(np.stack(np.meshgrid(*D * [w], indexing="ij"), -1), -1).ravel()
    points = low[None] + (high - low)[None] * jnp.asarray((grid + 1) / 2)
    powers = _powers(u, points, order, p)
    if math.isinf(p):
        return jnp.max(powers)
    share = jnp.prod((high - low) / 2) * jnp.asarray(weights)
    return (share @ powers) ** (1 / p)


def estimate_sobolev_norm(
    u: Callable[[Point], Any],
    lower: ArrayLike,
    upper: ArrayLike,
    key: PRNGKeyArray,
    *,
    order: int = 1,
    p: float = 2.0,
    points: int = 10_000,
) -> diff.Estimate:
    """Returns the norm of u in W^{k,p} of a box from uniform random points.

    For many dimensions. The integral is estimated without bias; its p-th root has one
    of the order 1/points. The error falls as `points^(-1/2)`.

    Args:
        u: Function of one point, `(D,) -> (...)`.
        lower: Corner of the box, `(D,)`.
        upper: The opposite corner, `(D,)`.
        key: Of the points.
        order: k, 0 or more.
        p: From 1, finite.
        points: How many, 2 or more.

    Returns:
        The norm, and its standard error to first order.

    Raises:
        ValueError: If the box, the order or p make no sense.

    Reference: SPEC S0.11, S0.12.
    """
    low, high = _box("estimate_sobolev_norm", lower, upper, order, p)
    if math.isinf(p) or points < 2:
        raise ValueError(
            f"`estimate_sobolev_norm`: p={p}, points={points}; expected a finite p and "
            "2 points or more. Use `sobolev_norm` for p = inf."
        )
    x = jr.uniform(key, (points, low.size), low.dtype, low[None], high[None])
    powers = jnp.prod(high - low) * _powers(u, x, order, p)
    mean, error = jnp.mean(powers), jnp.std(powers, ddof=1) / math.sqrt(points)
    # The derivative of the root, at mean 0 too, where nothing is in doubt.
    slope = jnp.where(mean > 0, mean, 1.0) ** (1 / p - 1) / p
    return diff.Estimate(mean ** (1 / p), error * slope)


def _box(
    owner: str, lower: ArrayLike, upper: ArrayLike, order: int, p: float
) -> tuple[Point, Point]:
    low, high = np.asarray(lower, float), np.asarray(upper, float)
    sound = low.ndim == 1 and low.size and low.shape == high.shape
    if not sound or not (low < high).all() or order < 0 or not p >= 1:
        raise ValueError(
            f"`{owner}`: lower {low}, upper {high}, order {order}, p {p}; expected "
            "corners (D,) with lower < upper, an order of 0 or more, and p from 1."
        )
    return jnp.asarray(low), jnp.asarray(high)


def _powers(
    u: Callable[[Point], Any], points: Float[Array, "N D"], order: int, p: float
) -> Float[Array, " N"]:
    """Returns the p-th power of the p-norm of all tensors, point by point."""
    jet = diff.jet(diff.as_vector(u), order)

    def at(x: Point) -> Scalar:
        entries = jnp.concatenate([jnp.ravel(tensor) for tensor in jet(x)])
        size = jnp.abs(entries)
        return jnp.max(size) if math.isinf(p) else jnp.sum(size**p)

    return jax.lax.map(at, points, batch_size=min(CHUNK, len(points)))
