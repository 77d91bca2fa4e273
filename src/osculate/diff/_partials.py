"""Partial derivatives by name, as they are printed."""

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Array, Float

from ._notation import names, read
from ._streams import streams
from ._types import Field


def partials(
    u: Field,
    wanted: str | Sequence[str],
    over: str | Sequence[str],
    *,
    fields: str | Sequence[str] = "u",
) -> Callable[[Float[Array, " D"]], Any]:
    """Returns x -> the wanted partial derivatives at x, as a named tuple.

    Args:
        u: `(D,) -> ()`, which is then the one field in `fields`, or a field to a
            dictionary that holds every name in `fields`.
        wanted: Names in the notation of print, `"u u_t u_xx"`.
        over: The coordinates in the order they have in x, `"t x"`.
        fields: The names of the fields.

    Returns:
        A function of one point `(D,)` to a named tuple with one entry per wanted name.

    Raises:
        ValueError: If a name has no reading or two, or a point does not have one
            coordinate per name in `over`.

    Example:
        >>> d = partials(lambda p: p[0] * p[1] ** 3, "u u_t u_xx", over="t x")
        >>> d(jnp.array([1.0, 2.0])).u_xx
        Array(12., dtype=float32)
    """
    over, fields = names(over), names(fields)
    asked = [read(name, fields=fields, over=over) for name in names(wanted)]
    answer = namedtuple("Partials", [p.name for p in asked])

    def at(x: Float[Array, " D"]):
        if x.shape != (len(over),):
            raise ValueError(
                f"`partials`: a point of shape {x.shape} for the coordinates "
                f"{list(over)}; expected {(len(over),)}. Use jax.vmap for many points."
            )
        found = streams(_fields(u, fields), {p.key for p in asked})(x)
        return answer(*(found[p.key][p.field] for p in asked))

    return at


def partial(
    u: Field,
    wanted: str,
    over: str | Sequence[str],
    *,
    fields: str | Sequence[str] = "u",
) -> Field:
    """Returns x -> one partial derivative of u at x.

    Args:
        u: As in `partials`.
        wanted: One name, `"u_xx"`.
        over: The coordinates in the order they have in x.
        fields: The names of the fields.

    Returns:
        A function of one point to an array of the field's shape.

    Raises:
        ValueError: As in `partials`.

    Example:
        >>> u_x = partial(lambda p: p[0] * p[1] ** 3, "u_x", over="t x")
        >>> u_x(jnp.array([1.0, 2.0]))
        Array(12., dtype=float32)
    """
    both = partials(u, [wanted], over, fields=fields)
    return lambda x: both(x)[0]


def _fields(u: Field, fields: Sequence[str]) -> Field:
    """Returns x -> the named fields of u, all from one look at it."""

    def at(x: Float[Array, " D"]) -> dict[str, Array]:
        y = u(x)
        if not isinstance(y, dict) and len(fields) == 1:
            return {fields[0]: y}
        if isinstance(y, dict) and set(fields) <= y.keys():
            return {name: y[name] for name in fields}
        what = f"returns {list(y)}" if isinstance(y, dict) else "returns one array"
        raise ValueError(
            f"`partials`: u {what}; expected a dictionary with {list(fields)}. "
            "Return one, or pass the names that exist as fields=."
        )

    return at
