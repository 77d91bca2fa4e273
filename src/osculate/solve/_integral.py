"""Integrals that have a prescribed value: normalization, conserved amounts."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from osculate import diff
from osculate.core import InputError, Samples

from ._box import Box
from ._domain import Domain
from ._gauss import gauss
from ._given import Given, Words, given

NODES, MOST = 40, 2000  # along one coordinate, and in all
LINES = 32  # values of the coordinates that are not integrated over


class Integral(NamedTuple):
    """What a user declares.

    Attributes:
        function: What is integrated; its argument names are the request.
        equals: What the integral is.
        over: The coordinates, or None for all of space.
    """

    function: Callable[..., Any]
    equals: Any
    over: tuple[str, ...] | None


def integral(
    function: Callable[..., Any],
    *,
    equals: Any = 0.0,
    over: str | Sequence[str] | None = None,
) -> Integral:
    """Declares that an integral has a value, for all values of other coordinates.

    Args:
        function: What is integrated, of fields, derivatives and coordinates by name:
            `lambda u: u**2`.
        equals: The value: a number, or a function of the coordinates that are not
            integrated over, constants and unknowns.
        over: Coordinates of boxes by name; by default all coordinates of space.

    Returns:
        An entry of `problem(integrals=...)`.

    Example:
        >>> mass = integral(lambda u: u, equals=1.0, over="x")
        >>> mass.over
        ('x',)
    """
    names = tuple(over.split()) if isinstance(over, str) else over
    return Integral(function, equals, None if names is None else tuple(names))


@final
class Integrated(NamedTuple):
    """An integral as it was read.

    Attributes:
        equation: What is integrated.
        equals: Its value.
        places: Of the coordinates integrated over.
    """

    equation: diff.Equation
    equals: Given
    places: tuple[int, ...]

    def words(self, domain: Domain) -> str:
        """Says what is integrated over what."""
        over = ", ".join(domain.names[place] for place in self.places)
        return f"of {', '.join(self.equation.derivatives)} over {over}"


def integrated(declared: Sequence[Integral], words: Words) -> tuple[Integrated, ...]:
    """Reads integrals.

    Args:
        declared: As by `integral`.
        words: The names that exist.

    Returns:
        The integrals.

    Raises:
        InputError: If a name is not known, a coordinate is not one of a box, or the
            value depends on what is integrated over.
    """
    return tuple(_read(one, k, words) for k, one in enumerate(declared))


def _read(one: Integral, k: int, words: Words) -> Integrated:
    what, domain = f"integral {k + 1}", words.domain
    boxed = [n for r in domain.regions if isinstance(r, Box) for n in r.names]
    space = [n for r in domain.regions if r.kind == "space" for n in r.names]
    over = one.over or tuple(space)
    if outside := [name for name in over if name not in boxed]:
        raise InputError(
            f"`solve.problem`: {what} is over {outside[0]!r}; integrals are taken over "
            f"coordinates of boxes, here {boxed}.\nName them with over='...'."
        )
    equation = words.read(one.function, what)
    if not equation.derivatives:
        raise InputError(
            f"`solve.problem`: {what} asks for no field; there are "
            f"{list(words.fields)}.\nName what is integrated: lambda u: u**2."
        )
    equals = given(one.equals, words, f"the value of {what}")
    names = [name for name, _ in getattr(equals, "coordinates", ())]
    if not isinstance(equals, Given) or {*names} & {*over}:
        raise InputError(
            f"`solve.problem`: the value of {what} depends on a field or on what is "
            f"integrated over, {list(over)}.\nGive a number, or a function of the "
            "other coordinates."
        )
    return Integrated(equation, equals, tuple(map(domain.names.index, over)))


def quadrature(one: Integrated, domain: Domain, key: PRNGKeyArray) -> Samples:
    """Returns the points of an integral for some values of the other coordinates.

    Args:
        one: The integral.
        domain: Of the problem.
        key: Of the values of the other coordinates.

    Returns:
        Samples whose rows are sets of points: `{"points": (K, Q, D), "weights":
        (K, Q)}`, by the rule of Gauss and Legendre.
    """
    count = len(one.places)
    nodes = min(NODES, math.floor(MOST ** (1 / count)))
    low, high = ([side[p] for p in one.places] for side in (domain.low, domain.high))
    spots, weights = gauss(low, high, nodes)
    lines = LINES if count < len(domain.names) else 1
    rows = jnp.asarray(domain.points(lines, key))
    points = jnp.repeat(rows[:, None], len(spots), axis=1)
    spread = jnp.broadcast_to(jnp.asarray(spots)[None], (lines, *spots.shape))
    points = points.at[:, :, jnp.asarray(one.places)].set(spread)
    weights = jnp.broadcast_to(jnp.asarray(weights)[None], (lines, len(weights)))
    whole: dict[str, Array] = {"points": points, "weights": weights}
    return Samples(whole, None, jnp.ones(lines))
