"""The figure of the loss over the steps of training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from matplotlib.axes import Axes

from ._line import line
from ._panel import Panel
from ._svg import draw, limits, log_y, paint


@final
@dataclass(frozen=True)
class Losses:
    """The loss over the steps, and what its lines are: (name, paint)."""

    panel: Panel | None
    keys: list[tuple[str, str]]


def losses(history: Mapping[str, np.ndarray]) -> Losses:
    """Draws the loss and its parts over the steps."""
    values = {
        name: np.asarray(column, dtype=np.float64)
        for name, column in history.items()
        if name != "step"
    }
    values = {name: v for name, v in values.items() if np.isfinite(v).any()}
    if not values:
        return Losses(None, [])
    length = len(next(iter(values.values())))
    steps, joints = _joined(np.asarray(history.get("step", np.arange(length))))
    paints, rest = {}, 0
    for name in values:
        special = {"loss": "ink", "validation": "c1"}.get(name)
        paints[name] = special or f"c{(0, 2, 3, 4, 5, 6)[rest % 6]}"
        rest += special is None
    # The total and the validation lie on top of the parts.
    names = sorted(
        values, key=lambda name: (name == "loss") + 2 * (name == "validation")
    )

    def plot(axes: Axes) -> None:
        axes.set_xlim(*limits(steps, pad=0.02))
        _loss_scale(axes, list(values.values()))
        low, high = axes.get_ylim()
        for joint in joints:
            axes.plot([joint] * 2, [low, high], color=paint("ink"), linewidth=0.5)
        for name in names:
            width = 1.7 if name in ("loss", "validation") else 1.1
            line(axes, steps, values[name], color=paints[name], width=width)

    alt = "Loss and its parts over the steps of training."
    if joints:
        alt += " Thin vertical lines separate the stages."
    svg = draw(plot, alt=alt, size=(760, 240))
    note = "vertical lines separate stages" if joints else ""
    panel = Panel(svg=svg, name="", note=note, x="step", y="loss")
    return Losses(panel, list(paints.items()))


def _joined(steps: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Returns steps that never fall back, and where the stages meet."""
    steps = np.nan_to_num(steps.astype(np.float64))
    falls = np.flatnonzero(np.diff(steps) < 0)
    joined, joints = steps.copy(), []
    for fall in falls:
        joined[fall + 1 :] += joined[fall]
        joints.append(float(joined[fall]))
    return joined, joints


def _loss_scale(axes: Axes, values: Sequence[np.ndarray]) -> None:
    """Makes the axis logarithmic, unless a loss is negative."""
    finite = np.concatenate([v[np.isfinite(v)] for v in values])
    positive = finite[finite > 0]
    if (finite < 0).any() or not positive.size:
        axes.set_ylim(*limits(finite))
        return
    low, high = np.log10(positive.min()), np.log10(positive.max())
    low = max(low, high - 16)
    pad = max(0.04 * (high - low), 0.2)
    log_y(axes, 10.0 ** (low - pad), 10.0 ** (high + pad))
