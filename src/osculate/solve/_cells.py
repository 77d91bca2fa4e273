"""Points that are uniform in a set of simplices."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._held import Held, held


def spacings(z: Float[Array, " K"]) -> Float[Array, " K+1"]:
    """Returns the gaps that K numbers leave in the unit interval.

    Those of uniform numbers are uniform barycentric coordinates.

    Reference: Devroye (1986), Non-uniform random variate generation, theorem V.2.1.
    """
    ends = jnp.asarray([0.0, 1.0], z.dtype)
    return jnp.diff(jnp.concatenate([ends[:1], jnp.sort(z), ends[1:]]))


def volumes(corners: Float[np.ndarray, "C n D"]) -> Float[np.ndarray, " C"]:
    """Returns the volume of each simplex, within the space that it spans.

    Args:
        corners: Of C simplices.

    Returns:
        `(C,)`.
    """
    edges = corners[:, 1:] - corners[:, :1]
    gram = edges @ np.swapaxes(edges, 1, 2)
    size = np.sqrt(np.maximum(np.linalg.det(gram), 0.0))
    return size / math.factorial(edges.shape[1])


class Cells(NamedTuple):
    """Simplices, one of which is chosen by its volume.

    Attributes:
        corners: `(C, K + 1, D)`.
        reach: `(C + 1,)`: the share of the volume before each.
    """

    corners: Held
    reach: Held

    @property
    def unit(self) -> int:
        """How many uniform numbers `place` takes."""
        return self.corners.shape[1] - 1

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point that belongs to numbers in [0, 1).

        The first one chooses the simplex; what remains of it is used again.
        """
        reach = self.reach.at(z.dtype)
        k = jnp.searchsorted(reach, z[0], side="right") - 1
        k = jnp.clip(k, 0, self.corners.shape[0] - 1)
        rest = jnp.clip((z[0] - reach[k]) / (reach[k + 1] - reach[k]), 0, 1)
        shares = spacings(jnp.concatenate([rest[None], z[1:]]))
        return shares @ self.corners.at(z.dtype)[k]


def cells(corners: Float[np.ndarray, "C n D"]) -> Cells:
    """Returns simplices to draw from.

    Args:
        corners: Of C simplices.

    Returns:
        Them.
    """
    before = np.concatenate([[0.0], np.cumsum(volumes(corners))])
    return Cells(held(corners), held(before / before[-1]))
