"""Panel: one figure with its words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Panel:
    """One figure with its words; the words are plain text, escaped by the page."""

    svg: str
    name: str
    note: str = ""
    x: str = ""
    y: str = ""


def labelled(name: str, units: Mapping[str, str]) -> str:
    """Returns `"T [K]"`, or the name alone where the unit is not known."""
    unit = units.get(name, "")
    return f"{name} [{unit}]" if unit else name
