"""Distributions of real numbers: Laplace, Cauchy, Student's t and Gumbel."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.scipy.special import gammaln, polygamma
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._distribution import Distribution, parameter, require
from ._log1p_square import log1p_square
from ._shapes import aligned, matrix


def _refuse_scale(scale: Array, owner: str) -> None:
    require(scale > 0, owner, "scale is not positive; expected above 0")


class Laplace(Distribution):
    """Numbers whose distance to a location is exponential.

    Attributes:
        location: Where the density is largest.
        scale: Mean distance to the location, positive, in the units of the location.

    Example:
        >>> float(Laplace(1.0, 2.0).variance)
        8.0
    """

    reparameterized = True
    location: Array
    scale: Array

    def __init__(self, location: ArrayLike = 0.0, scale: ArrayLike = 1.0):
        """Takes the parameters.

        Args:
            location: Where the density is largest.
            scale: Mean distance to the location.

        Raises:
            ValueError: If the scale is not positive.
        """
        self.location, self.scale = parameter(location), parameter(scale)
        _refuse_scale(self.scale, "Laplace")

    @property
    def shape(self) -> tuple[int, ...]:
        return jnp.broadcast_shapes(self.location.shape, self.scale.shape)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        dtype = jnp.result_type(self.location, self.scale)
        z = jr.laplace(key, shape + self.shape, dtype)
        z, location, scale = aligned(z, self.location, self.scale)
        return location + scale * z

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, location, scale = aligned(x, self.location, self.scale)
        return -jnp.abs((x - location) / scale) - jnp.log(2 * scale)

    @property
    def mean(self) -> Array:
        return jnp.broadcast_to(self.location, self.shape)

    @property
    def variance(self) -> Array:
        return jnp.broadcast_to(2 * self.scale**2, self.shape)

    @property
    def mode(self) -> Array:
        return self.mean

    def entropy(self) -> Float[Array, "..."]:
        return jnp.broadcast_to(1 + jnp.log(2 * self.scale), self.shape)

    def fisher(self) -> Float[Array, "... 2 2"]:
        one = jnp.broadcast_to(1 / self.scale**2, self.shape)
        return matrix([[one, 0 * one], [0 * one, one]])


class Cauchy(Distribution):
    """Numbers with tails so heavy that they have no mean.

    Attributes:
        location: Median.
        scale: Half the distance of the quartiles, positive, in the units of the
            location.

    Example:
        >>> bool(jnp.isnan(Cauchy(0.0, 1.0).mean))
        True
    """

    reparameterized = True
    location: Array
    scale: Array

    def __init__(self, location: ArrayLike = 0.0, scale: ArrayLike = 1.0):
        """Takes the parameters.

        Args:
            location: Median.
            scale: Half the distance of the quartiles.

        Raises:
            ValueError: If the scale is not positive.
        """
        self.location, self.scale = parameter(location), parameter(scale)
        _refuse_scale(self.scale, "Cauchy")

    @property
    def shape(self) -> tuple[int, ...]:
        return jnp.broadcast_shapes(self.location.shape, self.scale.shape)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        dtype = jnp.result_type(self.location, self.scale)
        z = jr.cauchy(key, shape + self.shape, dtype)
        z, location, scale = aligned(z, self.location, self.scale)
        return location + scale * z

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, location, scale = aligned(x, self.location, self.scale)
        return -log1p_square((x - location) / scale) - jnp.log(math.pi * scale)

    @property
    def mean(self) -> Array:
        return jnp.full(self.shape, math.nan, jnp.result_type(self.location))

    @property
    def variance(self) -> Array:
        return self.mean

    @property
    def mode(self) -> Array:
        return jnp.broadcast_to(self.location, self.shape)

    def entropy(self) -> Float[Array, "..."]:
        return jnp.broadcast_to(jnp.log(4 * math.pi * self.scale), self.shape)

    def fisher(self) -> Float[Array, "... 2 2"]:
        half = jnp.broadcast_to(0.5 / self.scale**2, self.shape)
        return matrix([[half, 0 * half], [0 * half, half]])


class StudentT(Distribution):
    """Student's t: a normal number divided by an estimate of its scale.

    Attributes:
        degrees: Degrees of freedom, positive: tails fall as `|x|^-(degrees + 1)`.
        location: Where the density is largest.
        scale: Width, positive, in the units of the location.

    Example:
        >>> float(StudentT(4.0, 0.0, 1.0).variance)
        2.0
    """

    reparameterized = True
    degrees: Array
    location: Array
    scale: Array

    def __init__(
        self, degrees: ArrayLike, location: ArrayLike = 0.0, scale: ArrayLike = 1.0
    ):
        """Takes the parameters.

        Args:
            degrees: Degrees of freedom.
            location: Where the density is largest.
            scale: Width.

        Raises:
            ValueError: If the degrees or the scale are not positive.
        """
        self.degrees = parameter(degrees)
        self.location, self.scale = parameter(location), parameter(scale)
        require(self.degrees > 0, "StudentT", "degrees are not positive")
        _refuse_scale(self.scale, "StudentT")

    @property
    def shape(self) -> tuple[int, ...]:
        shapes = self.degrees.shape, self.location.shape, self.scale.shape
        return jnp.broadcast_shapes(*shapes)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        degrees, location, scale = aligned(self.degrees, self.location, self.scale)
        shape = shape + self.shape
        z = jr.t(key, jnp.broadcast_to(degrees, shape), shape, degrees.dtype)
        z, location, scale = aligned(z, location, scale)
        return location + scale * z

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, nu, location, scale = aligned(x, self.degrees, self.location, self.scale)
        z = (x - location) / (scale * jnp.sqrt(nu))
        constant = _half_step(nu / 2) - 0.5 * jnp.log(math.pi * nu) - jnp.log(scale)
        return constant - 0.5 * (nu + 1) * log1p_square(z)

    @property
    def mean(self) -> Array:
        degrees, location, _ = aligned(self.degrees, self.location, self.scale)
        return jnp.where(degrees > 1, location, math.nan)

    @property
    def variance(self) -> Array:
        degrees, _, scale = aligned(self.degrees, self.location, self.scale)
        safe = jnp.where(degrees > 2, degrees, 3.0)
        heavy = jnp.where(degrees > 1, math.inf, math.nan)
        return jnp.where(degrees > 2, scale**2 * safe / (safe - 2), heavy)

    @property
    def mode(self) -> Array:
        return jnp.broadcast_to(self.location, self.shape)

    def entropy(self) -> Float[Array, "..."]:
        nu, _, scale = aligned(self.degrees, self.location, self.scale)
        step, slope = jax.jvp(_half_step, (nu / 2,), (jnp.ones_like(nu),))
        width = 0.5 * jnp.log(math.pi * nu) + jnp.log(scale)
        return 0.5 * (nu + 1) * slope - step + width

    def fisher(self) -> Float[Array, "... 3 3"]:
        nu, _, scale = aligned(self.degrees, self.location, self.scale)
        bend = polygamma(1, nu / 2) - polygamma(1, (nu + 1) / 2)
        degrees = bend / 4 - (nu + 5) / (2 * nu * (nu + 1) * (nu + 3))
        mixed = -2 / (scale * (nu + 1) * (nu + 3))
        location = (nu + 1) / ((nu + 3) * scale**2)
        width = 2 * nu / ((nu + 3) * scale**2)
        zero = 0 * nu
        return matrix(
            [[degrees, zero, mixed], [zero, location, zero], [mixed, zero, width]]
        )


def _half_step(a: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Returns log Γ(a + 1/2) - log Γ(a), of large a by its series."""
    large = a > 25.0
    b = jnp.where(large, a, 25.0)
    bend = (1 / 8 - (1 / 192 - (1 / 640 - 17 / (14336 * b**2)) / b**2) / b**2) / b
    c = jnp.where(large, 1.0, a)
    return jnp.where(large, 0.5 * jnp.log(b) - bend, gammaln(c + 0.5) - gammaln(c))


class Gumbel(Distribution):
    """The largest of many numbers: distribution function `exp(-exp(-z))`.

    Attributes:
        location: Where the density is largest.
        scale: Width, positive, in the units of the location; `z` is the distance to the
            location in it.

    Example:
        >>> round(float(Gumbel(0.0, 1.0).mean), 4)
        0.5772
    """

    reparameterized = True
    location: Array
    scale: Array

    def __init__(self, location: ArrayLike = 0.0, scale: ArrayLike = 1.0):
        """Takes the parameters.

        Args:
            location: Where the density is largest.
            scale: Width.

        Raises:
            ValueError: If the scale is not positive.
        """
        self.location, self.scale = parameter(location), parameter(scale)
        _refuse_scale(self.scale, "Gumbel")

    @property
    def shape(self) -> tuple[int, ...]:
        return jnp.broadcast_shapes(self.location.shape, self.scale.shape)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        dtype = jnp.result_type(self.location, self.scale)
        z = jr.gumbel(key, shape + self.shape, dtype)
        z, location, scale = aligned(z, self.location, self.scale)
        return location + scale * z

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, location, scale = aligned(x, self.location, self.scale)
        z = (x - location) / scale
        return -z - jnp.exp(-z) - jnp.log(scale)

    @property
    def mean(self) -> Array:
        location, scale = aligned(self.location, self.scale)
        return location + np.euler_gamma * scale

    @property
    def variance(self) -> Array:
        return jnp.broadcast_to(math.pi**2 / 6 * self.scale**2, self.shape)

    @property
    def mode(self) -> Array:
        return jnp.broadcast_to(self.location, self.shape)

    def entropy(self) -> Float[Array, "..."]:
        return jnp.broadcast_to(1 + np.euler_gamma + jnp.log(self.scale), self.shape)

    def fisher(self) -> Float[Array, "... 2 2"]:
        one = jnp.broadcast_to(1 / self.scale**2, self.shape)
        mixed = (np.euler_gamma - 1) * one
        width = (math.pi**2 / 6 + (1 - np.euler_gamma) ** 2) * one
        return matrix([[one, mixed], [mixed, width]])
