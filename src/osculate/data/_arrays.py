"""Tables from arrays: x, y and their derivatives."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from osculate.core import InputError

from ._build import build_table
from ._columns import unmasked
from ._enough import check_table
from ._headers import split_unit
from ._layouts import refuse_columns, transposition
from ._names import derivative_names
from ._table import Table

LAYOUT = ("x", "y", "jacobian", "hessian", "inputs", "outputs")


def table(
    x: ArrayLike,
    y: ArrayLike,
    *,
    jacobian: ArrayLike | None = None,
    hessian: ArrayLike | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> Table:
    """Returns a Table from arrays (NumPy, JAX or lists).

    Args:
        x: Points `(N, D)`, or `(N,)` where D = 1.
        y: Values `(N, M)`, or `(N,)` where M = 1. What is NaN or masked is missing,
            here and below.
        jacobian: First partials `(N, M, D)`; axes of length 1 may be left out.
        hessian: Second partials `(N, M, D, D)`; likewise. A mixed partial may stand
            on one side only.
        inputs: Names of the inputs, perhaps with units, `T [K]`; `x1`, ..., `xD` by
            default, `x` where D = 1.
        outputs: Names of the outputs, likewise; `y1`, ..., `yM` by default, `y` where
            M = 1.

    Returns:
        The table.

    Raises:
        InputError: If shapes disagree or a number cannot be used.

    Example:
        >>> table([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 4.0, 9.0], jacobian=[0, 2, 4, 6])
        Table('<arrays>': 4 rows, x -> y, value and jacobian)
    """
    arrays = {"x": x, "y": y, "jacobian": jacobian, "hessian": hessian}
    found = table_of_arrays("<arrays>", arrays, inputs, outputs)
    check_table(found)
    return found


def default_names(letter: str, count: int) -> tuple[str, ...]:
    """Returns `("x",)`, or `("x1", "x2", ...)` for more than one."""
    return (letter,) if count == 1 else tuple(f"{letter}{i + 1}" for i in range(count))


def table_of_arrays(
    name: str,
    arrays: Mapping[str, ArrayLike | None],
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> Table:
    """Returns a Table from arrays by their names in `table`.

    Args:
        name: What to call the source.
        arrays: `x`, `y` and perhaps `jacobian` and `hessian`.
        inputs: Names of the inputs, perhaps with units.
        outputs: Names of the outputs, likewise.

    Returns:
        The table, which may have too little in it to learn from.

    Raises:
        InputError: If shapes disagree or a number cannot be used.
    """
    x = matrix(name, "x", arrays["x"])
    values = matrix(name, "y", arrays["y"])
    refuse_columns(name, x, values, arrays.get("jacobian"))
    (N, D), M = x.shape, values.shape[1]
    titles = (
        *_checked_names(name, "inputs", inputs, default_names("x", D)),
        *_checked_names(name, "outputs", outputs, default_names("y", M)),
    )
    names = tuple(split_unit(title)[0] for title in titles)
    inputs, outputs = names[:D], names[D:]
    if clash := sorted(set(inputs) & set(outputs)):
        raise InputError(
            f"{name}: {clash[0]!r} names an input and an output.\n"
            "Pass `inputs=` and `outputs=` with names that differ."
        )
    y = {"value": _shaped(name, "y", values, (N, M))}
    headers = dict(zip(names, titles, strict=True))
    for order, label in ((1, "jacobian"), (2, "hessian")):
        if arrays.get(label) is not None:
            array = _numeric(name, label, arrays[label])
            y[label] = _shaped(name, label, array, (N, M) + order * (D,))
            for slash in derivative_names(outputs, inputs, order):
                headers[slash.slash] = slash.slash
    return build_table(name, inputs, outputs, x, y, headers)


def matrix(name: str, label: str, array: ArrayLike | None) -> np.ndarray:
    """Returns an array of numbers `(N, D)`; a 1-D array is one column.

    Args:
        name: What the source is called.
        label: What the array is called.
        array: Numbers `(N, D)` or `(N,)`.

    Returns:
        The array in float64.

    Raises:
        InputError: If it holds no numbers, no rows or no columns, or has other axes.
    """
    found = _numeric(name, label, array)
    if found.ndim == 1:
        found = found[:, None]
    if found.ndim != 2 or not found.size:
        raise InputError(
            f"{name}: `{label}` has shape {np.shape(found)}; expected (N, D) or (N,), "
            "with N and D at least 1.\n"
            f"Pass `{label}` with one row per point."
        )
    return found


def _numeric(name: str, label: str, array: ArrayLike | None) -> np.ndarray:
    try:
        found = unmasked(array)
        if found.dtype.kind not in "fiub":
            raise TypeError(f"its type is {found.dtype}")
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name}: `{label}` cannot be read ({str(error)[:120]}); expected an array "
            "of real numbers.\n"
            f"Pass `{label}` as such an array, with NaN for what is missing."
        ) from None
    return found.astype(np.float64)


def _shaped(
    name: str, label: str, array: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Returns the array with axes of length 1 put back, if that is all it lacks."""
    lacking = [n for n in shape[1:] if n != 1]
    short = [n for n in array.shape[1:] if n != 1]
    if array.shape[:1] != shape[:1] or lacking != short or array.ndim > len(shape):
        axes = ("N", "M", "D", "D")[: len(shape)]
        raise InputError(
            f"{name}: `{label}` has shape {array.shape}; expected {shape}: "
            f"({', '.join(axes)}), one row per point, then outputs, then inputs.\n"
            f"{transposition(label, array.shape, shape)}"
        )
    return array.reshape(shape)


def _checked_names(
    name: str, role: str, names: Sequence[str] | None, default: tuple[str, ...]
) -> tuple[str, ...]:
    if names is None:
        return default
    names = (names,) if isinstance(names, str) else tuple(map(str, names))
    plain = {split_unit(title)[0] for title in names}
    if len(names) != len(default) or len(plain) < len(names) or "" in plain:
        raise InputError(
            f"{name}: got {role} {list(names)}; expected {len(default)} different "
            "names, one per column.\n"
            f"Pass `{role}=` with {len(default)} names."
        )
    return names
