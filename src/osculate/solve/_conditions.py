"""Conditions: what holds on the faces of a domain."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, final

import equinox as eqx
import numpy as np

from osculate import diff
from osculate.core import InputError, did_you_mean

from ._box import LOWER, BoxFace, axis_of
from ._domain import Side
from ._given import NORMAL, Given, Words, given
from ._mixed import Mixed, mixed


@final
class Periodic(eqx.Module):
    """Both ends of a coordinate are the same place."""


def periodic() -> Periodic:
    """Returns the condition that both ends of a coordinate are the same place.

    Returns:
        A condition for `boundary={"x": periodic()}`: all fields have the period of the
        box in this coordinate, with all their derivatives.
    """
    return Periodic()


class Condition(NamedTuple):
    """One demand on one face.

    Attributes:
        side: The face.
        name: What is prescribed, `"u"`, `"u_t"`; `"residual"` for an equation.
        field: The field that a value is prescribed of; empty for an equation.
        order: Of the derivative along the coordinate of the face; -1 for a name that
            is no such derivative, and for an equation; 1 for Robin's condition.
        value: What it is, or the equation whose residual vanishes.
    """

    side: Side
    name: str
    field: str
    order: int
    value: Given | Mixed | diff.Equation

    @property
    def equation(self) -> diff.Equation | None:
        """What vanishes; None where a value is prescribed."""
        if isinstance(self.value, Given):
            return None
        return self.value.equation if isinstance(self.value, Mixed) else self.value

    @property
    def label(self) -> str:
        """Where it holds."""
        return self.side.name

    @property
    def words(self) -> str:
        """What holds, in words."""
        return f"{self.name} at {self.side.name}"


class Conditions(NamedTuple):
    """All conditions of a problem.

    Attributes:
        listed: Those on faces.
        periodic: Places of the coordinates that are periodic.
    """

    listed: tuple[Condition, ...]
    periodic: tuple[int, ...]


def conditions(
    initial: Any, boundary: Any, words: Words, constants: Mapping[str, Any]
) -> Conditions:
    """Reads what a user prescribes.

    Args:
        initial: What holds at the beginning of time: a value of the one field, or a
            dictionary by what is prescribed, `{"u": ..., "u_t": ...}`.
        boundary: Likewise on all faces in space; or a dictionary by face.
        words: The names that exist.
        constants: Values by name.

    Returns:
        The conditions.

    Raises:
        InputError: If a face or a name does not exist, something is prescribed twice,
            or periodic and prescribed.
    """
    listed: list[Condition] = []
    cyclic: list[int] = []
    if initial is not None:
        if not words.domain.time:
            raise InputError(
                "`solve.problem`: `initial` is given, but the domain has no time.\n"
                "Multiply it with `solve.time(t=(0, 1))`, or use `boundary`."
            )
        side = words.domain.sides[f"{words.domain.time[0]}={LOWER}"]
        listed += _on(side, initial, words)
    for name, value in _by_face(boundary, words):
        sides = words.domain.named(name)
        if isinstance(value, Periodic):
            cyclic.append(_cycle(name, sides, words))
            continue
        for side in sides:
            listed += _on(side, value, words)
    listed = [_tied(condition, words, constants) for condition in listed]
    _refuse_twice(listed, cyclic, words)
    return Conditions(tuple(listed), tuple(cyclic))


def _by_face(boundary: Any, words: Words) -> list[tuple[str, Any]]:
    if boundary is None:
        return []
    if not isinstance(boundary, Mapping):
        return [("all", boundary)]
    if all(_readings(name, words) for name in boundary):
        return [("all", boundary)]
    return list(boundary.items())


def _readings(name: str, words: Words) -> list[diff.Partial]:
    """Returns the fields and derivatives that a name may stand for."""
    over = (*words.domain.names, NORMAL)
    return diff.readings(name, fields=tuple(words.fields), over=over)


def _on(side: Side, value: Any, words: Words) -> list[Condition]:
    """Reads all that holds on one face."""
    what = f"the condition at {side.name}"
    if isinstance(value, Mapping):
        return [_named(side, name, each, words) for name, each in value.items()]
    if isinstance(value, list):
        return [each for one in value for each in _on(side, one, words)]
    found = given(value, words, what)
    if isinstance(found, diff.Equation):
        return [Condition(side, "residual", "", -1, found)]
    if len(words.fields) > 1:
        raise InputError(
            f"`solve.problem`: {what} does not say of which field; there are "
            f"{list(words.fields)}.\nWrite a dictionary: "
            f"{{{next(iter(words.fields))!r}: ...}}."
        )
    field = next(iter(words.fields))
    return [_checked(Condition(side, field, field, 0, found), words)]


def _named(side: Side, name: str, value: Any, words: Words) -> Condition:
    """Reads what one field, or one derivative, is prescribed to be."""
    what = f"the condition on {name} at {side.name}"
    found = given(value, words, what)
    if isinstance(found, diff.Equation):
        if _readings(name, words) and name not in found.derivatives:
            raise InputError(
                f"`solve.problem`: {what} is a function of {list(found.derivatives)}: "
                f"what vanishes there, and it does not ask for {name}.\nWrite all of "
                f"it: lambda {', '.join(found.arguments)}, {name}: {name} - (...)."
            )
        return Condition(side, name, "", -1, found)
    if name in words.fields:
        return _checked(Condition(side, name, name, 0, found), words)
    readings = _readings(name, words)
    if len(readings) != 1:
        raise InputError(
            f"`solve.problem`: {what}: {name!r} is no field and no derivative of one; "
            f"fields are {list(words.fields)}."
            f"{did_you_mean(name, words.fields)}\n"
            "Write a function of what is to vanish for anything else."
        )
    (reading,) = readings
    if reading.key == (words.size,) and isinstance(side.face, BoxFace):
        return _checked(_outward(side, side.face, reading.field, found, words), words)
    return _checked(
        Condition(side, name, reading.field, _order(side, reading.key), found), words
    )


def _outward(
    side: Side, face: BoxFace, field: str, value: Given, words: Words
) -> Condition:
    """Writes the slope along the normal of the end of a coordinate as a derivative."""
    names = words.domain.names
    name = diff.partial_name(field, [names[side.start + face.axis]], over=names)
    if face.is_lower:
        value = dataclasses.replace(value, sign=-value.sign)
    return Condition(side, name, field, 1, value)


def _tied(
    condition: Condition, words: Words, constants: Mapping[str, Any]
) -> Condition:
    """Reads an equation as Robin's condition, where it is one."""
    value = condition.value
    if not isinstance(value, diff.Equation):
        return condition
    found = mixed(value, condition.side, words, constants)
    if found is None:
        return condition
    return condition._replace(field=found.names[0], order=1, value=found)


def _order(side: Side, key: tuple[int, ...]) -> int:
    """Returns how often a derivative is taken along the coordinate of a face, or -1."""
    return len(key) if set(key) == {axis_of(side)} else -1


def _checked(condition: Condition, words: Words) -> Condition:
    """Refuses an array of another shape than that of the field."""
    value, size = condition.value, words.fields[condition.field]
    if isinstance(value, Given) and value.function is None:
        shape, wanted = np.shape(value.value), (size,) if size else ()
        if shape not in ((), wanted):
            raise InputError(
                f"`solve.problem`: {condition.words} is of shape {shape}; the field has"
                f" the shape {wanted}.\nPrescribe one number for each component."
            )
    return condition


def _cycle(name: str, sides: tuple[Side, ...], words: Words) -> int:
    axes = {axis_of(side) for side in sides}
    place = axes.pop() if len(axes) == 1 and len(sides) == 2 else None
    if place is None:
        raise InputError(
            f"`solve.problem`: {name!r} cannot be periodic; expected a coordinate of a "
            "box, both of whose ends are meant.\nWrite boundary={'x': periodic()}."
        )
    return place


def _refuse_twice(listed: list[Condition], cyclic: list[int], words: Words) -> None:
    seen = set()
    for condition in listed:
        side, where = condition.side, (condition.side.name, condition.name)
        if condition.equation is None and where in seen:
            raise InputError(
                f"`solve.problem`: {condition.words} is prescribed twice.\n"
                "Take one of them out."
            )
        seen.add(where)
        if (place := axis_of(side)) is not None and place in cyclic:
            name = words.domain.names[place]
            raise InputError(
                f"`solve.problem`: {condition.words} is prescribed, and {name} is "
                "periodic.\nTake one of them out."
            )
