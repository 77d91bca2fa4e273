"""Where a black box is asked for differences, and what its answers say."""

import itertools
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from osculate.diff import difference

Method = Literal["central", "complex", "forward"]
POWER = {"central": 2, "forward": 1}  # of the step, in the error
CIRCLE = 0.1  # radius of Cauchy's integral, in spreads


def default_step(method: Method, order: int) -> float:
    """Returns a step in units of the spread that serves functions exact to rounding.

    Truncation, h^p, and rounding, eps / h^n, are then alike.

    Args:
        method: Kind of difference.
        order: n, of the derivative.

    Returns:
        The step; of Cauchy's integral the radius.
    """
    if method == "complex":
        return CIRCLE
    return float(np.finfo(float).eps ** (1 / (order + POWER[method])))


def exact_lengths(x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Returns lengths near those given whose multiples are added to x exactly.

    Args:
        x: A point, `(D,)`.
        lengths: Steps, `(D,)`, positive.

    Returns:
        Steps that are even multiples of the spacing of numbers there, `(D,)`.
    """
    grain = 2 * np.spacing(np.abs(x) + 4 * lengths)
    return grain * np.maximum(np.round(lengths / grain), 1)


def directions(D: int, order: int) -> np.ndarray:
    """Returns the directions `(K, D)` whose derivatives give the whole tensor.

    Args:
        D: Inputs.
        order: 1: the coordinates; 2: also the sums of two of them.

    Returns:
        One direction per row.
    """
    units = np.eye(D)
    if order == 1:
        return units
    sums = [units[d] + units[e] for d, e in itertools.combinations(range(D), 2)]
    return np.concatenate([units, *([np.stack(sums)] if sums else [])])


def along(
    f: Callable[[np.ndarray], Any],
    x: np.ndarray,
    scale: np.ndarray,
    order: int,
    method: Method,
    step: float | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns one tensor of derivatives at one point, with its error.

    Args:
        f: A function of one point to a vector, `(D,) -> (M,)`.
        x: The point, `(D,)`.
        scale: Units of length of every input, `(D,)`.
        order: 1 or 2.
        method: Kind of difference.
        step: In those units; `None` searches for the best.

    Returns:
        `(M, D)` or `(M, D, D)`, and estimates of their absolute errors.
    """
    A = directions(len(x), order)
    g = lambda t: f(x + scale * (t @ A))
    value, error, _ = difference(g, order=order, method=method, step=step)(
        np.zeros(len(A))
    )
    if order == 1:
        return value / scale, error / scale
    square = np.multiply.outer(scale, scale)
    value, error = _polarized(value, error, len(x))
    return _squared(value, len(x)) / square, _squared(error, len(x)) / square


def _polarized(value: np.ndarray, error: np.ndarray, D: int):
    """Returns mixed derivatives in place of those along sums.

    f_de = (f_(d+e)(d+e) - f_dd - f_ee) / 2.
    """
    value, error = value.copy(), error.copy()
    for k, (d, e) in enumerate(itertools.combinations(range(D), 2), start=D):
        value[..., k] = (value[..., k] - value[..., d] - value[..., e]) / 2
        error[..., k] = (error[..., k] + error[..., d] + error[..., e]) / 2
    return value, error


def _squared(entries: np.ndarray, D: int) -> np.ndarray:
    """Returns symmetric matrices `(..., D, D)` of D diagonal and D(D-1)/2 others."""
    full = np.empty((*entries.shape[:-1], D, D))
    for d in range(D):
        full[..., d, d] = entries[..., d]
    for k, (d, e) in enumerate(itertools.combinations(range(D), 2), start=D):
        full[..., d, e] = full[..., e, d] = entries[..., k]
    return full
