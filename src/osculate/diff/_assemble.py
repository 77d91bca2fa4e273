"""Operators put together from the derivatives they are made of."""

import itertools
from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from ._types import Streams


def tensor_of(found: Streams, order: int, axes: Sequence[int]) -> Array:
    """Returns the tensor of one order from its distinct entries.

    Args:
        found: All derivatives of that order, and the value.
        order: How many axes of the coordinates the tensor has.
        axes: The coordinates.

    Returns:
        The shape of the value with `order` trailing axes.
    """
    every = itertools.product(axes, repeat=order)
    entries = jnp.stack([found[tuple(sorted(key))] for key in every], axis=-1)
    return entries.reshape(found[()].shape + (len(axes),) * order)


def divergence_of(found: Streams, axes: Sequence[int]) -> Array:
    """Returns the trace of the Jacobian.

    Args:
        found: All first derivatives, and the value.
        axes: The coordinates.

    Returns:
        The shape of the value without its first axis.

    Raises:
        ValueError: If there is not one component per coordinate.
    """
    _require_components(found, len(axes), "divergence")
    return jnp.sum(jnp.stack([found[(i,)][c] for c, i in enumerate(axes)]), axis=0)


def curl_of(found: Streams, axes: Sequence[int]) -> Array:
    """Returns the rotation.

    Args:
        found: All first derivatives, and the value.
        axes: The coordinates, 2 or 3.

    Returns:
        A scalar in two dimensions, a vector in three.

    Raises:
        ValueError: In other dimensions.
    """
    if len(axes) not in (2, 3):
        raise ValueError(f"`curl`: {len(axes)} coordinates; expected 2 or 3.")
    _require_components(found, len(axes), "curl")
    turn = lambda a, b: found[(axes[a],)][b] - found[(axes[b],)][a]
    if len(axes) == 2:
        return turn(0, 1)
    return jnp.stack([turn(1, 2), turn(2, 0), turn(0, 1)])


def square_jacobian_of(
    found: Streams, axes: Sequence[int], operator: str
) -> Float[Array, "D D"]:
    """Returns the Jacobian of a map from D numbers to D numbers.

    Args:
        found: All first derivatives, and the value.
        axes: The coordinates.
        operator: Who asks, for the message.

    Returns:
        The Jacobian.

    Raises:
        ValueError: If there is not one component per coordinate.
    """
    _require_components(found, len(axes), operator)
    return jnp.stack([found[(i,)] for i in axes], axis=1)


def _require_components(found: Streams, size: int, operator: str) -> None:
    shape = getattr(found[()], "shape", None)
    if shape is None:
        raise ValueError(
            f"`{operator}`: a field of several arrays; expected one array with one "
            "component per coordinate."
        )
    if shape[:1] != (size,):
        raise ValueError(
            f"`{operator}`: a field of shape {shape} in {size} coordinates; expected "
            "one component per coordinate."
        )
