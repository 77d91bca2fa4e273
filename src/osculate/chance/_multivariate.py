"""Distributions of vectors: the multivariate normal, and Dirichlet's of shares."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
import jax.random as jr
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import polygamma
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._distribution import Distribution, parameter, require
from ._gamma_function import LOG_2PI, dirichlet_entropy, log_dirichlet
from ._shapes import aligned, diagonal_matrix, ranked, within


def solve_lower(L: Float[Array, "... D D"], x: Float[Array, "... D"]) -> Array:
    """Returns `L⁻¹ x`, of lower triangular matrices; batches broadcast."""
    return _each_vector(partial(solve_triangular, lower=True), L, x)


def _each_vector(
    function: Callable[[Array, Array], Array], L: Array, x: Array
) -> Array:
    ndim = max(L.ndim - 2, x.ndim - 1)  # batches of one rank: others may be refused
    L = L.reshape((1,) * (ndim + 2 - L.ndim) + L.shape)
    x = x.reshape((1,) * (ndim + 1 - x.ndim) + x.shape)
    return jnp.vectorize(function, signature="(d,d),(d)->(d)")(L, x)


class MultivariateNormal(Distribution):
    """Normal vectors.

    Attributes:
        mean: Expectation, `(..., D)`.
        scale_tril: Lower triangular `L` with positive diagonal, `(..., D, D)`; the
            covariance is `L Lᵀ`.

    Example:
        >>> MultivariateNormal(jnp.zeros(2), jnp.diag(jnp.array([1.0, 3.0]))).variance
        Array([1., 9.], dtype=float32)
    """

    event_ndim = 1
    reparameterized = True
    mean: Array
    scale_tril: Array

    def __init__(self, mean: ArrayLike, scale_tril: ArrayLike):
        """Takes the parameters.

        Args:
            mean: Expectation, `(..., D)`.
            scale_tril: Lower triangular with positive diagonal, `(..., D, D)`.

        Raises:
            ValueError: If the shapes do not agree, the mean holds NaN, or the matrix is
                not such.
        """
        self.mean, self.scale_tril = parameter(mean), parameter(scale_tril)
        owner = "MultivariateNormal"
        _refuse_shapes(self.mean, self.scale_tril, owner, "scale_tril")
        require(self.mean == self.mean, owner, "mean is not all numbers")
        self.mean = jnp.broadcast_to(self.mean, self.shape)
        lower = jnp.triu(self.scale_tril, 1) == 0
        require(lower, owner, "scale_tril is not lower triangular")
        positive = _diagonal(self.scale_tril) > 0
        require(positive, owner, "the diagonal of scale_tril is not positive")

    @classmethod
    def from_covariance(
        cls, mean: ArrayLike, covariance: ArrayLike
    ) -> "MultivariateNormal":
        """Makes the distribution from a covariance.

        Args:
            mean: Expectation, `(..., D)`.
            covariance: Symmetric and positive definite, `(..., D, D)`.

        Returns:
            The distribution.

        Raises:
            ValueError: If the shapes do not agree, or the matrix is not such.
        """
        owner = "MultivariateNormal.from_covariance"
        mean, covariance = parameter(mean), parameter(covariance)
        _refuse_shapes(mean, covariance, owner, "covariance")
        gap = jnp.abs(covariance - jnp.swapaxes(covariance, -1, -2))
        largest = jnp.max(jnp.abs(covariance), axis=(-2, -1), keepdims=True)
        tolerance = 100 * jnp.finfo(covariance.dtype).eps
        require(gap <= tolerance * largest, owner, "covariance is not symmetric")
        scale_tril = jnp.linalg.cholesky(covariance)
        definite = jnp.isfinite(scale_tril)
        require(definite, owner, "covariance is not positive definite")
        return cls(mean, scale_tril)

    @property
    def _batch(self) -> tuple[int, ...]:
        return jnp.broadcast_shapes(self.mean.shape[:-1], self.scale_tril.shape[:-2])

    @property
    def shape(self) -> tuple[int, ...]:
        return self._batch + self.mean.shape[-1:]

    @property
    def covariance(self) -> Float[Array, "... D D"]:
        """The covariance `L Lᵀ`."""
        return self.scale_tril @ jnp.swapaxes(self.scale_tril, -1, -2)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        dtype = jnp.result_type(self.mean, self.scale_tril)
        z = jr.normal(key, shape + self.shape, dtype)
        turned = _each_vector(jnp.dot, self.scale_tril, z)
        mean, turned = aligned(self.mean, turned)
        return mean + turned

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, mean = aligned(x, self.mean)
        z = solve_lower(self.scale_tril, x - mean)
        square = jnp.sum(z**2, axis=-1)
        volume = jnp.broadcast_to(self._log_volume(), square.shape)
        return -0.5 * (square + x.shape[-1] * LOG_2PI) - volume

    def _log_volume(self) -> Float[Array, "..."]:
        """Half the logarithm of the covariance's determinant."""
        return jnp.sum(jnp.log(_diagonal(self.scale_tril)), axis=-1)

    @property
    def variance(self) -> Array:
        return jnp.broadcast_to(jnp.sum(self.scale_tril**2, axis=-1), self.shape)

    @property
    def mode(self) -> Array:
        return self.mean

    def entropy(self) -> Float[Array, "..."]:
        found = 0.5 * self.shape[-1] * (1 + LOG_2PI) + self._log_volume()
        return jnp.broadcast_to(found, self._batch)

    def fisher(self) -> Float[Array, "... P P"]:
        """Returns the covariance of the score, `P = D + D (D + 1) / 2`.

        The parameters are the mean, then the lower triangle of `scale_tril` row by row.
        """
        found = jnp.vectorize(_fisher, signature="(d,d)->(p,p)")(self.scale_tril)
        return jnp.broadcast_to(found, self._batch + found.shape[-2:])


def _fisher(L: Float[Array, "D D"]) -> Float[Array, "P P"]:
    """Of the mean `L⁻ᵀ L⁻¹`; of dL, with `A = L⁻¹ dL`, `tr A A' + tr A A'ᵀ`."""
    size = len(L)
    identity = jnp.identity(size, dtype=L.dtype)
    inverse = solve_triangular(L, identity, lower=True)
    rows, columns = jnp.tril_indices(size)
    A = inverse[:, rows].T[:, :, None] * identity[columns][:, None, :]
    shape = jnp.einsum("kij,lji->kl", A, A) + jnp.einsum("kij,lij->kl", A, A)
    mixed = jnp.zeros((size, len(rows)), L.dtype)
    return jnp.block([[inverse.T @ inverse, mixed], [mixed.T, shape]])


def _diagonal(matrices: Float[Array, "... D D"]) -> Float[Array, "... D"]:
    return jnp.diagonal(matrices, axis1=-2, axis2=-1)


def _refuse_shapes(mean: Array, square: Array, owner: str, name: str) -> None:
    size = mean.shape[-1:]
    if mean.ndim == 0 or square.shape[-2:] != size * 2:
        raise ValueError(
            f"`{owner}`: mean {mean.shape} and {name} {square.shape} do not agree; "
            "expected (..., D) and (..., D, D)."
        )


class Dirichlet(Distribution):
    """Shares: K numbers from 0 with sum 1.

    The density is by the first K - 1 shares. Its derivatives by `x` hold along the
    directions that keep the sum. Draws that would underflow are the smallest positive
    number.

    Attributes:
        concentration: Weights, positive, `(..., K)`.

    Example:
        >>> Dirichlet(jnp.array([1.0, 3.0])).mean
        Array([0.25, 0.75], dtype=float32)
    """

    event_ndim = 1
    reparameterized = True
    concentration: Array

    def __init__(self, concentration: ArrayLike):
        """Takes the parameters.

        Args:
            concentration: Weights, `(..., K)`.

        Raises:
            ValueError: If there are fewer than 2, or one is not positive.
        """
        self.concentration = parameter(concentration)
        if self.concentration.ndim == 0 or self.concentration.shape[-1] < 2:
            raise ValueError(
                f"`Dirichlet`: concentration has shape {self.concentration.shape}; "
                "expected (..., K), of 2 shares or more."
            )
        positive = self.concentration > 0
        require(positive, "Dirichlet", "concentration is not positive")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.concentration.shape

    @property
    def _total(self) -> Array:
        return jnp.sum(self.concentration, axis=-1, keepdims=True)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        batch = shape + self.shape[:-1]
        x = jr.dirichlet(key, self.concentration, batch, self.concentration.dtype)
        return jnp.maximum(x, jnp.finfo(x.dtype).tiny)

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x, concentration = ranked(x, self.concentration)
        tolerance = math.sqrt(float(jnp.finfo(x.dtype).eps))
        whole = jnp.abs(jnp.sum(x, axis=-1) - 1) <= tolerance
        inside = jnp.all(x >= 0, axis=-1) & whole
        shares = jnp.where(inside[..., None], x, 1 / x.shape[-1])
        found = log_dirichlet(concentration, shares)
        return within(inside, found, jnp.max(x, axis=-1))

    @property
    def mean(self) -> Array:
        return self.concentration / self._total

    @property
    def variance(self) -> Array:
        rest = self._total - self.concentration
        return self.mean * (rest / self._total) / (self._total + 1)

    @property
    def mode(self) -> Array:
        """Where the density is largest; NaN unless all weights are above 1."""
        peaked = jnp.all(self.concentration > 1, axis=-1, keepdims=True)
        rest = jnp.where(peaked, self._total - self.shape[-1], 1.0)
        return jnp.where(peaked, (self.concentration - 1) / rest, math.nan)

    def entropy(self) -> Float[Array, "..."]:
        return dirichlet_entropy(self.concentration)

    def fisher(self) -> Float[Array, "... K K"]:
        own = diagonal_matrix(polygamma(1, self.concentration))
        return own - polygamma(1, self._total)[..., None]
