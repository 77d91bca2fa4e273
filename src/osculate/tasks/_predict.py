"""Values and derivatives of a model at many points, NumPy in and out."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float64, PyTree

from osculate import diff
from osculate.train import padded_size

ROWS_AT_ONCE = 8192


def predict_jet(
    model: PyTree[Any], x: Float64[np.ndarray, "N D"], order: int
) -> tuple[Float64[np.ndarray, "N M ..."], ...]:
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
    blocks = []
    with jax.enable_x64(True):
        for start in range(0, max(len(x), 1), ROWS_AT_ONCE):
            rows = x[start : start + ROWS_AT_ONCE]
            padded = np.resize(rows, (padded_size(len(rows)), x.shape[1]))
            tensors = _jet_rows(model, padded, order)
            blocks.append([np.asarray(t)[: len(rows)] for t in tensors])
    return tuple(np.concatenate(tensors) for tensors in zip(*blocks, strict=True))


@eqx.filter_jit
def _jet_rows(model, x, order: int):
    return jax.vmap(diff.jet(diff.as_vector(model), order))(x)
