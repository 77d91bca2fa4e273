"""Boundaries of segments or triangles, with one smooth distance to all of them.

It is the inverse of the mean of `1 / distance` over all directions, with the sign by
which a ray leaves or enters; the sum over facets is known in closed form.

Reference: Belyaev, Fayolle and Pasko (2013), Signed Lp-distance fields; Ju, Schaefer
and Warren (2005), Mean value coordinates for closed triangular meshes.
"""

from typing import final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._cells import Cells
from ._held import Held
from ._implicit import root
from ._region import AbstractFace


@final
class Facets(AbstractFace):
    """A closed boundary of segments in the plane, or of triangles in space.

    Attributes:
        name: `"surface"`.
        pieces: The facets.
        outward: Their unit normals.
        size: A length.
        unit: How many uniform numbers `place` takes.
    """

    name: str = eqx.field(static=True)
    pieces: Cells = eqx.field(static=True)
    outward: Held = eqx.field(static=True)
    size: float = eqx.field(static=True)
    unit: int = eqx.field(static=True)

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point of the face that belongs to numbers in [0, 1)."""
        return self.pieces.place(z)

    def normal(self, x: Float[Array, " D"]) -> Float[Array, " D"]:
        """Returns the unit normal of the facet that a point lies on."""
        p, n = self._seen(x)
        if p.shape[1] == 2:
            r = jnp.linalg.norm(p, axis=2)
            aside = r[:, 0] + r[:, 1] - jnp.linalg.norm(p[:, 1] - p[:, 0], axis=1)
        else:
            area = lambda a, b: jnp.linalg.norm(jnp.cross(a, b), axis=1)
            parts = [area(p[:, k], p[:, (k + 1) % 3]) for k in range(3)]
            aside = sum(parts[1:], parts[0]) - area(
                p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
            )
        return n[jnp.argmin(aside)]

    def distance(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns 2 over the sum of the facets in the plane, pi over it in space."""
        p, n = self._seen(x)
        if p.shape[1] == 2:
            return 2 * _inverse_of_sum(*_segments(p))
        h = jnp.sum(n * p[:, 0], axis=1)
        return jnp.pi * _inverse_of_sum(*_triangles(p, n, h, self.size))

    def _seen(self, x: Float[Array, " D"]) -> tuple[Array, Array]:
        """Returns corners as seen from a point, and normals."""
        corners = self.pieces.corners.at(x.dtype)
        return corners - x[None, None], self.outward.at(x.dtype)


def facet_normals(
    corners: Float[np.ndarray, "C D D"],
) -> Float[np.ndarray, "C D"]:
    """Returns unit vectors across segments or triangles, by the order of their corners.

    Args:
        corners: Counter-clockwise around the region, or as seen from outside of it.

    Returns:
        `(C, D)`.
    """
    edges = corners[:, 1:] - corners[:, :1]
    if corners.shape[1] == 2:
        across = np.stack([edges[:, 0, 1], -edges[:, 0, 0]], axis=1)
    else:
        across = np.cross(edges[:, 0], edges[:, 1])
    return across / np.linalg.norm(across, axis=1, keepdims=True)


def _inverse_of_sum(w: Array, inverse: Array) -> Array:
    """Returns `1 / sum w`, by the inverse of the largest part: it is 0 on its facet."""
    j = jnp.argmin(jnp.abs(inverse))
    rest = jnp.sum(jnp.where(jnp.arange(len(w)) != j, w, 0.0))
    return inverse[j] / (1 + inverse[j] * rest)


def _segments(p: Float[Array, "C 2 2"]) -> tuple[Array, Array]:
    """Returns `tan(angle / 2) (1 / r + 1 / s)` of each segment, and the inverses."""
    a, b = p[:, 0], p[:, 1]
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    dot = jnp.sum(a * b, axis=1)
    r, s = root(jnp.sum(a**2, axis=1)), root(jnp.sum(b**2, axis=1))
    wide = dot < 0
    top = jnp.where(wide, r * s - dot, cross)
    bottom = jnp.where(wide, cross, r * s + dot)
    over = top * (r + s)
    under = bottom * r * s
    divide = lambda a, b: a / jnp.where(b == 0, 1.0, b)
    w = jnp.where(under == 0, 0.0, divide(over, under))
    inverse = jnp.where(over == 0, jnp.inf, divide(under, over))
    return w, jnp.where(r * s == 0, 0.0, inverse)


def _triangles(
    p: Float[Array, "C 3 3"], n: Float[Array, "C 3"], h: Float[Array, " C"], size: float
) -> tuple[Array, Array]:
    """Returns `n · m / h` of each triangle, and the inverses; m is its vector angle."""
    flux = jnp.zeros_like(h)
    for k in range(3):
        a, b = p[:, k], p[:, (k + 1) % 3]
        across = jnp.cross(a, b)
        length = root(jnp.sum(across**2, axis=1))
        angle = jnp.arctan2(length, jnp.sum(a * b, axis=1))
        unit = jnp.sum(n * across, axis=1) / jnp.where(length == 0, 1.0, length)
        flux = flux + angle * unit / 2
    # Near the plane of a triangle n · m vanishes beside it, and is lost to rounding.
    thin = jnp.abs(h) < float(jnp.finfo(h.dtype).eps) ** (1 / 3) * size
    area = jnp.linalg.norm(jnp.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=1) / 2
    far = jnp.sum(jnp.mean(p, axis=1) ** 2, axis=1)
    onto = flux > 0.1
    w = jnp.where(
        thin,
        h * area / jnp.where(far == 0, 1.0, far) ** 2,
        flux / jnp.where(thin, 1.0, h),
    )
    inverse = jnp.where(onto, h / jnp.where(onto, flux, 1.0), jnp.inf)
    free = (inverse == jnp.inf) & (w != 0) & ~thin
    return w, jnp.where(free, 1 / jnp.where(free, w, 1.0), inverse)
