"""Functions of a distance that densities and losses share."""

import jax
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


@jax.custom_jvp
def power(r: Float[Array, "*s"], q: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Returns `|r|**q`, whose derivatives of every order are finite at 0.

    They are the true ones where those exist; where none does, or it is infinite, 0.

    Args:
        r: Real numbers.
        q: Exponents.

    Returns:
        An array of the same shape; where r is 0, 1 for the exponent 0, else 0.
    """
    zero = r == 0
    size = jnp.abs(jnp.where(zero, 1.0, r)) ** q
    return jnp.where(zero, (q == 0).astype(r.dtype), size)


@jax.custom_jvp
def signed_power(r: Float[Array, "*s"], q: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Returns `sign(r) * |r|**q`, whose derivatives are chosen as those of `power`.

    Args:
        r: Real numbers.
        q: Exponents.

    Returns:
        An array of the same shape, 0 where r is 0.
    """
    return jnp.sign(r) * power(r, q)


def _log_size(r: Array) -> Array:
    return jnp.log(jnp.abs(jnp.where(r == 0, 1.0, r)))


power.defjvps(
    lambda dr, _, r, q: q * signed_power(r, q - 1) * dr,
    lambda dq, size, r, q: size * _log_size(r) * dq,
)
signed_power.defjvps(
    lambda dr, _, r, q: q * power(r, q - 1) * dr,
    lambda dq, size, r, q: size * _log_size(r) * dq,
)
