"""Numbers with gaps in, a checked Table out: the one way in which Tables are made."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64

from osculate.core import InputError
from osculate.diff import TENSORS

from ._columns import Columns, row_number
from ._headers import split_unit
from ._names import derivative_names, slash_name
from ._roles import Roles
from ._table import Table

AGREEMENT = 1e-6  # relative, of one derivative given twice


def build_table(
    name: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    x: Float64[np.ndarray, "N D"],
    y: dict[str, Float64[np.ndarray, "..."]],
    headers: dict[str, str],
    place: Callable[[int], str] = row_number,
) -> Table:
    """Returns a checked Table from arrays in which NaN stands for what is missing.

    Args:
        name: What the source is called.
        inputs: Names of the D inputs.
        outputs: Names of the M outputs.
        x: Points `(N, D)`.
        y: `"value"` `(N, M)`, perhaps `"jacobian"` `(N, M, D)` and `"hessian"`
            `(N, M, D, D)`; a mixed second partial may stand once or twice.
        headers: Header of each column, by its name.
        place: What to call a row in messages.

    Returns:
        The table: what is missing is 0, and the Hessian symmetric.

    Raises:
        InputError: If a number cannot be used.
    """

    def title(index: tuple[int, ...]) -> str:
        below = [inputs[d] for d in sorted(index[1:])]
        canonical = slash_name(outputs[index[0]], below)
        return headers.get(canonical, canonical)

    for array in y.values():
        _refuse_infinite(array, title, name, place)
    if "hessian" in y:
        y = y | {"hessian": _mirrored(y["hessian"], inputs, outputs, name, place)}
    refuse_gaps(x, [headers.get(n, n) for n in inputs], name, place)
    known = {order: ~np.isnan(array) for order, array in y.items()}
    return Table(
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        units={n: split_unit(headers.get(n, n))[1] for n in (*inputs, *outputs)},
        headers=dict(headers),
        x=x,
        y={order: np.where(known[order], array, 0.0) for order, array in y.items()},
        known=known,
        name=name,
    )


def table_of_columns(columns: Columns, roles: Roles) -> Table:
    """Returns the Table of columns whose roles are known.

    Args:
        columns: The columns.
        roles: What each is.

    Returns:
        The table.

    Raises:
        InputError: If a cell cannot be used, or one derivative is given two values.
    """
    at = {name: position for position, name in enumerate(columns.names)}
    headers = {n: columns.headers[at[n]] for n in (*roles.inputs, *roles.outputs)}
    x = np.stack([columns.numbers(at[n]) for n in roles.inputs], axis=1)
    values = np.stack([columns.numbers(at[n]) for n in roles.outputs], axis=1)
    N, M, D = len(x), len(roles.outputs), len(roles.inputs)
    y = {"value": values}
    for name, (output, below) in roles.derivatives.items():
        order = TENSORS[len(below)]
        array = y.setdefault(order, np.full((N, M) + len(below) * (D,), np.nan))
        index = (roles.outputs.index(output), *map(roles.inputs.index, below))
        header = columns.headers[at[name]]
        cells = columns.numbers(at[name])
        entry = array[:, *index]
        _refuse_two_values(entry, cells, header, columns.source, columns.place)
        array[:, *index] = np.where(np.isnan(entry), cells, entry)
        ordered = sorted(below, key=roles.inputs.index)
        headers.setdefault(slash_name(output, ordered), header)
    y = {order: y[order] for order in TENSORS if order in y}
    return build_table(
        columns.source, roles.inputs, roles.outputs, x, y, headers, columns.place
    )


def _refuse_infinite(
    array: np.ndarray,
    title: Callable[[tuple[int, ...]], str],
    name: str,
    place: Callable[[int], str],
) -> None:
    """Raises where a value or a derivative is infinite."""
    bad = np.isinf(array)
    if bad.any():
        row, *index = np.argwhere(bad)[0].tolist()
        raise InputError(
            f"{name}, {place(row)}, column {title(tuple(index))!r}: got "
            f"{array[row, *index]}; expected a finite number, or an empty cell for a "
            "missing value.\n"
            "Correct the cell, or empty it."
        )


def refuse_gaps(
    x: np.ndarray, titles: list[str], name: str, place: Callable[[int], str]
) -> None:
    """Raises where an input is not a finite number.

    Args:
        x: Points `(N, D)`.
        titles: Headers of the D inputs.
        name: What the source is called.
        place: What to call a row.

    Raises:
        InputError: If one is not.
    """
    bad = ~np.isfinite(x)
    if bad.any():
        row, d = np.argwhere(bad)[0].tolist()
        came = "an empty cell or NaN" if np.isnan(x[row, d]) else str(x[row, d])
        raise InputError(
            f"{name}, {place(row)}, column {titles[d]!r}: got {came}; expected a "
            "finite number in every cell of an input.\n"
            "Correct the cell, or remove the row."
        )


def _refuse_two_values(
    first: np.ndarray,
    second: np.ndarray,
    header: str,
    name: str,
    place: Callable[[int], str],
) -> None:
    """Raises where one derivative has two values that differ."""
    sizes = np.fmax(np.abs(first), np.abs(second))
    # Sizes near zero carry the rounding of the column's other numbers.
    rounding = 1e-12 * np.nanmax(sizes, initial=0.0)
    bad = np.abs(first - second) > AGREEMENT * sizes + rounding
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{name}, {place(row)}, column {header!r}: got {second[row]}, but the same "
            f"derivative is also given as {first[row]}.\n"
            f"Expected agreement to {AGREEMENT:g} relative.\n"
            "Correct one of them, or remove one of the columns."
        )


def _mirrored(
    hessian: np.ndarray,
    inputs: Sequence[str],
    outputs: Sequence[str],
    name: str,
    place: Callable[[int], str],
) -> np.ndarray:
    """Returns the Hessian with every mixed partial on both sides."""
    hessian = np.array(hessian)
    for _, slash, (m, d, e) in derivative_names(outputs, inputs, 2):
        if d == e:
            continue
        first, second = hessian[:, m, d, e], hessian[:, m, e, d]
        _refuse_two_values(first, second, slash, name, place)
        both = np.where(np.isnan(first), second, first)
        hessian[:, m, d, e] = hessian[:, m, e, d] = both
    return hessian
