"""Errors about columns whose names say that they are derivatives, but not of what."""

import re

from osculate.core import InputError

from ._headers import hint, listed
from ._names import Derivative, in_slashes

ORDER = re.compile(r"^d(?P<order>\d*)(?P<output>.+?)(?:/|_)d(?P<below>.+)$", re.DOTALL)


def unknown(name: str, plain: set[str], source: str) -> InputError:
    """Returns the error for a derivative that is of no column here."""
    match = ORDER.match(name)
    if match and match["order"] not in ("", "1", "2") and (match["order"] != "0"):
        return order_too_high(name, source)
    parts = [match["output"], match["below"]] if match else [name]
    if match and match["order"] == "2":
        below = match["below"]
        pieces = [below[:-1]] if below.endswith("2") else below.split("d")
        parts = [match["output"], *pieces]
    strange = [part for part in parts if part not in plain] or parts
    hints = {hint(part, sorted(plain)) for part in strange}
    return InputError(
        f"{source}: column {name!r} is a derivative, but there is no column "
        f"{' or '.join(map(repr, strange))}.{''.join(sorted(hints))}\n"
        f"Expected d<y>/d<x>, d2<y>/d<x>2 or d2<y>/d<x1>d<x2> of "
        f"{listed(sorted(plain))}.\n"
        "Rename the column, or add the one it is a derivative of."
    )


def other_spelling(name: str, source: str) -> InputError:
    """Returns the error for a derivative that is spelled `∂h/∂T` or `d^2h/dT^2`."""
    return InputError(
        f"{source}: column {name!r} looks like a derivative; expected the spelling "
        f"{in_slashes(name)!r}.\n"
        "Rename the column."
    )


def order_too_high(name: str, source: str) -> InputError:
    """Returns the error for a third derivative."""
    return InputError(
        f"{source}: column {name!r} is a derivative of third or higher order; "
        "orders 1 and 2 are read.\n"
        "Remove the column."
    )


def two_readings(name: str, readings: list[Derivative], source: str) -> InputError:
    """Returns the error for a name that may mean one derivative or another."""
    return InputError(
        f"{source}: column {name!r} can be read in {len(readings)} ways: "
        f"{'; or '.join(map(str, readings))}.\n"
        "Rename the column, or those it is a derivative of."
    )
