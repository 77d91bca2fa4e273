"""The notation of print: `u_xx` read as a field and a multi-index.

A declared field wins over notation (`nu_t` may be a field). Otherwise the name splits
at its last underscore, and the tail is read as coordinates in every possible way: none
is an error that lists what exists, two are an error that lists both.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Partial(NamedTuple):
    """A field and how often it is differentiated by each coordinate."""

    name: str
    field: str
    orders: tuple[int, ...]

    @property
    def key(self) -> tuple[int, ...]:
        """The coordinates differentiated by, ascending: `(1, 1)` for `u_xx` of t, x."""
        return tuple(i for i, n in enumerate(self.orders) for _ in range(n))


def names(text: str | Sequence[str]) -> tuple[str, ...]:
    """Returns the words of `"t x"`, or the sequence as a tuple."""
    return tuple(text.split()) if isinstance(text, str) else tuple(text)


def read(name: str, *, fields: Sequence[str], over: Sequence[str]) -> Partial:
    """Reads one name of a field or of a partial derivative.

    Args:
        name: `"u"`, `"u_x"`, `"u_tx"`, `"speed_alpha"`.
        fields: The fields that exist.
        over: The coordinates, in the order they have in a point.

    Returns:
        The field and its multi-index.

    Raises:
        ValueError: If the name has no reading, or more than one.
    """
    if name in fields:
        return Partial(name, name, (0,) * len(over))
    field, _, tail = name.rpartition("_")
    readings = set(_spellings(tail, over)) if field in fields and tail else set()
    if len(readings) > 1:
        both = " or ".join(_printed(field, orders, over) for orders in sorted(readings))
        raise ValueError(
            f"`partials`: {name!r} can be read in more than one way: as {both}. "
            "Rename a coordinate."
        )
    if not readings:
        raise ValueError(
            f"`partials`: {name!r} is not known; fields are {list(fields)}, "
            f"coordinates {list(over)}. Write FIELD_COORDINATES, for instance "
            f"{'_'.join([*fields[:1], *over[:1]])!r}."
        )
    return Partial(name, field, readings.pop())


def _spellings(tail: str, over: Sequence[str]) -> list[tuple[int, ...]]:
    """Every multi-index whose coordinates, in some order, spell the tail."""
    if not tail:
        return [(0,) * len(over)]
    return [
        tuple(n + (i == axis) for i, n in enumerate(rest))
        for axis, coordinate in enumerate(over)
        if tail.startswith(coordinate)
        for rest in _spellings(tail[len(coordinate) :], over)
    ]


def _printed(field: str, orders: Sequence[int], over: Sequence[str]) -> str:
    """Returns `d2 u / da db`."""
    power = lambda n: "" if n == 1 else str(n)
    below = [f"d{c}{power(n)}" for c, n in zip(over, orders, strict=True) if n]
    return f"d{power(sum(orders))} {field} / {' '.join(below)}"
