"""Whether a table has enough in it to learn from, or to measure on."""

import numpy as np

from osculate.core import InputError

from ._headers import listed
from ._table import Table

FEWEST_ROWS = 4
ROUNDING = 4 * np.finfo(np.float64).eps


def check_table(table: Table, *, constant: bool = False) -> None:
    """Raises where a table has too little to learn from.

    Args:
        table: Any table; subsets of rows are not checked unless this is called.
        constant: Whether columns may be constant: enough to measure on, not to learn
            from.

    Raises:
        InputError: If there are fewer than four rows, an output is missing
            everywhere, or an input or an output is constant.
    """
    if len(table) < FEWEST_ROWS:
        several = "" if len(table) == 1 else "s"
        raise InputError(
            f"{table.name}: got {len(table)} row{several} of data; expected at least "
            f"{FEWEST_ROWS}.\n"
            "Add rows."
        )
    known = table.known["value"]
    for m, name in enumerate(table.outputs):
        values = table.y["value"][known[:, m], m]
        if not values.size:
            raise InputError(
                f"{_place(table, name)}: every value is missing; expected numbers "
                "in an output.\n"
                f"Fill the column.{_without(table, name)}"
            )
        if _is_constant(values) and not constant:
            raise _constant(table, "output", name, values[0])
    for d, name in enumerate(table.inputs):
        if _is_constant(table.x[:, d]) and not constant:
            raise _constant(table, "input", name, table.x[0, d])


def _is_constant(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= ROUNDING * np.max(np.abs(values)))


def _place(table: Table, name: str) -> str:
    return f"{table.name}, column {table.headers.get(name, name)!r}"


def _constant(table: Table, role: str, name: str, value: float) -> InputError:
    return InputError(
        f"{_place(table, name)}: the {role} is {value:g} in every row; expected one "
        "that varies.\n"
        f"Add rows in which it varies.{_without(table, name)}"
    )


def _without(table: Table, name: str) -> str:
    """Returns how to leave a column out, or `""` where there is no other."""
    inputs = [n for n in table.inputs if n != name]
    outputs = [n for n in table.outputs if n != name]
    if not inputs or not outputs:
        return ""
    return (
        f" Or leave it out: --inputs {listed(inputs).replace(', ', ',')} --outputs "
        f"{listed(outputs).replace(', ', ',')}\n(Python: inputs=[...], outputs=[...])."
    )
