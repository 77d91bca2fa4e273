"""The rule of Gauss and Legendre on boxes."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def gauss(
    low: Sequence[float], high: Sequence[float], nodes: int
) -> tuple[Float[np.ndarray, "Q D"], Float[np.ndarray, " Q"]]:
    """Returns points and weights that integrate smooth functions over a box.

    Args:
        low: Smallest value of each coordinate.
        high: Largest value of each coordinate.
        nodes: Points along each coordinate.

    Returns:
        Points, and weights whose sum is the volume.
    """
    z, w = np.polynomial.legendre.leggauss(nodes)
    ends = list(zip(low, high, strict=True))
    axes = [a + (b - a) * (z + 1) / 2 for a, b in ends]
    parts = [w * (b - a) / 2 for a, b in ends]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(ends))
    return points, np.prod(np.meshgrid(*parts, indexing="ij"), axis=0).reshape(-1)
