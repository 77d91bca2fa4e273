"""What a user writes for the value of a field: a number, an array, or a function."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from osculate import diff
from osculate.core import InputError

from ._domain import Domain
from ._gridded import uncovered

NORMAL = "n"


class Words(NamedTuple):
    """The names that exist in a problem.

    Attributes:
        fields: Size by name: 0 a scalar, n a vector of length n.
        domain: Where the coordinates come from.
        others: Names of constants and unknowns.
    """

    fields: dict[str, int]
    domain: Domain
    others: tuple[str, ...]

    def read(
        self, function: Callable[..., Any], what: str, *, normal: bool = False
    ) -> diff.Equation:
        """Reads the argument names of a function.

        Args:
            function: As for `diff.equation`.
            what: What it is, for messages.
            normal: Whether `u_n` is the derivative along the outward normal.

        Returns:
            The equation.

        Raises:
            InputError: If a name is not known, or has two readings.
        """
        names = self.domain.names
        if normal and NORMAL not in (*names, *self.fields, *self.others):
            names = (*names, NORMAL)
        try:
            return diff.equation(
                function,
                over=names,
                fields=tuple(self.fields),
                others=self.others,
                time=(*self.domain.apart, *names[self.size :]),
            )
        except ValueError as error:
            said = str(error).partition(": ")[2]
            raise InputError(f"`solve.problem`: {what}: {said}") from error

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return len(self.domain.names)


@final
class Given(eqx.Module):
    """A number or an array, or a function of coordinates, constants and unknowns.

    Attributes:
        value: The number, or nested tuples of numbers; None for a function.
        function: Its argument names say what it is called with.
        coordinates: The coordinates that it asks for, with their places in a point.
        others: The constants and unknowns that it asks for.
        sign: 1 or -1, with which it is multiplied.
    """

    value: Any = eqx.field(static=True, default=None)
    function: Callable[..., Any] | None = eqx.field(static=True, default=None)
    coordinates: tuple[tuple[str, int], ...] = eqx.field(static=True, default=())
    others: tuple[str, ...] = eqx.field(static=True, default=())
    sign: float = eqx.field(static=True, default=1.0)

    @property
    def is_zero(self) -> bool:
        """Whether it is the number 0 everywhere."""
        return self.function is None and not np.any(np.asarray(self.value))

    def asks(self, place: int) -> bool:
        """Tells whether it is called with the coordinate at this place."""
        return any(own == place for _, own in self.coordinates)

    def __call__(
        self, x: Float[Array, " D"], others: Mapping[str, Any]
    ) -> Float[Array, "..."]:
        """Returns the value at a point, in the precision of the point."""
        if self.function is None:
            return self.sign * jnp.asarray(self.value, x.dtype)
        known = {name: x[place] for name, place in self.coordinates}
        known |= {name: others[name] for name in self.others}
        return self.sign * jnp.asarray(self.function(**known), x.dtype)


def given(value: Any, words: Words, what: str) -> Given | diff.Equation:
    """Reads a value; a function that asks for fields is an equation instead.

    Args:
        value: A number, an array, or a function.
        words: The names that exist.
        what: What it is, for messages.

    Returns:
        The value, or the equation whose residual is to vanish.

    Raises:
        InputError: If it is none of these, or not finite.
    """
    if callable(value):
        if lacking := uncovered(value, words.domain):
            raise InputError(
                f"`solve.problem`: {what} is {lacking}, less than the domain.\n"
                "Give values up to the ends, or a smaller domain."
            )
        equation = words.read(value, what, normal=True)
        if equation.derivatives:
            return equation
        places = {name: k for k, name in enumerate(words.domain.names)}
        asks = [name for name in equation.arguments if name in places]
        others = tuple(name for name in equation.arguments if name not in places)
        return Given(
            function=value,
            coordinates=tuple((name, places[name]) for name in asks),
            others=others,
        )
    try:
        numbers = np.asarray(np.nan if isinstance(value, str) else value, float)
    except (TypeError, ValueError):
        numbers = np.asarray(np.nan)
    if not np.isfinite(numbers).all():
        raise InputError(
            f"`solve.problem`: {what} is {value!r}; expected a finite number, an array "
            f"of them, or a function.\nName what it depends on: lambda "
            f"{words.domain.names[0]}: ..."
        )
    return Given(value=_tuples(numbers.tolist()))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
