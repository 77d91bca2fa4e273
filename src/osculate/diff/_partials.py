"""Derivatives by name, as they are printed."""

from collections import Counter, namedtuple
from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Array, Float

from ._notation import names
from ._requests import Coordinates, ask
from ._streams import streams
from ._types import Field


def partials(
    u: Field,
    wanted: str | Sequence[str],
    over: str | Sequence[str],
    *,
    fields: str | Sequence[str] = "u",
    time: str | Sequence[str] = (),
) -> Callable[[Float[Array, " D"]], Any]:
    """Returns x -> the wanted derivatives at x, as a named tuple, from one pass.

    Args:
        u: `(D,) -> ()`, which is then the one field in `fields`, or a field to a
            dictionary that holds every name in `fields`.
        wanted: Names in the notation of print: fields and their partial derivatives,
            `"u u_t u_xx"`, and `grad_u`, `hess_u`, `lap_u`, `bilap_u`, `div_w`,
            `curl_w`, which are Cartesian operators in space.
        over: The coordinates in the order they have in x, `"t x"`.
        fields: The names of the fields.
        time: The coordinates that are not space.

    Returns:
        A function of one point `(D,)` to a named tuple with one entry per wanted name;
        axes of the coordinates come last.

    Raises:
        ValueError: If a name has no reading or two or is there twice, or a point does
            not have one coordinate per name in `over`.

    Example:
        >>> d = partials(lambda p: p[0] * p[1] ** 3, "u u_t u_xx", over="t x")
        >>> d(jnp.array([1.0, 2.0])).u_xx
        Array(12., dtype=float32)
        >>> heat = partials(lambda p: p[0] * p[1] ** 2, "lap_u", over="t x", time="t")
        >>> heat(jnp.array([3.0, 1.0])).lap_u
        Array(6., dtype=float32)
    """
    coordinates, fields = read_coordinates(over, time), names(fields)
    asked = [ask(name, fields=fields, over=coordinates) for name in names(wanted)]
    if twice := [name for name, n in Counter(p.name for p in asked).items() if n > 1]:
        raise ValueError(f"`partials`: {twice[0]!r} is wanted twice. Name it once.")
    answer = namedtuple("Partials", [p.name for p in asked])
    keys = {key for p in asked for key in p.keys}
    size = len(coordinates.names)

    def at(x: Float[Array, " D"]):
        if x.shape != (size,):
            raise ValueError(
                f"`partials`: a point of shape {x.shape} for the coordinates "
                f"{list(coordinates.names)}; expected {(size,)}. Use jax.vmap "
                "for many points."
            )
        by_key = streams(_fields(u, fields), keys, summed=coordinates.space)(x)
        of = lambda field: {key: fields_[field] for key, fields_ in by_key.items()}
        return answer(*(p.build(of(p.field)) for p in asked))

    return at


def partial(
    u: Field,
    wanted: str,
    over: str | Sequence[str],
    *,
    fields: str | Sequence[str] = "u",
    time: str | Sequence[str] = (),
) -> Field:
    """Returns x -> one derivative of u at x.

    Args:
        u: As in `partials`.
        wanted: One name, `"u_xx"`.
        over: The coordinates in the order they have in x.
        fields: The names of the fields.
        time: The coordinates that are not space.

    Returns:
        A function of one point to an array.

    Raises:
        ValueError: As in `partials`.

    Example:
        >>> u_x = partial(lambda p: p[0] * p[1] ** 3, "u_x", over="t x")
        >>> u_x(jnp.array([1.0, 2.0]))
        Array(12., dtype=float32)
    """
    both = partials(u, [wanted], over, fields=fields, time=time)
    return lambda x: both(x)[0]


def read_coordinates(
    over: str | Sequence[str], time: str | Sequence[str]
) -> Coordinates:
    """Returns the named coordinates.

    Args:
        over: Their names, in the order they have in a point.
        time: Those that are not space.

    Returns:
        The coordinates.

    Raises:
        ValueError: If a name is there twice, or the time is not among them.
    """
    over, time = names(over), names(time)
    if len(set(over)) < len(over):
        raise ValueError(f"`partials`: the coordinates {list(over)} repeat a name.")
    if missing := [name for name in time if name not in over]:
        raise ValueError(
            f"`partials`: time={missing[0]!r} is not among the coordinates "
            f"{list(over)}."
        )
    return Coordinates(over, time)


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
