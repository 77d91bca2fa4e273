"""Predictions of points that were left out, all their entries together."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int
from numpy import ndarray

from osculate.diff import TENSORS

from ._jet_rows import distinct, places

RANK_TOLERANCE = 1e-9


class LeftOut(NamedTuple):
    """Entries as predicted without their point; NaN where nothing was known.

    Attributes:
        mean: `{"value": (N, M), "jacobian": (N, M, D), ...}`.
        variance: Of an observation, its noise included; the same shapes. Infinite, and
            the mean NaN, where the other points do not determine the trend.
    """

    mean: dict[str, Float[ndarray, "N M ..."]]
    variance: dict[str, Float[ndarray, "N M ..."]]


class Known(NamedTuple):
    """The known entries of M outputs, in length scales, and their covariance.

    Attributes:
        shape: `(N, D)`.
        orders: Of derivative.
        rows: Which of the N jets of J distinct derivatives they are.
        targets: Their values, less the level.
        known: By output.
        factor: Cholesky factors of their correlations.
        trend: The factors' inverses times the trend's rows.
        amplitude: By output.
        scale: Product of length scales of each derivative.
        level: Of the values.
    """

    shape: tuple[int, ...]
    orders: tuple[int, ...]
    rows: Int[ndarray, " n"]
    targets: Float[ndarray, "M n"]
    known: Float[ndarray, "M n"]
    factor: Float[ndarray, "M n n"]
    trend: Float[ndarray, "M n q"]
    amplitude: Float[ndarray, " M"]
    scale: Float[ndarray, "M J"]
    level: Float[ndarray, " M"]


def leave_out(data: Known) -> LeftOut:
    """Returns the predictions of each point's entries by those of the others."""
    shape, orders, rows, targets, known, factor, trend, amplitude, scale, level = data
    N, D = shape
    M, J = scale.shape
    mean, variance = np.full((2, M, N * J), np.nan)
    for m in range(M):
        at = np.flatnonzero(known[m])
        L = factor[m][np.ix_(at, at)]
        unit = scale[m][rows[at] % J]
        found = _by_blocks(L, trend[m][at], targets[m][at], rows[at] // J)
        mean[m, rows[at]] = found[0] / unit
        variance[m, rows[at]] = found[1] * (amplitude[m] / unit) ** 2
    mean, variance = mean.reshape(M, N, J), variance.reshape(M, N, J)
    tensors, start = ({}, {}), 0
    for order in orders:
        stop = start + len(distinct(D, order))
        for into, array in zip(tensors, (mean, variance), strict=True):
            part = array[:, :, start:stop][:, :, places(D, order)]
            into[TENSORS[order]] = np.swapaxes(part, 0, 1)
        start = stop
    if 0 in orders:
        tensors[0]["value"] += level[None]
    return LeftOut(*tensors)


def _by_blocks(
    L: Float[ndarray, "n n"],
    A: Float[ndarray, "n q"],
    y: Float[ndarray, " n"],
    point: Int[ndarray, " n"],
) -> tuple[Float[ndarray, " n"], Float[ndarray, " n"]]:
    """Returns means and variances by the inverse with the trend projected out."""
    Q = np.linalg.qr(A[:, np.any(A != 0, axis=0)])[0]
    inverse = scipy.linalg.solve_triangular(L, np.eye(len(L)), lower=True)
    rest = inverse - Q @ (Q.T @ inverse)
    precision = rest.T @ rest
    pull = precision @ y
    H = L @ A
    rank = _rank(H, H)
    mean, variance = y.copy(), np.zeros_like(y)
    for i in np.unique(point):
        at = np.flatnonzero(point == i)
        if _rank(H[point != i], H) < rank:
            mean[at], variance[at] = np.nan, np.inf
            continue
        block = scipy.linalg.inv(precision[np.ix_(at, at)])
        mean[at] -= block @ pull[at]
        variance[at] = np.diag(block)
    return mean, variance


def _rank(rows: Float[ndarray, "k q"], every: Float[ndarray, "n q"]) -> int:
    """Returns the rank of some of the rows, as against rounding of the largest."""
    if not rows.size:
        return 0
    return int(np.linalg.matrix_rank(rows, tol=RANK_TOLERANCE * np.abs(every).max()))
