"""The trapezoid rule between neighbours: differences that derivatives predict."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from osculate.diff import TENSORS

from ._names import slash_name
from ._neighbours import neighbour_pairs
from ._table import Table

ROUNDING = 1e-9  # misfits below this are all alike
Columns = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Equation:
    """Differences of one quantity over pairs of rows, and the columns behind them.

    y_j - y_i = sum over d of (c_d,i + c_d,j) / 2 * (x_j,d - x_i,d) + O(distance^3).

    Attributes:
        names: Column c_d of each of the D inputs.
        i: First row of each of the P pairs.
        j: Second row.
        dx: Differences of the inputs, `(P, D)`.
        dy: Differences of the quantity, `(P,)`.
        size: Distances in standardized inputs, `(P,)`, positive.
    """

    names: tuple[str, ...]
    i: np.ndarray
    j: np.ndarray
    dx: np.ndarray
    dy: np.ndarray
    size: np.ndarray

    def parts(self, columns: Columns) -> Float64[np.ndarray, "P D"]:
        """Returns what each input contributes to the differences."""
        means = [(columns[n][self.i] + columns[n][self.j]) / 2 for n in self.names]
        return np.stack(means, axis=1) * self.dx

    def residual(self, columns: Columns) -> Float64[np.ndarray, " P"]:
        """Returns differences less what the columns predict."""
        return self.dy - self.parts(columns).sum(1)

    def change(self, old: Columns, new: Columns) -> Float64[np.ndarray, " P"]:
        """Returns what the columns in `new`, put for those in `old`, add."""
        added = np.zeros(len(self.dy))
        for d, name in enumerate(self.names):
            if name in new:
                step = new[name] - old[name]
                added += (step[self.i] + step[self.j]) / 2 * self.dx[:, d]
        return added

    def misfits(
        self, residual: Float64[np.ndarray, " P"], change: Float64[np.ndarray, " P"]
    ) -> tuple[float, float] | None:
        """Returns the misfits before and after a change, where it tells most.

        Args:
            residual: Residual before the change.
            change: What the change adds to the prediction.

        Returns:
            Median errors relative to the median difference, over that half of the
            pairs which the change touches most; `None` if they are too few.
        """
        touched = np.abs(change) / self.size**2
        told = np.isfinite(touched) & (touched > 0)
        if told.sum() < 3 * (len(self.names) + 1):
            return None
        told &= touched >= np.median(touched[told])
        scale = np.median(np.abs(self.dy[told])) or np.median(np.abs(self.dy))
        if not scale:
            return None
        return (
            float(np.median(np.abs(residual[told])) / scale),
            float(np.median(np.abs((residual - change)[told])) / scale),
        )


def columns_of(table: Table, highest: int) -> Columns:
    """Returns values and derivatives by name, NaN where missing.

    Args:
        table: Any table.
        highest: Order of the highest derivatives wanted.

    Returns:
        The columns, each `(N,)`.
    """
    columns = {}
    for label in TENSORS[: highest + 1]:
        if label in table.y:
            full = np.where(table.known[label], table.y[label], np.nan)
            for index in np.ndindex(full.shape[1:]):
                columns[_name(table, index)] = full[:, *index]
    return columns


def _name(table: Table, index: tuple[int, ...]) -> str:
    below = [table.inputs[d] for d in sorted(index[1:])]
    return slash_name(table.outputs[index[0]], below)


def equations(table: Table, columns: Columns, order: int) -> Iterator[Equation]:
    """Yields what the derivatives of one order predict: those of the order below.

    Args:
        table: Any table.
        columns: Its columns.
        order: 1 or 2.

    Yields:
        One equation per quantity for which enough is known.
    """
    M, D = len(table.outputs), len(table.inputs)
    cache = {}
    for index in np.ndindex(M, *((order - 1) * (D,))):
        names = tuple(_name(table, (*index, d)) for d in range(D))
        y = columns[_name(table, index)]
        usable = np.isfinite(y) & np.all([np.isfinite(columns[n]) for n in names], 0)
        key = usable.tobytes()
        if key not in cache:
            cache[key] = neighbour_pairs(table.x, np.flatnonzero(usable))
        i, j, size = cache[key]
        if len(i) >= 3 * (D + 1):
            yield Equation(names, i, j, table.x[j] - table.x[i], y[j] - y[i], size)


def joint_factors(equation: Equation, columns: Columns) -> Float64[np.ndarray, " D"]:
    """Returns the factors of the columns that together predict the differences best.

    Least absolute error by reweighted least squares, on slopes: every pair divided by
    its length, so that long pairs, which the trapezoid rule serves worse, do not rule.

    Args:
        equation: The equation.
        columns: The columns.

    Returns:
        One factor per input, 1 where a column says nothing.
    """
    A = equation.parts(columns) / equation.size[:, None]
    b = equation.dy / equation.size
    kept = np.isfinite(A).all(1)
    A, b = A[kept], b[kept]
    scale = np.sqrt((A**2).mean(0)) if len(A) else np.zeros(A.shape[1])
    silent = scale == 0
    scale[silent] = 1.0
    A, weight = A / scale, np.ones(len(b))
    floor = ROUNDING * (np.median(np.abs(b)) if len(b) else 1.0) or ROUNDING
    solution = np.zeros(A.shape[1])
    ridge = 1e-12 * np.eye(A.shape[1])
    for _ in range(10):
        weighted = A * weight[:, None]
        normal = weighted.T @ A / max(weight.sum(), floor)
        right = weighted.T @ b / max(weight.sum(), floor)
        size = np.trace(normal) or 1.0
        solution = np.linalg.solve(normal + size * ridge, right)
        weight = 1 / np.maximum(np.abs(b - A @ solution), floor)
        weight /= weight.max(initial=floor)
    return np.where(silent, 1.0, solution / scale)


def factor_alone(equation: Equation, columns: Columns, name: str) -> float:
    """Returns the factor of one column that fits best if all others are right.

    The minimum of sum |rest - factor * part| / size^2 is a weighted median of ratios.

    Args:
        equation: The equation.
        columns: The columns.
        name: The column.

    Returns:
        The factor, 1 where the column says nothing.
    """
    parts = equation.parts(columns)
    part = parts[:, equation.names.index(name)]
    rest = equation.dy - (parts.sum(1) - part)
    kept = np.isfinite(rest) & np.isfinite(part) & (part != 0)
    if not kept.any():
        return 1.0
    ratio = rest[kept] / part[kept]
    weight = np.abs(part[kept]) / equation.size[kept] ** 2
    order = np.argsort(ratio)
    heaped = np.cumsum(weight[order])
    return float(ratio[order][np.searchsorted(heaped, heaped[-1] / 2)])
