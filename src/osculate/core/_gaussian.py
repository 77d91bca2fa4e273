"""The default loss: Gaussian noise of known size, that is half a weighted square."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree


class Gaussian(eqx.Module):
    """Negative log-likelihood of `z ~ N(y, sigma^2)` without its constants.

    Attributes:
        sigma: Standard deviation, a scalar or an array that broadcasts against `z`, in
            the units of `z`. A Python number is part of the compiled program; an array
            can change without a new compilation.
    """

    sigma: PyTree[Any] = 1.0

    def residual(
        self, z: Float[Array, "*entry"], y: Float[Array, "*entry"] | None
    ) -> Float[Array, "*entry"]:
        """Returns `(z - y) / sigma`, whose half weighted square is the loss."""
        return (z if y is None else z - y) / self.sigma

    def __call__(
        self,
        z: Float[Array, "*entry"],
        y: Float[Array, "*entry"] | None,
        w: Float[Array, "*weight"] | float = 1.0,
    ) -> Float[Array, ""]:
        """Returns `sum(w * residual**2) / 2`; `y=None` means 0."""
        return 0.5 * jnp.sum(w * self.residual(z, y) ** 2)
