"""Polygons, convex or not; every edge is a face."""

import dataclasses
from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ._cells import Cells, cells
from ._declared import Rows, ends_of, names_of, numbers_of, pairs, slack
from ._domain import Domain
from ._implicit import trimmed
from ._region import AbstractFace, AbstractRegion, Kind
from ._triangles import refuse_polygon, signed_area, triangles

Corner = tuple[float, ...]


@final
class PolygonEdge(AbstractFace):
    """A straight edge, with the region on its left.

    Attributes:
        name: `"edge 0"`, ...
        start: Where it begins.
        stop: Where it ends.
        low: Smallest value of each coordinate in the polygon.
        high: Largest value.
        unit: How many uniform numbers `place` takes.
    """

    name: str = eqx.field(static=True)
    start: Corner = eqx.field(static=True)
    stop: Corner = eqx.field(static=True)
    low: Corner = eqx.field(static=True)
    high: Corner = eqx.field(static=True)
    unit: int = eqx.field(static=True)

    @property
    def length(self) -> float:
        """Distance between its ends."""
        return float(np.hypot(*np.subtract(self.stop, self.start)))

    @property
    def reversed(self) -> "PolygonEdge":
        """The edge with the region on its other side."""
        return dataclasses.replace(self, start=self.stop, stop=self.start)

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point of the edge that belongs to a number in [0, 1)."""
        ends = jnp.asarray([self.start, self.stop], z.dtype)
        return (1 - z[0]) * ends[0] + z[0] * ends[1]

    def normal(self, x: Float[Array, " D"]) -> Float[Array, " D"]:
        """Returns the unit vector that points outwards."""
        along = np.subtract(self.stop, self.start) / self.length
        return jnp.asarray([along[1], -along[0]], x.dtype)

    def distance(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns a function that is 0 on the edge only, not on its line beyond it.

        Behind the edge, where a polygon that is not convex may come back, it is
        positive, too.

        Reference: Sukumar and Srivastava (2022), equations 8 and 9.
        """
        L, center = self.length, np.add(self.start, self.stop) / 2
        away = x - jnp.asarray(center, x.dtype)
        f = -away @ self.normal(x)
        f = jnp.where(f < -slack(x, self.low, self.high), -f, f)
        t = L / 4 - jnp.sum(away**2) / L
        return trimmed(f, t, L)


@final
class Polygon(AbstractRegion):
    """What a closed line of edges encloses.

    Attributes:
        names: Names of both coordinates.
        vertices: In the order they were given.
        pieces: Triangles that fill it.
        kind: `"space"`.
        low: Smallest value of each coordinate.
        high: Largest value of each coordinate.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    vertices: tuple[Corner, ...] = eqx.field(static=True)
    pieces: Cells = eqx.field(static=True)
    kind: Kind = eqx.field(static=True)
    low: Corner = eqx.field(static=True)
    high: Corner = eqx.field(static=True)

    @property
    def unit(self) -> int:
        """How many uniform numbers `place` takes."""
        return self.pieces.unit

    @property
    def edges(self) -> tuple[PolygonEdge, ...]:
        """Edge k runs between the vertices k and k + 1."""
        turns_left = signed_area(np.array(self.vertices)) > 0
        found = []
        for k, a in enumerate(self.vertices):
            b = self.vertices[(k + 1) % len(self.vertices)]
            start, stop = (a, b) if turns_left else (b, a)
            found.append(
                PolygonEdge(
                    name=f"edge {k}",
                    start=start,
                    stop=stop,
                    low=self.low,
                    high=self.high,
                    unit=1,
                )
            )
        return tuple(found)

    @property
    def faces(self) -> dict[str, AbstractFace]:
        """The edges."""
        return {edge.name: edge for edge in self.edges}

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point that belongs to numbers in [0, 1)."""
        return self.pieces.place(z)

    def inside(self, x: Float[Array, " D"]) -> Bool[Array, ""]:
        """Tells by the even-odd rule whether a point lies in it, or on its boundary."""
        a = jnp.asarray(self.vertices, x.dtype)
        along, away = jnp.roll(a, -1, axis=0) - a, x[None] - a
        rises = (away[:, 1] >= 0) != (away[:, 1] - along[:, 1] >= 0)
        slope = along[:, 0] / jnp.where(rises, along[:, 1], 1.0)
        crossed = rises & (away[:, 0] < slope * away[:, 1])
        share = jnp.sum(along * away, axis=1) / jnp.sum(along**2, axis=1)
        foot = jnp.clip(share, 0, 1)[:, None] * along
        near = jnp.linalg.norm(away - foot, axis=1) <= slack(x, self.low, self.high)
        return (jnp.sum(crossed) % 2 == 1) | jnp.any(near)


def polygon(vertices: Rows, names: Sequence[str] | str = ("x", "y")) -> Domain:
    """Returns a polygon, convex or not.

    Its faces are `"edge 0"`, `"edge 1"`, ...: edge k runs from vertex k to the next.
    `"boundary"` or `"all"` stands for every edge.

    Args:
        vertices: `(N, 2)` in the order of the boundary, in either sense.
        names: Of both coordinates.

    Returns:
        The domain.

    Raises:
        InputError: If there are less than three vertices, two following ones are the
            same, edges meet, or there is no area.

    Example:
        >>> corner = polygon([[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]])
        >>> len(corner.named("boundary"))
        6
    """
    points = numbers_of("polygon", "vertices", vertices, (None, 2))
    refuse_polygon(points)
    turned = points if signed_area(points) > 0 else points[::-1]
    low, high = ends_of(points)
    region = Polygon(
        names=names_of("polygon", names, 2),
        vertices=pairs(points),
        pieces=cells(turned[triangles(turned)]),
        kind="space",
        low=low,
        high=high,
    )
    return Domain((region,))
