"""What a teacher says at points: a function, a saved run, a table, or plain arrays."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64
from numpy import ndarray

from osculate import data, diff
from osculate.core import InputError

from ._load import load_surrogate
from ._surrogate import Surrogate

ROWS_AT_ONCE = 1024
WAYS_OUT = (
    "Pass jacobian=0 to match its values only, or a `data.Table` of its values and "
    "slopes, which `diff.difference` can measure."
)


class Lesson(NamedTuple):
    """Points, and what the teacher says there.

    Attributes:
        x: Points, flat.
        y: `value` `(N, M)` and perhaps `jacobian` `(N, M, D)`; what is missing is 0.
        known: For every entry of `y`, whether it is known.
        shape: Of one point, as teacher and student take it.
        function: The teacher as a function of one flat point in float64, or None.
    """

    x: Float64[ndarray, "N D"]
    y: dict[str, Float64[ndarray, "..."]]
    known: dict[str, Bool[ndarray, "..."]]
    shape: tuple[int, ...]
    function: Callable[[Array], Array] | None


def ask(teacher: Any, X: Any, *, slopes: bool) -> Lesson:
    """Returns what a teacher says at points.

    Args:
        teacher: A function of one point; a `Surrogate`, or the path of its run; a
            table, or its path; a pair of arrays `(values, slopes)`.
        X: Points `(N, ...)`; None for a table, which has its own, and for a surrogate,
            which has those it was fitted to.
        slopes: Whether Jacobians are wanted of a function.

    Returns:
        The lesson.

    Raises:
        InputError: If points or teacher cannot be used.
    """
    if isinstance(teacher, str | os.PathLike):
        path = Path(teacher)
        teacher = load_surrogate(path) if path.is_dir() else data.read(path)
    if isinstance(teacher, data.Table):
        if X is not None:
            raise InputError(
                "`distill`: got points beside a table, which has points of its own.\n"
                "Leave X out."
            )
        return Lesson(teacher.x, teacher.y, teacher.known, teacher.x.shape[1:], None)
    if isinstance(teacher, Surrogate):
        points = teacher.page.training_x if X is None else np.asarray(X, np.float64)
        value, slope = teacher.jet(points, 1)
        return _checked(points, {"value": value, "jacobian": slope}, points.shape[1:])
    points = _points(X)
    if isinstance(teacher, tuple | list):
        return _given(teacher, points)
    if not callable(teacher):
        raise InputError(
            f"`distill`: the teacher is of type {type(teacher).__name__}; expected a "
            "function of one point, a Surrogate or its folder, a `data.Table`, or a "
            "pair of arrays (values, slopes).\nPass one of these."
        )
    return _asked(teacher, points, slopes)


def _points(X: Any) -> ndarray:
    """Returns points as an array of real floating-point numbers of their own type."""
    if X is None:
        raise InputError(
            "`distill`: no points; this teacher has none of its own.\n"
            "Pass X, an array (N, D)."
        )
    points = np.asarray(X)
    if points.ndim < 2:
        raise InputError(
            f"`distill`: points of shape {points.shape}; expected (N, D).\n"
            "Pass one row per point: X[:, None] for one input, X[None] for one point."
        )
    if not len(points):
        raise InputError(
            f"`distill`: no points: X has shape {points.shape}.\nPass one row or more."
        )
    if not jnp.issubdtype(points.dtype, jnp.floating):
        points = points.astype(np.float64)
    _refuse_gaps("X", points, "Correct it, or leave the row out.")
    return points


def _refuse_gaps(what: str, array: ndarray, way_out: str) -> None:
    numbers = np.asarray(array, np.float64)
    if not np.isfinite(numbers).all():
        row, *rest = np.argwhere(~np.isfinite(numbers))[0].tolist()
        raise InputError(
            f"`distill`: {what} is {numbers[row, *rest]} in row {row}, entry {rest}; "
            f"expected finite numbers.\n{way_out}"
        )


def _checked(
    x: ndarray,
    y: dict[str, ndarray],
    shape: tuple[int, ...],
    function: Callable[[Array], Array] | None = None,
) -> Lesson:
    way_out = "Leave the row out of X, or correct the teacher."
    for name, array in y.items():
        _refuse_gaps(f"the teacher's {name}", array, way_out)
    exact = {name: np.asarray(array, np.float64) for name, array in y.items()}
    known = {name: np.ones(array.shape, bool) for name, array in exact.items()}
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    return Lesson(flat, exact, known, shape, function)


def _given(pair: Any, points: ndarray) -> Lesson:
    """Checks a pair of arrays, the second of which may be None."""
    if len(pair) != 2:
        raise InputError(
            f"`distill`: the teacher is {len(pair)} arrays; expected two, (values, "
            "slopes).\nPass None for slopes that are not known."
        )
    value = np.asarray(pair[0], np.float64)
    value = value[:, None] if value.ndim == 1 else value
    N, D = len(points), points[0].size
    wanted: dict[str, tuple[int, ...]] = {"value": (N, value.shape[-1])}
    y = {"value": value}
    if pair[1] is not None:
        wanted["jacobian"] = (N, value.shape[-1], D)
        slope = np.asarray(pair[1], np.float64)
        shapes = [wanted["jacobian"], (N, value.shape[-1], *points.shape[1:])]
        if value.shape[-1] == 1:
            shapes.append(points.shape)
        fits = slope.shape in shapes
        y["jacobian"] = slope.reshape(wanted["jacobian"]) if fits else slope
    for name, array in y.items():
        if array.shape != wanted[name]:
            raise InputError(
                f"`distill`: the teacher's {name} has shape {array.shape}; expected "
                f"{wanted[name]} for {N} points.\nThe axes are points, outputs, inputs."
            )
    return _checked(points, y, points.shape[1:])


def _asked(teacher: Callable[..., Any], points: ndarray, slopes: bool) -> Lesson:
    """Evaluates a function in its own precision, under the caller's x64 setting."""
    shape = points.shape[1:]
    rows = jnp.asarray(points.reshape(len(points), -1))
    u = diff.as_vector(lambda p: teacher(p.reshape(shape)))
    try:
        value = _by_blocks(u, rows)
    except data.UNTRACEABLE as error:
        if slopes:
            raise InputError(
                "`distill`: the teacher is no function of JAX, so its slopes cannot be "
                f"computed.\n{WAYS_OUT}"
            ) from error
        value = np.stack([_flat(teacher(point)) for point in points])
        return _checked(points, {"value": value}, shape)
    y = {"value": value}
    if slopes:
        y["jacobian"] = _slopes(u, rows)
        _refuse_flat(y["value"], y["jacobian"])
    back = lambda p: u(p.astype(rows.dtype)).astype(p.dtype)
    return _checked(points, y, shape, back)


def _flat(found: Any) -> ndarray:
    """Returns named or plain numbers in one vector."""
    parts = found.values() if isinstance(found, Mapping) else [found]
    return np.concatenate([np.ravel(part) for part in parts])


def _by_blocks(f: Callable[[Array], Array], rows: Float[Array, "N D"]) -> ndarray:
    many = jax.jit(jax.vmap(f))
    starts = range(0, len(rows), ROWS_AT_ONCE)
    return np.concatenate(
        [np.asarray(many(rows[s : s + ROWS_AT_ONCE])) for s in starts]
    )


def _slopes(u: Callable[[Array], Array], rows: Float[Array, "N D"]) -> ndarray:
    """Returns Jacobians, in forward mode, else in reverse, which some allow alone."""
    try:
        return _by_blocks(lambda p: diff.jet(u, 1)(p)[1], rows)
    except Exception:
        try:
            return _by_blocks(jax.jacrev(u), rows)
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise InputError(
                f"`distill`: the teacher cannot be differentiated: {reason[0]}\n"
                f"{WAYS_OUT}"
            ) from error


def _refuse_flat(value: ndarray, slope: ndarray) -> None:
    """Refuses slopes that say nothing of how the values differ."""
    if not slope.any() and np.ptp(value.astype(np.float64), axis=0).any():
        raise InputError(
            "`distill`: the teacher's slopes are 0 at all points, though its values "
            f"differ: it rounds, compares or stops gradients.\n{WAYS_OUT}"
        )
