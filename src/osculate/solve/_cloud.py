"""Clouds of points in place of a region."""

from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from osculate.core import InputError

from ._ball import SURFACE
from ._declared import Rows, ends_of, names_of, numbers_of, slack
from ._domain import Domain
from ._held import Held, held
from ._listed import chosen, listed
from ._region import AbstractFace, AbstractRegion, Kind


@final
class CloudFace(AbstractFace):
    """Points of a boundary that is not known between them.

    Conditions here are met softly.

    Attributes:
        name: `"surface"`.
        points: They.
        rows: The same, with the unit normal of each.
        unit: How many uniform numbers `place` takes.
    """

    name: str = eqx.field(static=True)
    points: Held = eqx.field(static=True)
    rows: Held = eqx.field(static=True)
    unit: int = eqx.field(static=True)

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns one of the points."""
        return chosen(self.points, z)

    def normal(self, x: Float[Array, " D"]) -> Float[Array, " D"]:
        """Returns the unit normal of the nearest point."""
        return self._nearest(x)[x.shape[0] :]

    def distance(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns the distance to the plane of the nearest point; it has jumps."""
        row = self._nearest(x)
        return row[x.shape[0] :] @ (row[: x.shape[0]] - x)

    def _nearest(self, x: Float[Array, " D"]) -> Float[Array, " E"]:
        rows = self.rows.at(x.dtype)
        away = rows[:, : x.shape[0]] - x[None]
        return rows[jnp.argmin(jnp.sum(away**2, axis=1))]


@final
class Cloud(AbstractRegion):
    """Points inside of a region, and perhaps some of its boundary.

    Attributes:
        names: Names of the D coordinates.
        cloud: Points inside.
        surface: The boundary, or None.
        low: Smallest value of each coordinate.
        high: Largest value of each coordinate.
        kind: `"space"`.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    cloud: Held = eqx.field(static=True)
    surface: CloudFace | None
    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)
    kind: Kind = eqx.field(static=True)

    @property
    def unit(self) -> int:
        """How many uniform numbers `place` takes: one that chooses."""
        return 1

    @property
    def faces(self) -> dict[str, AbstractFace]:
        """The surface, where its points are known."""
        return {} if self.surface is None else {SURFACE: self.surface}

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns one of the points; they are as dense as they were given."""
        return chosen(self.cloud, z)

    def inside(self, x: Float[Array, " D"]) -> Bool[Array, ""]:
        """Tells whether a point lies in the box around all points."""
        room = slack(x, self.low, self.high)
        low, high = jnp.asarray(self.low, x.dtype), jnp.asarray(self.high, x.dtype)
        return jnp.all((x >= low - room) & (x <= high + room))


def points(
    cloud: Rows,
    names: Sequence[str] | str | None = None,
    *,
    boundary: Rows | None = None,
    normals: Rows | None = None,
) -> Domain:
    """Returns a domain that is known by points alone.

    The equation is met at the points of the cloud. With points of the boundary there is
    a face `"surface"`; as no function is known that vanishes on it, conditions there
    are residuals of their own.

    Args:
        cloud: `(N, D)`, points inside.
        names: Of the coordinates; x, y, z where there are none.
        boundary: `(M, D)`, points of the boundary.
        normals: `(M, D)`, vectors there that point outwards, of any length.

    Returns:
        The domain.

    Raises:
        InputError: If there are too few points, shapes differ, or a normal has no
            length.

    Example:
        >>> points([[0.0, 0.0], [0.5, 0.1], [0.2, 0.7]]).names
        ('x', 'y')
    """
    inner = numbers_of("points", "cloud", cloud, (None, None))
    D, every = inner.shape[1], [inner]
    if (boundary is None) != (normals is None):
        raise InputError(
            "`solve.points`: one of `boundary` and `normals` is given; expected both, "
            "or none.\nGive a vector outwards at each point of the boundary."
        )
    surface = None
    if boundary is not None:
        outer = numbers_of("points", "boundary", boundary, (None, D))
        ways = numbers_of("points", "normals", normals, outer.shape)
        length = np.linalg.norm(ways, axis=1, keepdims=True)
        if not (length > 0).all():
            raise InputError(
                f"`solve.points`: normal {int(length.argmin())} has no length.\n"
                "Give a vector that points outwards."
            )
        rows = np.concatenate([outer, ways / length], axis=1)
        surface = CloudFace(
            name=SURFACE, points=listed(outer, len(outer)), rows=held(rows), unit=1
        )
        every.append(outer)
    low, high = ends_of(np.concatenate(every))
    if not np.less(low, high).all():
        raise InputError(
            f"`solve.points`: {len(inner)} points with coordinates from {low} to "
            f"{high}; expected several values of each.\n"
            "Leave out a coordinate that is constant."
        )
    region = Cloud(
        names=names_of("points", names, D),
        cloud=listed(inner, len(inner)),
        surface=surface,
        low=low,
        high=high,
        kind="space",
    )
    return Domain((region,))
