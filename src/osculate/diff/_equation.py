"""Equations as they are printed: the names of the arguments are the request."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

from jaxtyping import Array, Float

from osculate.core import did_you_mean

from ._keys import LAPLACE, Key
from ._notation import names
from ._partials import partials, read_coordinates
from ._requests import OPERATORS, Coordinates, ask, asked
from ._types import Field


@final
@dataclasses.dataclass(frozen=True)
class Equation:
    """An ordinary function whose argument names say which derivatives it needs.

    Attributes:
        function: The function.
        arguments: The names it is called with.
        derivatives: Those of them that are fields or derivatives of fields.
        over: The coordinates.
        fields: The fields.
        others: Constants and unknowns, given at the call.
    """

    function: Callable[..., Any]
    arguments: tuple[str, ...]
    derivatives: tuple[str, ...]
    over: Coordinates
    fields: tuple[str, ...]
    others: tuple[str, ...]

    def __call__(self, u: Field, x: Float[Array, " D"], /, **others: Any) -> Any:
        """Calls the function with what it asks for.

        Args:
            u: The fields, as in `partials`.
            x: A point.
            **others: The constants and unknowns by name.

        Returns:
            What the function returns.

        Raises:
            TypeError: If a constant is missing or has another name.
        """
        return self.of_values(self.values(u, x), x, **others)

    def values(self, u: Field, x: Float[Array, " D"]) -> dict[str, Array]:
        """Returns the fields and derivatives that the function asks for.

        Args:
            u: The fields, as in `partials`.
            x: A point.

        Returns:
            Arrays by name, all from one pass; linear in the fields.
        """
        if not self.derivatives:
            return {}
        fields = {"fields": self.fields, "time": self.over.time}
        at = partials(u, self.derivatives, self.over.names, **fields)
        return at(x)._asdict()

    def of_values(
        self, values: Mapping[str, Array], x: Float[Array, " D"], /, **others: Any
    ) -> Any:
        """Calls the function with derivatives that are known.

        Args:
            values: As by `values`.
            x: A point.
            **others: The constants and unknowns by name.

        Returns:
            What the function returns.

        Raises:
            TypeError: If a constant is missing or has another name.
        """
        if set(others) != set(self.others):
            raise TypeError(
                f"`equation`: called with {sorted(others)}; expected values for "
                f"{list(self.others)}."
            )
        known = dict(zip(self.over.names, x, strict=True)) | others | dict(values)
        return self.function(**{name: known[name] for name in self.arguments})

    def orders(self, field: str) -> tuple[int, ...]:
        """Returns how often it differentiates a field by each coordinate, at most.

        Args:
            field: One of the fields.

        Returns:
            Orders, one for each coordinate: `(1, 2)` of `u_t - u_xx` over `"t x"`.
        """
        keys = [
            key
            for name in self.derivatives
            for asked in (ask(name, fields=self.fields, over=self.over),)
            if asked.field == field
            for key in asked.keys
        ]
        space = self.over.space
        return tuple(
            max((_times(key, i, i in space) for key in keys), default=0)
            for i in range(len(self.over.names))
        )


def _times(key: Key, coordinate: int, is_space: bool) -> int:
    """Returns how often a derivative is one by a coordinate."""
    return key.count(coordinate) + 2 * is_space * key.count(LAPLACE)


def equation(
    function: Callable[..., Any],
    over: str | Sequence[str],
    *,
    fields: str | Sequence[str] = "u",
    others: str | Sequence[str] = (),
    time: str | Sequence[str] = (),
) -> Equation:
    """Reads what an equation needs from the names of its arguments.

    They are fields, their derivatives in the notation of `partials`, coordinates, and
    declared others. What is declared wins over the notation. An argument with a default
    is the author's own.

    Args:
        function: `(u, u_t, u_xx, x, nu) -> residual`, of ordinary arrays.
        over: The coordinates in the order they have in a point, `"t x"`.
        fields: The names of the fields.
        others: The names of constants and unknowns.
        time: The coordinates that are not space.

    Returns:
        `(u, x, **others) -> residual`: all derivatives from one pass.

    Raises:
        ValueError: If a name has no reading or two, is declared twice, or the function
            takes `*args` or `**kwargs`.

    Example:
        >>> burgers = equation(
        ...     lambda u, u_t, u_x, u_xx, nu: u_t + u * u_x - nu * u_xx,
        ...     over="t x",
        ...     others="nu",
        ... )
        >>> burgers(lambda p: p[1] / (1 + p[0]), jnp.array([1.0, 3.0]), nu=0.1)
        Array(0., dtype=float32)
    """
    coordinates = read_coordinates(over, time)
    fields, others = names(fields), names(others)
    declared = (*fields, *coordinates.names, *others)
    if twice := {name for name in declared if declared.count(name) > 1}:
        raise ValueError(
            f"`equation`: {min(twice)!r} is declared twice, among fields {list(fields)}"
            f", coordinates {list(coordinates.names)} and others {list(others)}."
        )
    arguments = _arguments(function)
    own = {*coordinates.names, *others}
    derivatives = tuple(name for name in arguments if name not in own)
    for name in derivatives:
        if not asked(name, fields=fields, over=coordinates):
            raise ValueError(
                f"`equation`: the argument {name!r} is not known; fields are "
                f"{list(fields)}, coordinates {list(coordinates.names)}, others "
                f"{list(others)}. Write a derivative as {fields[0]}_"
                f"{coordinates.names[0]}, an operator as {next(iter(OPERATORS))}_"
                f"{fields[0]}.{did_you_mean(name, declared)}"
            )
        ask(name, fields=fields, over=coordinates)
    return Equation(function, arguments, derivatives, coordinates, fields, others)


def _arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """Returns the names of the arguments that have no default."""
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ValueError(
                f"`equation`: the function takes {parameter}; its argument names are "
                "the request, so name each of them."
            )
        if parameter.kind == parameter.POSITIONAL_ONLY:
            raise ValueError(
                f"`equation`: {name!r} cannot be given by name; write the function "
                "without '/'."
            )
        if parameter.default is parameter.empty:
            found.append(name)
    return tuple(found)
