"""Gaussian noise whose size is predicted, too."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Shaped

from ._loss import AbstractLoss, predictions, targets, times


class HeteroscedasticLoss(AbstractLoss):
    """Gaussian noise whose mean and log standard deviation are both predicted.

    z is `(..., 2)`: the mean m, and s, the logarithm of the standard deviation; y and
    the weights are `(...)`. The loss is `((m - y) / exp(s))**2 / 2 + s`; dropped:
    `log(2 pi) / 2`. At the optimum of a constant z they are the mean and the logarithm
    of the root mean square difference.

    Example:
        >>> float(HeteroscedasticLoss()(jnp.array([3.0, 0.0]), jnp.array(1.0)))
        2.0
    """

    def each(self, z: Shaped[Array, "..."], y: ArrayLike | None) -> Float[Array, "..."]:
        mean, log_scale = _parts(z)
        gap = mean - targets("HeteroscedasticLoss", y, mean.shape, mean.dtype)
        precision = jnp.exp(-log_scale)
        return 0.5 * times(gap, precision) ** 2 + log_scale

    def weight(
        self, z: Shaped[Array, "..."], y: ArrayLike | None
    ) -> Float[Array, "..."]:
        """Returns `exp(-2 s)` and 2: the Fisher matrix is diagonal.

        Args:
            z: Means and log standard deviations, `(..., 2)`.
            y: What was observed; its values do not matter.

        Returns:
            An array of the shape of z.
        """
        _, log_scale = _parts(z)
        precision = jnp.exp(-2 * log_scale)
        return jnp.stack([precision, jnp.full_like(precision, 2.0)], -1)


def _parts(z: Array) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    z = predictions("HeteroscedasticLoss", z)
    if z.ndim == 0 or z.shape[-1] != 2:
        raise ValueError(
            f"`HeteroscedasticLoss`: z has shape {z.shape}; expected (..., 2), mean "
            "and logarithm of the standard deviation."
        )
    return z[..., 0], z[..., 1]
