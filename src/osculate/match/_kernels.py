"""Stationary kernels of unit variance and unit length scale, of the difference z."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Difference = Float[Array, " D"]
Square = Float[Array, ""]


class Kernel(NamedTuple):
    """A covariance of two points as a function of their difference.

    Attributes:
        at: `z (D,) -> ()`, 1 at 0 and even.
        most_given: Highest order of derivative that it can be conditioned on.
        most_asked: Highest order whose variance is finite; None without bound.
    """

    at: Callable[[Difference], Square]
    most_given: int
    most_asked: int | None


def squared_exponential(z: Difference) -> Square:
    """Returns `exp(-|z|²/2)`."""
    return jnp.exp(-0.5 * jnp.sum(z * z))


def matern52(z: Difference) -> Square:
    """Returns `(1 + r + r²/3) exp(-r)`, `r = √5 |z|`."""
    return _matern52(jnp.sum(z * z))


# As functions of s = |z|², whose root has no derivative at 0: the chain of derivatives
# by s is given, and is exact at 0 up to four derivatives by z.


@jax.custom_jvp
def _matern52(s: Square) -> Square:
    r = _radius(s)
    return (1 + r + r * r / 3) * jnp.exp(-r)


@jax.custom_jvp
def _matern32(s: Square) -> Square:
    r = _radius(s)
    return (1 + r) * jnp.exp(-r)


@_matern52.defjvp
def _(primals, tangents):
    (s,), (ds,) = primals, tangents
    return _matern52(s), -5 / 6 * _matern32(s) * ds


@_matern32.defjvp
def _(primals, tangents):
    (s,), (ds,) = primals, tangents
    return _matern32(s), -5 / 2 * jnp.exp(-_radius(s)) * ds


def _radius(s: Square) -> Square:
    apart = s > 0
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, 5 * s, 1.0)), 0.0)


KERNELS = {
    "squared_exponential": Kernel(squared_exponential, 2, None),
    "matern52": Kernel(matern52, 1, 2),
}
