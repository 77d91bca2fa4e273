"""The logarithm that Cauchy and Student share, in densities and in losses."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def log1p_square(r: Float[Array, "..."]) -> Float[Array, "..."]:
    """Returns `log(1 + r**2)`, also where the square has no number of its own."""
    small = jnp.abs(r) < 1
    inner, outer = jnp.where(small, r, 0.0), jnp.where(small, 1.0, r)
    far = 2 * jnp.log(jnp.abs(outer)) + jnp.log1p((1 / outer) ** 2)
    return jnp.where(small, jnp.log1p(inner**2), far)
