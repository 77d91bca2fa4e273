"""Losses of counts and of yes or no."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Shaped

from ._loss import AbstractLoss, predictions, refuse_values, targets, times


class PoissonLoss(AbstractLoss):
    """Counts y at the log rate z: `exp(z) - y * z`.

    Dropped: `log y!`.

    Example:
        >>> float(PoissonLoss()(jnp.zeros(3), jnp.array([0, 4, 1])))
        3.0
    """

    def each(self, z: Shaped[Array, "..."], y: ArrayLike | None) -> Float[Array, "..."]:
        rate = jnp.exp(predictions("PoissonLoss", z))
        refuse_values("PoissonLoss", "y", y, lambda n: n >= 0, "counts, 0 or more")
        return rate - times(targets("PoissonLoss", y, z.shape, z.dtype), z)

    def weight(
        self, z: Shaped[Array, "..."], y: ArrayLike | None
    ) -> Float[Array, "..."]:
        return jnp.exp(predictions("PoissonLoss", z))


class BernoulliLoss(AbstractLoss):
    """Yes or no, y = 1 or 0, at the logit z: `-log p(y)`.

    A y in between is the probability of 1; the loss is then the cross-entropy, which is
    least at `sigmoid(z) = y`. Nothing is dropped.

    Example:
        >>> float(BernoulliLoss()(jnp.array(100.0), jnp.array(0)))
        100.0
    """

    def each(self, z: Shaped[Array, "..."], y: ArrayLike | None) -> Float[Array, "..."]:
        predictions("BernoulliLoss", z)
        refuse_values("BernoulliLoss", "y", y, lambda p: (p >= 0) & (p <= 1), "0 to 1")
        p = targets("BernoulliLoss", y, z.shape, z.dtype)
        return times(p, jax.nn.softplus(-z)) + times(1 - p, jax.nn.softplus(z))

    def weight(
        self, z: Shaped[Array, "..."], y: ArrayLike | None
    ) -> Float[Array, "..."]:
        z = predictions("BernoulliLoss", z)
        return jax.nn.sigmoid(z) * jax.nn.sigmoid(-z)
