"""The trained arrays of a model as one vector."""

from collections.abc import Callable
from typing import Any

from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ._fixed import trainable


def flatten(
    model: PyTree[Any],
) -> tuple[Float[Array, " P"], Callable[[Float[Array, " P"]], PyTree[Any]]]:
    """Returns all that is trained as one vector, and how to put it back.

    Args:
        model: Any pytree.

    Returns:
        `(theta, build)`: the vector, and a function from such a vector to a model.
    """
    theta, build = trainable(model)
    flat, unravel = ravel_pytree(theta)
    return flat, lambda flat: build(unravel(flat))
