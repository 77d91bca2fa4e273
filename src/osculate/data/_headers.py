"""Headers of columns: a name, and perhaps its unit in square brackets."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from osculate.core import InputError, did_you_mean

_UNIT = re.compile(r"^(?P<name>.*?)\s*\[(?P<unit>[^\[\]]*)\]$", re.DOTALL)
_INVISIBLE = "\u200b\ufeff"
_NAMELESS = re.compile(r"(Unnamed: \d+)?")  # the second is what pandas calls it


def split_unit(header: str) -> tuple[str, str]:
    """Returns `("T", "K")` for `"T [K]"`, and `("T", "")` for `"T"`."""
    header = header.strip().strip(_INVISIBLE)
    match = _UNIT.match(header)
    if not match:
        return header, ""
    return match["name"], match["unit"].strip()


def listed(names: Iterable[str], most: int = 12) -> str:
    """Returns the names joined by commas, at most `most` of them."""
    names = list(names)
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def hint(name: str, names: Sequence[str]) -> str:
    """Returns `" Did you mean 'T'?"` for the nearest of the names, or `""`."""
    for other in names:
        if re.match(rf"{re.escape(name)}\s*[(\[]", other):
            return f" In {other!r}, write the unit as '{name} [unit]'."
    alike = [other for other in names if other.casefold() == name.casefold()]
    return f" Did you mean {alike[0]!r}?" if alike else did_you_mean(name, names)


def column_names(headers: Iterable[str], source: str) -> tuple[str, ...]:
    """Returns the names of columns without their units.

    Args:
        headers: Header of each column.
        source: The file, for the message.

    Returns:
        One name per header, no two alike.

    Raises:
        InputError: If a name is empty or stands twice, or the bracket of a unit is
            not closed.
    """
    headers = tuple(headers)
    for position, header in enumerate(headers, start=1):
        if header.count("[") != header.count("]"):
            raise InputError(
                f"{source}, column {position}: got the header {header!r}; expected a "
                "unit in a pair of square brackets, such as 'T [K]', or none.\n"
                "Correct the header."
            )
    names = tuple(split_unit(header)[0] for header in headers)
    for position, name in enumerate(names, start=1):
        if _NAMELESS.fullmatch(name):
            raise _nameless(source, position, headers)
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(
            f"{source}: {count} columns are called {name!r} (what stands in brackets "
            "is a unit); names must differ.\n"
            "Rename or remove all but one of them."
        )
    return names


def _nameless(source: str, position: int, headers: tuple[str, ...]) -> InputError:
    if position == len(headers) > 1:
        cause = "Or remove the commas at the ends of the lines, if there are any."
    else:
        cause = "Is it the index of a DataFrame? Then df.to_csv(path, index=False)."
    return InputError(
        f"{source}, column {position}: the header has no name; got "
        f"{headers[position - 1]!r}.\n"
        f"Name every column in the header. {cause}"
    )
