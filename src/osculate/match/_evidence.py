"""The marginal likelihood of known entries of jets, and the factors it is made of.

Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, eqs. 2.30 and
2.45: a flat prior on the coefficients of the trend. Every row is measured in length
scales, so that its prior variance does not depend on them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, Int

from ._jet_rows import JetPrior, gram

Scalar = Float[Array, ""]


class Entries(NamedTuple):
    """Known entries of the jets of one output.

    Attributes:
        x: Points, `(N, D)`.
        rows: Which entries of the N jets of J derivatives they are, `(n,)`.
        targets: Their values.
        known: 1, or 0 for a row that is to count for nothing.
        sigma: Standard deviation of their noise.
        center: Of the trend, `(D,)`.
        spread: Unit of the trend's coordinates, `(D,)`.
    """

    x: Float[Array, "N D"]
    rows: Int[Array, " n"]
    targets: Float[Array, " n"]
    known: Float[Array, " n"]
    sigma: Float[Array, " n"]
    center: Float[Array, " D"]
    spread: Float[Array, " D"]


class Factors(NamedTuple):
    """The normal equations of the rows, in length scales and amplitudes.

    Attributes:
        factor: Lower Cholesky factor of the rows' covariance, `(n, n)`.
        trend: Its inverse times the trend's rows, `(n, q)`.
        root: Lower Cholesky factor of the square of these, `(q, q)`.
        coefficients: Of the trend, in the units of the targets.
        residual: The inverse factor times what the trend leaves of the targets.
        scale: Product of length scales of each row.
    """

    factor: Float[Array, "n n"]
    trend: Float[Array, "n q"]
    root: Float[Array, "q q"]
    coefficients: Float[Array, " q"]
    residual: Float[Array, " n"]
    scale: Float[Array, " n"]

    @property
    def weights(self) -> Float[Array, " n"]:
        """The covariance's inverse times what the trend leaves of the targets."""
        return solve_triangular(self.factor, self.residual, lower=True, trans=1)


def factors(
    prior: JetPrior,
    entries: Entries,
    length_scale: Float[Array, " D"],
    amplitude: Scalar,
    jitter: Scalar,
) -> Factors:
    """Factors the covariance of the known entries.

    Args:
        prior: The process and its jet.
        entries: Of one output.
        length_scale: By coordinate.
        amplitude: Standard deviation of the process.
        jitter: Added variance of every row, as a share of its prior variance.

    Returns:
        The factors; NaN where the covariance is not positive definite.
    """
    known = entries.known
    scale = jnp.tile(prior.scale(length_scale), entries.x.shape[0])[entries.rows]
    found = gram(prior, entries.x, length_scale)
    found = found[entries.rows][:, entries.rows]
    noise = (entries.sigma * scale / amplitude) ** 2 + jitter * jnp.diag(found)
    found = jnp.where(jnp.outer(known, known) > 0, found, 0.0)
    found = found + jnp.diag(jnp.where(known > 0, noise, 1.0))
    factor = jnp.linalg.cholesky(found)
    whiten = lambda rows: solve_triangular(factor, rows, lower=True)
    target = whiten(known * scale * entries.targets)
    basis = whiten((known * scale)[:, None] * trend_rows(prior, entries))
    square = basis.T @ basis + jnp.diag(_absent(basis))
    root = jnp.linalg.cholesky(square)
    half = solve_triangular(root, basis.T @ target, lower=True)
    coefficients = solve_triangular(root, half, lower=True, trans=1)
    residual = target - basis @ coefficients
    return Factors(factor, basis, root, coefficients, residual, scale)


def trend_rows(prior: JetPrior, entries: Entries) -> Float[Array, "n q"]:
    """Returns the derivatives of the trend's functions in the rows."""
    z = (entries.x - entries.center[None]) / entries.spread[None]
    rows = jax.vmap(prior.trend_at)(z) / prior.scale(entries.spread)[None, :, None]
    N, J, q = rows.shape
    return rows.reshape(N * J, q)[entries.rows]


def _absent(basis: Float[Array, "n q"]) -> Float[Array, " q"]:
    """Returns 1 for functions of the trend of which no row knows anything."""
    return jnp.where(jnp.any(basis != 0, axis=0), 0.0, 1.0)


def degrees_of_freedom(found: Factors, entries: Entries) -> Scalar:
    """Returns how many rows the trend leaves."""
    q = found.trend.shape[1] - jnp.sum(_absent(found.trend))
    return jnp.sum(entries.known) - q


def profiled_amplitude(found: Factors, entries: Entries) -> Scalar:
    """Returns the amplitude of the largest likelihood, in units of the one assumed."""
    square = jnp.sum(found.residual**2) / degrees_of_freedom(found, entries)
    return jnp.sqrt(jnp.maximum(square, 1e-30))


def log_evidence(found: Factors, entries: Entries, amplitude: Scalar) -> Scalar:
    """Returns the log marginal likelihood of the targets.

    Args:
        found: Their factors.
        entries: The targets.
        amplitude: Standard deviation of the process.

    Returns:
        Its logarithm, in nats; a density in the units of the targets.
    """
    free = degrees_of_freedom(found, entries)
    log_root = jnp.sum(jnp.log(jnp.diag(found.root)))
    log_factor = jnp.sum(jnp.log(jnp.diag(found.factor)))
    log_scale = jnp.sum(entries.known * jnp.log(found.scale))
    square = jnp.sum(found.residual**2) / amplitude**2
    normal = free * (0.5 * jnp.log(2 * jnp.pi) + jnp.log(amplitude))
    return log_scale - log_factor - log_root - normal - 0.5 * square
