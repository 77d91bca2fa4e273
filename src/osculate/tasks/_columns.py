"""Predictions as the columns of a table."""

from typing import Any

from jaxtyping import Float64
from numpy import ndarray

from osculate.data import derivative_names

from ._surrogate import Surrogate


def columns(
    surrogate: Surrogate, points: Float64[ndarray, "N D"], order: int
) -> dict[str, Float64[ndarray, " N"]]:
    """Returns inputs, outputs and derivatives by header, as in the training table.

    The result is itself a table of values and derivatives that `fit` can read.

    Args:
        surrogate: What predicts.
        points: Points `(N, D)`.
        order: Highest order of derivative, 0 to 2.

    Returns:
        Inputs and outputs by the headers of the training table, derivatives as
        `dh/dT`, `d2h/dTdp` with the unit that they had there.
    """
    headers: dict[str, Any] = surrogate.recipe["data"]["headers"]
    tensors = surrogate.jet(points, order)
    found = {
        headers.get(name, name): points[:, d] for d, name in enumerate(surrogate.inputs)
    }
    for k, tensor in enumerate(tensors):
        for name in derivative_names(surrogate.outputs, surrogate.inputs, k):
            header = headers.get(name.slash, "")
            in_slash = header.partition("[")[0].strip() == name.slash
            found[header if in_slash else name.slash] = tensor[
                (slice(None), *name.entry)
            ]
    return found
