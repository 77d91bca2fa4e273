"""Figures of cuts through the surrogate, with its tangents."""

import numpy as np
from matplotlib.axes import Axes

from ._page import Page, Slice
from ._panel import Panel, held, labelled
from ._svg import dots, draw, limits, paint, strokes

MOST_SLICES = 12


def slices(page: Page) -> list[Panel]:
    """Draws cuts through the surrogate, with its tangents and those of the data."""
    units = page.evaluation.units
    return [
        Panel(
            svg=_slice(cut),
            name=f"{cut.output} over {cut.input}",
            note=held(cut.at, units),
            x=labelled(cut.input, units),
            y=labelled(cut.output, units),
        )
        for cut in page.slices[:MOST_SLICES]
    ]


def _slice(cut: Slice) -> str:
    def plot(axes: Axes) -> None:
        axes.set_xlim(*limits(cut.grid, cut.points_x))
        axes.set_ylim(*limits(cut.value, cut.points_y, pad=0.08))
        axes.plot(cut.grid, cut.value, color=paint("c4"), linewidth=3)
        some = np.linspace(0, len(cut.grid) - 1, 9).round().astype(np.int64)
        some = np.unique(some[1:-1]) if len(cut.grid) > 2 else some[: len(cut.grid)]
        _tangents(
            axes,
            cut.grid[some],
            cut.value[some],
            cut.slope[some],
            length=48.0,
            color="c1",
        )
        near = np.arange(len(cut.points_x))
        near = near[np.linspace(0, len(near) - 1, min(len(near), 60)).astype(int)]
        x, y, slope = cut.points_x[near], cut.points_y[near], cut.points_slope[near]
        _tangents(axes, x, y, slope, length=16.0, color="ink")
        dots(axes, x, y, color="ink", width=3.6)

    alt = (
        f"{cut.output} over {cut.input}: the surrogate with its tangents, "
        "and training points with theirs."
    )
    return draw(plot, alt=alt)


def _tangents(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    slope: np.ndarray,
    *,
    length: float,
    color: str,
) -> None:
    """Draws short lines of one length on paper, in the direction of the slope."""
    known = np.isfinite(x) & np.isfinite(y) & np.isfinite(slope)
    x, y, slope = x[known], y[known], slope[known]
    centre = axes.transData.transform(np.column_stack([x, y]))
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    box = axes.get_window_extent()
    run = (right - left) / box.width
    rise = slope * run * box.height / (high - low)
    along = np.column_stack([np.ones_like(rise), rise])
    along *= 0.5 * length / np.hypot(1.0, rise)[:, None]
    back = axes.transData.inverted()
    starts, ends = back.transform(centre - along), back.transform(centre + along)
    strokes(axes, starts, ends, color=color, width=1.3)
