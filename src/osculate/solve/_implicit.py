"""R-functions: smooth functions that are zero on a set and positive inside it.

Reference: Shapiro (1991), Theory of R-functions and applications; Sukumar and
Srivastava (2022), Exact imposition of boundary conditions with distance functions in
physics-informed deep neural networks, section 3.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def root(q: Float[Array, "..."]) -> Float[Array, "..."]:
    """Returns the square root; its derivative at 0 is 0 instead of infinite."""
    positive = q > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, q, 1.0)), 0.0)


def both(a: Float[Array, ""], b: Float[Array, ""]) -> Float[Array, ""]:
    """Returns a function that is positive where both are: `a + b - sqrt(a² + b²)`."""
    return a + b - root(a**2 + b**2)


def either(a: Float[Array, ""], b: Float[Array, ""]) -> Float[Array, ""]:
    """Returns a function that is positive where one is: `a + b + sqrt(a² + b²)`."""
    return a + b + root(a**2 + b**2)


def nearest(away: Float[Array, " K"]) -> Float[Array, ""]:
    """Returns a function that is zero where one is: `(sum of away^-2)^(-1/2)`.

    It keeps the slope 1 that each of them has where it is zero.
    """
    j = jnp.argmin(away)
    others = jnp.arange(away.shape[0]) != j
    ratio = jnp.where(others, away[j] / jnp.where(others & (away != 0), away, 1.0), 0.0)
    return away[j] / jnp.sqrt(1 + jnp.sum(ratio**2))


def trimmed(
    f: Float[Array, ""], t: Float[Array, ""], length: float = 1.0
) -> Float[Array, ""]:
    """Returns a function that is zero only where `f = 0` and `t >= 0`.

    It is `rho = sqrt(f² + ((phi - t) / 2)²)`, `phi = sqrt(t² + f⁴)`. For `t > 0` the
    difference is written as `f⁴ / (phi + t)`, and rho with the sign of f: it is then
    smooth across the zero set, with slope 1.

    Args:
        f: Distance to a line or a surface, with a sign.
        t: Positive on the part of it that is meant.
        length: Unit of length for both.

    Returns:
        The function, of the unit of f.

    Reference: Sukumar and Srivastava (2022), equation 9; Rvachev and Sheiko (1995).
    """
    f, t = f / length, t / length
    kept = t > 0
    up, down = jnp.where(kept, t, 1.0), jnp.where(kept, -1.0, t)
    share = f**3 / (2 * (jnp.sqrt(up**2 + f**4) + up))
    near = f * jnp.sqrt(1 + share**2)
    away = root(f**2 + ((root(down**2 + f**4) - down) / 2) ** 2)
    return length * jnp.where(kept, near, away)
