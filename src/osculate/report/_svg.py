"""Matplotlib figures as small inline SVG that follows the page's colours.

A figure is drawn in named paints (`paint("ink")`), which the page's style sheet turns
into colours, light or dark: `STROKES` for lines and points, `FILLS` for areas; a path
is one or the other. Only paths and tick labels are kept of what Matplotlib writes: no
metadata, no ids (so that figures on one page cannot clash), no addresses. Names given
by the user never enter a figure: they are set as HTML beside it.
"""

import io
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from ._escape import escaped
from ._numbers import power_of_ten

ERRORS = tuple(f"e{i}" for i in range(6))
SEQUENTIAL = tuple(f"s{i}" for i in range(10))
DIVERGING = tuple(f"d{i}" for i in range(11))
STROKES = ("ink", "faint", "grid", *(f"c{i}" for i in range(7)), *ERRORS)
FILLS = (*ERRORS, *SEQUENTIAL, *DIVERGING)
PAINTS = (*STROKES, *SEQUENTIAL, *DIVERGING)
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "osculate",
    "path.simplify": False,
    "text.usetex": False,
    "axes.formatter.use_mathtext": False,
    "axes.formatter.limits": (-3, 4),
}
_HAIR = np.array([0.01, 0.0])
_STEP = re.compile(r"([MLCQz])([^MLCQz]*)")


def paint(name: str) -> str:
    """Returns the stand-in colour of a paint, for Matplotlib."""
    return f"#0000{PAINTS.index(name) + 1:02x}"


def draw(
    plot: Callable[[Axes], None],
    *,
    alt: str,
    size: tuple[int, int] = (260, 200),
    square: bool = False,
) -> str:
    """Draws one panel and returns it as inline SVG.

    Args:
        plot: Draws into the axes it is given.
        alt: What the figure shows, in words.
        size: Width and height in points, tick labels included.
        square: Whether to draw ticks for both axes at the same values.

    Returns:
        An `<svg>` element.
    """
    width, height = size
    left, right, bottom, top = 36.0, 7.0, 17.0, 11.0
    with mpl.rc_context(), np.errstate(all="ignore"):
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        figure = Figure(figsize=(width / 72, height / 72), dpi=72, frameon=False)
        FigureCanvasSVG(figure)
        axes = figure.add_axes(
            (
                left / width,
                bottom / height,
                (width - left - right) / width,
                (height - bottom - top) / height,
            )
        )
        _dress(axes, square=square)
        plot(axes)
        for artist in axes.get_children():
            artist.set_clip_on(False)
        for line in (*axes.get_xgridlines(), *axes.get_ygridlines()):
            line.set_clip_on(False)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _compact(buffer.getvalue(), alt, size)


def _dress(axes: Axes, *, square: bool) -> None:
    """Gives axes the house style: light grid, no frame, no tick marks."""
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    axes.grid(color=paint("grid"), linewidth=0.7)
    axes.tick_params(length=0, labelsize=9.5, pad=3)
    for side in ("left", "right", "top", "bottom"):
        axes.spines[side].set_visible(False)
    bins = 3 if square else 4
    axes.xaxis.set_major_locator(MaxNLocator(bins, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(bins, steps=[1, 2, 2.5, 5, 10]))


def log_y(axes: Axes, low: float, high: float) -> None:
    """Makes the vertical axis logarithmic, from low to high."""
    axes.set_yscale("log", nonpositive="mask")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(LogLocator(numticks=5))
    axes.yaxis.set_minor_locator(LogLocator(subs=[], numticks=1))
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: power_of_ten(np.log10(value)))
    )


def limits(*arrays: np.ndarray, pad: float = 0.04) -> tuple[float, float]:
    """Returns limits that hold all finite values, with a margin; never empty."""
    values = np.concatenate([np.ravel(a).astype(np.float64) for a in arrays])
    values = values[np.isfinite(values)]
    if not values.size:
        return -1.0, 1.0
    low, high = float(values.min()), float(values.max())
    width = high - low
    if not width > 1e-9 * max(abs(low), abs(high)):
        width = max(abs(low), abs(high), 1e-3)
    return low - pad * width, high + pad * width


def strokes(
    axes: Axes,
    starts: np.ndarray,
    ends: np.ndarray,
    *,
    color: str,
    width: float,
    alpha: float = 1.0,
) -> None:
    """Draws line segments, `(n, 2)` to `(n, 2)`, as one path with round ends."""
    if len(starts):
        vertices = np.stack([starts, ends], axis=1).reshape(-1, 2)
        codes = np.tile([Path.MOVETO, Path.LINETO], len(starts))
        axes.add_artist(
            PathPatch(
                Path(vertices, codes),
                fill=False,
                edgecolor=paint(color),
                linewidth=width,
                capstyle="round",
                zorder=2,  # that of lines: what is drawn later lies on top
                alpha=alpha,
            )
        )


def dots(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    *,
    color: str,
    width: float,
    alpha: float = 1.0,
) -> None:
    """Draws points, as strokes of no length: far smaller than markers."""
    points = np.column_stack([x, y]).astype(np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    # Matplotlib drops strokes of exactly no length; this one is rounded away later.
    shown = axes.transData.transform(points)
    ends = axes.transData.inverted().transform(shown + _HAIR)
    strokes(axes, points, ends, color=color, width=width, alpha=alpha)


def area(axes: Axes, outline: Path, *, color: str) -> None:
    """Fills an area; holes in it run the other way round."""
    if np.size(outline.vertices):
        axes.add_artist(
            PathPatch(
                outline,
                facecolor=paint(color),
                edgecolor="none",
                linewidth=0,
                zorder=1.5,  # below lines, wherever it is drawn
            )
        )


def distinct(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    *,
    most: int,
    weight: np.ndarray | None = None,
    cell: float = 0.8,
) -> np.ndarray:
    """Returns which points to draw: one per cell of paper, and at most so many.

    Args:
        axes: With their final limits; points outside them are left out.
        x: Horizontal coordinates.
        y: Vertical coordinates.
        most: The most points to draw.
        weight: Where points compete, the heavier is drawn; so are the heaviest tenth.
        cell: Size of a cell, in points of paper.

    Returns:
        Indices of the points to draw, lightest first.
    """
    weight = np.zeros(len(x)) if weight is None else np.nan_to_num(weight)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    inside = (x >= left) & (x <= right) & (y >= low) & (y <= high)
    index = np.flatnonzero(inside)
    index = index[np.argsort(-weight[index], kind="stable")]
    shown = axes.transData.transform(np.column_stack([x[index], y[index]]))
    cells = np.floor(shown / cell).astype(np.int64) @ np.array([100_003, 1])
    index = index[np.sort(np.unique(cells, return_index=True)[1])]
    if len(index) > most:
        heavy = most // 10
        rest = np.linspace(heavy, len(index) - 1, most - heavy).astype(np.int64)
        index = np.concatenate([index[:heavy], index[rest]])
    return index[::-1]


def _compact(svg: str, alt: str, size: tuple[int, int]) -> str:
    """Keeps the paths and texts of Matplotlib's SVG, in as few bytes as possible."""
    parts: list[tuple[str, str]] = []
    for node in ET.fromstring(svg).iter():
        tag = node.tag.rpartition("}")[2]
        style = _declarations(node.get("style", ""))
        if tag == "path" and _pen(style) and node.get("d"):
            head, body = _attributes(style), _short_path(node.get("d", ""))
            if parts and parts[-1][0] == head:
                body = parts.pop()[1] + body
            parts.append((head, body))
        elif tag == "text" and node.text:
            anchor = style.get("text-anchor", "start")
            where = " ".join(f'{k}="{float(node.get(k, 0)):.4g}"' for k in "xy")
            parts.append(("", f'<text class="{anchor}" {where}>{node.text}</text>'))
    body = "".join(f'<path{h} d="{b}"/>' if h else b for h, b in parts)
    return (
        f'<svg viewBox="0 0 {size[0]:g} {size[1]:g}" role="img">'
        f"<title>{escaped(alt)}</title>{body}</svg>"
    )


def _declarations(style: str) -> dict[str, str]:
    """Returns the declarations of a style attribute."""
    pairs = (item.split(":", 1) for item in style.split(";") if ":" in item)
    return {key.strip(): value.strip() for key, value in pairs}


def _pen(style: dict[str, str]) -> str:
    """Returns whether a path is a `"stroke"` or a `"fill"`, `""` if it is neither."""
    keys = (key for key in ("stroke", "fill") if style.get(key, "none") != "none")
    return next(keys, "")


def _attributes(style: dict[str, str]) -> str:
    """Returns the attributes of a path: its paint as a class, and its pen."""
    pen = _pen(style)
    name = PAINTS[int(style[pen][1:], 16) - 1]
    if pen == "fill":
        return f' class="f-{name}"'
    found = f' class="k-{name}" stroke-width="{style.get("stroke-width", "1")}"'
    for key in ("stroke-opacity", "stroke-dasharray"):
        if key in style:
            found += f' {key}="{style[key]}"'
    # In a PathPatch with alpha, Matplotlib writes one opacity for fill and stroke.
    return found + (f' opacity="{style["opacity"]}"' if "opacity" in style else "")


def _short_path(d: str) -> str:
    """Rewrites absolute path data in tenths of a point, relative and unpadded."""
    # Plain integers: arrays of two numbers would take ten times as long.
    here = start = (0, 0)
    words = []
    for index, (command, numbers) in enumerate(_STEP.findall(d)):
        if command == "z":
            words.append("z")
            here = start  # where a path is closed, the next one is relative to it
            continue
        tenths = [round(10 * float(number)) for number in numbers.split()]
        moves = [value - here[i % 2] for i, value in enumerate(tenths)]
        here = (tenths[-2], tenths[-1])
        start = here if command == "M" else start
        if command == "L" and not any(moves):
            words.append("h0")
            continue
        letter = "M" if index == 0 else command.lower()
        words.append(letter + "".join(map(_tenths, moves)).lstrip())
    return "".join(words)


def _tenths(value: int) -> str:
    """Returns tenths as the shortest decimal, with a separator where one is needed."""
    text = f"{abs(value) / 10:g}"
    text = text[1:] if text.startswith("0.") else text
    return ("-" if value < 0 else " ") + text
