"""Spectra of symmetric operators from a few products: density and extremes."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax
from jaxtyping import Array, Float, PRNGKeyArray
from matfree import decomp

from osculate.core import relaxed
from osculate.diff import Estimate

from ._operators import flat_product

BREAKDOWN = 100  # units of rounding, relative to the largest entry


class Spectrum(eqx.Module):
    """What Lanczos' method knows of the eigenvalues of an operator.

    Attributes:
        nodes: Ritz values of every probe: eigenvalues as seen from its random vector.
        weights: Share of the eigenvalues near each; those of a probe sum to 1.
        low: Smallest Ritz value, an upper bound of the smallest eigenvalue.
        high: Largest Ritz value, a lower bound of the largest eigenvalue.
        low_error: An eigenvalue lies within this distance of `low`.
        high_error: An eigenvalue lies within this distance of `high`.
    """

    nodes: Float[Array, "probes k"]
    weights: Float[Array, "probes k"]
    low: Float[Array, ""]
    high: Float[Array, ""]
    low_error: Float[Array, ""]
    high_error: Float[Array, ""]

    def density(
        self, grid: Float[Array, " points"], width: Float[Array, ""] | float
    ) -> Estimate:
        """Returns the density of eigenvalues, every one widened to a normal law.

        Args:
            grid: Where.
            width: Standard deviation of one eigenvalue, in their units.

        Returns:
            A density of integral 1 at every point, and its standard error over the
            probes.

        Raises:
            ValueError: If there are fewer than two probes, which have no error.
        """
        return self._widened(self.nodes, grid, width, "density")

    def log_density(
        self,
        grid: Float[Array, " points"],
        width: Float[Array, ""] | float,
        floor: Float[Array, ""] | float,
    ) -> Estimate:
        """Returns the density of the sizes of eigenvalues on a logarithmic axis.

        It is that of `log10(|eigenvalue| + floor)`: of either sign together, and those
        below the floor near its logarithm. Products of finite precision tell nothing of
        eigenvalues below rounding times the largest: a floor belongs above that.

        Args:
            grid: Where: decimal logarithms.
            width: Standard deviation of one eigenvalue, in decades.
            floor: A positive size, in units of the eigenvalues.

        Returns:
            A density per decade, of integral 1, at every point, and its standard error
            over the probes.

        Raises:
            ValueError: If there are fewer than two probes, which have no error.
        """
        sizes = jnp.log10(jnp.abs(self.nodes) + floor)
        return self._widened(sizes, grid, width, "log_density")

    def _widened(
        self,
        nodes: Float[Array, "probes k"],
        grid: Float[Array, " points"],
        width: Float[Array, ""] | float,
        owner: str,
    ) -> Estimate:
        gap = (grid[None, :, None] - nodes[:, None, :]) / width
        bell = jnp.exp(-0.5 * gap**2) / (math.sqrt(2 * math.pi) * width)
        return mean(jnp.sum(bell * self.weights[:, None, :], -1), owner)


def spectrum(
    operator: lineax.AbstractLinearOperator,
    key: PRNGKeyArray,
    *,
    num_matvecs: int = 64,
    num_probes: int = 8,
) -> Spectrum:
    """Returns the spectrum of a symmetric operator, by stochastic Lanczos quadrature.

    Cost: `num_matvecs * num_probes` products, and the memory of as many vectors:
    every new one is made orthogonal to all before it. Extremes converge first, and
    faster the farther they lie from the others.

    Args:
        operator: A symmetric operator.
        key: A random key, of the probes.
        num_matvecs: Products per probe; no more than there are parameters are taken.
        num_probes: Random vectors.

    Returns:
        Nodes and weights of all probes, and the extremes.

    Raises:
        ValueError: If the operator is not tagged symmetric, or a number is not
            positive.

    Reference: Ubaru, Chen and Saad (2017), Fast estimation of tr(f(A)) via stochastic
        Lanczos quadrature; Golub and Welsch (1969).

    Example:
        >>> found = spectrum(hessian(objective, model, samples), jr.key(0))
        >>> shown = found.density(jnp.linspace(found.low, found.high, 200), 0.01)
    """
    refuse_unsymmetric("spectrum", operator)
    if num_matvecs < 1 or num_probes < 1:
        raise ValueError(
            f"`spectrum`: num_matvecs is {num_matvecs}, num_probes {num_probes}; "
            "expected 1 or more of each."
        )
    return _spectrum(operator, key, num_matvecs, num_probes)


@eqx.filter_jit
def _spectrum(
    operator: lineax.AbstractLinearOperator,
    key: PRNGKeyArray,
    num_matvecs: int,
    num_probes: int,
) -> Spectrum:
    product, size, dtype = flat_product(operator)
    probes = on_sphere(key, num_probes, size, dtype)
    depth = min(num_matvecs, size)
    nodes, weights, errors = jax.vmap(lambda v: _lanczos(product, v, depth))(probes)
    lowest, highest = jnp.argmin(nodes[:, 0]), jnp.argmax(nodes[:, -1])
    return Spectrum(
        nodes,
        weights,
        nodes[lowest, 0],
        nodes[highest, -1],
        errors[lowest, 0],
        errors[highest, -1],
    )


def _lanczos(product, v, depth: int) -> tuple[Array, Array, Array]:
    """Returns Ritz values in order, their weights, and the norms of their residuals.

    Where the space of the probe is exhausted, the rest of the tridiagonal matrix is
    rounding errors over rounding errors. It is cut off and filled with what changes
    neither range nor weights.
    """
    with relaxed():
        reduce = decomp.tridiag_sym(depth, materialize=False, custom_vjp=False)
        found = reduce(product, v)
    alpha, beta = found.J_small
    beta = jnp.append(beta, jnp.linalg.norm(found.residual))
    size = jnp.nanmax(jnp.abs(jnp.concatenate([alpha, beta])))
    goes_on = beta > BREAKDOWN * jnp.finfo(beta.dtype).eps * size
    goes_on = jnp.cumprod(goes_on.astype(int)).astype(bool)
    beta = jnp.where(goes_on, beta, 0)
    alpha = jnp.where(jnp.append(True, goes_on[:-1]), alpha, alpha[0])
    T = jnp.diag(alpha) + jnp.diag(beta[:-1], 1) + jnp.diag(beta[:-1], -1)
    nodes, vectors = jnp.linalg.eigh(T)
    return nodes, vectors[0] ** 2, beta[-1] * jnp.abs(vectors[-1])


def on_sphere(
    key: PRNGKeyArray, number: int, size: int, dtype: jnp.dtype
) -> Float[Array, "number size"]:
    """Returns random vectors of length `sqrt(size)`, alike in all directions.

    Args:
        key: A random key.
        number: How many.
        size: Entries of each.
        dtype: Of the entries.

    Returns:
        Vectors whose mean outer product is the identity.
    """
    v = jr.normal(key, (number, size), dtype)
    return v * (size**0.5 / jnp.linalg.norm(v, axis=1, keepdims=True))


def mean(found: Float[Array, "n ..."], owner: str) -> Estimate:
    """Returns the mean over the first axis, and its standard error.

    Args:
        found: Two or more estimates.
        owner: Who asks.

    Returns:
        An estimate.

    Raises:
        ValueError: If there is only one.
    """
    if len(found) < 2:
        raise ValueError(
            f"`{owner}`: one random vector has no standard error; take 2 or more."
        )
    error = jnp.std(found, axis=0, ddof=1) / len(found) ** 0.5
    return Estimate(jnp.mean(found, axis=0), error)


def refuse_unsymmetric(owner: str, operator: lineax.AbstractLinearOperator) -> None:
    """Refuses an operator that is not known to be symmetric.

    Args:
        owner: Who asks.
        operator: Any operator.

    Raises:
        ValueError: If it is not tagged symmetric.
    """
    if not lineax.is_symmetric(operator):
        raise ValueError(
            f"`{owner}`: the operator is not known to be symmetric; expected "
            "`hessian`, `gauss_newton`, `fisher` or the like. If it is symmetric, wrap "
            "it: `lineax.TaggedLinearOperator(operator, lineax.symmetric_tag)`."
        )
