"""The report of a solved equation as one HTML file that needs nothing else."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from ._escape import escaped
from ._field_curves import field_curves
from ._field_maps import field_maps, field_scales, has_values
from ._figures import grid, legend
from ._frame import cautions_section, document, facts_section, heading
from ._markup import plural, section, soft
from ._numbers import typeset
from ._residuals import has_residual, residuals
from ._sections import loss_section
from ._solution_page import Curve, FieldMap, SolutionPage
from ._svg import ERRORS

MOST_PANELS = 12
_BYTES = 250_000  # for all maps together
_LAYOUTS = {1: ("whole", (760, 250)), 2: ("half", (460, 240))}
_BLANK = "Where it is blank, nothing is known."
_Part = TypeVar("_Part", bound=FieldMap | Curve)


def solution_html(page: SolutionPage) -> str:
    """Writes the report of a solved equation as one HTML file.

    The file is static: no script, no outside address; figures are inline SVG. The same
    page gives the same text. Strings in it may hold anything: they are escaped.

    Args:
        page: What to show.

    Returns:
        The whole document; write it as UTF-8.
    """
    doubts = len(page.doubts)
    return document(
        page.title,
        heading(page.title, page.verdict, "", doubts, "doubt"),
        _tiles(page.tiles),
        _solution_section(page),
        _residual_section(page),
        loss_section(page.history),
        _declared_section(page.declared),
        cautions_section(page.doubts, "doubt"),
        facts_section(page.facts),
    )


def solved_section(page: SolutionPage) -> str:
    """Sets a solved equation as one section of another report.

    Args:
        page: What to show.

    Returns:
        Markup.
    """
    content = [soft(escaped(page.verdict)), _tiles(page.tiles)]
    maps, words = _chosen(page.maps, has_values, "map")
    if maps:
        content.append(soft(" ".join([*_map_words(maps), *words])))
        kind, size = _layout(len(maps))
        content.append(grid(field_maps(maps, size=size, budget=_budget(page)), kind))
    return section(page.title, *content)


def _tiles(tiles: Sequence[tuple[str, str]]) -> str:
    found = [
        f'<div class="tile"><p class="big">{escaped(_number(big))}</p>'
        f'<p class="small-print">{escaped(small)}</p></div>'
        for big, small in tiles
    ]
    return f'<div class="tiles">{"".join(found)}</div>' if found else ""


def _number(text: str) -> str:
    """Sets a number in the form of print; what is none stays as it is."""
    try:
        float(text)
    except ValueError:
        return text
    return typeset(text)


def _solution_section(page: SolutionPage) -> str:
    """Sets the fields: maps first, then curves."""
    maps, first = _chosen(page.maps, has_values, "map")
    curves, second = _chosen(page.curves, has_values, "curve")
    words = _map_words(maps) + first + second
    content = [soft(" ".join(words))] if words else []
    if maps:
        kind, size = _layout(len(maps))
        content.append(grid(field_maps(maps, size=size, budget=_budget(page)), kind))
    if curves:
        kind, size = _layout(len(curves))
        content.append(grid(field_curves(curves, size=size), kind))
    return section("The solution", *content) if content else ""


def _map_words(maps: Sequence[FieldMap]) -> list[str]:
    if not maps:
        return []
    words = ["Colour is the value of the field, between the two numbers given."]
    if any(scale.signed for scale in field_scales(maps).values()):
        words.append("Of both signs: blue is below zero, orange above.")
    if not all(np.isfinite(m.value).all() for m in maps):
        words.append(_BLANK)
    return words


def _residual_section(page: SolutionPage) -> str:
    """Sets the residuals of the equations."""
    shown, left_out = _chosen(page.residual, has_residual, "residual")
    if not page.residual:
        return ""
    words = [
        "The residual is what is left of an equation when the solution is put into it: "
        "zero where the equation holds. Shown is its absolute value, on a scale of "
        "powers of ten.",
        *([_BLANK] if any(np.isnan(part.value).any() for part in shown) else ()),
        *left_out,
    ]
    content = [soft(" ".join(words))]
    if shown:
        kind, size = _layout(len(shown))
        found = residuals(shown, size=size, budget=_budget(page))
        if found.levels:
            keys = zip(ERRORS, found.levels, strict=True)
            content.append(legend([(p, "", words) for p, words in keys], "steps"))
        content.append(grid(found.panels, kind))
    return section("Where the equation is not met", *content)


def _declared_section(declared: str) -> str:
    if not declared.strip():
        return ""
    text = escaped(declared.strip("\n"))
    return section("What was solved", f'<pre class="card">{text}</pre>')


def _chosen(
    parts: Sequence[_Part], known: Callable[[np.ndarray], bool], noun: str
) -> tuple[list[_Part], list[str]]:
    """Returns the parts to show, and sentences on those that are not."""
    with_values = [part for part in parts if known(part.value)]
    shown = with_values[:MOST_PANELS]
    words = []
    if unknown := len(parts) - len(with_values):
        words.append(f"{plural(unknown, noun)} without a known value left out.")
    if further := len(with_values) - len(shown):
        words.append(f"{plural(further, f'further {noun}')} left out.")
    return shown, words


def _layout(count: int) -> tuple[str, tuple[int, int]]:
    """Returns the kind of grid for so many panels, and their size in points."""
    return _LAYOUTS.get(count, ("wide", (300, 210)))


def _budget(page: SolutionPage) -> int:
    """Returns the bytes of one map."""
    maps = min(len(page.maps), MOST_PANELS)
    return _BYTES // (maps + min(len(page.residual), MOST_PANELS))
