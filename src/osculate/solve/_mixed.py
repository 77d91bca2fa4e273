"""Robin's condition: a field and its slope at an end of a coordinate, tied."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from osculate import diff

from ._along import along
from ._box import BoxFace, axis_of
from ._domain import Domain, Side
from ._given import NORMAL, Words

LOOKS, ROUGH = 2001, 1e-2  # points along a coordinate; of what is between two of them


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
        affine, with factors that are not constant, with unknowns, or with a source that
        jumps or has a kink: a trial function would have it inside, where no derivative
        tells of it.
    """
    names = _names(equation, side, words)
    others = tuple(n for n in equation.arguments if n in words.others)
    if names is None or not constants.keys() >= set(others):
        return None
    places = {name: k for k, name in enumerate(words.domain.names)}
    asks = tuple((n, places[n]) for n in equation.arguments if n in places)
    read = Mixed(equation, names, 1.0, 0.0, False, asks, others)
    known = {name: jnp.asarray(constants[name]) for name in others}
    with jax.enable_x64(True):  # what is built in is not to depend on rounding
        factors = _factors(read, words.domain, known)
        if factors is None or not _is_smooth(read, side, words.domain, known):
            return None
        middle = jnp.asarray(_middle(words.domain))
        is_zero = not asks and float(read(middle, known)) == 0.0
    field, slope = factors
    outward = names[1] not in _along(side, words).values()
    slope *= -1.0 if outward and _is_lower(side) else 1.0
    return dataclasses.replace(read, slope=slope, rate=field / slope, is_zero=is_zero)


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


def _middle(domain: Domain) -> np.ndarray:
    return (np.array(domain.low) + np.array(domain.high)) / 2


def _factors(
    read: Mixed, domain: Domain, known: Mapping[str, Any]
) -> tuple[float, float] | None:
    """Returns what field and slope are multiplied with, if that is constant."""
    zero, one = jnp.zeros(()), jnp.ones(())
    x = jnp.asarray(_middle(domain))

    def factors(u: Array, slope: Array, x: Float[Array, " D"]) -> tuple[Array, Array]:
        left = lambda u, slope: read.left(u, slope, x, known)
        by = lambda du, ds: jax.jvp(left, (u, slope), (du, ds))[1]
        return by(one, zero), by(zero, one)

    try:
        traced = jax.make_jaxpr(factors)(zero, zero, x).jaxpr
    except (TypeError, ValueError):  # no number: the equation on the face will tell
        return None
    if any(a.aval.shape for a in traced.outvars) or _depends(traced):
        return None
    field, slope = map(float, factors(zero, zero, x))
    usable = math.isfinite(field) and math.isfinite(slope) and slope != 0
    return (field, slope) if usable else None


def _depends(traced: Any) -> bool:
    """Tells whether a result of traced code depends on what it was called with."""
    seen = set(traced.invars)
    heard = lambda names: any(not hasattr(a, "val") and a in seen for a in names)
    for step in traced.eqns:
        if heard(step.invars):
            seen.update(step.outvars)
    return heard(traced.outvars)


def _is_smooth(
    read: Mixed, side: Side, domain: Domain, known: Mapping[str, Any]
) -> bool:
    """Tells whether a source and its slope go where their derivatives say."""
    low, high = np.array(domain.low), np.array(domain.high)
    x = low + (high - low) * np.random.default_rng(0).random(len(low))
    x[axis_of(side)] = side.face.value if isinstance(side.face, BoxFace) else 0.0
    value: Callable[..., Array] = read
    for _, place in read.coordinates:
        if place == axis_of(side):
            continue
        line = np.linspace(low[place], high[place], LOOKS)
        points = np.tile(x, (LOOKS, 1))
        points[:, place] = line
        looked = lambda order, place=place, points=points: np.asarray(
            jax.vmap(lambda p: along(value, place, order)(p, known))(
                jnp.asarray(points)
            )
        )
        source, slope, bend = looked(0), looked(1), looked(2)
        pairs = (source, slope), (slope, bend)
        if not all(_follows(f, df, line[1] - line[0]) for f, df in pairs):
            return False
    return True


def _follows(f: np.ndarray, df: np.ndarray, step: float) -> bool:
    """Compares differences of neighbours with what their slopes say."""
    if not np.isfinite(f).all():
        return True  # a source that is not finite is refused elsewhere
    said = (df[1:] + df[:-1]) / 2 * step
    return bool(np.abs(np.diff(f) - said).max() <= ROUGH * np.ptp(f) + 1e-12)
