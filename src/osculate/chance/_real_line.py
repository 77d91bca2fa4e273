"""Distributions of real numbers: Laplace, Cauchy, Student's t and Gumbel."""

import abc
import math
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.scipy.special import gammaln, polygamma
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._distance import absolute, log1p_square
from ._distribution import Distribution, parameter, require
from ._shapes import aligned, matrix, ranked


class AbstractLocationScale(Distribution):
    """`location + scale * z`, of random numbers z without parameters."""

    reparameterized = True
    location: Array
    scale: Array

    @abc.abstractmethod
    def _standard(
        self, key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any
    ) -> Float[Array, "..."]:
        """Draws z."""

    @property
    def shape(self) -> tuple[int, ...]:
        return jnp.broadcast_shapes(self.location.shape, self.scale.shape)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        dtype = jnp.result_type(self.location, self.scale)
        z = self._standard(key, shape + self.shape, dtype)
        z, location, scale = aligned(z, self.location, self.scale)
        return location + scale * z

    @property
    def mode(self) -> Array:
        return jnp.broadcast_to(self.location, self.shape)


def _refuse(location: Array, scale: Array, owner: str) -> None:
    require(location == location, owner, "location is not a number")
    require(scale > 0, owner, "scale is not positive; expected above 0")


class Laplace(AbstractLocationScale):
    """Numbers whose distance to a location is exponential.

    Attributes:
        location: Where the density is largest; the derivative by it is 0 there.
        scale: Mean distance to the location, positive, in the units of the location.

    Example:
        >>> float(Laplace(1.0, 2.0).variance)
        8.0
    """

    def __init__(self, location: ArrayLike = 0.0, scale: ArrayLike = 1.0):
        """Takes the parameters.

        Args:
            location: Where the density is largest.
            scale: Width, positive, in the units of the location.

        Raises:
            ValueError: If the location is NaN or the scale is not positive.
        """
        self.location, self.scale = parameter(location), parameter(scale)
        _refuse(self.location, self.scale, "Laplace")

    def _standard(
        self, key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any
    ) -> Float[Array, "..."]:
        return jr.laplace(key, shape, dtype)

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, location, scale = aligned(x, self.location, self.scale)
        return -absolute((x - location) / scale) - jnp.log(2 * scale)

    @property
    def mean(self) -> Array:
        return self.mode

    @property
    def variance(self) -> Array:
        return jnp.broadcast_to(2 * self.scale**2, self.shape)

    def entropy(self) -> Float[Array, "..."]:
        return jnp.broadcast_to(1 + jnp.log(2 * self.scale), self.shape)

    def fisher(self) -> Float[Array, "... 2 2"]:
        one = jnp.broadcast_to(1 / self.scale**2, self.shape)
        zero = jnp.zeros_like(one)
        return matrix([[one, zero], [zero, one]])


class Cauchy(AbstractLocationScale):
    """Numbers with tails so heavy that they have no mean.

    Attributes:
        location: Median.
        scale: Half the distance of the quartiles, positive, in the units of the
            location.

    Example:
        >>> bool(jnp.isnan(Cauchy(0.0, 1.0).mean))
        True
    """

    def __init__(self, location: ArrayLike = 0.0, scale: ArrayLike = 1.0):
        """Takes the parameters.

        Args:
            location: Where the density is largest.
            scale: Width, positive, in the units of the location.

        Raises:
            ValueError: If the location is NaN or the scale is not positive.
        """
        self.location, self.scale = parameter(location), parameter(scale)
        _refuse(self.location, self.scale, "Cauchy")

    def _standard(
        self, key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any
    ) -> Float[Array, "..."]:
        return jr.cauchy(key, shape, dtype)

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, location, scale = aligned(x, self.location, self.scale)
        return -log1p_square(x - location, scale) - jnp.log(math.pi * scale)

    @property
    def mean(self) -> Array:
        return jnp.full_like(self.mode, math.nan)

    @property
    def variance(self) -> Array:
        return self.mean

    def entropy(self) -> Float[Array, "..."]:
        return jnp.broadcast_to(jnp.log(4 * math.pi * self.scale), self.shape)

    def fisher(self) -> Float[Array, "... 2 2"]:
        half = jnp.broadcast_to(0.5 / self.scale**2, self.shape)
        zero = jnp.zeros_like(half)
        return matrix([[half, zero], [zero, half]])


class StudentT(Distribution):
    """Student's t: a normal number divided by an estimate of its scale.

    Draws that would overflow, as of few degrees in float32, are the largest number.

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
            ValueError: If the location is NaN, or the degrees or the scale are not
                positive.
        """
        self.degrees = parameter(degrees)
        self.location, self.scale = parameter(location), parameter(scale)
        positive = self.degrees > 0
        require(positive, "StudentT", "degrees are not positive; expected above 0")
        _refuse(self.location, self.scale, "StudentT")

    @property
    def shape(self) -> tuple[int, ...]:
        shapes = self.degrees.shape, self.location.shape, self.scale.shape
        return jnp.broadcast_shapes(*shapes)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        degrees, location, scale = aligned(self.degrees, self.location, self.scale)
        z = _standard_t(key, degrees, shape + self.shape)
        z, location, scale = aligned(z, location, scale)
        largest = jnp.finfo(z.dtype).max
        return jnp.clip(location + scale * z, -largest, largest)

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, nu, location, scale = ranked(x, self.degrees, self.location, self.scale)
        tail = log1p_square(x - location, scale * jnp.sqrt(nu))
        constant = _half_step(nu / 2) - 0.5 * jnp.log(math.pi * nu) - jnp.log(scale)
        return constant - 0.5 * (nu + 1) * tail

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
        degrees = _information_of_degrees(nu)
        mixed = -2 / (scale * (nu + 1) * (nu + 3))
        location = (nu + 1) / ((nu + 3) * scale**2)
        width = 2 * nu / ((nu + 3) * scale**2)
        zero = jnp.zeros_like(nu)
        return matrix(
            [[degrees, zero, mixed], [zero, location, zero], [mixed, zero, width]]
        )


def _standard_t(
    key: PRNGKeyArray, degrees: Float[Array, "*s"], shape: tuple[int, ...]
) -> Float[Array, "..."]:
    """Draws with location 0 and scale 1; divides in logarithms, below overflow."""
    of_normal, of_gamma = jr.split(key)
    z = jr.normal(of_normal, shape, degrees.dtype)
    log_gamma = jr.loggamma(of_gamma, degrees / 2, shape, degrees.dtype)
    log_gamma, half = aligned(log_gamma, degrees / 2)
    most = math.log(float(jnp.finfo(z.dtype).max)) - math.log(20.0)  # |z| < 20
    return z * jnp.exp(jnp.minimum(0.5 * (jnp.log(half) - log_gamma), most))


def _half_step(a: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Returns log Γ(a + 1/2) - log Γ(a), of large a by its series."""
    large = a > 25.0
    b = jnp.where(large, a, 25.0)
    bend = (1 / 8 - (1 / 192 - (1 / 640 - 17 / (14336 * b**2)) / b**2) / b**2) / b
    c = jnp.where(large, 1.0, a)
    return jnp.where(large, 0.5 * jnp.log(b) - bend, gammaln(c + 0.5) - gammaln(c))


def _information_of_degrees(nu: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Returns Fisher's information of Student's degrees, of many by its series.

    The trigamma functions are `t**2 / 2 + t**3 / 2 + sum(B[2k] (4**k - 1) t**(2k + 1))`
    from k = 2, with `t = 1 / nu` and Bernoulli's numbers B.
    """
    large = nu > 40.0
    few = jnp.where(large, 1.0, nu)
    bend = polygamma(1, few / 2) - polygamma(1, (few + 1) / 2)
    exact = bend / 4 - (few + 5) / (2 * few * (few + 1) * (few + 3))
    t = 1 / jnp.where(large, nu, 40.0)
    rest = jnp.zeros_like(t)
    for coefficient in (-2073 / 2, 155 / 2, -17 / 2, 3 / 2, -1 / 2):
        rest = rest * t**2 + coefficient
    series = t**4 * ((7 + 3 * t) / (2 * (1 + t) * (1 + 3 * t)) + rest * t)
    return jnp.where(large, series, exact)


class Gumbel(AbstractLocationScale):
    """The largest of many numbers: distribution function `exp(-exp(-z))`.

    Attributes:
        location: Where the density is largest.
        scale: Width, positive, in the units of the location; `z` is the distance to the
            location in it.

    Example:
        >>> round(float(Gumbel(0.0, 1.0).mean), 4)
        0.5772
    """

    def __init__(self, location: ArrayLike = 0.0, scale: ArrayLike = 1.0):
        """Takes the parameters.

        Args:
            location: Where the density is largest.
            scale: Width, positive, in the units of the location.

        Raises:
            ValueError: If the location is NaN or the scale is not positive.
        """
        self.location, self.scale = parameter(location), parameter(scale)
        _refuse(self.location, self.scale, "Gumbel")

    def _standard(
        self, key: PRNGKeyArray, shape: tuple[int, ...], dtype: Any
    ) -> Float[Array, "..."]:
        return jr.gumbel(key, shape, dtype)

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, location, scale = aligned(x, self.location, self.scale)
        z = jnp.maximum((x - location) / scale, jnp.finfo(x.dtype).min)
        return -z - jnp.exp(-z) - jnp.log(scale)

    @property
    def mean(self) -> Array:
        location, scale = aligned(self.location, self.scale)
        return location + np.euler_gamma * scale

    @property
    def variance(self) -> Array:
        return jnp.broadcast_to(math.pi**2 / 6 * self.scale**2, self.shape)

    def entropy(self) -> Float[Array, "..."]:
        return jnp.broadcast_to(1 + np.euler_gamma + jnp.log(self.scale), self.shape)

    def fisher(self) -> Float[Array, "... 2 2"]:
        one = jnp.broadcast_to(1 / self.scale**2, self.shape)
        mixed = (np.euler_gamma - 1) * one
        width = (math.pi**2 / 6 + (1 - np.euler_gamma) ** 2) * one
        return matrix([[one, mixed], [mixed, width]])
