"""Distributions of counts: Bernoulli, binomial and Poisson."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.scipy.special import gammaln
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._distribution import Distribution, parameter, require
from ._gamma_function import log_poisson
from ._shapes import aligned, matrix, ranked, weighted_sum, within

MANY = 50.0  # events: from here the entropy's series has 10 digits
TERMS = 200  # counts up to which fewer events are summed


class Bernoulli(Distribution):
    """Ones and zeros.

    Attributes:
        logits: Logarithm of the odds of 1; plus or minus infinity where it is certain.

    Example:
        >>> float(Bernoulli(0.0).mean)
        0.5
    """

    logits: Array

    def __init__(self, logits: ArrayLike = 0.0):
        """Takes the parameter.

        Args:
            logits: Logarithm of the odds of 1.

        Raises:
            ValueError: If it is not a number.
        """
        self.logits = parameter(logits)
        require(self.logits == self.logits, "Bernoulli", "logits are not numbers")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.logits.shape

    @property
    def log_probabilities(self) -> Float[Array, "... 2"]:
        """Of 0 and of 1."""
        both = jnp.stack([-self.logits, self.logits], axis=-1)
        return jax.nn.log_sigmoid(both)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        shape = shape + self.shape
        return jr.bernoulli(key, jnp.broadcast_to(self.mean, shape), shape).astype(int)

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, logits = aligned(x, self.logits)
        found = jax.nn.log_sigmoid(jnp.where(x == 1, logits, -logits))
        return within((x == 0) | (x == 1), found, x)

    @property
    def mean(self) -> Array:
        return jax.nn.sigmoid(self.logits)

    @property
    def variance(self) -> Array:
        return jax.nn.sigmoid(self.logits) * jax.nn.sigmoid(-self.logits)

    @property
    def mode(self) -> Array:
        return (self.logits > 0).astype(int)

    def entropy(self) -> Float[Array, "..."]:
        return weighted_sum(self.log_probabilities, -self.log_probabilities)

    def fisher(self) -> Float[Array, "... 1 1"]:
        return matrix([[self.variance]])

    def support(self) -> Array:
        return jnp.arange(2)


class Binomial(Distribution):
    """How many of a number of trials succeed.

    Attributes:
        total: Trials, a Python number.
        logits: Logarithm of the odds of one success.

    Example:
        >>> float(Binomial(10, 0.0).mean)
        5.0
    """

    total: int = eqx.field(static=True)
    logits: Array

    def __init__(self, total: int, logits: ArrayLike = 0.0):
        """Takes the parameters.

        Args:
            total: Trials.
            logits: Logarithm of the odds of one success.

        Raises:
            TypeError: If the total is not a whole number known in Python.
            ValueError: If it is negative, or the logits are not finite.
        """
        if not isinstance(total, int) or isinstance(total, bool):
            raise TypeError(
                f"`Binomial`: total is a {type(total).__name__}; expected a Python int."
            )
        require(total >= 0, "Binomial", f"total is {total}; expected 0 or more")
        self.total, self.logits = total, parameter(logits)
        finite = jnp.isfinite(self.logits)
        require(finite, "Binomial", "logits are not finite; expected numbers")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.logits.shape

    @property
    def _probability(self) -> Array:
        return jax.nn.sigmoid(self.logits)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        shape = shape + self.shape
        p = jnp.broadcast_to(self._probability, shape)
        n = jnp.full_like(p, self.total)
        return jr.binomial(key, n, p, shape, p.dtype).astype(int)

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, logits = aligned(x, self.logits)
        n = jnp.full_like(x, self.total)
        if self.total == 0:
            return within(x == 0, 0 * logits, x)
        inside = (x >= 0) & (x <= n) & (x == jnp.floor(x))
        successes = jnp.where(inside, x, 0.0)
        log_n = jnp.log(n)

        def part(count, logits):
            expected, log_p = n * jax.nn.sigmoid(logits), jax.nn.log_sigmoid(logits)
            return log_poisson(count, expected, log_n + log_p)

        found = part(successes, logits) + part(n - successes, -logits)
        return within(inside, found - log_poisson(n, n, log_n), x)

    @property
    def mean(self) -> Array:
        return self.total * self._probability

    @property
    def variance(self) -> Array:
        return self.total * self._probability * jax.nn.sigmoid(-self.logits)

    @property
    def mode(self) -> Array:
        most = jnp.floor((self.total + 1) * self._probability)
        return jnp.minimum(most, self.total).astype(int)

    def entropy(self) -> Float[Array, "..."]:
        """Returns `-E log p`; sums over all `total + 1` counts."""
        counts = jnp.arange(self.total + 1).reshape((-1,) + (1,) * len(self.shape))
        found = jnp.moveaxis(self.log_prob(counts), 0, -1)
        return weighted_sum(found, -found)

    def fisher(self) -> Float[Array, "... 1 1"]:
        return matrix([[self.variance]])

    def support(self) -> Array:
        return jnp.arange(self.total + 1)


class Poisson(Distribution):
    """How many events come.

    Draws are whole numbers of JAX's default type; those that it cannot hold, of rates
    from 2e9 without x64, are its largest.

    Attributes:
        rate: Expected events, positive.

    Example:
        >>> float(Poisson(2.5).variance)
        2.5
    """

    rate: Array

    def __init__(self, rate: ArrayLike = 1.0):
        """Takes the parameter.

        Args:
            rate: Expected events.

        Raises:
            ValueError: If the rate is not positive.
        """
        self.rate = parameter(rate)
        require(self.rate > 0, "Poisson", "rate is not positive; expected above 0")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rate.shape

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        rate = jnp.broadcast_to(self.rate, shape + self.shape)
        return jr.poisson(key, rate, shape + self.shape)

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, rate = ranked(x, self.rate)
        inside = (x >= 0) & (x < math.inf) & (x == jnp.floor(x))
        count = jnp.where(inside, x, 0.0)
        return within(inside, log_poisson(count, rate, jnp.log(rate)), x)

    @property
    def mean(self) -> Array:
        return self.rate

    @property
    def variance(self) -> Array:
        return self.rate

    @property
    def mode(self) -> Array:
        return jnp.floor(self.rate).astype(int)

    def entropy(self) -> Float[Array, "..."]:
        """Returns `-E log p`, of up to 50 events by its sum, of more by its series."""
        large = self.rate > MANY
        few, many = jnp.where(large, 1.0, self.rate), jnp.where(large, self.rate, MANY)
        x, rate = aligned(jnp.arange(TERMS), few[..., None])
        found = -x * jnp.log(rate) + rate + gammaln(x + 1)
        total = jnp.sum(jnp.exp(-found) * found, axis=-1)
        return jnp.where(large, _entropy_of_many(many), total)

    def fisher(self) -> Float[Array, "... 1 1"]:
        return matrix([[1 / self.rate]])


def _entropy_of_many(rate: Float[Array, "*s"]) -> Float[Array, "*s"]:
    r = 1 / rate
    series = r * (1 / 12 + r * (1 / 24 + r * (19 / 360 + r * (9 / 80))))
    return 0.5 * jnp.log(2 * math.pi * math.e * rate) - series
