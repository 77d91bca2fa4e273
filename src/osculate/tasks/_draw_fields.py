"""Figures of a solution, for a file."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ._components import components

POINTS, INCHES = 201, 4.0


def draw_fields(solution: Any, path: Path) -> Path:
    """Draws every field over the first two coordinates, or over the only one.

    Args:
        solution: The solution; further coordinates are held at their middle.
        path: The file.

    Returns:
        Its path.
    """
    domain = solution.problem.domain
    names = domain.names
    axes = [
        np.linspace(a, b, POINTS) for a, b in zip(domain.low, domain.high, strict=True)
    ]
    middle = {n: float(np.mean(a)) for n, a in zip(names[2:], axes[2:], strict=True)}
    shown = {names[0]: axes[0]}
    if len(names) > 1:
        shown = {names[0]: axes[0][None, :], names[1]: axes[1][:, None]}
    found = components(solution, {**shown, **middle})
    figure = Figure(figsize=(INCHES * len(found), 0.85 * INCHES), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(found)))
    for panel, (name, value) in zip(panels, found.items(), strict=True):
        panel.set(title=name, xlabel=names[0])
        if len(names) == 1:
            panel.plot(axes[0], value)
            continue
        panel.set_ylabel(names[1])
        inside = np.isfinite(value)
        drawn = panel.pcolormesh(
            axes[0], axes[1], np.where(inside, value, np.nan), shading="nearest"
        )
        figure.colorbar(drawn, ax=panel)
    figure.savefig(path, dpi=150)
    return path
