"""Tables from costly functions that nothing can differentiate, by differences."""

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from osculate.core import InputError
from osculate.diff import TENSORS

from ._calls import KeptCall, Watch, answers
from ._exact import table_of_tensors
from ._failure import DerivativeWarning, Failure
from ._outputs import checked_order, checked_points
from ._plan import Plan
from ._stencils import default_step
from ._table import Table
from ._told import Told, not_analytic

METHODS = ("central", "forward", "complex", "given", None)
FLAT = 1e-12  # of the values: what varies less does not vary
WORTHLESS = 0.1  # of the derivative, or of the spread of values over that of points
AGREES = 0.01  # of the change of values: complex steps and a central difference


def from_black_box(
    f: Callable[[Any], Any],
    x: ArrayLike,
    *,
    order: int = 1,
    derivatives: str | None = "central",
    step: float | Sequence[float] | str | None = None,
    workers: int | Executor = 1,
    cache: str | os.PathLike[str] | None = None,
    name: str | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    watch: Watch | None = None,
) -> Table:
    """Returns the values of a costly function at points, and differences of them.

    The estimated error of each difference is kept as its standard deviation
    (`Table.sigma`). Where it is a tenth or more of the derivative, and of the spread of
    the values over that of the points, no digit of the difference is worth anything,
    and the entry is unknown; where values do not vary, their size stands for the
    spread. So is what a call left out that raised an exception or
    returned something else than numbers: `Table.failures` says which and why, and one
    warning how many.

    Cost, in calls per row: 1 for the values, and for first derivatives 4 D (central),
    2 D (forward), D (complex) or none (given); for second derivatives another 4 K, 3 K
    or 32 K, with K = D(D + 1)/2. With `step="search"`: 28 D, 14 D or D, and 15 K, 8 K
    or 224 K. No point is asked for twice. A complex step is compared with one central
    difference at the first row: two calls.

    Args:
        f: A function of one point, `(D,)` in float64, to a number, an array, or a
            dictionary of these, in NumPy.
        x: Points `(N, D)`, or `(N,)` where D = 1.
        order: Highest derivatives wanted, 0 to 2.
        derivatives: `"central"` or `"forward"` differences; `"complex"` steps, exact to
            rounding at order 1, for a function that is analytic and takes complex
            numbers; `"given"` for one that returns a tuple (value, jacobian), with
            order 2 also the hessian, `(M, D)` and `(M, D, D)`; `None` for values only.
        step: Lengths of the steps in units of the inputs, one or D; by default a
            small part of the spread of the points, such as serves a function that is
            exact to rounding. `"search"` tries steps from a quarter of the spread
            downwards and keeps the best, for a function whose noise is not known.
        workers: Threads that call f at the same time, or any
            `concurrent.futures.Executor`: f must then be one that can be sent there.
        cache: A folder in which every call is kept as soon as it ends. A run that was
            killed is taken up where it was; calls that raised are tried again. Pass
            `step` as well if points will be added, which changes their spread.
        name: With `cache`, the name of f and its version, under which calls are kept.
        inputs: Names of the inputs, perhaps with units.
        outputs: Names of the outputs, likewise.
        watch: Told after each call how many are done, of how many.

    Returns:
        The table.

    Raises:
        InputError: If no call gives numbers, or f cannot take complex steps.

    Example:
        >>> table = from_black_box(lambda x: np.sin(x[0]) * x[1], np.ones((4, 2)))
        >>> table
        Table('<black box>': 4 rows, x1, x2 -> y, value and jacobian)
    """
    order = 0 if derivatives is None else order
    checked_order("from_black_box", order)
    points, _ = checked_points("from_black_box", x, inputs)
    plan = Plan(points, order, derivatives, _lengths(step, points.shape[1]))
    _refuse_settings(plan, workers, cache, name)
    parts = order + 1 if derivatives == "given" else 1
    folder = None if cache is None else Path(cache)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    asked = plan.asked()
    call = KeptCall(f, parts, folder, name or "")
    places = list(asked.values())
    found = answers(call, [point for _, point in places], workers, watch)
    told = Told(dict(zip(asked, found, strict=True)), asked, points.shape[1], parts)
    told.refuse_nothing(len(points))
    if derivatives == "complex" and order:
        told.refuse_real(points)
    tensors, errors = plan.tensors(told)
    if derivatives == "complex" and order:
        _refuse_wrong_steps(plan, told, tensors)
    failures = told.failures()
    tensors, sigma, worthless = _weeded(plan.spread, tensors, errors)
    _warn(failures, worthless, len(places))
    titles = inputs, outputs or told.names
    table = table_of_tensors("<black box>", points, tensors, *titles)
    return replace(table, sigma=sigma, failures=failures)


def _lengths(step: Any, D: int) -> np.ndarray | str | None:
    """Returns one length per input, `"search"`, or `None`."""
    if step is None or (isinstance(step, str) and step == "search"):
        return step
    lengths = np.zeros(D)
    try:
        lengths = np.broadcast_to(np.asarray(step, float), (D,))
        right = bool(((lengths > 0) & np.isfinite(lengths)).all())
    except (TypeError, ValueError):
        right = False
    if not right:
        raise InputError(
            f"`from_black_box`: step={step!r}; expected a positive number, {D} of "
            "them, or 'search'.\n"
            "Pass lengths in the units of the inputs."
        )
    return lengths


def _refuse_settings(plan: Plan, workers: Any, cache: Any, name: Any) -> None:
    """Raises where settings contradict each other, before anything is called."""
    if plan.method not in METHODS:
        raise InputError(
            f"`from_black_box`: derivatives={plan.method!r}; expected one of "
            f"{', '.join(map(repr, METHODS))}."
        )
    if cache is not None and not name:
        raise InputError(
            "`from_black_box`: `cache` without a `name`; calls are kept under a name "
            "of the function.\n"
            "Pass `name=`, and change it whenever the function changes: 'wing-3'."
        )
    if isinstance(workers, bool) or not (
        isinstance(workers, Executor) or (isinstance(workers, int) and workers > 0)
    ):
        raise InputError(
            f"`from_black_box`: workers={workers!r}; expected a positive number, or an "
            "executor of `concurrent.futures`."
        )


def _refuse_wrong_steps(plan: Plan, told: Told, tensors: Sequence[np.ndarray]) -> None:
    """Raises where complex steps and a central difference disagree at the first row."""
    width = plan.spread * default_step("central", 1)
    predicted = 2 * tensors[1][0] @ width
    change = told(plan.beside(1)) - told(plan.beside(-1))
    spread = np.nanstd(tensors[0], 0) * default_step("central", 1)
    size = np.maximum(np.maximum(np.abs(change), np.abs(predicted)), spread)
    off = np.abs(change - predicted) > AGREES * size
    if off.any():
        m = int(np.argmax(off))
        raise not_analytic(
            f"at row 1 {told.names[m]!r} changes by {change[m]:.3g} over a small "
            f"distance, and they say {predicted[m]:.3g}"
        )


def _weeded(
    lengths: np.ndarray, tensors: Sequence[np.ndarray], errors: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], dict[str, np.ndarray], int]:
    """Returns tensors without digits that are worth nothing, and their errors."""
    values, spread = tensors[0], _spread(tensors[0])
    found, sigma, worthless = [values], {}, 0
    for n, tensor in enumerate(tensors[1:], start=1):
        if n > len(errors):  # given
            found.append(tensor)
            continue
        error, scale = errors[n - 1], spread.reshape((-1,) + n * (1,))
        # Two noisy differences agree by chance now and then; not so in half the rows.
        usual = np.median(np.where(np.isfinite(error), error, np.inf), axis=0)
        error = np.where(np.isfinite(usual), np.maximum(error, usual), error)
        for axis in range(n):
            scale = scale / _along_axis(lengths, axis, n)
        sure = error <= WORTHLESS * np.maximum(np.abs(tensor), scale)
        right = np.isfinite(tensor) & np.isfinite(error)
        worthless += int((right & ~sure).sum())
        found.append(np.where(right & sure, tensor, np.nan))
        sigma[TENSORS[n]] = np.where(right & sure, error, 0.0)
    return found, sigma, worthless


def _spread(values: np.ndarray) -> np.ndarray:
    """Returns how much each output varies, or its size where it does not, or 1."""
    known = np.isfinite(values)
    few = np.where(known, values, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    spread = np.sqrt(np.where(known, (values - few) ** 2, 0.0).mean(0))
    size = np.where(known, np.abs(values), 0.0).max(0)
    size = np.where(size > 0, size, 1.0)
    return np.where(spread > FLAT * size, spread, size)


def _along_axis(lengths: np.ndarray, axis: int, n: int) -> np.ndarray:
    """Returns a length per input along one of n axes behind that of the outputs."""
    shape = [1] * (n + 1)
    shape[1 + axis] = len(lengths)
    return lengths.reshape(shape)


def _warn(failures: Sequence[Failure], worthless: int, calls: int) -> None:
    """Warns once of what is missing, and why."""
    if failures:
        warnings.warn(
            f"`from_black_box`: {len(failures)} of {calls} calls gave no result, or "
            "not all of it; what depends on them is unknown (see `failures` of the "
            f"table). The first: {failures[0]}.",
            DerivativeWarning,
            stacklevel=3,
        )
    if worthless:
        warnings.warn(
            f"`from_black_box`: {worthless} derivatives are unknown: the error of the "
            "differences is a tenth of them or more. Pass a longer `step=` than the "
            "noise of the function needs, or `step='search'`.",
            DerivativeWarning,
            stacklevel=3,
        )
