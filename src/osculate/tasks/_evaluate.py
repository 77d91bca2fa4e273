"""What a surrogate is worth: truth beside prediction, slices, and one sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from osculate import report
from osculate.data import Table, derivative_names
from osculate.diff import TENSORS

from ._predict import predict_jet

SLICE_POINTS = 101
ROWS_NEAR_SLICE = 12
MOST_SLICES = 12

Columns = dict[str, Float64[ndarray, " N"]]


def evaluation(
    table: Table, kind: str, model: Any, values_only: Any | None
) -> report.Evaluation:
    """Compares a model with everything a table knows.

    Args:
        table: Rows the model was not fitted to.
        kind: Where they come from, for the reader.
        model: The model.
        values_only: The same network fitted to values only, if there is one.

    Returns:
        Truth (NaN where unknown) and predictions by name in print notation.
    """
    truth = _columns(
        table, [np.where(table.known[k], v, np.nan) for k, v in table.y.items()]
    )
    of = lambda m: _columns(table, _like(table, m))
    return report.Evaluation(
        kind=kind,
        inputs=table.inputs,
        outputs=table.outputs,
        units=dict(table.units),
        x=table.x,
        truth=truth,
        prediction=of(model),
        values_only=None if values_only is None else of(values_only),
    )


def _like(table: Table, model: Any) -> list[ndarray]:
    orders = [TENSORS.index(part) for part in table.y]
    tensors = predict_jet(model, table.x, max(orders))
    return [tensors[order] for order in orders]


def _columns(table: Table, tensors: Sequence[ndarray]) -> Columns:
    """Takes tensors apart into columns named in print notation."""
    columns = {}
    for part, tensor in zip(table.y, tensors, strict=True):
        order = TENSORS.index(part)
        for name in derivative_names(table.outputs, table.inputs, order):
            columns[name.print] = tensor[(slice(None), *name.entry)]
    return columns


def slices(table: Table, model: Any) -> list[report.Slice]:
    """Cuts through the input space at the median of the other inputs.

    A slice is as long as the data around it: it does not leave them for regions that
    the table knows nothing of.

    Args:
        table: The rows the model was fitted to.
        model: The model.

    Returns:
        One slice per output and input, at most twelve.
    """
    middle = np.median(table.x, axis=0)
    found = []
    for d, name in enumerate(table.inputs):
        near = _by_distance(table, d, middle)
        around = table.x[near[: max(ROWS_NEAR_SLICE, len(near) // 10)], d]
        near = near[:ROWS_NEAR_SLICE]
        grid = np.linspace(around.min(), around.max(), SLICE_POINTS)
        points = np.tile(middle, (SLICE_POINTS, 1))
        points[:, d] = grid
        value, slope = predict_jet(model, points, 1)
        at = {
            n: float(v) for n, v in zip(table.inputs, middle, strict=True) if n != name
        }
        for m, output in enumerate(table.outputs):
            rows = near[table.known["value"][near, m]]
            found.append(
                report.Slice(
                    input=name,
                    output=output,
                    at=at,
                    grid=grid,
                    value=value[:, m],
                    slope=slope[:, m, d],
                    points_x=table.x[rows, d],
                    points_y=table.y["value"][rows, m],
                    points_slope=_slopes(table, rows, m, d),
                )
            )
    return sorted(found, key=lambda s: table.outputs.index(s.output))[:MOST_SLICES]


def _by_distance(table: Table, d: int, middle: ndarray) -> ndarray:
    """All rows, those closest to the line through the middle along input d first."""
    scale = table.x.std(0)
    away = (table.x - middle) / np.where(scale > 0, scale, 1.0)
    away[:, d] = 0.0
    return np.argsort(np.sum(away**2, axis=1), kind="stable")


def _slopes(table: Table, rows: ndarray, m: int, d: int) -> ndarray:
    if "jacobian" not in table.y:
        return np.full(len(rows), np.nan)
    known = table.known["jacobian"][rows, m, d]
    return np.where(known, table.y["jacobian"][rows, m, d], np.nan)


def verdict(
    shown: report.Evaluation,
    metrics: Mapping[str, Mapping[str, float | None]],
    values_only: Mapping[str, Mapping[str, float | None]] | None,
) -> str:
    """Says in one or two sentences how good a surrogate is.

    Args:
        shown: What the metrics are of.
        metrics: RRMSE, R2 and maximum by name.
        values_only: The same for the network fitted to values only.

    Returns:
        The sentences.
    """
    words = {0: "values", 1: "first derivatives", 2: "second derivatives"}
    by_order: dict[int, list[str]] = {}
    for name, numbers in metrics.items():
        if numbers["rrmse"] is not None:
            by_order.setdefault(shown.order(name), []).append(name)
    errors = [
        f"{words[order]} {_percent(max(metrics[n]['rrmse'] for n in names))}"  # pyright: ignore[reportArgumentType]
        for order, names in by_order.items()
    ]
    if not errors:
        return "Too few rows to judge by: give a separate test table."
    text = f"Worst error on {len(shown.x)} {shown.kind}: {', '.join(errors)}."
    if values_only is not None and len(by_order) > 1:
        times = report.improvement(metrics, values_only)
        gains = [
            f"{words[order]} {_gain([times[name] for name in names])}"
            for order, names in by_order.items()
        ]
        text += f" Training on derivatives made {', '.join(gains)}."
    return text


def _percent(ratio: float) -> str:
    if ratio >= 0.995:
        return f"{ratio:,.2g} times the spread"
    return f"{100 * ratio:.2g}\N{NO-BREAK SPACE}%"


def _gain(times: list[float | None]) -> str:
    """Says how the errors changed, by the median of how many times smaller they are."""
    known = [t for t in times if t is not None]
    return report.improvement_words(float(np.median(known)) if known else None)
