"""Figures of the direction of steepest ascent, over two inputs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ._evaluation import Evaluation
from ._panel import Panel, labelled
from ._svg import draw, limits, strokes

MOST_GRADIENTS = 12


def gradients(evaluation: Evaluation) -> list[Panel]:
    """Draws, for two inputs, the direction of steepest ascent of every output."""
    if len(evaluation.inputs) != 2:
        return []
    panels = []
    for output in evaluation.outputs:
        names = [evaluation.partial(output, name) for name in evaluation.inputs]
        if None not in names:
            panels.append(
                Panel(
                    svg=_gradient(evaluation, output, [str(name) for name in names]),
                    name=f"gradient of {output}",
                    x=labelled(evaluation.inputs[0], evaluation.units),
                    y=labelled(evaluation.inputs[1], evaluation.units),
                )
            )
    return panels[:MOST_GRADIENTS]


def _gradient(evaluation: Evaluation, output: str, names: Sequence[str]) -> str:
    ours = np.column_stack([evaluation.prediction[name] for name in names])
    truth = np.column_stack([evaluation.truth[name] for name in names])

    def plot(axes: Axes) -> None:
        axes.set_xlim(*limits(evaluation.x[:, 0]))
        axes.set_ylim(*limits(evaluation.x[:, 1]))
        some = _one_per_cell(evaluation.x, cells=12)
        at = axes.transData.transform(evaluation.x[some])
        _arrows(axes, at, truth[some], color="faint", width=2.6)
        _arrows(axes, at, ours[some], color="c0", width=1.0)

    alt = (
        f"Direction of steepest ascent of {output} over the two inputs: "
        "the truth in grey, the surrogate on top."
    )
    return draw(plot, alt=alt)


def _one_per_cell(x: np.ndarray, *, cells: int) -> np.ndarray:
    """Returns the row nearest to the middle of each cell of a coarse grid."""
    low, width = x.min(axis=0), np.ptp(x, axis=0)
    place = (x - low) / np.where(width > 0, width, 1.0) * cells
    cell = np.minimum(np.floor(place), cells - 1)
    near = np.argsort(np.square(place - cell - 0.5).sum(axis=1), kind="stable")
    number = (cell[near] @ np.array([cells, 1])).astype(np.int64)
    return near[np.unique(number, return_index=True)[1]]


def _arrows(
    axes: Axes, at: np.ndarray, gradient: np.ndarray, *, color: str, width: float
) -> None:
    """Draws arrows of one length on paper; inputs are scaled to the panel."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    along = gradient * np.array([right - left, high - low])
    size = np.hypot(along[:, 0], along[:, 1])
    known = np.isfinite(size) & (size > 0)
    along, at = along[known] / size[known, None], at[known]
    tip, tail = at + 6 * along, at - 6 * along
    side = np.column_stack([-along[:, 1], along[:, 0]])
    back = axes.transData.inverted().transform
    for start in (tail, tip - 3.4 * along + 2 * side, tip - 3.4 * along - 2 * side):
        strokes(axes, back(start), back(tip), color=color, width=width)
