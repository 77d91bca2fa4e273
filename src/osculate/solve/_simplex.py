"""Simplices: triangles, tetrahedra and their like in any dimension."""

from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from osculate.core import InputError

from ._cells import spacings, volumes
from ._declared import Rows, ends_of, names_of, numbers_of, pairs, slack
from ._domain import Domain
from ._region import AbstractFace, AbstractRegion, Kind


@final
class SimplexFace(AbstractFace):
    """The face opposite a vertex.

    Attributes:
        name: `"face 0"`, ...
        corners: Its D vertices.
        outward: Its unit normal.
        unit: How many uniform numbers `place` takes.
    """

    name: str = eqx.field(static=True)
    corners: tuple[tuple[float, ...], ...] = eqx.field(static=True)
    outward: tuple[float, ...] = eqx.field(static=True)
    unit: int = eqx.field(static=True)

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point of the face that belongs to numbers in [0, 1)."""
        return spacings(z) @ jnp.asarray(self.corners, z.dtype)

    def normal(self, x: Float[Array, " D"]) -> Float[Array, " D"]:
        """Returns the unit vector that points outwards."""
        return jnp.asarray(self.outward, x.dtype)

    def distance(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns the distance to the plane: a barycentric coordinate times height."""
        away = jnp.asarray(self.corners[0], x.dtype) - x
        return away @ jnp.asarray(self.outward, x.dtype)


@final
class Simplex(AbstractRegion):
    """The convex hull of D + 1 points.

    Attributes:
        names: Names of the D coordinates.
        vertices: The points.
        kind: `"space"`.
        low: Smallest value of each coordinate.
        high: Largest value of each coordinate.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    vertices: tuple[tuple[float, ...], ...] = eqx.field(static=True)
    kind: Kind = eqx.field(static=True)
    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)

    @property
    def unit(self) -> int:
        """How many uniform numbers `place` takes: one for each coordinate."""
        return len(self.names)

    @property
    def faces(self) -> dict[str, AbstractFace]:
        """`"face k"` lies opposite vertex k."""
        points = np.array(self.vertices)
        slopes = np.linalg.inv((points[1:] - points[0]).T)
        slopes = np.concatenate([-slopes.sum(axis=0, keepdims=True), slopes])
        outward = -slopes / np.linalg.norm(slopes, axis=1, keepdims=True)
        found = {}
        for k, normal in enumerate(pairs(outward)):
            corners = self.vertices[:k] + self.vertices[k + 1 :]
            found[f"face {k}"] = SimplexFace(
                name=f"face {k}",
                corners=corners,
                outward=normal,
                unit=len(corners) - 1,
            )
        return found

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point that belongs to numbers in [0, 1)."""
        return spacings(z) @ jnp.asarray(self.vertices, z.dtype)

    def inside(self, x: Float[Array, " D"]) -> Bool[Array, ""]:
        """Tells whether a point lies in the simplex or on its boundary."""
        room = slack(x, self.low, self.high)
        away = jnp.stack([face.distance(x) for face in self.faces.values()])
        return jnp.all(away >= -room)


def simplex(vertices: Rows, names: Sequence[str] | str | None = None) -> Domain:
    """Returns a simplex: a triangle, a tetrahedron, or its like.

    Its faces are `"face 0"`, `"face 1"`, ..., each opposite the vertex of that number.

    Args:
        vertices: `(D + 1, D)`.
        names: Of the coordinates; x, y, z where there are none.

    Returns:
        The domain.

    Raises:
        InputError: If the vertices are not D + 1 points that span a volume, or the
            names are not D different ones.

    Example:
        >>> list(simplex([[0, 0], [1, 0], [0, 1]]).sides)
        ['face 0', 'face 1', 'face 2']
    """
    points = numbers_of("simplex", "vertices", vertices, (None, None))
    N, D = points.shape
    if N != D + 1 or D < 2:
        raise InputError(
            f"`solve.simplex`: {N} vertices in {D} dimensions; expected one more than "
            "there are dimensions, at least two.\nUse `solve.polygon` for more corners."
        )
    size = float(np.ptp(points, axis=0).max())
    if volumes(points[None])[0] <= 1e-12 * size**D:
        raise InputError(
            f"`solve.simplex`: the {N} vertices lie in one plane; expected a volume.\n"
            "Move one of them."
        )
    low, high = ends_of(points)
    region = Simplex(
        names=names_of("simplex", names, D),
        vertices=pairs(points),
        kind="space",
        low=low,
        high=high,
    )
    return Domain((region,))
