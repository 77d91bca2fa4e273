"""Derivatives along directions, and products with the Hessian."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._streams import streams
from ._types import Field


def directional(u: Field, v: Float[Array, " D"], order: int = 1) -> Field:
    """Returns x -> d^n/ds^n u(x + s v) at s = 0.

    Cost: one pass with order + 1 streams.

    Args:
        u: `(D,) -> (...)`.
        v: Direction, `(D,)`.
        order: n, 0 or more.

    Returns:
        A function to what u returns.

    Raises:
        ValueError: If the order is negative.

    Example:
        >>> directional(lambda x: x[0] ** 3, jnp.array([2.0, 0.0]), 2)(jnp.ones(2))
        Array(24., dtype=float32)
    """
    if order < 0:
        raise ValueError(f"`directional`: order is {order}; expected 0 or more.")
    key = (0,) * order
    return lambda x: streams(u, [key], jnp.asarray(v)[None])(x)[key]


def hvp(u: Field, v: Float[Array, " D"]) -> Field:
    """Returns x -> H(x) v, without the Hessian.

    Cost: forward over reverse, about two gradients, whatever D.

    Args:
        u: `(D,) -> ()`.
        v: Vector, `(D,)`.

    Returns:
        `(D,) -> (D,)`.

    Example:
        >>> hvp(lambda x: x[0] * x[1], jnp.array([1.0, 0.0]))(jnp.ones(2))
        Array([0., 1.], dtype=float32)
    """
    return lambda x: jax.jvp(jax.grad(u), (x,), (v,))[1]


def hessian_row(u: Field, row: int) -> Field:
    """Returns x -> one row of the Hessian, as `hvp` with a coordinate.

    Args:
        u: `(D,) -> ()`.
        row: Which row.

    Returns:
        `(D,) -> (D,)`.

    Example:
        >>> hessian_row(lambda x: x[0] * x[1], 0)(jnp.ones(2))
        Array([0., 1.], dtype=float32)
    """
    return lambda x: hvp(u, jnp.zeros_like(x).at[row].set(1))(x)
