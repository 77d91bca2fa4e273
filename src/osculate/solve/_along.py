"""Derivatives of what is prescribed, along one coordinate."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Others = Mapping[str, Any]
Function = Callable[[Float[Array, " D"], Others], Array]


def along(function: Function, place: int, order: int) -> Function:
    """Returns the derivative of some order by one coordinate.

    Args:
        function: Of a point and of constants and unknowns by name.
        place: Of the coordinate.
        order: How often.

    Returns:
        A function of the same arguments.
    """
    if order == 0:
        return function
    lower = along(function, place, order - 1)

    def derivative(x: Float[Array, " D"], others: Others) -> Array:
        unit = jnp.asarray(np.eye(x.shape[0])[place], x.dtype)
        return jax.jvp(lambda p: lower(p, others), (x,), (unit,))[1]

    return derivative
