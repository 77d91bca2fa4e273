"""Figures of the error over the inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from matplotlib.axes import Axes

from ._evaluation import Evaluation
from ._levels import LEVELS, decades, level_edges, level_words
from ._panel import Panel, labelled
from ._svg import distinct, dots, draw, limits, log_y, strokes

MOST_MAPS = 12


@final
@dataclass(frozen=True)
class ErrorMaps:
    """Panels of the error over the inputs, with the words and colours they share."""

    panels: list[Panel]
    sentence: str
    levels: tuple[str, ...] = ()


def error_maps(evaluation: Evaluation, training_x: np.ndarray) -> ErrorMaps:
    """Shows where in the input space the error lies."""
    errors = {}
    for output in evaluation.outputs:
        for label, names in _groups(evaluation, output):
            error = _worst(evaluation, names)
            if np.isfinite(error).any():
                errors[label] = error
    left_out = max(len(errors) - MOST_MAPS, 0)
    errors = dict(list(errors.items())[:MOST_MAPS])
    tail = " Crowded panels show part of the rows, the largest errors among them."
    tail = tail if len(evaluation.x) > 300 else ""
    tail += f" {left_out} further panels are left out." if left_out else ""
    if not errors or not evaluation.inputs:
        return ErrorMaps([], "Nothing is known to compare with.")
    if len(evaluation.inputs) == 1:
        return _errors_over_line(evaluation, errors, training_x, tail)
    return _errors_over_plane(evaluation, errors, training_x, tail)


def _groups(evaluation: Evaluation, output: str) -> list[tuple[str, list[str]]]:
    """Returns the output itself and its first derivatives, as panels to draw."""
    slopes = [evaluation.partial(output, name) for name in evaluation.inputs]
    slopes = [name for name in slopes if name is not None]
    groups = [(output, [output])] if output in evaluation.truth else []
    if len(slopes) == 1:
        groups.append((slopes[0], slopes))
    elif slopes:
        groups.append((f"slopes of {output}", slopes))
    return groups


def _worst(evaluation: Evaluation, names: Sequence[str]) -> np.ndarray:
    """Returns the largest |error| / std among the names, row by row; NaN unknown."""
    found = np.full(len(evaluation.x), np.nan)
    with np.errstate(all="ignore"):
        for name in names:
            true = np.asarray(evaluation.truth[name], dtype=np.float64)
            known = true[np.isfinite(true)]
            if known.size:
                spread = float(np.std(known))
                spread = spread if spread > 0 else float(np.max(np.abs(known))) or 1.0
                error = np.abs(evaluation.prediction[name] - true) / spread
                found = np.fmax(found, np.where(np.isfinite(error), error, np.nan))
    return found


def _logs(errors: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns the decimal logarithms of all errors that have one."""
    return np.log10(
        np.concatenate([e[np.isfinite(e) & (e > 0)] for e in errors.values()])
    )


def _errors_over_line(
    evaluation: Evaluation,
    errors: Mapping[str, np.ndarray],
    training_x: np.ndarray,
    tail: str,
) -> ErrorMaps:
    name, x = evaluation.inputs[0], evaluation.x[:, 0]
    logs = _logs(errors)
    top, _ = decades(logs)
    floor = float(np.floor(logs.min())) if logs.size else top - 3
    floor = max(min(floor, top - 2), top - 8)

    def over(error: np.ndarray, alt: str) -> str:
        def plot(axes: Axes) -> None:
            axes.set_xlim(*limits(x, training_x[:, 0]))
            log_y(axes, 10.0 ** (floor - 0.4), 10.0**top)
            shown = np.fmax(error, 10.0**floor)
            keep = distinct(axes, x, shown, most=800, weight=shown)
            dots(axes, x[keep], shown[keep], color="c0", width=2.4)
            rug = np.unique(training_x[:, 0])
            rug = rug[np.linspace(0, len(rug) - 1, min(len(rug), 300)).astype(int)]
            base = np.full(len(rug), 10.0 ** (floor - 0.4))
            strokes(
                axes,
                np.column_stack([rug, base]),
                np.column_stack([rug, base * 10**0.25]),
                color="ink",
                width=0.5,
            )

        return draw(plot, alt=alt, size=(300, 170))

    panels = [
        Panel(
            svg=over(error, f"Error of {label} over {name}."),
            name=label,
            x=labelled(name, evaluation.units),
            y="|error| / std",
        )
        for label, error in errors.items()
    ]
    sentence = (
        "Error relative to the standard deviation of the truth, row by row. The marks "
        "along the bottom are training points." + tail
    )
    return ErrorMaps(panels, sentence)


def _errors_over_plane(
    evaluation: Evaluation,
    errors: Mapping[str, np.ndarray],
    training_x: np.ndarray,
    tail: str,
) -> ErrorMaps:
    first, second, shares = _leading_inputs(evaluation.x, list(errors.values()))
    edges = level_edges(*decades(_logs(errors)))
    most = int(np.clip(4000 // len(errors), 300, 1200))
    x, y = evaluation.x[:, first], evaluation.x[:, second]
    seen_x, seen_y = training_x[:, first], training_x[:, second]
    names = evaluation.inputs[first], evaluation.inputs[second]

    def over(error: np.ndarray, alt: str) -> str:
        def plot(axes: Axes) -> None:
            axes.set_xlim(*limits(x, seen_x))
            axes.set_ylim(*limits(y, seen_y))
            with np.errstate(divide="ignore"):
                level = np.searchsorted(edges, np.log10(error))
            known = np.flatnonzero(np.isfinite(error))
            keep = distinct(
                axes, x[known], y[known], most=most, weight=error[known], cell=2.0
            )
            keep = known[keep]
            for value in range(LEVELS):
                here = keep[level[keep] == value]
                dots(axes, x[here], y[here], color=f"e{value}", width=3.6)
            seen = distinct(axes, seen_x, seen_y, most=400, cell=2.0)
            dots(axes, seen_x[seen], seen_y[seen], color="ink", width=1.3)

        return draw(plot, alt=alt)

    panels = [
        Panel(
            svg=over(error, f"Error of {label} over {names[0]} and {names[1]}."),
            name=label,
            x=labelled(names[0], evaluation.units),
            y=labelled(names[1], evaluation.units),
        )
        for label, error in errors.items()
    ]
    sentence = (
        "Colour is the error relative to the standard deviation of the truth (for "
        "slopes, the worst one at each point). Small dots are training points."
    )
    if len(evaluation.inputs) > 2:
        sentence += (
            f" Of the {len(evaluation.inputs)} inputs, the two that explain most of "
            f"the variation of the error are shown: {names[0]} ({shares[0]:.0%}) and "
            f"{names[1]} ({shares[1]:.0%})."
        )
    return ErrorMaps(panels, sentence + tail, level_words(edges))


def _leading_inputs(
    x: np.ndarray, errors: Sequence[np.ndarray]
) -> tuple[int, int, tuple[float, float]]:
    """Returns the two inputs that explain most of log |error|, and their shares.

    The share is the correlation ratio: the variance of the means over ten bins of
    equal count, over the variance of all, averaged over the errors.
    """
    if x.shape[1] == 2:
        return 0, 1, (0.0, 0.0)
    shares = np.zeros(x.shape[1])
    for error in errors:
        known = np.isfinite(error) & (error > 0)
        logs = np.log(error[known])
        if logs.size < 20 or np.ptp(logs) == 0:
            continue
        for column in range(x.shape[1]):
            rank = np.argsort(np.argsort(x[known, column], kind="stable"))
            bins = rank * 10 // logs.size
            means = np.bincount(bins, logs) / np.bincount(bins)
            shares[column] += np.var(means[bins]) / np.var(logs) / len(errors)
    first, second = np.sort(np.argsort(-shares, kind="stable")[:2])
    return int(first), int(second), (float(shares[first]), float(shares[second]))
