"""Headers of columns: a name, and perhaps its unit in square brackets."""

import re
from collections import Counter
from collections.abc import Iterable

from osculate.core import InputError

_UNIT = re.compile(r"^(?P<name>.*?)\s*\[(?P<unit>[^\[\]]*)\]$", re.DOTALL)


def split_unit(header: str) -> tuple[str, str]:
    """Returns `("T", "K")` for `"T [K]"`, and `("T", "")` for `"T"`."""
    header = header.strip()
    match = _UNIT.match(header)
    if not match:
        return header, ""
    return match["name"], match["unit"].strip()


def listed(names: Iterable[str], most: int = 12) -> str:
    """Returns the names joined by commas, at most `most` of them."""
    names = list(names)
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def column_names(headers: Iterable[str], source: str) -> tuple[str, ...]:
    """Returns the names of columns without their units.

    Args:
        headers: Header of each column.
        source: The file, for the message.

    Returns:
        One name per header, no two alike.

    Raises:
        InputError: If a name is empty, or stands twice.
    """
    headers = tuple(headers)
    names = tuple(split_unit(header)[0] for header in headers)
    if "" in names:
        raise InputError(
            f"{source}, column {names.index('') + 1}: the header has no name; "
            f"got {headers[names.index('')]!r}.\n"
            "Name every column in the header."
        )
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(
            f"{source}: {count} columns are called {name!r}; names must differ.\n"
            "Rename or remove all but one of them."
        )
    return names
