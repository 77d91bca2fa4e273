"""Units as text: whether two of them are the same in different spelling."""

import re
import unicodedata
from collections import Counter

TIMES = "\N{MULTIPLICATION SIGN}"
_TOKEN = re.compile(
    r"(?P<mark>[*/()])|(?P<one>1(?![\d.]))"
    r"|(?P<symbol>[^\W\d_]+|°[^\W\d_]*|%)\^?(?P<power>[+-]?\d+)?"
)


def same_unit(first: str, second: str) -> bool:
    """Returns whether two units are the same, as far as can be told from their text.

    `kJ/(kg K)`, `kJ/kg/K` and `kJ kg^-1 K⁻¹` are the same; `mPa` and `MPa` are not.
    What cannot be read as a product of powers must be spelled alike.
    """
    one, other = _plain(first), _plain(second)
    return one == other or (_powers(one) == _powers(other) is not None)


def _plain(unit: str) -> str:
    """Returns the unit in plain characters, with `*` between its factors."""
    text = unicodedata.normalize("NFKC", unit).replace("\N{MINUS SIGN}", "-").strip()
    text = "1" if text == "-" else text.replace("**", "^")
    text = re.sub(rf"[·⋅{TIMES}]", "*", text)
    return re.sub(r"\s+", "*", re.sub(r"\s*([*/()^])\s*", r"\1", text))


def _powers(text: str) -> dict[str, int] | None:
    """Returns `{"J": 1, "kg": -1}` for `J/kg`, `None` for what is no product."""
    powers: Counter[str] = Counter()
    around, sign, at = [1], 1, 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            return None
        at = token.end()
        if token["mark"] == "(":
            around.append(sign)
        elif token["mark"] == ")":
            if len(around) == 1:
                return None
            around.pop()
        elif token["mark"]:
            sign = around[-1] if token["mark"] == "*" else -around[-1]
        elif token["symbol"]:
            powers[token["symbol"]] += sign * int(token["power"] or 1)
    return {symbol: power for symbol, power in powers.items() if power}
