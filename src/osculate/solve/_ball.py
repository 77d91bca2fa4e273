"""Balls and shells: what lies within, or between, spheres around a centre."""

from typing import final

import equinox as eqx
import jax.numpy as jnp
from jax.scipy.special import ndtri
from jaxtyping import Array, Bool, Float

from osculate.core import InputError

from ._declared import numbers_of, slack
from ._domain import Domain
from ._implicit import root
from ._region import AbstractFace, AbstractRegion, Kind

SURFACE, INNER, OUTER = "surface", "inner", "outer"


def numbers_for(D: int) -> int:
    """Returns how many uniform numbers `direction` takes."""
    return D - 1 if D <= 3 else D


def direction(z: Float[Array, " K"], D: int) -> Float[Array, " {D}"]:
    """Returns the unit vector that belongs to numbers in [0, 1).

    Angles in the plane and in space; in more dimensions normal quantiles, whose
    direction is uniform.

    Args:
        z: Numbers, as many as `numbers_for` says.
        D: Number of dimensions.

    Returns:
        `(D,)`.

    Reference: Muller (1959), A note on a method for generating points uniformly on
    n-dimensional spheres.
    """
    if D <= 3:
        angle = 2 * jnp.pi * z[-1]
        circle = jnp.stack([jnp.cos(angle), jnp.sin(angle)])
        if D == 2:
            return circle
        height = 2 * z[0] - 1
        return jnp.append(root(1 - height**2) * circle, height)
    edge = float(jnp.finfo(z.dtype).eps)
    v = ndtri(jnp.clip(z, edge, 1 - edge))
    v = jnp.where(jnp.all(v == 0), jnp.ones_like(v), v)
    return v / jnp.linalg.norm(v)


@final
class Sphere(AbstractFace):
    """All points at one distance from a centre.

    Attributes:
        name: `"surface"`, `"inner"`, `"outer"`.
        center: `(D,)`.
        radius: The distance.
        is_hole: Whether the region lies outside of it.
        unit: How many uniform numbers `place` takes.
    """

    name: str = eqx.field(static=True)
    center: tuple[float, ...] = eqx.field(static=True)
    radius: float = eqx.field(static=True)
    is_hole: bool = eqx.field(static=True)
    unit: int = eqx.field(static=True)

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point of the face that belongs to numbers in [0, 1)."""
        center = jnp.asarray(self.center, z.dtype)
        return center + self.radius * direction(z, len(self.center))

    def normal(self, x: Float[Array, " D"]) -> Float[Array, " D"]:
        """Returns the unit vector that points outwards."""
        away = x - jnp.asarray(self.center, x.dtype)
        away = -away if self.is_hole else away
        return away / jnp.linalg.norm(away)

    def distance(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns `(R² - r²) / 2R`, with the other sign around a hole."""
        square = jnp.sum((x - jnp.asarray(self.center, x.dtype)) ** 2)
        found = (self.radius**2 - square) / (2 * self.radius)
        return -found if self.is_hole else found


@final
class Ball(AbstractRegion):
    """Points whose distance from a centre lies between two radii.

    Attributes:
        names: Names of the D coordinates.
        center: `(D,)`.
        inner: The smaller radius, 0 for a full ball.
        outer: The larger radius.
        kind: `"space"`.
        low: Smallest value of each coordinate.
        high: Largest value of each coordinate.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    center: tuple[float, ...] = eqx.field(static=True)
    inner: float = eqx.field(static=True)
    outer: float = eqx.field(static=True)
    kind: Kind = eqx.field(static=True)
    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)

    @property
    def unit(self) -> int:
        """How many uniform numbers `place` takes: one is for the radius."""
        return 1 + numbers_for(len(self.names))

    @property
    def faces(self) -> dict[str, AbstractFace]:
        """The sphere around a ball; both of a shell."""
        if not self.inner:
            return {SURFACE: self._sphere(SURFACE, self.outer)}
        return {
            INNER: self._sphere(INNER, self.inner),
            OUTER: self._sphere(OUTER, self.outer),
        }

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point that belongs to numbers in [0, 1)."""
        D, share = len(self.names), (self.inner / self.outer) ** len(self.names)
        radius = self.outer * (share + (1 - share) * z[0]) ** (1 / D)
        return jnp.asarray(self.center, z.dtype) + radius * direction(z[1:], D)

    def inside(self, x: Float[Array, " D"]) -> Bool[Array, ""]:
        """Tells whether a point lies in the region or on its boundary."""
        r = jnp.linalg.norm(x - jnp.asarray(self.center, x.dtype))
        room = slack(x, self.low, self.high)
        return (r <= self.outer + room) & (r >= self.inner - room)

    def _sphere(self, name: str, radius: float) -> Sphere:
        return Sphere(
            name=name,
            center=self.center,
            radius=radius,
            is_hole=name == INNER,
            unit=numbers_for(len(self.center)),
        )


def _centered(owner: str, center: dict[str, float]) -> tuple[float, ...]:
    if len(center) < 2:
        raise InputError(
            f"`solve.{owner}`: {len(center)} coordinates of the centre; expected two or"
            f" more.\nWrite {owner}(x=0.0, y=0.0, ...), or use `solve.interval`."
        )
    return tuple(float(numbers_of(owner, n, v, ())) for n, v in center.items())


def _radius(owner: str, what: str, value: float) -> float:
    found = float(numbers_of(owner, what, value, ()))
    if found <= 0:
        raise InputError(
            f"`solve.{owner}`: {what} is {value!r}; expected a positive number.\n"
            "Give the distance from the centre."
        )
    return found


def _between(
    names: tuple[str, ...], center: tuple[float, ...], inner: float, outer: float
) -> Domain:
    region = Ball(
        names=names,
        center=center,
        inner=inner,
        outer=outer,
        kind="space",
        low=tuple(value - outer for value in center),
        high=tuple(value + outer for value in center),
    )
    return Domain((region,))


def ball(*, radius: float, **center: float) -> Domain:
    """Returns a ball in space: a disc in two dimensions.

    Its face is `"surface"`.

    Args:
        radius: Its radius.
        **center: Coordinates of its centre by name.

    Returns:
        The domain.

    Raises:
        InputError: If the radius is not positive, or there are less than two
            coordinates.

    Example:
        >>> ball(x=0.0, y=0.0, radius=1.0).names
        ('x', 'y')
    """
    place = _centered("ball", center)
    R = _radius("ball", "radius", radius)
    return _between(tuple(center), place, 0.0, R)


def shell(*, inner: float, outer: float, **center: float) -> Domain:
    """Returns what lies between two spheres: a ring in two dimensions.

    Its faces are `"inner"` and `"outer"`.

    Args:
        inner: The smaller radius.
        outer: The larger radius.
        **center: Coordinates of the centre by name.

    Returns:
        The domain.

    Raises:
        InputError: If the radii are not positive and in order, or there are less than
            two coordinates.

    Example:
        >>> list(shell(x=0.0, y=0.0, inner=0.5, outer=1.0).sides)
        ['inner', 'outer']
    """
    place = _centered("shell", center)
    a, b = _radius("shell", "inner", inner), _radius("shell", "outer", outer)
    if not a < b:
        raise InputError(
            f"`solve.shell`: inner is {inner!r} and outer is {outer!r}; expected the "
            "inner radius to be smaller.\nExchange them, or use `solve.ball`."
        )
    return _between(tuple(center), place, a, b)
