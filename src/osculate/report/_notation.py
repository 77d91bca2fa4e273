"""Names of derivatives in print notation: what `h_Tp` is a derivative of."""

from collections import Counter
from collections.abc import Mapping, Sequence


def parse(
    name: str, outputs: Sequence[str], inputs: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """Returns the output a name belongs to, and the inputs it is derived by.

    `h` gives `("h", ())` and `h_Tp` gives `("h", ("T", "p"))`. Where a suffix can be
    read in several ways, the reading with the fewest inputs is taken. A name that
    cannot be read at all counts as a value of its own.
    """
    if name in outputs:
        return name, ()
    for output in sorted(outputs, key=len, reverse=True):
        if name.startswith(output + "_"):
            wrt = _segments(name[len(output) + 1 :], inputs)
            if wrt:
                return output, wrt
    return name, ()


def _segments(text: str, inputs: Sequence[str]) -> tuple[str, ...] | None:
    """Splits text into the fewest input names, with or without `_` between them."""
    best: list[tuple[str, ...] | None] = [(), *[None] * len(text)]
    for end in range(1, len(text) + 1):
        for name in inputs:
            start = end - len(name)
            if not name or start < 0 or text[start:end] != name:
                continue
            heads = [best[start]]
            if start > 1 and text[start - 1] == "_":
                heads.append(best[start - 1])
            for head in heads:
                found = best[end]
                if head is not None and (found is None or len(head) + 1 < len(found)):
                    best[end] = (*head, name)
    return best[-1]


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
