"""What a name asks for: a partial derivative, or an operator in space.

`u_xx` is a partial derivative. `grad_u`, `hess_u`, `lap_u`, `bilap_u`, `div_w` and
`curl_w` are Cartesian operators over the coordinates that are space: all but time.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from jaxtyping import Array

from ._assemble import curl_of, divergence_of, tensor_of
from ._keys import LAPLACE, Key, all_keys
from ._notation import fraction, partial_name, readings
from ._types import Streams


class Coordinates(NamedTuple):
    """The coordinates of a point.

    Attributes:
        names: In the order they have in a point.
        time: Those that operators in space leave out.
    """

    names: tuple[str, ...]
    time: tuple[str, ...]

    @property
    def space(self) -> tuple[int, ...]:
        """Places of the coordinates that are not time."""
        return tuple(i for i, name in enumerate(self.names) if name not in self.time)


class Asked(NamedTuple):
    """What a name asks for.

    Attributes:
        name: The name.
        reading: How it was understood.
        field: Of which field.
        keys: The derivatives it takes.
        build: What puts them together, given all derivatives of the field.
    """

    name: str
    reading: str
    field: str
    keys: tuple[Key, ...]
    build: Callable[[Streams], Array]


def asked(name: str, *, fields: Sequence[str], over: Coordinates) -> list[Asked]:
    """Returns every way to read a name.

    Args:
        name: `"u"`, `"u_xx"`, `"lap_u"`.
        fields: The fields that exist.
        over: The coordinates.

    Returns:
        The readings; none where there is none. A declared field has no other reading.
    """
    found = []
    for partial in readings(name, fields=fields, over=over.names):
        only = lambda streams, key=partial.key: streams[key]
        reading = fraction(partial, over.names)
        found.append(Asked(name, reading, partial.field, (partial.key,), only))
    operator, _, field = name.partition("_")
    if name not in fields and operator in OPERATORS and field in fields:
        keys, build = OPERATORS[operator]
        whole = lambda streams: build(streams, over.space)
        needed = tuple(keys(over.space))
        found.append(Asked(name, f"{operator} of {field}", field, needed, whole))
    return found


def ask(name: str, *, fields: Sequence[str], over: Coordinates) -> Asked:
    """Reads one name.

    Args:
        name: As in `asked`.
        fields: The fields that exist.
        over: The coordinates.

    Returns:
        What it asks for.

    Raises:
        ValueError: If the name has no reading, or more than one.
    """
    found = asked(name, fields=fields, over=over)
    if len(found) > 1:
        both = " or ".join(each.reading for each in found)
        raise ValueError(
            f"`partials`: {name!r} can be read in more than one way: as {both}. "
            "Rename a coordinate or a field."
        )
    if not found:
        partial = partial_name(fields[0], over.names[:1], over=over.names)
        raise ValueError(
            f"`partials`: {name!r} is not known; fields are {list(fields)}, "
            f"coordinates {list(over.names)}. Write FIELD_COORDINATES, for instance "
            f"{partial!r}, or one of {', '.join(OPERATORS)} before _FIELD."
        )
    return found[0]


Space = tuple[int, ...]
_LAP, _BILAP = (LAPLACE,), (LAPLACE, LAPLACE)
OPERATORS: dict[
    str, tuple[Callable[[Space], list[Key]], Callable[[Streams, Space], Array]]
] = {
    "grad": (lambda x: all_keys(x, 1), lambda found, x: tensor_of(found, 1, x)),
    "hess": (lambda x: all_keys(x, 2), lambda found, x: tensor_of(found, 2, x)),
    "lap": (lambda x: [_LAP], lambda found, x: found[_LAP]),
    "bilap": (lambda x: [_BILAP], lambda found, x: found[_BILAP]),
    "div": (lambda x: all_keys(x, 1), divergence_of),
    "curl": (lambda x: all_keys(x, 1), curl_of),
}
