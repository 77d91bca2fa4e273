"""Entropy and mutual information of samples, from distances to near neighbours."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.special import digamma
from jaxtyping import Array, Float

from osculate.diff import Estimate

BLOCK = 128  # points whose distances to all others are in memory at once

Norm = Callable[[Float[Array, "N D"]], Float[Array, " N"]]


def neighbour_entropy(x: Float[Array, "N D"], k: int = 3) -> Estimate:
    """Estimates the entropy of a density from the distances to the k-th neighbours.

    Cost: N^2 distances, in blocks. Its bias falls as N grows, slower in more
    dimensions. The entropy is differentiable by the samples, which must not repeat.

    Args:
        x: Independent samples.
        k: Which neighbour: more of them vary less and are biased more.

    Returns:
        Value, in nats (of x in its units), and standard error, without the bias; minus
        infinity where more than k samples are equal.

    Raises:
        ValueError: If k is not between 1 and N - 1.

    Reference: Kozachenko and Leonenko (1987), Sample estimate of the entropy of a
        random vector.

    Example:
        >>> x = jax.random.uniform(jax.random.key(0), (1000, 1))
        >>> abs(float(neighbour_entropy(x).value)) < 0.1
        True
    """
    N, D = x.shape
    _require_neighbour("neighbour_entropy", k, N)
    log_ball = 0.5 * D * math.log(math.pi) - math.lgamma(0.5 * D + 1)
    known = digamma(jnp.asarray(N, x.dtype)) - digamma(jnp.asarray(k, x.dtype))
    return _mean(D * _log_radii(x, k) + known + log_ball)


def neighbour_information(
    x: Float[Array, "N D"], y: Float[Array, "M E"], k: int = 3
) -> Estimate:
    """Estimates the mutual information of pairs from counts of near neighbours.

    Cost: N^2 distances, in blocks. The counts have no derivative.

    Args:
        x: One part of independent pairs.
        y: The other part. The units of neither matter much.
        k: Which neighbour: more of them vary less and are biased more.

    Returns:
        Value, in nats, and standard error, without the bias.

    Raises:
        ValueError: If the numbers of samples differ, or k is not between 1 and N - 1.

    Reference: Kraskov, Stogbauer and Grassberger (2004), Estimating mutual information,
        eq. 8.

    Example:
        >>> x, noise = jax.random.normal(jax.random.key(0), (2, 1000, 1))
        >>> float(neighbour_information(x, x + noise).value) > 0.2
        True
    """
    N = len(x)
    if len(y) != N:
        raise ValueError(
            f"`neighbour_information`: {N} samples of x and {len(y)} of y; expected "
            "pairs."
        )
    _require_neighbour("neighbour_information", k, N)

    known = digamma(jnp.asarray(N, x.dtype)) + digamma(jnp.asarray(k, x.dtype))
    return _mean(known - _count_terms(x, y, k))


@functools.partial(jax.jit, static_argnames="k")
def _log_radii(x: Float[Array, "N D"], k: int) -> Float[Array, " N"]:
    """Returns the logarithms of the distances to the k-th neighbours."""

    def at(i: Array) -> Array:
        squares = _except(i, jnp.sum((x - x[i][None]) ** 2, 1))
        return 0.5 * jnp.log(_smallest(squares, k))

    return jax.lax.map(at, jnp.arange(len(x)), batch_size=BLOCK)


@functools.partial(jax.jit, static_argnames="k")
def _count_terms(
    x: Float[Array, "N D"], y: Float[Array, "N E"], k: int
) -> Float[Array, " N"]:
    """Returns the digammas of how many are nearer than the k-th neighbour."""

    def at(i: Array) -> Array:
        apart_x = _except(i, jnp.max(jnp.abs(x - x[i][None]), 1))
        apart_y = _except(i, jnp.max(jnp.abs(y - y[i][None]), 1))
        radius = _smallest(jnp.maximum(apart_x, apart_y), k)
        count = lambda apart: (jnp.sum(apart < radius) + 1).astype(x.dtype)
        return digamma(count(apart_x)) + digamma(count(apart_y))

    return jax.lax.map(at, jnp.arange(len(x)), batch_size=BLOCK)


def _except(i: Array, distances: Float[Array, " N"]) -> Float[Array, " N"]:
    return distances.at[i].set(jnp.inf)


def _smallest(distances: Float[Array, " N"], k: int) -> Float[Array, ""]:
    return -jax.lax.top_k(-distances, k)[0][k - 1]


def _mean(terms: Float[Array, " N"]) -> Estimate:
    return Estimate(jnp.mean(terms), jnp.std(terms, ddof=1) / len(terms) ** 0.5)


def _require_neighbour(owner: str, k: int, N: int) -> None:
    if not 1 <= k < N:
        raise ValueError(
            f"`{owner}`: k is {k} with {N} samples; expected between 1 and {N - 1}."
        )
