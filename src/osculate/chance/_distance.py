"""Functions of a distance that densities and losses share."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def log1p_square(
    distance: Float[Array, "..."], width: Float[Array, "..."] | float
) -> Float[Array, "..."]:
    """Returns `log(1 + (distance / width)**2)`, also where the ratio overflows.

    Args:
        distance: Real numbers.
        width: Positive numbers that broadcast against them.

    Returns:
        Numbers from 0, of the shape of the distances.
    """
    small = jnp.abs(distance) < width
    inner, outer = jnp.where(small, distance, 0.0), jnp.where(small, width, distance)
    far = 2 * (jnp.log(jnp.abs(outer)) - jnp.log(width)) + jnp.log1p(
        (width / outer) ** 2
    )
    return jnp.where(small, jnp.log1p((inner / width) ** 2), far)


def absolute(r: Float[Array, "..."]) -> Float[Array, "..."]:
    """Returns `|r|`, whose derivative at 0 is 0 here, where that of `jnp.abs` is 1.

    Args:
        r: Real numbers.

    Returns:
        An array of the same shape.
    """
    return r * jnp.sign(r)
