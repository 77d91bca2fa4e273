"""Values and derivatives of a model at many points, NumPy in and out."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float64, PyTree
from numpy import ndarray

from osculate import diff
from osculate.train import padded_size

ROWS_AT_ONCE = 8192


def predict_jet(
    model: PyTree[Any], x: Float64[ndarray, "N D"], order: int
) -> tuple[Float64[ndarray, "N M ..."], ...]:
    """Returns the derivative tensors of orders 0..order at every row, in float64.

    Rows are padded to a few sizes and taken in blocks, so that tables of any length
    share compilations and bounded memory. The caller's x64 setting does not matter.

    Args:
        model: A function of one point.
        x: Points.
        order: Highest order of derivative.

    Returns:
        `(N, M)`, `(N, M, D)`, ...
    """
    return in_blocks(lambda rows: _jet_rows(model, rows, order), x)


def in_blocks(
    function: Callable[[ndarray], tuple[Any, ...]], x: Float64[ndarray, "N D"]
) -> tuple[Float64[ndarray, "N ..."], ...]:
    """Returns arrays of all rows from a function of a few sizes of blocks, under x64.

    Args:
        function: From rows to arrays with one entry per row.
        x: Points.

    Returns:
        The arrays of the function, in float64.
    """
    blocks = []
    with jax.enable_x64(True):
        for start in range(0, max(len(x), 1), ROWS_AT_ONCE):
            rows = x[start : start + ROWS_AT_ONCE]
            padded = np.resize(rows, (padded_size(len(rows)), x.shape[1]))
            blocks.append([np.asarray(a)[: len(rows)] for a in function(padded)])
    return tuple(np.concatenate(arrays) for arrays in zip(*blocks, strict=True))


@eqx.filter_jit
def _jet_rows(model, x, order: int):
    return jax.vmap(diff.jet(diff.as_vector(model), order))(x)
