"""The distribution of one of finitely many choices."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._distribution import Distribution, parameter, require
from ._loss import SUM_TOLERANCE
from ._shapes import diagonal_matrix, weighted_sum, within


class Categorical(Distribution):
    """One of C choices, counted from 0.

    Attributes:
        logits: `(..., C)`: logarithms of the probabilities up to a constant; minus
            infinity of what never comes.

    Example:
        >>> choice = Categorical.from_probabilities(jnp.array([0.25, 0.75]))
        >>> round(float(jnp.exp(choice.log_prob(1))), 4)
        0.75
    """

    logits: Array

    def __init__(self, logits: ArrayLike):
        """Takes the parameters.

        Args:
            logits: `(..., C)`: logarithms of the probabilities up to a constant.

        Raises:
            ValueError: If there is no choice, or a logit is not a number or plus
                infinity.
        """
        self.logits = parameter(logits)
        _refuse_no_choice(self.logits, "Categorical", "logits")
        below = self.logits < math.inf
        require(below, "Categorical", "logits are NaN or plus infinity")
        possible = jnp.any(self.logits > -math.inf, axis=-1)
        require(possible, "Categorical", "logits leave no choice: all are -inf")

    @classmethod
    def from_probabilities(cls, probabilities: ArrayLike) -> "Categorical":
        """Makes the distribution from probabilities.

        Args:
            probabilities: `(..., C)`, from 0, with sum 1.

        Returns:
            The distribution, whose logits are their logarithms.

        Raises:
            ValueError: If there is none, one is negative, or their sum is not 1.
        """
        owner = "Categorical.from_probabilities"
        p = parameter(probabilities)
        _refuse_no_choice(p, owner, "probabilities")
        require(p >= 0, owner, "probabilities are not all 0 or more")
        total = jnp.sum(p, axis=-1)
        one = jnp.abs(total - 1) <= SUM_TOLERANCE
        require(one, owner, "probabilities do not add up to 1; divide by their sum")
        return cls(jnp.where(p > 0, jnp.log(jnp.where(p > 0, p, 1.0)), -math.inf))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.logits.shape[:-1]

    @property
    def log_probabilities(self) -> Float[Array, "... C"]:
        """Logarithms of the probabilities of all choices."""
        return jax.nn.log_softmax(self.logits, axis=-1)

    @property
    def probabilities(self) -> Float[Array, "... C"]:
        """Probabilities of all choices."""
        return jax.nn.softmax(self.logits, axis=-1)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        return jr.categorical(key, self.logits, shape=shape + self.shape)

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x = jnp.asarray(x)
        found = self.log_probabilities
        index = jnp.clip(x.astype(int), 0, found.shape[-1] - 1)
        batch = jnp.broadcast_shapes(index.shape, self.shape)
        index = jnp.broadcast_to(index, batch)
        if self.shape == ():
            at = found[index]
        else:
            spread = jnp.broadcast_to(found, batch + found.shape[-1:])
            at = jnp.take_along_axis(spread, index[..., None], axis=-1)[..., 0]
        x = jnp.broadcast_to(x, batch)
        there = x == index.astype(x.dtype)
        return within(there, at, x.astype(at.dtype))

    def one_hot(self, x: Any) -> Float[Array, "... C"]:
        """Returns choices as vectors with a 1 where the choice is and 0 elsewhere."""
        return jax.nn.one_hot(x, self.logits.shape[-1], dtype=self.logits.dtype)

    def _average(self, values: Array) -> Array:
        return weighted_sum(
            self.log_probabilities, jnp.broadcast_to(values, self.logits.shape)
        )

    @property
    def mean(self) -> Array:
        """Of the number of the choice."""
        return self._average(self.support().astype(self.logits.dtype))

    @property
    def variance(self) -> Array:
        """Of the number of the choice."""
        numbers = self.support().astype(self.logits.dtype)
        away = jnp.broadcast_to(numbers, self.logits.shape) - self.mean[..., None]
        return self._average(away**2)

    @property
    def mode(self) -> Array:
        return jnp.argmax(self.logits, axis=-1)

    def entropy(self) -> Float[Array, "..."]:
        return self._average(-self.log_probabilities)

    def fisher(self) -> Float[Array, "... C C"]:
        p = self.probabilities
        return diagonal_matrix(p) - p[..., None] * p[..., None, :]

    def support(self) -> Array:
        return jnp.arange(self.logits.shape[-1])


def _refuse_no_choice(values: Array, owner: str, name: str) -> None:
    if values.ndim == 0 or values.shape[-1] == 0:
        raise ValueError(
            f"`{owner}`: {name} of shape {values.shape} are of no choice; expected "
            "(..., C), one per choice."
        )
