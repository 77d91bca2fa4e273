"""The normal distribution."""

import math

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ._distribution import Distribution, parameter, require


class Normal(Distribution):
    """Normal numbers.

    Attributes:
        mean: Expectation.
        scale: Standard deviation, positive, in the units of the mean.

    Example:
        >>> float(Normal(0.0, 2.0).variance)
        4.0
    """

    reparameterized = True
    mean: Array
    scale: Array

    def __init__(self, mean: Array | float = 0.0, scale: Array | float = 1.0):
        """Takes the parameters.

        Args:
            mean: Expectation.
            scale: Standard deviation.

        Raises:
            ValueError: If the scale is not positive.
        """
        self.mean, self.scale = parameter(mean), parameter(scale)
        require(self.scale > 0, "Normal", "scale is not positive; expected above 0")

    @property
    def shape(self) -> tuple[int, ...]:
        return jnp.broadcast_shapes(self.mean.shape, self.scale.shape)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        dtype = jnp.result_type(self.mean, self.scale)
        return self.mean + self.scale * jr.normal(key, shape + self.shape, dtype)

    def log_prob(self, x: Array | float) -> Float[Array, "..."]:
        z = (x - self.mean) / self.scale
        return -0.5 * z**2 - jnp.log(self.scale) - 0.5 * math.log(2 * math.pi)

    @property
    def variance(self) -> Array:
        return jnp.broadcast_to(self.scale**2, self.shape)

    @property
    def mode(self) -> Array:
        return jnp.broadcast_to(self.mean, self.shape)

    def entropy(self) -> Float[Array, "..."]:
        half = 0.5 * math.log(2 * math.pi * math.e)
        return jnp.broadcast_to(half + jnp.log(self.scale), self.shape)

    def fisher(self) -> Float[Array, "... 2 2"]:
        precision = jnp.broadcast_to(1 / self.scale**2, self.shape)
        return precision[..., None, None] * jnp.diag(jnp.array([1.0, 2.0]))
