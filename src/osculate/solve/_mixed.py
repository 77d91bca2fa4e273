"""Robin's condition: a field and its slope at an end of a coordinate, tied."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from osculate import diff

from ._box import BoxFace, axis_of
from ._domain import Side
from ._given import NORMAL, Words

LOOKS, TOLERANCE = 256, 1e-12


@final
class Mixed(eqx.Module):
    """What `u_s + rate u` is at an end of the coordinate s.

    Attributes:
        equation: What vanishes there, as it was declared.
        names: Of the field and of its slope, as the equation asks for them.
        slope: What the equation multiplies `u_s` with.
        rate: What `u` is multiplied with, where `u_s` has the factor 1.
        is_zero: Whether it is the number 0 everywhere.
        coordinates: The coordinates that it asks for, with their places in a point.
        others: The constants that it asks for.
    """

    equation: diff.Equation = eqx.field(static=True)
    names: tuple[str, str] = eqx.field(static=True)
    slope: float = eqx.field(static=True)
    rate: float = eqx.field(static=True)
    is_zero: bool = eqx.field(static=True)
    coordinates: tuple[tuple[str, int], ...] = eqx.field(static=True)
    others: tuple[str, ...] = eqx.field(static=True)

    def asks(self, place: int) -> bool:
        """Tells whether it depends on the coordinate at this place."""
        return any(own == place for _, own in self.coordinates)

    def __call__(
        self, x: Float[Array, " D"], others: Mapping[str, Any]
    ) -> Float[Array, ""]:
        """Returns the value at a point, in the precision of the point."""
        zero = jnp.zeros((), x.dtype)
        return self.left(zero, zero, x, others) / -self.slope

    def left(
        self,
        u: Float[Array, ""],
        slope: Float[Array, ""],
        x: Float[Array, " D"],
        others: Mapping[str, Any],
    ) -> Array:
        """Returns what the equation leaves of a field and its slope.

        Args:
            u: The field.
            slope: The slope, as the equation asks for it.
            x: The point.
            others: Constants by name.

        Returns:
            The residual.
        """
        known = {name: x[place] for name, place in self.coordinates}
        known |= {name: others[name] for name in self.others}
        known |= dict(zip(self.names, (u, slope), strict=True))
        asked = {name: known[name] for name in self.equation.arguments}
        return jnp.asarray(self.equation.function(**asked), x.dtype)


class _Parts(NamedTuple):
    """A residual `field u + slope u_n + rest` on points of a face."""

    field: np.ndarray
    slope: np.ndarray
    rest: np.ndarray


def mixed(
    equation: diff.Equation, side: Side, words: Words, constants: Mapping[str, Any]
) -> Mixed | None:
    """Reads an equation on a face as Robin's condition.

    Args:
        equation: What vanishes there.
        side: The face.
        words: The names that exist.
        constants: Values by name.

    Returns:
        The condition; None where it is another: on a face that is no end of a
        coordinate of space, of several fields or of a vector, of other derivatives, not
        affine, with factors that are not constant, or with unknowns.
    """
    names = _names(equation, side, words)
    others = tuple(n for n in equation.arguments if n in words.others)
    if names is None or not constants.keys() >= set(others):
        return None
    places = {name: k for k, name in enumerate(words.domain.names)}
    asks = tuple((n, places[n]) for n in equation.arguments if n in places)
    read = Mixed(equation, names, 1.0, 0.0, False, asks, others)
    with jax.enable_x64(True):  # what is built in is not to depend on rounding
        parts = _parts(read, side, words, constants)
    if parts is None or not parts.slope[0]:
        return None
    outward = names[1] not in _along(side, words).values()
    slope = float(parts.slope[0]) * (-1.0 if outward and _is_lower(side) else 1.0)
    return dataclasses.replace(
        read,
        slope=slope,
        rate=float(parts.field[0]) / slope,
        is_zero=not asks and not parts.rest.any(),
    )


def _names(equation: diff.Equation, side: Side, words: Words) -> tuple[str, str] | None:
    """Returns the names of a scalar field and its slope, if nothing else is asked."""
    domain = words.domain
    place = axis_of(side)
    if place is None or domain.names[place] in domain.time:
        return None
    slopes = {name: field for field, name in _along(side, words).items()}
    if NORMAL in equation.over.names[words.size :]:
        slopes |= {f"{field}_{NORMAL}": field for field in words.fields}
    asked = set(equation.derivatives)
    for slope in asked & slopes.keys():
        field = slopes[slope]
        if asked <= {field, slope} and not words.fields[field]:
            return field, slope
    return None


def _along(side: Side, words: Words) -> dict[str, str]:
    """Returns the names of the slopes along the coordinate of a face, by field."""
    over, place = words.domain.names, axis_of(side)
    below = [] if place is None else [over[place]]
    return {f: diff.partial_name(f, below, over=over) for f in words.fields}


def _is_lower(side: Side) -> bool:
    return isinstance(side.face, BoxFace) and side.face.is_lower


def _parts(
    read: Mixed, side: Side, words: Words, constants: Mapping[str, Any]
) -> _Parts | None:
    """Returns the parts of a residual at many points; None where it has others."""
    points = words.domain.points_on(side, LOOKS, jr.key(0))
    known = {name: jnp.asarray(constants[name]) for name in read.others}

    @jax.jit
    def residual(u: Float[Array, " K"], slope: Float[Array, " K"]) -> Array:
        rows = jax.vmap(lambda x, u, p: read.left(u, p, x, known), (None, 0, 0))
        return jax.vmap(rows, (0, None, None))(points, u, slope)

    u, slope = np.array([0, 1, 0, 0.7, -1.9]), np.array([0, 0, 1, -1.3, 0.4])
    found = np.asarray(residual(jnp.asarray(u), jnp.asarray(slope)))
    if found.shape != (len(points), len(u)) or not np.isfinite(found).all():
        return None
    rest = found[:, 0]
    parts = _Parts(found[:, 1] - rest, found[:, 2] - rest, rest)
    straight = np.outer(parts.field, u) + np.outer(parts.slope, slope) + rest[:, None]
    near = TOLERANCE * (1 + np.abs(found).max())
    same = [np.ptp(parts.field), np.ptp(parts.slope), np.abs(straight - found).max()]
    return parts if max(same) <= near else None
