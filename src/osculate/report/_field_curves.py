"""Figures of fields over one coordinate."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ._line import line
from ._panel import Panel, held
from ._solution_page import Curve
from ._svg import draw, limits

_MOST_POINTS = 240


def field_curves(curves: Sequence[Curve], *, size: tuple[int, int]) -> list[Panel]:
    """Draws fields as lines; those of one name have the same vertical axis."""
    found = []
    for curve in curves:
        values = [c.value for c in curves if c.name == curve.name]
        found.append(
            Panel(
                svg=_curve(curve, limits(*values, pad=0.08), size),
                name=curve.name,
                note=held(curve.at, {}),
                x=curve.across,
            )
        )
    return found


def _curve(curve: Curve, span: tuple[float, float], size: tuple[int, int]) -> str:
    def plot(axes: Axes) -> None:
        axes.set_xlim(*limits(curve.x))
        axes.set_ylim(*span)
        line_with_gaps(axes, curve.x, curve.value, color="c0", width=1.8)

    return draw(plot, alt=f"{curve.name} over {curve.across}.", size=size)


def line_with_gaps(
    axes: Axes, x: np.ndarray, y: np.ndarray, *, color: str, width: float
) -> None:
    """Draws a line through each run of known values."""
    known = np.flatnonzero(np.isfinite(y))
    for run in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        if run.size:
            line(axes, x[run], y[run], color=color, width=width, most=_MOST_POINTS)
