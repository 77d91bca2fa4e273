"""Distributions of positive numbers and of shares: exponential, gamma and beta."""

import math
from typing import Any

import jax.numpy as jnp
import jax.random as jr
from jax.scipy.special import polygamma
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._distribution import Distribution, parameter, require
from ._gamma_function import (
    LOG_2PI,
    dirichlet_entropy,
    log_dirichlet,
    log_poisson,
    log_power_of_0,
    stirling_slope,
)
from ._shapes import aligned, matrix, ranked, within


class Exponential(Distribution):
    """Waiting times without memory.

    Attributes:
        rate: Events per unit of time, positive.

    Example:
        >>> float(Exponential(4.0).mean)
        0.25
    """

    reparameterized = True
    rate: Array

    def __init__(self, rate: ArrayLike = 1.0):
        """Takes the parameter.

        Args:
            rate: Events per unit of time.

        Raises:
            ValueError: If the rate is not positive.
        """
        self.rate = parameter(rate)
        require(self.rate > 0, "Exponential", "rate is not positive; expected above 0")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rate.shape

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        z = jr.exponential(key, shape + self.shape, self.rate.dtype)
        z, rate = aligned(z, self.rate)
        return z / rate

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, rate = aligned(x, self.rate)
        inside = x >= 0
        found = jnp.log(rate) - rate * jnp.where(inside, x, 0.0)
        return within(inside, found, x)

    @property
    def mean(self) -> Array:
        return 1 / self.rate

    @property
    def variance(self) -> Array:
        return 1 / self.rate**2

    @property
    def mode(self) -> Array:
        return jnp.zeros_like(self.rate)

    def entropy(self) -> Float[Array, "..."]:
        return 1 - jnp.log(self.rate)

    def fisher(self) -> Float[Array, "... 1 1"]:
        return matrix([[self.variance]])


class Gamma(Distribution):
    """Positive numbers: the time until `concentration` events have come.

    Draws that would underflow are the smallest positive number.

    Attributes:
        concentration: How many events, positive, not necessarily whole.
        rate: Events per unit of time, positive.

    Example:
        >>> float(Gamma(6.0, 2.0).mean)
        3.0
    """

    reparameterized = True
    concentration: Array
    rate: Array

    def __init__(self, concentration: ArrayLike, rate: ArrayLike = 1.0):
        """Takes the parameters.

        Args:
            concentration: How many events.
            rate: Events per unit of time.

        Raises:
            ValueError: If one of them is not positive.
        """
        self.concentration, self.rate = parameter(concentration), parameter(rate)
        require(self.concentration > 0, "Gamma", "concentration is not positive")
        require(self.rate > 0, "Gamma", "rate is not positive; expected above 0")

    @property
    def shape(self) -> tuple[int, ...]:
        return jnp.broadcast_shapes(self.concentration.shape, self.rate.shape)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        concentration, rate = aligned(self.concentration, self.rate)
        z = jr.gamma(key, concentration, shape + self.shape, rate.dtype)
        z, rate = aligned(z, rate)
        return jnp.maximum(z / rate, jnp.finfo(z.dtype).tiny)

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, concentration, rate = ranked(x, self.concentration, self.rate)
        inside = (x > 0) & (x < math.inf)
        positive = jnp.where(inside, x, 1.0)
        log_x = jnp.log(positive)
        count = log_poisson(concentration, rate * positive, jnp.log(rate) + log_x)
        found = jnp.log(concentration) - log_x + count
        edge = jnp.log(rate) + log_power_of_0(concentration - 1)
        return within(inside | (x == 0), jnp.where(inside, found, edge), x)

    @property
    def mean(self) -> Array:
        concentration, rate = aligned(self.concentration, self.rate)
        return concentration / rate

    @property
    def variance(self) -> Array:
        concentration, rate = aligned(self.concentration, self.rate)
        return concentration / rate / rate

    @property
    def mode(self) -> Array:
        concentration, rate = aligned(self.concentration, self.rate)
        return jnp.maximum(concentration - 1, 0.0) / rate

    def entropy(self) -> Float[Array, "..."]:
        a, rate = aligned(self.concentration, self.rate)
        value, slope = stirling_slope(a)
        width = 0.5 * (LOG_2PI + 1 + jnp.log(a) - 1 / a)
        return width + value - (a - 1) * slope - jnp.log(rate)

    def fisher(self) -> Float[Array, "... 2 2"]:
        concentration, rate = aligned(self.concentration, self.rate)
        own, mixed = polygamma(1, concentration), -1 / rate
        return matrix([[own, mixed], [mixed, concentration / rate**2]])


class Beta(Distribution):
    """Numbers between 0 and 1.

    Draws that would round to 0 or 1 are the closest numbers between them.

    Attributes:
        alpha: Weight of 1, positive.
        beta: Weight of 0, positive.

    Example:
        >>> float(Beta(3.0, 1.0).mean)
        0.75
    """

    reparameterized = True
    alpha: Array
    beta: Array

    def __init__(self, alpha: ArrayLike, beta: ArrayLike):
        """Takes the parameters.

        Args:
            alpha: Weight of 1.
            beta: Weight of 0.

        Raises:
            ValueError: If one of them is not positive.
        """
        self.alpha, self.beta = parameter(alpha), parameter(beta)
        require(self.alpha > 0, "Beta", "alpha is not positive; expected above 0")
        require(self.beta > 0, "Beta", "beta is not positive; expected above 0")

    @property
    def shape(self) -> tuple[int, ...]:
        return jnp.broadcast_shapes(self.alpha.shape, self.beta.shape)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        alpha, beta = aligned(self.alpha, self.beta)
        x = jr.beta(key, alpha, beta, shape + self.shape, alpha.dtype)
        limits = jnp.finfo(x.dtype)
        return jnp.clip(x, limits.tiny, 1 - limits.epsneg)

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, alpha, beta = ranked(x, self.alpha, self.beta)
        inside = (x >= 0) & (x <= 1)
        share = jnp.where(inside, x, 0.5)
        weights = jnp.stack(aligned(alpha, beta), axis=-1)
        found = log_dirichlet(weights, jnp.stack([share, 1 - share], axis=-1))
        return within(inside, found, x)

    @property
    def mean(self) -> Array:
        alpha, beta = aligned(self.alpha, self.beta)
        return alpha / (alpha + beta)

    @property
    def variance(self) -> Array:
        alpha, beta = aligned(self.alpha, self.beta)
        total = alpha + beta
        return (alpha / total) * (beta / total) / (total + 1)

    @property
    def mode(self) -> Array:
        """Where the density is largest; NaN where there is more than one such place."""
        alpha, beta = aligned(self.alpha, self.beta)
        peaked = (alpha > 1) & (beta > 1)
        peak = (alpha - 1) / jnp.where(peaked, alpha + beta - 2, 1.0)
        at_one = (alpha > 1) | ((alpha == 1) & (beta < 1))
        at_zero = (beta > 1) | ((beta == 1) & (alpha < 1))
        found = jnp.where(peaked, peak, at_one.astype(alpha.dtype))
        return jnp.where(peaked | at_one | at_zero, found, math.nan)

    def entropy(self) -> Float[Array, "..."]:
        return dirichlet_entropy(jnp.stack(aligned(self.alpha, self.beta), axis=-1))

    def fisher(self) -> Float[Array, "... 2 2"]:
        alpha, beta = aligned(self.alpha, self.beta)
        shared = polygamma(1, alpha + beta)
        first, second = polygamma(1, alpha) - shared, polygamma(1, beta) - shared
        return matrix([[first, -shared], [-shared, second]])
