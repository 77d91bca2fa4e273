"""Numbers brought together: to one shape and precision, in a matrix, in a sum."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float


def aligned(*values: ArrayLike) -> tuple[Array, ...]:
    """Returns values as arrays of one shape and one precision.

    Args:
        *values: Parameters and draws, at least one of real numbers; counts become real.

    Returns:
        As many arrays, broadcast against each other.
    """
    arrays = [jnp.asarray(value) for value in values]
    real = [a for a in arrays if jnp.issubdtype(a.dtype, jnp.inexact)]
    dtype = jnp.result_type(*real)
    return tuple(jnp.broadcast_arrays(*(a.astype(dtype) for a in arrays)))


def ranked(*values: ArrayLike) -> tuple[Array, ...]:
    """Returns values as arrays of one rank and one precision, ready to broadcast.

    What is computed of parameters alone is then computed once, not once per draw.

    Args:
        *values: Parameters and draws, at least one of real numbers; counts become real.

    Returns:
        As many arrays, with leading axes of size 1 where they had fewer axes.
    """
    arrays = [jnp.asarray(value) for value in values]
    real = [a for a in arrays if jnp.issubdtype(a.dtype, jnp.inexact)]
    dtype = jnp.result_type(*real)
    ndim = max(a.ndim for a in arrays)
    fill = lambda a: a.astype(dtype).reshape((1,) * (ndim - a.ndim) + a.shape)
    return tuple(map(fill, arrays))


def matrix(rows: Sequence[Sequence[Array]]) -> Array:
    """Returns entries of one shape as `(..., n, m)`: a matrix per entry."""
    return jnp.stack([jnp.stack(tuple(row), axis=-1) for row in rows], axis=-2)


def diagonal_matrix(values: Float[Array, "*s n"]) -> Float[Array, "*s n n"]:
    """Returns matrices with these diagonals."""
    size = values.shape[-1]
    identity = jnp.identity(size, dtype=bool).reshape(
        (1,) * (values.ndim - 1) + (size, size)
    )
    return jnp.where(identity, values[..., None], 0.0)


def within(inside: Array, found: Array, x: Array) -> Array:
    """Returns log-densities of a support, and what they are elsewhere.

    Args:
        inside: Whether x is in the support.
        found: Values there; elsewhere finite, so that no derivative is NaN.
        x: Where, one number per value.

    Returns:
        The values; minus infinity outside the support, NaN where x is NaN.
    """
    return jnp.where(inside, found, jnp.where(x == x, -math.inf, x))


def weighted_sum(
    log_weights: Float[Array, "*s n"], values: Float[Array, "*s n"]
) -> Float[Array, "*s"]:
    """Returns `sum(exp(log_weights) * values)`, where 0 times infinity is 0.

    Args:
        log_weights: Logarithms of probabilities; minus infinity of those that are 0.
        values: What is weighted.

    Returns:
        The sums; their derivatives are finite too.
    """
    there = log_weights > -math.inf
    weights = jnp.exp(jnp.where(there, log_weights, 0.0))
    return jnp.sum(jnp.where(there, weights * jnp.where(there, values, 0.0), 0.0), -1)
