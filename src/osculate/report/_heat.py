"""Heat maps: areas of equal level, filled one over the other."""

import numpy as np
from matplotlib.axes import Axes

from ._solution_page import FieldMap
from ._svg import area, draw, limits

_FINEST, _COARSEST = 64, 12
_FAR = 1e9


def heat(
    found: FieldMap,
    level: np.ndarray,
    paints: tuple[str, ...],
    *,
    alt: str,
    size: tuple[int, int],
    budget: int,
    peaks: bool = False,
) -> str:
    """Draws a map in steps of colour, coarser where it would need too many bytes.

    Args:
        found: Its coordinates.
        level: What to show, `(H, G)`: from k up to k + 1 is painted in `paints[k]`;
            NaN is left blank.
        paints: Names of the paints, lowest first.
        alt: What the figure shows, in words.
        size: Width and height in points, tick labels included.
        budget: Bytes that the figure may take, if a coarser one does.
        peaks: Whether a coarser map shows the highest of the values it stands for,
            instead of one of them.

    Returns:
        An `<svg>` element.
    """
    if not level.size:
        return draw(lambda axes: axes.grid(visible=False), alt=alt, size=size)
    # Infinities have no place between their neighbours; one step out will do.
    level = np.clip(level, -1.0, len(paints) + 1.0)
    most = _FINEST
    while True:
        x, y, shown = _coarse(found.x, found.y, level, most, peaks=peaks)

        def plot(axes: Axes, x=x, y=y, shown=shown) -> None:
            axes.grid(visible=False)
            # A margin keeps the labels of the two axes apart.
            axes.set_xlim(*limits(x, pad=0.01))
            axes.set_ylim(*limits(y, pad=0.04))
            _fill(axes, x, y, shown, paints)

        svg = draw(plot, alt=alt, size=size)
        share = budget / len(svg.encode())
        if share >= 1 or most == _COARSEST:
            return svg
        most = max(int(0.95 * most * share**0.5), _COARSEST)


def _coarse(
    x: np.ndarray, y: np.ndarray, level: np.ndarray, most: int, *, peaks: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns at most so many columns and rows, and at least two of each."""
    across, up = _kept(len(x), most), _kept(len(y), most)
    if peaks:
        level = np.fmax.reduceat(level, _starts(across), axis=1)
        level = np.fmax.reduceat(level, _starts(up), axis=0)
    else:
        level = level[np.ix_(up, across)]
    x, y = x[across], y[up]
    if len(x) == 1:
        x, level = np.asarray(limits(x)), np.repeat(level, 2, axis=1)
    if len(y) == 1:
        y, level = np.asarray(limits(y)), np.repeat(level, 2, axis=0)
    return x, y, level


def _kept(length: int, most: int) -> np.ndarray:
    """Returns evenly spread indices, the first and the last among them."""
    return np.linspace(0, length - 1, min(length, most)).round().astype(np.int64)


def _starts(kept: np.ndarray) -> np.ndarray:
    """Returns where the values begin that each kept one stands for."""
    return np.concatenate([[0], (kept[:-1] + kept[1:] + 1) // 2])


def _fill(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    level: np.ndarray,
    paints: tuple[str, ...],
) -> None:
    """Paints the levels from the lowest, each with the next one, which is painted over.

    Areas side by side would show the page through the seams between them; all levels
    on one another would show the lowest along the outer edge.
    """
    known = np.isfinite(level)
    if not known.any():
        return
    shown = np.ma.masked_array(level, mask=~known)
    step = np.clip(np.floor(level[known]), 0, len(paints) - 1).astype(np.int64)
    lowest, highest = int(step.min()), int(step.max())
    for k in range(lowest, highest + 1):
        floor = -_FAR if k == lowest else float(k)
        ceiling = _FAR if k + 1 >= highest else k + 2.0
        contours = axes.contourf(x, y, shown, levels=[floor, ceiling])
        outline = contours.get_paths()[0]
        contours.remove()
        area(axes, outline, color=paints[k])
