"""Figures of prediction against truth."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ._evaluation import Evaluation
from ._panel import Panel
from ._svg import distinct, dots, draw, limits, paint

MOST_PARITY = 24


def parity(evaluation: Evaluation, names: Sequence[str]) -> list[Panel]:
    """Draws prediction against truth for each name, values-only behind."""
    units = evaluation.all_units()
    most = int(np.clip(5500 // max(len(names), 1), 200, 700))
    return [
        Panel(
            svg=_parity(evaluation, name, most),
            name=name,
            note=units.get(name, ""),
        )
        for name in names
    ]


def _parity(evaluation: Evaluation, name: str, most: int) -> str:
    known = np.isfinite(evaluation.truth[name])
    true = evaluation.truth[name][known]
    ours = evaluation.prediction[name][known]
    theirs = (evaluation.values_only or {}).get(name)

    def plot(axes: Axes) -> None:
        span = limits(true, ours)
        axes.set_xlim(*span)
        axes.set_ylim(*span)
        if theirs is not None:
            _cloud(axes, true, theirs[known], most, color="faint", width=2.4)
        axes.plot(span, span, color=paint("ink"), linewidth=0.6)
        _cloud(axes, true, ours, most, color="c0", width=2.2)

    alt = f"Prediction of {name} against its truth; the diagonal is agreement."
    return draw(plot, alt=alt, size=(160, 145), square=True)


def _cloud(
    axes: Axes, x: np.ndarray, y: np.ndarray, most: int, *, color: str, width: float
) -> None:
    keep = distinct(axes, x, y, most=most, weight=np.abs(y - x), cell=1.2)
    dots(axes, x[keep], y[keep], color=color, width=width)
