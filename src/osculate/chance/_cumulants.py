"""Cumulants by Taylor mode, and their relation to moments."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from osculate.diff import jet

from ._distribution import parameter

Lower = Array | list[Array]  # of order 1, 2, ...


def cumulants(
    log_mgf: Callable[[Float[Array, ""]], Float[Array, ""]], order: int
) -> Float[Array, " order"]:
    """Returns the cumulants 1 to `order`, all of them from one pass.

    They are the derivatives at t = 0 of `log E exp(t X)`, which those of the
    characteristic function are too but for factors -i: the mean, the variance, the
    third central moment, and from the fourth on no central moments any more.

    Args:
        log_mgf: The logarithm of the moment-generating function, `() -> ()`, given in
            a form that has derivatives at 0.
        order: Of the highest, 1 or more.

    Returns:
        Cumulant n in entry n - 1, in the units of X to the power n.

    Raises:
        ValueError: If the order is below 1, or log_mgf does not return one number.

    Reference: T. N. Thiele 1889; SPEC K3.2.2-4.

    Example:
        >>> cumulants(lambda t: -jnp.log1p(-t), 5)  # exponential: (n - 1)!
        Array([ 1.,  1.,  2.,  6., 24.], dtype=float32)
    """
    if order < 1:
        raise ValueError(f"`cumulants`: order is {order}; expected 1 or more.")
    shape = jax.eval_shape(log_mgf, jnp.zeros(())).shape
    if shape:
        raise ValueError(
            f"`cumulants`: log_mgf returns shape {shape}; expected one number."
        )
    tensors = jet(lambda t: log_mgf(t[0]), order)(jnp.zeros(1))
    return jnp.stack([tensor.reshape(()) for tensor in tensors[1:]])


def moments_from_cumulants(kappa: ArrayLike) -> Float[Array, " n"]:
    """Returns the moments `E X`, `E X^2`, ... of a law with these cumulants.

    Each comes from those below it: `m_n = sum_j C(n-1, j-1) κ_j m_(n-j)`, in sum the
    formula over partitions of n.

    Args:
        kappa: Cumulants 1 to n.

    Returns:
        Moments 1 to n.

    Raises:
        ValueError: If they do not come as one vector.

    Example:
        >>> moments_from_cumulants(jnp.array([0.0, 1.0, 0.0, 0.0]))  # standard normal
        Array([0., 1., 0., 3.], dtype=float32)
    """
    orders = _one_vector(kappa, "moments_from_cumulants", "kappa")
    moments: list[Array] = []
    for n in range(1, len(orders) + 1):
        moments.append(orders[n - 1] + _products(n, orders, moments))
    return jnp.stack(moments)


def cumulants_from_moments(moments: ArrayLike) -> Float[Array, " n"]:
    """Returns the cumulants of a law with these moments.

    The inverse of `moments_from_cumulants`. High orders are small differences of large
    moments: subtract the mean first where it is large.

    Args:
        moments: `E X`, `E X^2`, ..., `E X^n`.

    Returns:
        Cumulants 1 to n.

    Raises:
        ValueError: If they do not come as one vector.

    Example:
        >>> cumulants_from_moments(jnp.array([1.0, 2.0, 6.0, 24.0]))  # exponential
        Array([1., 1., 2., 6.], dtype=float32)
    """
    orders = _one_vector(moments, "cumulants_from_moments", "moments")
    kappa: list[Array] = []
    for n in range(1, len(orders) + 1):
        kappa.append(orders[n - 1] - _products(n, kappa, orders))
    return jnp.stack(kappa)


def _products(n: int, kappa: Lower, moments: Lower) -> Any:
    """Returns the terms of moment n that are products of lower orders."""
    term = lambda j: math.comb(n - 1, j - 1) * kappa[j - 1] * moments[n - j - 1]
    return sum(term(j) for j in range(1, n))


def _one_vector(values: ArrayLike, owner: str, name: str) -> Array:
    array = parameter(values)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"`{owner}`: {name} has shape {array.shape}; expected one vector, entry "
            "n - 1 of order n."
        )
    return array
