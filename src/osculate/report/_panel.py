"""Panel: one figure with its words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Scale:
    """The paints of a map from its lowest value to its highest, in words."""

    paints: tuple[str, ...]
    low: str
    high: str


@final
@dataclass(frozen=True)
class Panel:
    """One figure with its words; the words are plain text, escaped by the page."""

    svg: str
    name: str
    note: str = ""
    x: str = ""
    y: str = ""
    scale: Scale | None = None


def labelled(name: str, units: Mapping[str, str]) -> str:
    """Returns `"T [K]"`, or the name alone where the unit is not known."""
    unit = units.get(name, "")
    return f"{name} [{unit}]" if unit else name


def held(at: Mapping[str, float], units: Mapping[str, str]) -> str:
    """Returns `"at p = 12.5 MPa"`."""
    parts = [f"{k} = {v:.4g} {units.get(k, '')}".strip() for k, v in at.items()]
    return f"at {', '.join(parts)}" if parts else ""
