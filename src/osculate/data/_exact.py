"""What must be true of derivatives that were computed exactly, and their Table."""

import warnings
from collections.abc import Sequence

import numpy as np

from osculate.core import InputError
from osculate.diff import TENSORS

from ._arrays import table_of_arrays
from ._columns import row_number
from ._failure import DerivativeWarning
from ._names import slash_name
from ._table import Table


def table_of_tensors(
    name: str,
    x: np.ndarray,
    tensors: Sequence[np.ndarray],
    inputs: Sequence[str] | None,
    outputs: Sequence[str] | None,
) -> Table:
    """Returns the Table of values and derivatives by order.

    Args:
        name: What to call the source.
        x: Points `(N, D)`.
        tensors: `(N, M)`, then perhaps `(N, M, D)` and `(N, M, D, D)`.
        inputs: Names of the inputs, perhaps with units, or `None`.
        outputs: Names of the outputs, likewise.

    Returns:
        The table, which may have too few rows to learn from.
    """
    found = dict(zip(TENSORS, tensors, strict=False))
    arrays = {"x": x, "y": found.pop("value"), **found}
    return table_of_arrays(name, arrays, inputs, outputs)


def check_exact(
    source: str,
    x: np.ndarray,
    tensors: Sequence[np.ndarray],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> None:
    """Raises where a number is not finite; warns of derivatives that are all zero.

    Args:
        source: What was called, for messages.
        x: Points `(N, D)`.
        tensors: `(N, M)`, then perhaps `(N, M, D)` and `(N, M, D, D)`.
        inputs: Names of the inputs.
        outputs: Names of the outputs.

    Raises:
        InputError: If a value or a derivative is not finite, naming row and point.
    """
    for tensor in tensors:
        bad = ~np.isfinite(tensor)
        if bad.any():
            row, m, *below = map(int, np.argwhere(bad)[0])
            title = slash_name(outputs[m], [inputs[d] for d in sorted(below)])
            point = zip(inputs, x[row].tolist(), strict=True)
            rows = len(np.unique(np.argwhere(bad)[:, 0]))
            raise InputError(
                f"`{source}`, {row_number(row)}: {title!r} is "
                f"{tensor[row, m, *below]} at "
                f"{', '.join(f'{n} = {v:.6g}' for n, v in point)}; expected a finite "
                f"number. So it is in {rows} of {len(x)} rows.\n"
                "Leave those rows out, or write the function smoothly there."
            )
    if len(tensors) > 1:
        flat = (tensors[1] == 0).all((0, 2)) & (np.ptp(tensors[0], 0) > 0)
        for m in np.flatnonzero(flat).tolist():
            warnings.warn(
                f"`{source}`: {outputs[m]!r} varies from row to row, but all its first "
                "derivatives are exactly 0, as those of rounding, comparing or a "
                "stopped gradient are. If they are not, use `from_black_box`.",
                DerivativeWarning,
                stacklevel=3,
            )
