"""The figures of the report, one small panel each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from matplotlib.axes import Axes

from ._evaluation import Evaluation
from ._numbers import power_of_ten
from ._page import Page, Slice
from ._svg import distinct, dots, draw, limits, log_y, paint, strokes

MOST_PARITY = 24
MOST_SLICES = 12
MOST_MAPS = 12
LEVELS = 6


@final
@dataclass(frozen=True)
class Panel:
    """One figure with its words; the words are plain text, escaped by the page."""

    svg: str
    name: str
    note: str = ""
    x: str = ""
    y: str = ""


def labelled(name: str, units: Mapping[str, str]) -> str:
    """Returns `"T [K]"`, or the name alone where the unit is not known."""
    unit = units.get(name, "")
    return f"{name} [{unit}]" if unit else name


# --- parity ---------------------------------------------------------------------------


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


# --- where the error lies -------------------------------------------------------------


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


def _decades(errors: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """Returns the exponent of the highest level, and the step between levels."""
    positive = np.concatenate([e[np.isfinite(e) & (e > 0)] for e in errors.values()])
    if not positive.size:
        return 0.0, 1.0
    logs = np.log10(positive)
    low, high = np.percentile(logs, 10), float(logs.max())
    step = 0.5 if high - low <= 3 else 1.0
    return float(np.ceil(high / step - 1e-9) * step), step


def _errors_over_line(
    evaluation: Evaluation,
    errors: Mapping[str, np.ndarray],
    training_x: np.ndarray,
    tail: str,
) -> ErrorMaps:
    name, x = evaluation.inputs[0], evaluation.x[:, 0]
    top, _ = _decades(errors)
    positive = np.concatenate([e[np.isfinite(e) & (e > 0)] for e in errors.values()])
    floor = float(np.floor(np.log10(positive.min()))) if positive.size else top - 3
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
    top, step = _decades(errors)
    edges = top - step * np.arange(LEVELS - 1, 0, -1)
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
    bounds = [power_of_ten(float(edge)) for edge in edges]
    levels = (
        f"below {bounds[0]}",
        *(f"to {bound}" for bound in bounds[1:]),
        f"above {bounds[-1]}",
    )
    return ErrorMaps(panels, sentence + tail, levels)


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


# --- loss -----------------------------------------------------------------------------


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
            _line(axes, steps, values[name], color=paints[name], width=width)

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


def _line(
    axes: Axes, x: np.ndarray, y: np.ndarray, *, color: str, width: float
) -> None:
    """Draws a line through the known values, or a dot where there is only one."""
    low, high = axes.get_ylim()
    known = np.flatnonzero(np.isfinite(y) & (y >= low) & (y <= high))
    if known.size == 1:
        dots(axes, x[known], y[known], color=color, width=4.0)
        return
    known = _envelope(known, y, most=600)
    axes.plot(x[known], y[known], color=paint(color), linewidth=width)


def _envelope(index: np.ndarray, y: np.ndarray, *, most: int) -> np.ndarray:
    """Thins a line to the lowest and highest value of each stretch of steps."""
    if len(index) <= most:
        return index
    kept = {int(index[0]), int(index[-1])}
    for part in np.array_split(index, most // 2):
        kept |= {int(part[np.argmin(y[part])]), int(part[np.argmax(y[part])])}
    return np.array(sorted(kept))


# --- slices and gradients -------------------------------------------------------------


def slices(page: Page) -> list[Panel]:
    """Draws cuts through the surrogate, with its tangents and those of the data."""
    units = page.evaluation.units
    return [
        Panel(
            svg=_slice(cut),
            name=f"{cut.output} over {cut.input}",
            note=_held(cut.at, units),
            x=labelled(cut.input, units),
            y=labelled(cut.output, units),
        )
        for cut in page.slices[:MOST_SLICES]
    ]


def _held(at: Mapping[str, float], units: Mapping[str, str]) -> str:
    """Returns `"at p = 12.5 MPa"`."""
    parts = [f"{k} = {v:.4g} {units.get(k, '')}".strip() for k, v in at.items()]
    return f"at {', '.join(parts)}" if parts else ""


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
    return panels[:MOST_MAPS]


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
