"""Tables in the layouts of JENN and of SMT, there and back; neither is imported.

JENN 2 has points in columns: x `(n_x, m)`, y `(n_y, m)`, dydx `(n_y, n_x, m)`. SMT 2
has them in rows, xt `(nt, nx)` and yt `(nt, ny)`, and one array of derivatives
`(nt, ny)` per input kx, as `set_training_derivatives(xt, dyt_dxt, kx)` takes them.
"""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from osculate.core import InputError
from osculate.diff import TENSORS

from ._arrays import matrix, table
from ._names import slash_name
from ._table import Table

ByInput = Mapping[Any, ArrayLike] | Sequence[ArrayLike]


def from_jenn(
    x: ArrayLike,
    y: ArrayLike,
    dydx: ArrayLike | None = None,
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> Table:
    """Returns a Table from arrays as JENN takes them, points in columns.

    Args:
        x: Points `(n_x, m)`.
        y: Values `(n_y, m)`; NaN is missing, here and below.
        dydx: First partials `(n_y, n_x, m)`.
        inputs: Names of the inputs, perhaps with units.
        outputs: Names of the outputs, likewise.

    Returns:
        The table.

    Raises:
        InputError: If the shapes are not those.

    Example:
        >>> x = np.linspace(0, 1, 8).reshape(1, 8)
        >>> from_jenn(x, x**2, 2 * x.reshape(1, 1, 8))
        Table('<arrays>': 8 rows, x -> y, value and jacobian)
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        rows = x.ndim == y.ndim == 2 and x.shape[0] == y.shape[0]
        raise InputError(
            f"`from_jenn`: x has shape {x.shape}, y {y.shape}; expected (n_x, m) and "
            "(n_y, m), one column per point.\n"
            + ("Points in rows go to `data.table`." if rows else "Check the points.")
        )
    jacobian = None
    if dydx is not None:
        dydx = np.asarray(dydx)
        wanted = (*y.shape[:1], *x.shape)
        if dydx.shape != wanted:
            raise InputError(
                f"`from_jenn`: dydx has shape {dydx.shape}; expected {wanted}: "
                "(n_y, n_x, m), outputs, inputs, points.\n"
                "Transpose it, or pass points in rows to `data.table`."
            )
        jacobian = np.moveaxis(dydx, 2, 0)
    return table(x.T, y.T, jacobian=jacobian, inputs=inputs, outputs=outputs)


def to_jenn(
    table: Table,
) -> tuple[
    Float64[np.ndarray, "n_x m"],
    Float64[np.ndarray, "n_y m"],
    Float64[np.ndarray, "n_y n_x m"] | None,
]:
    """Returns what `jenn.NeuralNet.fit(x, y, dydx)` takes.

    Args:
        table: A table in which every value and first derivative is known.

    Returns:
        x `(n_x, m)`, y `(n_y, m)` and dydx `(n_y, n_x, m)`, `None` where the table has
        no first derivatives.

    Raises:
        InputError: If something is unknown.
    """
    _refuse_unknown("to_jenn", table, "value", table.known["value"])
    x, y = table.x.T.copy(), table.y["value"].T.copy()
    if "jacobian" not in table.y:
        return x, y, None
    _refuse_unknown("to_jenn", table, "jacobian", table.known["jacobian"])
    return x, y, np.moveaxis(table.y["jacobian"], 0, 2).copy()


def from_smt(
    xt: ArrayLike,
    yt: ArrayLike,
    dyt_dxt: ByInput | None = None,
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> Table:
    """Returns a Table from training data as SMT takes them, points in rows.

    Args:
        xt: Points `(nt, nx)`, or `(nt,)`.
        yt: Values `(nt, ny)`, or `(nt,)`; NaN is missing, here and below.
        dyt_dxt: Derivatives `(nt, ny)` in input kx, by kx; those in an input that is
            left out are unknown. All inputs in their order, where it is a list.
        inputs: Names of the inputs, perhaps with units.
        outputs: Names of the outputs, likewise.

    Returns:
        The table.

    Raises:
        InputError: If the shapes are not those.

    Example:
        >>> xt = np.random.default_rng(0).random((8, 2))
        >>> from_smt(xt, xt[:, 0] * xt[:, 1], {0: xt[:, 1], 1: xt[:, 0]})
        Table('<arrays>': 8 rows, x1, x2 -> y, value and jacobian)
    """
    points, values = matrix("`from_smt`", "xt", xt), matrix("`from_smt`", "yt", yt)
    jacobian = None
    if dyt_dxt is not None:
        given = dict(dyt_dxt if isinstance(dyt_dxt, Mapping) else enumerate(dyt_dxt))
        D = points.shape[1]
        jacobian = np.full((*values.shape, D), np.nan)
        for key, array in given.items():
            kx = _input_number(key, D)
            slope = matrix("`from_smt`", f"dyt_dxt[{kx}]", array)
            if slope.shape != values.shape:
                raise InputError(
                    f"`from_smt`: dyt_dxt[{kx}] has shape {slope.shape}; expected "
                    f"{values.shape}, (nt, ny): the derivatives of all outputs in "
                    f"input {kx}.\n"
                    "One array per input; an array (nt, ny, nx) goes to `data.table`."
                )
            jacobian[:, :, kx] = slope
    return table(points, values, jacobian=jacobian, inputs=inputs, outputs=outputs)


def _input_number(kx: Any, D: int) -> int:
    """Returns the number of an input, 0 to D - 1, or raises."""
    try:
        number = operator.index(kx)
    except TypeError:
        number = -1
    if number not in range(D):
        raise InputError(
            f"`from_smt`: dyt_dxt has derivatives in input kx = {kx!r}; expected kx "
            f"from 0 to {D - 1}, an integer.\n"
            "Pass {kx: array (nt, ny)}, or a list with one array per input."
        )
    return number


def to_smt(
    table: Table,
) -> tuple[
    Float64[np.ndarray, "nt nx"],
    Float64[np.ndarray, "nt ny"],
    dict[int, Float64[np.ndarray, "nt ny"]],
]:
    """Returns what an SMT surrogate takes: xt, yt, and derivatives by input.

    `sm.set_training_values(xt, yt)`, then `sm.set_training_derivatives(xt, dyt, kx)`
    for every `kx, dyt` of the dictionary.

    Args:
        table: A table in which every value is known, and every first derivative in the
            inputs in which some are.

    Returns:
        xt `(nt, nx)`, yt `(nt, ny)` and {kx: `(nt, ny)`}, empty where the table has no
        first derivatives.

    Raises:
        InputError: If something is unknown.
    """
    _refuse_unknown("to_smt", table, "value", table.known["value"])
    slopes = {}
    if "jacobian" in table.y:
        known = table.known["jacobian"]
        _refuse_unknown("to_smt", table, "jacobian", known | ~known.any((0, 1)))
        for kx in np.flatnonzero(known.any((0, 1))).tolist():
            slopes[kx] = table.y["jacobian"][:, :, kx].copy()
    return table.x.copy(), table.y["value"].copy(), slopes


def _refuse_unknown(source: str, table: Table, order: str, known: np.ndarray) -> None:
    """Raises where an entry is missing: neither library has a place for that."""
    if known.all():
        return
    row, m, *below = map(int, np.argwhere(~known)[0])
    title = slash_name(table.outputs[m], [table.inputs[d] for d in below])
    lower = TENSORS.index(order) - 1
    whole = known.all(tuple(range(1, known.ndim))).sum()
    less = f", or `table.up_to({lower})`" if lower >= 0 else ""
    raise InputError(
        f"`{source}`: {title!r} is unknown in row {row + 1}; {whole} of {len(table)} "
        f"rows have every {order}.\n"
        "Expected all of them: the other library has no missing numbers.\n"
        f"Pass `table.rows(table.known[{order!r}].all({tuple(range(1, known.ndim))}))`"
        f"{less}."
    )
