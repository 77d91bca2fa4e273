"""A line through many values, in few bytes."""

import numpy as np
from matplotlib.axes import Axes

from ._svg import dots, paint


def line(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    *,
    color: str,
    width: float,
    most: int = 600,
) -> None:
    """Draws a line through the known values, or a dot where there is only one.

    Args:
        axes: With their final limits; values above or below them are left out.
        x: Horizontal coordinates, rising.
        y: Vertical coordinates.
        color: Name of the paint.
        width: Width of the line in points.
        most: The most points to draw; of each stretch of x, the lowest and the highest
            value are kept.
    """
    low, high = axes.get_ylim()
    known = np.flatnonzero(np.isfinite(y) & (y >= low) & (y <= high))
    if known.size == 1:
        dots(axes, x[known], y[known], color=color, width=4.0)
        return
    known = _envelope(known, y, most=most)
    axes.plot(x[known], y[known], color=paint(color), linewidth=width)


def _envelope(index: np.ndarray, y: np.ndarray, *, most: int) -> np.ndarray:
    """Thins a line to the lowest and highest value of each stretch."""
    if len(index) <= most:
        return index
    kept = {int(index[0]), int(index[-1])}
    for part in np.array_split(index, most // 2):
        kept |= {int(part[np.argmin(y[part])]), int(part[np.argmax(y[part])])}
    return np.array(sorted(kept))
