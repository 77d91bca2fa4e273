"""Figures of residuals over the domain, on a scale of decades."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from matplotlib.axes import Axes

from ._field_curves import line_with_gaps
from ._heat import heat
from ._levels import decades, level_edges, level_words
from ._panel import Panel, held
from ._solution_page import Curve, FieldMap
from ._svg import ERRORS, draw, limits, log_y

_MOST_DECADES = 10.0
_FARTHEST = 290.0  # beyond, a power of ten is not a number any more


@final
@dataclass(frozen=True)
class Residuals:
    """Panels of residuals, with the words and colours that the maps share."""

    panels: list[Panel]
    levels: tuple[str, ...] = ()


def has_residual(value: np.ndarray) -> bool:
    """Returns whether a residual is known anywhere; where it is zero, it is."""
    return bool((~np.isnan(value)).any())


def residuals(
    found: Sequence[FieldMap | Curve], *, size: tuple[int, int], budget: int
) -> Residuals:
    """Draws residuals, all on one scale: maps as colours, curves as lines."""
    top, step = decades(_known(found))
    edges = level_edges(top, step)
    bounds = _bounds(_known([part for part in found if isinstance(part, Curve)]))
    panels = []
    for part in found:
        if isinstance(part, FieldMap):
            svg = heat(
                part,
                (part.value - edges[0]) / step + 1,
                ERRORS,
                alt=f"Residual of {part.name} over {part.across} and {part.up}.",
                size=size,
                budget=budget,
                peaks=True,
            )
            up = part.up
        else:
            svg, up = _curve(part, bounds, size), "|residual|"
        panels.append(Panel(svg, part.name, held(part.at, {}), part.across, up))
    mapped = any(isinstance(part, FieldMap) for part in found)
    return Residuals(panels, level_words(edges) if mapped else ())


def _known(found: Sequence[FieldMap | Curve]) -> np.ndarray:
    """Returns the exponents of all residuals that are neither unknown nor zero."""
    logs = np.concatenate([np.zeros(0), *(np.ravel(part.value) for part in found)])
    return np.clip(logs[np.isfinite(logs)], -_FARTHEST, _FARTHEST)


def _bounds(logs: np.ndarray) -> tuple[float, float]:
    """Returns the exponents between which curves are drawn."""
    low, high = (float(logs.min()), float(logs.max())) if logs.size else (-1.0, 0.0)
    low = max(low, high - _MOST_DECADES)
    pad = max(0.06 * (high - low), 0.2)
    return low - pad, high + pad


def _curve(part: Curve, bounds: tuple[float, float], size: tuple[int, int]) -> str:
    low, high = bounds

    def plot(axes: Axes) -> None:
        axes.set_xlim(*limits(part.x))
        log_y(axes, 10.0**low, 10.0**high)
        # A hair inside: what lies on the edge may be rounded to beyond it.
        shown = 10.0 ** np.clip(part.value, low + 1e-6, high - 1e-6)
        line_with_gaps(axes, part.x, shown, color="c0", width=1.6)

    return draw(plot, alt=f"Residual of {part.name} over {part.across}.", size=size)
