"""Losses of one class among several, without and with an order."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree, Shaped

from ._distribution import require
from ._loss import (
    AbstractLoss,
    classes,
    predictions,
    refuse_sums,
    refuse_values,
    targets,
    times,
)


class CategoricalLoss(AbstractLoss):
    """Cross-entropy of one class among C at the logits z, `(..., C)`.

    y is the index of the class, `(...)`, or the probabilities of all, `(..., C)`, with
    sum 1; one weight per row. Nothing is dropped. A class of the logit minus infinity
    never comes; with smoothing the loss is then infinite.

    Attributes:
        smoothing: Share of the probability of y that is spread evenly over all classes.

    Example:
        >>> round(float(CategoricalLoss()(jnp.zeros(10), jnp.array(3))), 4)
        2.3026
    """

    smoothing: float = 0.0

    def __check_init__(self):
        """Checks the share.

        Raises:
            ValueError: If it is not between 0 and 1.
        """
        right = (self.smoothing >= 0) & (self.smoothing <= 1)
        what = f"smoothing is {self.smoothing}; expected 0 to 1"
        require(right, "CategoricalLoss", what)

    def each(self, z: Shaped[Array, "..."], y: ArrayLike | None) -> Float[Array, "..."]:
        log_p = _log_softmax(z)
        if y is None or jnp.issubdtype(jnp.asarray(y).dtype, jnp.integer):
            index = classes("CategoricalLoss", y, z.shape[:-1], z.shape[-1])
            chosen = jnp.take_along_axis(log_p, index[..., None], -1)[..., 0]
        else:
            p = targets("CategoricalLoss", y, z.shape, z.dtype)
            refuse_values(
                "CategoricalLoss", "y", p, lambda p: (p >= 0) & (p <= 1), "0 to 1"
            )
            refuse_sums("CategoricalLoss", "y", p)
            chosen = jnp.sum(times(p, log_p), -1)
        even = times(jnp.full_like(chosen, self.smoothing), jnp.mean(log_p, -1))
        return -(1 - self.smoothing) * chosen - even

    def weight(
        self, z: Shaped[Array, "..."], y: ArrayLike | None
    ) -> Float[Array, "..."]:
        """Returns `p (1 - p)`, the diagonal of the Fisher matrix `diag(p) - p p^T`.

        Args:
            z: Logits, `(..., C)`.
            y: What was observed; its values do not matter.

        Returns:
            An array of the shape of z.
        """
        log_p = _log_softmax(z)
        return -jnp.exp(log_p) * jnp.expm1(log_p)


class OrdinalLoss(AbstractLoss):
    """One class among C that have an order, at one score z per row.

    The probability of a class up to k is `sigmoid(thresholds[k] - z)`: the cumulative
    logit model (McCullagh 1980, Regression models for ordinal data). y is the index of
    the class, of the shape of z. Nothing is dropped, so that thresholds can be learned.

    Attributes:
        thresholds: C - 1 increasing numbers, in the units of z.

    Example:
        >>> loss = OrdinalLoss(jnp.array([-1.0, 1.0]))
        >>> round(float(loss(jnp.array(0.0), jnp.array(1))), 4)
        0.7719
    """

    thresholds: PyTree[Array]

    def __check_init__(self):
        """Checks the thresholds.

        Raises:
            ValueError: If they are not a list of increasing numbers.
        """
        t = jnp.asarray(self.thresholds)
        if t.ndim != 1 or not t.size:
            raise ValueError(
                f"`OrdinalLoss`: thresholds has shape {t.shape}; expected (C - 1,) for "
                "at least two classes."
            )
        what = "thresholds do not increase; expected each above the one before"
        require(jnp.diff(t) > 0, "OrdinalLoss", what)

    def each(self, z: Shaped[Array, "..."], y: ArrayLike | None) -> Float[Array, "..."]:
        t, z = jnp.asarray(self.thresholds), predictions("OrdinalLoss", z)
        index = classes("OrdinalLoss", y, z.shape, t.size + 1)
        return -_log_ordinal(t.astype(z.dtype), z, index)

    def weight(
        self, z: Shaped[Array, "..."], y: ArrayLike | None
    ) -> Float[Array, "..."]:
        z = predictions("OrdinalLoss", z)[..., None]
        t = jnp.asarray(self.thresholds, z.dtype).reshape((1,) * (z.ndim - 1) + (-1,))
        number = jnp.arange(t.size + 1).reshape((1,) * (z.ndim - 1) + (-1,))
        shape = (*z.shape[:-1], t.size + 1)
        index = jnp.broadcast_to(number, shape)
        p = jnp.exp(_log_ordinal(t.ravel(), jnp.broadcast_to(z, shape), index))
        slope = jax.nn.sigmoid(t - z) * jax.nn.sigmoid(z - t)
        none = jnp.zeros(z.shape, z.dtype)
        above, below = (slope, none), (none, slope)
        return jnp.sum(
            p * (jnp.concatenate(above, -1) + jnp.concatenate(below, -1)), -1
        )


def _log_softmax(z: Array) -> Float[Array, "..."]:
    z = predictions("CategoricalLoss", z)
    if z.ndim == 0:
        raise ValueError(
            "`CategoricalLoss`: z has shape (); expected (..., C), the logits of C "
            "classes."
        )
    return jax.nn.log_softmax(z, axis=-1)


def _log_ordinal(t: Array, z: Array, index: Array) -> Float[Array, "..."]:
    """Returns the logarithm of `sigmoid(a) - sigmoid(b)`, a and b the limits less z.

    It is `log sigmoid(a) + log sigmoid(-b) + log(1 - exp(b - a))`, which does not
    cancel.
    """
    last = t.size
    upper = -jax.nn.softplus(z - t[jnp.minimum(index, last - 1)])
    lower = -jax.nn.softplus(t[jnp.maximum(index - 1, 0)] - z)
    edge = jnp.zeros(1, t.dtype)
    gaps = jnp.concatenate([edge, jnp.log(-jnp.expm1(-jnp.diff(t))), edge])
    return (
        jnp.where(index < last, upper, 0.0)
        + jnp.where(index > 0, lower, 0.0)
        + gaps[index]
    )
