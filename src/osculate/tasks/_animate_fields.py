"""A solution that moves in time, for a browser."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from osculate.core import InputError

from ._components import components

POINTS, INCHES, RATE = 101, 4.0, 20
FORMATS = (".html", ".gif")
MEGABYTES = 500
SIGNS = {
    "minus": "-",
    "fast-backward": "|&lt;",
    "step-backward": "&lt;",
    "play fa-flip-horizontal": "&#9664;",
    "pause": "||",
    "play": "&#9654;",
    "step-forward": "&gt;",
    "fast-forward": "&gt;|",
    "plus": "+",
}


def animate_fields(solution: Any, path: Path, frames: int) -> Path:
    """Draws every field over space, at one time after the other.

    Args:
        solution: The solution; lines over one coordinate, maps over the first two,
            further ones held at their middle.
        path: A file that ends in `.html` or `.gif`.
        frames: Number of times.

    Returns:
        Its path.

    Raises:
        InputError: If the ending is not known, there are no frames, or there is no
            time, or nothing else.
    """
    domain = solution.problem.domain
    space = [name for name in domain.names if name not in domain.time]
    if path.suffix not in FORMATS:
        raise InputError(
            f"`Solution.animate`: {path.name} ends in {path.suffix!r}; expected one of "
            f"{list(FORMATS)}.\nGive it one of these endings."
        )
    if frames < 1:
        raise InputError(
            f"`Solution.animate`: frames is {frames}; expected 1 or more.\n"
            "Leave it out for 60."
        )
    if not domain.time or not space:
        raise InputError(
            f"`Solution.animate`: the coordinates are {list(domain.names)}; expected "
            "time and at least one other.\nUse `plot`."
        )
    low, high = (
        dict(zip(domain.names, e, strict=True)) for e in (domain.low, domain.high)
    )
    axes = {name: np.linspace(low[name], high[name], POINTS) for name in space[:2]}
    held = {name: (low[name] + high[name]) / 2 for name in space[2:]}
    times = np.linspace(low[domain.time[0]], high[domain.time[0]], frames)
    grid = dict(zip(axes, np.meshgrid(*axes.values()), strict=True))
    every = {name: a[None] for name, a in grid.items()}
    clock = times.reshape(-1, *(1 for _ in axes))
    found = components(solution, {**every, **held, domain.time[0]: clock})
    figure, show = _panels(axes, found)

    def at(frame: int) -> None:
        figure.suptitle(f"{domain.time[0]} = {times[frame]:.3g}")
        show(frame)

    moving = FuncAnimation(figure, at, frames=frames, interval=1000 / RATE)
    if path.suffix == ".gif":
        moving.save(path, writer=PillowWriter(fps=RATE))
        return path
    with rc_context({"animation.embed_limit": MEGABYTES}):
        page = moving.to_jshtml(fps=RATE)
    page = re.sub(r"<link[^>]*>", "", page)  # of icons, from elsewhere
    for icon, sign in SIGNS.items():
        page = page.replace(f'<i class="fa fa-{icon}"></i>', sign)
    path.write_text(page, encoding="utf-8")
    return path


def _panels(
    axes: dict[str, np.ndarray], found: dict[str, np.ndarray]
) -> tuple[Figure, Callable[[int], None]]:
    """Returns a figure of all fields, and what shows one frame of it."""
    figure = Figure(figsize=(INCHES * len(found), 0.85 * INCHES), layout="constrained")
    FigureCanvasAgg(figure)
    panels = np.atleast_1d(figure.subplots(1, len(found)))
    names, drawn = list(axes), []
    for panel, (name, value) in zip(panels, found.items(), strict=True):
        panel.set(title=name, xlabel=names[0])
        low, high = float(np.nanmin(value)), float(np.nanmax(value))
        if len(axes) == 1:
            margin = 0.05 * (high - low) or 1.0
            panel.set_ylim(low - margin, high + margin)
            drawn.append(panel.plot(axes[names[0]], value[0])[0].set_ydata)
            continue
        panel.set_ylabel(names[1])
        mesh = panel.pcolormesh(*axes.values(), value[0], vmin=low, vmax=high)
        figure.colorbar(mesh, ax=panel)
        drawn.append(mesh.set_array)

    def show(frame: int) -> None:
        for put, value in zip(drawn, found.values(), strict=True):
            put(value[frame])

    return figure, show
