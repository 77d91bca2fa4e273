"""Names of derivatives in print notation: what `h_Tp` is a derivative of."""

from collections import Counter
from collections.abc import Mapping, Sequence

from osculate.diff import readings


def parse(
    name: str, outputs: Sequence[str], inputs: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """Returns the output a name belongs to, and the inputs it is derived by.

    `h` gives `("h", ())` and `h_Tp` gives `("h", ("T", "p"))`. Where a suffix can be
    read in several ways, the reading with the fewest inputs is taken. A name that
    cannot be read at all counts as a value of its own.
    """
    found = readings(name, fields=outputs, over=inputs)
    if not found:
        return name, ()
    return found[0].field, tuple(inputs[i] for i in found[0].key)


def derived_unit(output: str, wrt: Sequence[str], units: Mapping[str, str]) -> str:
    """Returns `"kJ/kg/K^2"` for the second derivative of kJ/kg by K.

    Empty when the unit of the output, or of one of the inputs, is not known.
    """
    top = units.get(output, "")
    bottoms = [units.get(name, "") for name in wrt]
    if not top or not all(bottoms):
        return top if not wrt else ""
    powers = [
        _power(unit, count, alone=len(set(bottoms)) == 1)
        for unit, count in Counter(bottoms).items()
    ]
    if not powers:
        return top
    bottom = powers[0] if len(powers) == 1 else f"({' '.join(powers)})"
    return f"{top}/{bottom}"


def _power(unit: str, count: int, *, alone: bool) -> str:
    """Returns a unit to a power, in brackets where it is more than one symbol."""
    simple = unit.isalpha()
    if count == 1:
        return unit if simple or not alone else f"({unit})"
    return f"{unit}^{count}" if simple else f"({unit})^{count}"
