"""Points that were found once, in an order that keeps neighbours together."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._held import Held, held

COUNT = 4096
BITS = 62


def listed(points: Float[np.ndarray, "N D"], count: int = COUNT) -> Held:
    """Orders points along a curve (Morton), and leaves out some of them evenly.

    Args:
        points: They.
        count: How many are kept at most.

    Returns:
        `(count, D)`, or all of them.
    """
    order = _order(points)
    if len(order) > count:
        order = order[(np.arange(count) + 0.5).astype(int) * len(order) // count]
    return held(points[order])


def chosen(points: Held, z: Float[Array, " 1"]) -> Float[Array, " D"]:
    """Returns the point that belongs to a number in [0, 1).

    Args:
        points: Points to choose from.
        z: The number.

    Returns:
        `(D,)`.
    """
    N = points.shape[0]
    at = jnp.clip((z[0] * N).astype(int), 0, N - 1)
    return points.at(z.dtype)[at]


def _order(points: Float[np.ndarray, "N D"]) -> Array | np.ndarray:
    N, D = points.shape
    bits = max(1, min(16, BITS // D))
    low, wide = points.min(axis=0), np.ptp(points, axis=0)
    share = (points - low) / np.where(wide > 0, wide, 1.0)
    grid = np.clip(share * (2**bits - 1), 0, 2**bits - 1).astype(np.int64)
    code = np.zeros(N, np.int64)
    for bit in reversed(range(bits)):
        for d in range(min(D, BITS // bits)):
            code = 2 * code + (grid[:, d] >> bit) % 2
    return np.argsort(code, kind="stable")
