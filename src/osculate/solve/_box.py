"""Boxes: intervals of named coordinates, of space, time or parameters."""

import math
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from osculate.core import InputError

from ._domain import Domain, Side
from ._region import AbstractFace, AbstractRegion, Kind

LOWER, UPPER = "lower", "upper"


@final
class BoxFace(AbstractFace):
    """Where one coordinate has its smallest or its largest value.

    Attributes:
        name: `"x=lower"`, `"x=upper"`.
        unit: How many uniform numbers `place` takes.
        axis: Which coordinate.
        low: Smallest value of each coordinate.
        high: Largest value of each coordinate.
    """

    name: str = eqx.field(static=True)
    unit: int = eqx.field(static=True)
    axis: int = eqx.field(static=True)
    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)

    @property
    def is_lower(self) -> bool:
        """Whether the coordinate has its smallest value here."""
        return self.name.endswith(LOWER)

    @property
    def value(self) -> float:
        """The value of the coordinate here."""
        return (self.low if self.is_lower else self.high)[self.axis]

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point of the face that belongs to numbers in [0, 1)."""
        return _held(self.axis, self.value, self.low, self.high, z)

    def normal(self, x: Float[Array, " D"]) -> Float[Array, " D"]:
        """Returns the unit vector that points outwards."""
        sign = -1.0 if self.is_lower else 1.0
        return jnp.asarray(sign * np.eye(len(self.low))[self.axis])

    def distance(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns the distance to the face."""
        sign = 1.0 if self.is_lower else -1.0
        return sign * (x[self.axis] - self.value)


@final
class Plane(AbstractFace):
    """Where one coordinate has a value inside of a box: an interface.

    Attributes:
        name: `"x=0.5"`.
        unit: How many uniform numbers `place` takes.
        axis: Which coordinate.
        value: Its value.
        low: Smallest value of each coordinate.
        high: Largest value of each coordinate.
    """

    name: str = eqx.field(static=True)
    unit: int = eqx.field(static=True)
    axis: int = eqx.field(static=True)
    value: float = eqx.field(static=True)
    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point of the plane that belongs to numbers in [0, 1)."""
        return _held(self.axis, self.value, self.low, self.high, z)

    def normal(self, x: Float[Array, " D"]) -> Float[Array, " D"]:
        """Returns the unit vector along the coordinate."""
        return jnp.asarray(np.eye(len(self.low))[self.axis])

    def distance(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns the distance to the plane, negative behind it."""
        return x[self.axis] - self.value


def _held(
    axis: int,
    value: float,
    low: tuple[float, ...],
    high: tuple[float, ...],
    z: Float[Array, " K"],
) -> Float[Array, " D"]:
    """Returns the point of a box with one coordinate held that belongs to numbers."""
    z = jnp.concatenate([z[:axis], jnp.zeros(1), z[axis:]])
    first, last = jnp.asarray(low), jnp.asarray(high)
    x = first + (last - first) * z
    return jnp.concatenate([x[:axis], jnp.asarray([value]), x[axis + 1 :]])


def axis_of(side: Side) -> int | None:
    """Returns the place of the coordinate that a face holds; None off boxes."""
    face = side.face
    return side.start + face.axis if isinstance(face, BoxFace) else None


@final
class Box(AbstractRegion):
    """An interval of each coordinate.

    Attributes:
        names: Names of the D coordinates.
        kind: `"space"`, `"time"` or `"parameter"`.
        low: Smallest value of each coordinate.
        high: Largest value of each coordinate.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    kind: Kind = eqx.field(static=True)
    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)

    @property
    def unit(self) -> int:
        """How many uniform numbers `place` takes: one for each coordinate."""
        return len(self.names)

    @property
    def faces(self) -> dict[str, AbstractFace]:
        """Both ends of every coordinate; a parameter has none."""
        if self.kind == "parameter":
            return {}
        return {
            name: BoxFace(name, self.unit - 1, axis, self.low, self.high)
            for axis, coordinate in enumerate(self.names)
            for name in (f"{coordinate}={LOWER}", f"{coordinate}={UPPER}")
        }

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point that belongs to numbers in [0, 1)."""
        low, high = jnp.asarray(self.low), jnp.asarray(self.high)
        return low + (high - low) * z

    def inside(self, x: Float[Array, " D"]) -> Bool[Array, ""]:
        """Tells whether a point lies in the box or on its boundary."""
        return jnp.all((x >= jnp.asarray(self.low)) & (x <= jnp.asarray(self.high)))

    def plane(self, name: str, value: float) -> Plane | None:
        """Returns where a coordinate of space has a value between its ends."""
        if name not in self.names or self.kind != "space":
            return None
        axis = self.names.index(name)
        if not self.low[axis] < value < self.high[axis]:
            return None
        called = f"{name}={value:g}"
        return Plane(called, self.unit - 1, axis, value, self.low, self.high)


def _box(owner: str, kind: Kind, ranges: dict[str, Any]) -> Domain:
    if not ranges:
        raise InputError(
            f"`solve.{owner}`: no coordinates.\nName them: {owner}(x=(0, 1))."
        )
    for name, ends in ranges.items():
        try:
            low, high = map(float, ends)
        except (TypeError, ValueError):
            low = high = math.nan
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(
                f"`solve.{owner}`: {name} is {ends!r}; expected two finite numbers, "
                f"the smaller one first.\nWrite for instance {name}=(0, 1)."
            )
    low, high = zip(*(map(float, ends) for ends in ranges.values()), strict=True)
    return Domain((Box(tuple(ranges), kind, tuple(low), tuple(high)),))


def box(**ranges: Any) -> Domain:
    """Returns a box in space.

    Faces are `"x=lower"` and `"x=upper"` for each coordinate, `"x"` for both.

    Args:
        **ranges: Smallest and largest value of each coordinate by name.

    Returns:
        The domain.

    Raises:
        InputError: If there is no coordinate, or the ends of one are no interval.

    Example:
        >>> box(x=(-1, 1), y=(0, 2)).names
        ('x', 'y')
    """
    return _box("box", "space", ranges)


def interval(**ranges: Any) -> Domain:
    """Returns an interval of one coordinate in space: `interval(x=(0, 1))`.

    Args:
        **ranges: The ends of the coordinate by its name.

    Returns:
        The domain; its faces are those of a `box`.

    Raises:
        InputError: If there is not one coordinate, or its ends are no interval.
    """
    if len(ranges) > 1:
        raise InputError(
            f"`solve.interval`: {len(ranges)} coordinates; expected one.\n"
            "Use `solve.box` for several."
        )
    return _box("interval", "space", ranges)


def time(**ranges: Any) -> Domain:
    """Returns an interval of time, to be multiplied with a domain in space.

    Operators such as `lap_u` leave it out; `initial` conditions hold at its beginning.

    Args:
        **ranges: Begin and end by the name of the coordinate.

    Returns:
        The domain.

    Raises:
        InputError: If there is not one coordinate, or its ends are no interval.

    Example:
        >>> (interval(x=(0, 1)) * time(t=(0, 2))).names
        ('x', 't')
    """
    if len(ranges) > 1:
        raise InputError(
            f"`solve.time`: {len(ranges)} coordinates; expected one.\n"
            "Other coordinates belong in `solve.box` or `solve.parameter`."
        )
    return _box("time", "time", ranges)


def parameter(**ranges: Any) -> Domain:
    """Returns ranges of parameters: the solution is found for all of their values.

    They are coordinates of the solution that have no boundary and that no operator acts
    on.

    Args:
        **ranges: Smallest and largest value of each parameter by name.

    Returns:
        The domain, to be multiplied with others.

    Raises:
        InputError: If there is no parameter, or the ends of one are no interval.
    """
    return _box("parameter", "parameter", ranges)
