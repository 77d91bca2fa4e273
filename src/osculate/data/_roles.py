"""Which columns are inputs, which are outputs, and which are derivatives."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from osculate.core import InputError
from osculate.diff import readings

from ._headers import hint, listed, split_unit
from ._misnamed import (
    ORDER,
    order_too_high,
    other_spelling,
    two_readings,
    unknown,
)
from ._names import Derivative, in_slashes, read_print, read_slash


class Roles(NamedTuple):
    """Inputs and outputs by name, derivatives by the name of their column."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    derivatives: dict[str, Derivative]


def asked_names(
    wanted: str | Iterable[str] | None, names: Sequence[str], source: str, role: str
) -> tuple[str, ...] | None:
    """Returns the names that the caller asked for, without their units.

    Args:
        wanted: The names asked for, or `None` where the roles are to be found.
        names: Names of the columns.
        source: The file, for the message.
        role: `"inputs"` or `"outputs"`, for the message.

    Returns:
        The names, or `None`.

    Raises:
        InputError: If there is no such column, or a name stands twice.
    """
    if wanted is None:
        return None
    wanted = (wanted,) if isinstance(wanted, str) else wanted
    wanted = tuple(split_unit(name)[0] for name in wanted)
    for name in wanted:
        if name not in names:
            raise InputError(
                f"{source}: no column {name!r} for {role}; the columns are "
                f"{listed(names)}.{hint(name, names)}\n"
                f"Pass --{role} with names of columns (Python: {role}=[...])."
            )
    if not wanted or len(set(wanted)) < len(wanted):
        raise InputError(
            f"{source}: got {role} {list(wanted)}; expected one name or more, each "
            "once.\n"
            f"Pass --{role} NAME[,NAME] (Python: {role}=[...])."
        )
    return wanted


def assign_roles(
    names: Sequence[str],
    source: str,
    inputs: str | Iterable[str] | None = None,
    outputs: str | Iterable[str] | None = None,
) -> Roles:
    """Returns the role of every column that has one.

    Names that occur as denominators are inputs, all other plain columns are outputs.
    Roles that the caller gives come first; columns without a role are then ignored.
    Print notation (`h_T`) is read only where the caller gives both.

    Args:
        names: Names of the columns, no two alike.
        source: The file, for the messages.
        inputs: Names of the inputs, or `None` to find them.
        outputs: Names of the outputs, or `None` to find them.

    Returns:
        The roles.

    Raises:
        InputError: If the roles cannot be told, or a derivative is not of these.
    """
    if len(names) < 2:
        raise InputError(
            f"{source}: got one column, {listed(names)[:60]!r}; expected an input and "
            "an output at least.\n"
            "Add columns; in a CSV file a comma stands between two of them."
        )
    inputs = asked_names(inputs, names, source, "inputs")
    outputs = asked_names(outputs, names, source, "outputs")
    if both := sorted(set(inputs or ()) & set(outputs or ())):
        raise InputError(
            f"{source}: {listed(both)} cannot be both input and output.\n"
            "Name each column once in --inputs and --outputs."
        )
    asked = {*(inputs or ()), *(outputs or ())}
    if inputs and outputs:
        printed = _read_printed(names, source, inputs, outputs)
        asked |= printed.keys()
    else:
        printed = {}
    plain, found = _sort_columns(names, source, asked)
    found |= printed
    plain = [name for name in plain if name not in printed]
    roles = _choose(plain, found, source, inputs, outputs)
    if not (inputs and outputs):
        _refuse_printed(plain, source, roles)
    return roles


def _sort_columns(
    names: Sequence[str], source: str, asked: set[str]
) -> tuple[list[str], dict[str, Derivative]]:
    """Returns the plain columns, and what the others are derivatives of."""
    every = set(names)
    others = [name for name in names if name not in asked]
    known = {n for n in others if "/d" in n or read_slash(n, every, every)}
    plain = set(names) - known
    found = {}
    for name in others:
        readings = read_slash(name, plain, plain)
        if not readings and read_slash(in_slashes(name), plain, plain):
            raise other_spelling(name, source)
        if len(readings) > 1:
            raise two_readings(name, readings, source)
        if readings:
            found[name] = readings[0]
        elif name in known or _half_known(name, plain):
            raise unknown(name, plain, source)
    return [name for name in names if name in asked or name not in found], found


def _read_printed(
    names: Sequence[str], source: str, inputs: Sequence[str], outputs: Sequence[str]
) -> dict[str, Derivative]:
    """Returns the columns that print notation makes derivatives."""
    found = {}
    for name in names:
        if name in inputs or name in outputs:
            continue
        readings = read_print(name, outputs, inputs)
        readings += [r for r in read_slash(name, outputs, inputs) if r not in readings]
        if len(readings) > 1:
            raise two_readings(name, readings, source)
        if readings:
            found[name] = readings[0]
        elif _order_in_print(name, outputs, inputs) > 2:
            raise order_too_high(name, source)
    return found


def _order_in_print(name: str, outputs: Sequence[str], inputs: Sequence[str]) -> int:
    """Returns the order that `h_TTT` or `h_x1_x1_x1` asks for, 0 for none."""
    found = readings(name, fields=outputs, over=inputs)
    return len(found[0].key) if found else 0


def _half_known(name: str, plain: set[str]) -> bool:
    """Returns whether `dh_dX` or `d3h_dT3` names a column on at least one side."""
    match = ORDER.match(name)
    if not match or "_d" not in name:
        return False
    sides = {match["output"], match["order"] + match["output"], match["below"]}
    return bool(sides & (plain - {name}))


def _choose(
    plain: list[str],
    found: dict[str, Derivative],
    source: str,
    inputs: tuple[str, ...] | None,
    outputs: tuple[str, ...] | None,
) -> Roles:
    """Returns the roles, once plain columns and derivatives are told apart."""
    below = {x for derivative in found.values() for x in derivative.inputs}
    if not (inputs or outputs or found):
        raise InputError(
            f"{source}: no derivative columns, so inputs and outputs cannot be told "
            "apart.\n"
            f"The columns are {listed(plain)}.\n"
            "Pass --outputs NAME[,NAME] (Python: outputs=[...])."
        )
    if inputs is None:
        free = [name for name in plain if name not in (outputs or ())]
        inputs = tuple(name for name in free if name in below or not below)
    if outputs is None:
        taken = below | set(inputs)
        outputs = tuple(name for name in plain if name not in taken)
    for role, chosen in (("inputs", inputs), ("outputs", outputs)):
        if not chosen:
            raise InputError(
                f"{source}: no column is left for {role}; the columns are "
                f"{listed(plain)}.\n"
                f"Pass --{role} NAME[,NAME] (Python: {role}=[...])."
            )
    derivatives = {}
    for name, derivative in found.items():
        if derivative.output in outputs and set(derivative.inputs) <= set(inputs):
            derivatives[name] = derivative
    return Roles(inputs, outputs, derivatives)


def _refuse_printed(plain: list[str], source: str, roles: Roles) -> None:
    """Raises where a plain column may be meant as a derivative in print notation."""
    for name in plain:
        if readings := read_print(name, roles.outputs, roles.inputs):
            raise InputError(
                f"{source}: column {name!r} may be a quantity of its own, or the "
                f"derivative of {readings[0]}.\n"
                "Pass both --inputs and --outputs to tell (Python: inputs=[...], "
                "outputs=[...])."
            )
