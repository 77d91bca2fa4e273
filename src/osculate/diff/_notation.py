"""The notation of print: `u_xx` read as a field and a multi-index, and written.

A declared field wins over notation: `nu_t` may be a field, and `nu_t_x` is then its
derivative. A name splits behind the longest field that leaves coordinates to read, in
every possible way: `u_tx`, or `lift_alpha_mach` where coordinates have several letters.
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


def readings(name: str, *, fields: Sequence[str], over: Sequence[str]) -> list[Partial]:
    """Returns every way to read a name as a field or a partial derivative.

    Args:
        name: `"u"`, `"u_x"`, `"u_tx"`, `"lift_alpha_mach"`.
        fields: The fields that exist.
        over: The coordinates, in the order they have in a point.

    Returns:
        The readings, those of the lowest order first; none where there is none.
    """
    if name in fields:
        return [Partial(name, name, (0,) * len(over))]
    for at in reversed(range(len(name) - 1)):
        if name[at] == "_" and name[:at] in fields:
            found = {
                Partial(name, name[:at], orders)
                for orders in _spellings(name[at + 1 :], over)
            }
            if found:
                return sorted(found, key=lambda p: (sum(p.orders), p))
    return []


def partial_name(field: str, below: Sequence[str], *, over: Sequence[str]) -> str:
    """Writes a partial derivative as it is printed.

    Args:
        field: The field.
        below: The coordinates it is differentiated by; none gives the field itself.
        over: All coordinates: where one has several letters, `_` stands between them.

    Returns:
        `"h"`, `"h_Tp"`, `"lift_alpha_mach"`.
    """
    joint = "" if all(len(coordinate) == 1 for coordinate in over) else "_"
    return f"{field}_{joint.join(below)}" if below else field


def fraction(p: Partial, over: Sequence[str]) -> str:
    """Writes a partial derivative at full length.

    Args:
        p: The derivative.
        over: All coordinates.

    Returns:
        `"d2 u / da db"`.
    """
    power = lambda n: "" if n == 1 else str(n)
    below = [f"d{c}{power(n)}" for c, n in zip(over, p.orders, strict=True) if n]
    return f"d{power(sum(p.orders))} {p.field} / {' '.join(below)}"


def _spellings(tail: str, over: Sequence[str]) -> list[tuple[int, ...]]:
    """Every multi-index whose coordinates, in some order, spell the tail."""
    if not tail:
        return [(0,) * len(over)]
    return [
        tuple(n + (i == axis) for i, n in enumerate(orders))
        for axis, coordinate in enumerate(over)
        if coordinate and tail.startswith(coordinate)
        for rest in _rests(tail[len(coordinate) :])
        for orders in _spellings(rest, over)
    ]


def _rests(text: str) -> list[str]:
    """What may follow a coordinate: the rest, and the rest behind an underscore."""
    return [text, text[1:]] if text[:1] == "_" and text[1:] else [text]
