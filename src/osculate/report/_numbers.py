"""Numbers as a reader wants them: short, and never rounded up to perfection."""

import math
import re

# Spelt as escapes, because in code they pass for other characters.
DASH, MINUS, TIMES = "\u2013", "\u2212", "\u00d7"
UNKNOWN = f"{DASH} unknown: the truth does not vary here, or too few rows know it."
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def significant(value: float | None, digits: int = 3) -> str:
    """Returns `"0.0123"`, `"4.56e-5"`, or a dash for None."""
    if value is None or not math.isfinite(value):
        return "∞" if value == math.inf else DASH
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    places = digits - 1 - (math.floor(math.log10(abs(value))) if value else 0)
    return f"{value:.{max(places, 0)}f}" if value else "0"


def r_squared(value: float | None, digits: int = 6) -> str:
    """Returns R2; what is short of 1 is never shown as 1."""
    if value is None or not math.isfinite(value):
        return DASH
    below = 1 - 10**-digits
    if below < value < 1:
        return f">{below:.{digits}f}"
    return significant(value) if value < -10 else f"{value:.{digits}f}"


def times(factor: float | None) -> str:
    """Returns `"12x"`, the factor by which an error is smaller."""
    if factor is None or not math.isfinite(factor):
        return significant(factor)
    if factor < 9.95:
        return f"{factor:.2f}x" if factor < 0.995 else f"{factor:.1f}x"
    return f"{factor:.0f}x" if factor < 1e5 else f"{factor:.0e}x".replace("e+0", "e")


def percent(fraction: float | None) -> str:
    """Returns a fraction in percent with two significant digits."""
    if fraction is None or not math.isfinite(fraction):
        return DASH
    if fraction == 0:
        return "0 %"
    value = 100 * fraction
    return f"{value:.0f} %" if 99.5 <= value < 1e5 else f"{significant(value, 2)} %"


def typeset(text: str) -> str:
    """Returns `"4.56×10⁻⁵"` for `"4.56e-5"`, `"12×"` for `"12x"`; minus as minus."""
    text = re.sub(
        r"(?<=\d)e([+-]?\d+)",
        lambda m: TIMES + "10" + str(int(m[1])).translate(_SUPERSCRIPTS),
        text,
    )
    return re.sub(r"^-", MINUS, re.sub(r"x$", TIMES, text))


def power_of_ten(exponent: float) -> str:
    """Returns `"10⁻³"`, or `"3×10⁻³"` for an exponent between two integers."""
    whole = math.floor(exponent + 1e-9)
    mantissa = round(10 ** (exponent - whole))
    power = "10" + str(whole).translate(_SUPERSCRIPTS)
    return power if mantissa == 1 else f"{mantissa}{TIMES}{power}"


def unit_text(unit: str) -> str:
    """Returns `"kg/m³"` for `"kg/m^3"`."""
    return re.sub(r"\^(-?\d+)", lambda m: m[1].translate(_SUPERSCRIPTS), unit)
