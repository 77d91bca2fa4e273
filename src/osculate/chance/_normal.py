"""The normal distribution."""

import jax.numpy as jnp
import jax.random as jr
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._distribution import Distribution, parameter, require
from ._gamma_function import LOG_2PI
from ._shapes import aligned, matrix


class Normal(Distribution):
    """Normal numbers.

    Attributes:
        mean: Expectation, of the common shape.
        scale: Standard deviation, positive, in the units of the mean.

    Example:
        >>> float(Normal(0.0, 2.0).variance)
        4.0
    """

    reparameterized = True
    mean: Array
    scale: Array

    def __init__(self, mean: ArrayLike = 0.0, scale: ArrayLike = 1.0):
        """Takes the parameters.

        Args:
            mean: Expectation.
            scale: Standard deviation.

        Raises:
            ValueError: If the mean is NaN or the scale is not positive.
        """
        self.mean, self.scale = parameter(mean), parameter(scale)
        require(self.mean == self.mean, "Normal", "mean is not a number")
        require(self.scale > 0, "Normal", "scale is not positive; expected above 0")
        self.mean = aligned(self.mean, self.scale)[0]

    @property
    def shape(self) -> tuple[int, ...]:
        return jnp.broadcast_shapes(self.mean.shape, self.scale.shape)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        dtype = jnp.result_type(self.mean, self.scale)
        z = jr.normal(key, shape + self.shape, dtype)
        z, mean, scale = aligned(z, self.mean, self.scale)
        return mean + scale * z

    def log_prob(self, x: ArrayLike) -> Float[Array, "..."]:
        x, mean, scale = aligned(x, self.mean, self.scale)
        return -0.5 * (((x - mean) / scale) ** 2 + LOG_2PI) - jnp.log(scale)

    @property
    def variance(self) -> Array:
        return jnp.broadcast_to(self.scale**2, self.shape)

    @property
    def mode(self) -> Array:
        return self.mean

    def entropy(self) -> Float[Array, "..."]:
        return jnp.broadcast_to(0.5 * (1 + LOG_2PI) + jnp.log(self.scale), self.shape)

    def fisher(self) -> Float[Array, "... 2 2"]:
        precision = jnp.broadcast_to(1 / self.scale**2, self.shape)
        zero = jnp.zeros_like(precision)
        return matrix([[precision, zero], [zero, 2 * precision]])
