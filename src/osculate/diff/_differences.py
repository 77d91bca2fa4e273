"""Derivatives of black boxes from differences of their values, with their error."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

LEVELS = 14
FIRST = 0.25  # of the size of a coordinate: the longest step that is tried
FREED = 6  # times extrapolated, a column shows noise and no truncation
METHODS = ("central", "complex", "forward")


class Difference(NamedTuple):
    """A derivative by differences.

    Attributes:
        value: `(..., D)`: the derivative of every output by every coordinate.
        error: Estimate of its absolute error, truncation and noise, `(..., D)`.
        evaluations: How often the function was called.
    """

    value: Float[np.ndarray, "... D"]
    error: Float[np.ndarray, "... D"]
    evaluations: int


def difference(
    f: Callable[[Any], Any],
    *,
    order: int = 1,
    method: str = "central",
    step: float | None = None,
) -> Callable[[ArrayLike], Difference]:
    """Returns x -> the n-th derivative of f by every coordinate, by differences.

    For functions that cannot be differentiated exactly. Without a step, a ladder of
    halved steps is extrapolated to zero (Richardson), and the entry of the tableau
    whose truncation and noise together are smallest is taken (Ridders 1982). The noise
    of f, where it is more than rounding, is measured from the scatter of the ladder.
    Complex steps (f analytic, written for complex numbers) do not cancel at order 1;
    at higher ones they are Cauchy's integral.

    Args:
        f: `(D,) -> (...)`, NumPy in and out, float64.
        order: n, 1 to 4.
        method: `central`, `forward` (points on one side only), or `complex`.
        step: One fixed step instead of the ladder; the error is then what another of
            twice its length changes.

    Returns:
        A function of one point to a `Difference`.

    Raises:
        ValueError: If order or method is not known, or the step is not positive.

    Example:
        >>> float(difference(np.sin)(np.zeros(1)).value[0, 0])
        1.0
    """
    if order not in (1, 2, 3, 4) or method not in METHODS:
        raise ValueError(
            f"`difference`: order={order}, method={method!r}; expected an order from "
            f"1 to 4 and one of {', '.join(METHODS)}."
        )
    if step is not None and not step > 0:
        raise ValueError(f"`difference`: step={step}; expected a positive number.")

    def at(x: ArrayLike) -> Difference:
        point = np.array(x, float)
        counted = _Counted(f)
        columns = [
            _along(counted, point, d, order, method, step) for d in range(point.size)
        ]
        value, error = (np.stack(c, axis=-1) for c in zip(*columns, strict=True))
        return Difference(value, error, counted.calls)

    return at


class _Counted:
    def __init__(self, f: Callable[[Any], Any]):
        self._f, self.calls = f, 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.calls += 1
        return np.asarray(self._f(x))


def _along(f, x: np.ndarray, d: int, order: int, method: str, step: float | None):
    """Returns value and error of one coordinate."""
    move = lambda s: f(x + s * np.eye(x.size)[d])
    stencil = _STENCILS[method](order)
    if method == "complex" and order == 1:
        h = step or 1e-30
        value = np.imag(move(1j * h)) / h
        return value, np.spacing(np.abs(value))
    if step is not None:
        (near, noise), (far, _) = (stencil(move, h) for h in (step, 2 * step))
        return near, np.abs(near - far) + noise
    first = FIRST * max(abs(x[d]), 1.0)
    ladder = [stencil(move, first / 2**j) for j in range(LEVELS)]
    noise = _noise([value for value, _ in ladder], order, _POWER[method])
    ladder = [
        (v, least + noise * 2.0 ** (order * j)) for j, (v, least) in enumerate(ladder)
    ]
    return _extrapolated(ladder, _POWER[method])


def _noise(values: list, order: int, power: int):
    """Returns the noise of the first value of a ladder; that of the j-th is 2^(n j) it.

    Half the root mean square by which neighbours differ, after extrapolation. Where
    values are missing, a column is taken that still has three differences.
    """
    column, noise = np.stack(values), np.full(np.shape(values[0]), np.inf)
    for k in range(FREED + 1):
        moved = np.diff(column, axis=0).T * 2.0 ** (-order * np.arange(k + 1, LEVELS))
        known = np.isfinite(moved)
        count = known.sum(-1)
        squares = np.where(known, moved, 0.0) ** 2
        size = np.sqrt(squares.sum(-1) / np.maximum(count, 1)).T / 2
        noise = np.where(count.T >= 3, size, noise)
        factor = 2.0 ** (power * (k + 1))
        column = (factor * column[1:] - column[:-1]) / (factor - 1)
    return noise


def _extrapolated(ladder: list[tuple], power: int):
    """Returns the entry of Neville's tableau with the smallest estimated error."""
    best, least = ladder[0][0], np.full(np.shape(ladder[0][0]), np.inf)
    above: list[np.ndarray] = []
    for value, noise in ladder:
        row = [value]
        for j, old in enumerate(above):
            factor = 2.0 ** (power * (j + 1))
            row.append((factor * row[j] - old) / (factor - 1))
            moved = np.maximum(np.abs(row[-1] - row[-2]), np.abs(row[-1] - old))
            error = moved + noise
            better = error < least
            best, least = (
                np.where(better, row[-1], best),
                np.where(better, error, least),
            )
        above = row
    return best, least


def _forward(order: int):
    weights = [(-1) ** (order - k) * math.comb(order, k) for k in range(order + 1)]
    return _weighted(weights, [float(k) for k in range(order + 1)], order)


def _central(order: int):
    weights = [(-1) ** k * math.comb(order, k) for k in range(order + 1)]
    return _weighted(weights, [order / 2 - k for k in range(order + 1)], order)


def _weighted(weights: list[int], places: list[float], order: int):
    """Returns a stencil: `(move, h) -> (value, rounding error)`."""

    def stencil(move, h: float):
        values = [move(place * h) for place in places]
        value = sum(w * v for w, v in zip(weights, values, strict=True)) / h**order
        size = sum(abs(w) * np.abs(v) for w, v in zip(weights, values, strict=True))
        return value, np.finfo(float).eps * size / h**order

    return stencil


def _circle(order: int):
    """Returns Cauchy's integral over a circle of radius h, by the trapezoidal rule."""
    turns = np.exp(2j * np.pi * np.arange(16) / 16)

    def stencil(move, h: float):
        values = [move(h * turn) for turn in turns]
        total = sum(v * turn**-order for v, turn in zip(values, turns, strict=True))
        scale = math.factorial(order) / (len(turns) * h**order)
        size = sum(np.abs(v) for v in values)
        return scale * np.real(total), np.finfo(float).eps * scale * size

    return stencil


_STENCILS = {"forward": _forward, "central": _central, "complex": _circle}
_POWER = {"forward": 1, "central": 2, "complex": 16}
