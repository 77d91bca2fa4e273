"""Arrays of derivatives in another layout: which, and how to turn them."""

import itertools
from typing import Any

import numpy as np

from osculate.core import InputError

KNOWN: dict[tuple[str, ...], str] = {
    ("D", "M", "N"): "inputs before outputs, points last",
    ("M", "D", "N"): "the layout of JENN, points last",
    ("N", "D", "M"): "inputs before outputs",
}


def transposition(label: str, came: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Returns what to do about an array whose axes are not those expected.

    Args:
        label: What the array is called.
        came: Its shape.
        wanted: The shape expected: (N, M), (N, M, D) or (N, M, D, D).

    Returns:
        A sentence; the order of axes that makes it fit, where one does.
    """
    if len(came) == len(wanted) and sorted(came) == sorted(wanted):
        letters = ("N", "M", "D", "D")[: len(wanted)]
        for axes in sorted(itertools.permutations(range(len(came))), key=_moved):
            if tuple(came[axis] for axis in axes) == wanted:
                back = [letters[axes.index(axis)] for axis in range(len(came))]
                what = KNOWN.get(tuple(back), "")
                return (
                    f"It looks like ({', '.join(back)}){what and f', {what}'}: pass "
                    f"`{label}.transpose{axes}`."
                )
    return f"Transpose `{label}`, or check its rows."


def _moved(axes: tuple[int, ...]) -> tuple[bool, int]:
    """Orders permutations: those that keep the points first, then few moves."""
    return axes[0] != 0, sum(axis != place for place, axis in enumerate(axes))


def refuse_columns(name: str, x: np.ndarray, y: np.ndarray, jacobian: Any) -> None:
    """Raises where points stand in columns, as JENN has them.

    Args:
        name: What the source is called.
        x: Points, `(N, D)` if all is well.
        y: Values, `(N, M)`.
        jacobian: First partials, `(N, M, D)`, or `None`.

    Raises:
        InputError: If the shapes are those of JENN and cannot be meant otherwise.
    """
    if x.shape[1] != y.shape[1] or x.shape[1] == 1:
        return
    shape = () if jacobian is None else np.shape(jacobian)
    wanted = (*x.shape[:1], y.shape[1], x.shape[1])
    turned = (y.shape[0], *x.shape)
    wide = x.shape[0] != y.shape[0] and x.shape[1] > max(x.shape[0], y.shape[0])
    if wide or (shape == turned and shape != wanted):
        raise InputError(
            f"{name}: `x` has shape {x.shape} and `y` {y.shape}"
            f"{shape and f', `jacobian` {shape}'}; expected (N, D), (N, M) and "
            "(N, M, D), one row per point.\n"
            "They look like the layout of JENN, points in columns: use "
            "`data.from_jenn(x, y, dydx)`, or pass `x.T` and `y.T`."
        )
