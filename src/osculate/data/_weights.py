"""How much entries count whose errors are known."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from osculate.diff import TENSORS

SMALLEST = 0.1  # of the median error of a column: what is called exact counts as that
ALIKE = 1e-3  # of the spread of a column: a fit leaves more than errors below that


def inverse_variances(
    x: Float[np.ndarray, "N D"],
    y: Mapping[str, Float[np.ndarray, "..."]],
    known: Mapping[str, Bool[np.ndarray, "..."]],
    sigma: Mapping[str, Float[np.ndarray, "..."]],
) -> dict[str, Float[np.ndarray, "..."]]:
    """Returns weights by tensor: 0 where unknown, 1 where no error is known.

    Else `v(median) / v(sigma)`, where `v(s) = s^2 + (spread / 1000)^2` and the median
    is that of the positive errors of a column: one partial derivative of one output.
    What a fit leaves of the truth is an error, too; the second term stands for it, so
    that errors far below it count alike. Equal errors give 1. A sigma of 0 counts as a
    tenth of the median, one that is not finite as the median.

    Args:
        x: Points.
        y: Tensors by name.
        known: For every entry, whether it is known.
        sigma: Standard deviations of some of the tensors.

    Returns:
        Weights of the shapes of `y`.
    """
    found = {}
    for name, there in known.items():
        weight = there.astype(float)
        if name in sigma and len(x):
            spread = _spread(x, y, known, name)
            weight = weight * _relative(sigma[name], there, spread)
        found[name] = weight
    return found


def _relative(sigma: np.ndarray, known: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Returns `v(median) / v(sigma)` of every entry, column by column."""
    positive = known & np.isfinite(sigma) & (sigma > 0)
    median = np.ma.median(np.ma.array(sigma, mask=~positive), axis=0).filled(0.0)
    error = np.where(known & np.isfinite(sigma), sigma, median)
    error = np.maximum(error, SMALLEST * median)
    rest = ALIKE * spread
    ratio = np.ones_like(error)
    some = np.broadcast_to(median > 0, error.shape)
    np.divide(np.hypot(median, rest), np.hypot(error, rest), out=ratio, where=some)
    return ratio**2


def _spread(
    x: np.ndarray,
    y: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
    name: str,
) -> np.ndarray:
    """Returns the size of every column of a tensor.

    Of values, their standard deviation; of derivatives, their root mean square, or the
    spread of the values over that of the points where that is more.
    """
    values = _deviation(y["value"], known["value"])
    if name == "value":
        return values
    axes = range(TENSORS.index(name))
    inputs = x.std(axis=0)
    steps = np.divide(1.0, inputs, out=np.zeros_like(inputs), where=inputs > 0)
    for _ in axes:
        values = np.multiply.outer(values, steps)
    count = np.maximum(known[name].sum(axis=0), 1)
    square = np.where(known[name], y[name], 0.0) ** 2
    return np.maximum(values, np.sqrt(square.sum(axis=0) / count))


def _deviation(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / count
    return np.sqrt(np.where(known, (values - mean) ** 2, 0.0).sum(axis=0) / count)
