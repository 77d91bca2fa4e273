"""Entropy and mutual information of samples, from distances to near neighbours."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.special import digamma
from jaxtyping import Array, Float, Real

from osculate.diff import Estimate

from ._distribution import parameter

BLOCK = 128  # points whose distances to all others are in memory at once

Norm = Callable[[Float[Array, "N D"]], Float[Array, " N"]]


def neighbour_entropy(x: Real[Array, "N D"], k: int = 3) -> Estimate:
    """Estimates the entropy of a density from the distances to the k-th neighbours.

    Cost: N^2 distances, in blocks. Its bias falls as N grows, slower in more
    dimensions. The entropy is differentiable by the samples, which must not repeat.

    Args:
        x: Independent samples.
        k: Which neighbour: more of them vary less and are biased more.

    Returns:
        Value, in nats (of x in its units), and standard error, without the bias; minus
        infinity and infinite where more than k samples are equal.

    Raises:
        ValueError: If x is not a matrix, or k is not between 1 and N - 1.

    Reference: Kozachenko and Leonenko (1987), Sample estimate of the entropy of a
        random vector.

    Example:
        >>> x = jax.random.uniform(jax.random.key(0), (1000, 1))
        >>> abs(float(neighbour_entropy(x).value)) < 0.1
        True
    """
    x = _samples("neighbour_entropy", "x", x)
    N, D = x.shape
    _require_neighbour("neighbour_entropy", k, N)
    log_ball = 0.5 * D * math.log(math.pi) - math.lgamma(0.5 * D + 1)
    known = digamma(jnp.asarray(N, x.dtype)) - digamma(jnp.asarray(k, x.dtype))
    log_radii = _log_radii(x, k)
    apart = log_radii > -jnp.inf
    value, error = _mean(D * jnp.where(apart, log_radii, 0.0) + known + log_ball)
    all_apart = jnp.all(apart)
    return Estimate(
        jnp.where(all_apart, value, -jnp.inf), jnp.where(all_apart, error, jnp.inf)
    )


def neighbour_information(
    x: Real[Array, "N D"], y: Real[Array, "M E"], k: int = 3
) -> Estimate:
    """Estimates the mutual information of pairs from counts of near neighbours.

    Either part may be of classes, as numbers, or of values that repeat: where more than
    k pairs are equal, all that are equal count.

    Cost: N^2 distances, in blocks. The counts have no derivative.

    Args:
        x: One part of independent pairs.
        y: The other part. The units of neither matter much.
        k: Which neighbour: more of them vary less and are biased more.

    Returns:
        Value, in nats, and standard error, without the bias.

    Raises:
        ValueError: If x or y is not a matrix, the numbers of samples differ, or k is
            not between 1 and N - 1.

    Reference: Kraskov, Stogbauer and Grassberger (2004), Estimating mutual information,
        eq. 8; Gao, Kannan, Oh and Viswanath (2017), Estimating mutual information for
        discrete-continuous mixtures, alg. 1, for what repeats.

    Example:
        >>> x, noise = jax.random.normal(jax.random.key(0), (2, 1000, 1))
        >>> float(neighbour_information(x, x + noise).value) > 0.2
        True
    """
    x = _samples("neighbour_information", "x", x)
    y = _samples("neighbour_information", "y", y)
    N = len(x)
    if len(y) != N:
        raise ValueError(
            f"`neighbour_information`: {N} samples of x and {len(y)} of y; expected "
            "pairs."
        )
    _require_neighbour("neighbour_information", k, N)
    return _mean(digamma(jnp.asarray(N, x.dtype)) + _count_terms(x, y, k))


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
    """Returns the digammas of how many are near together less those of either."""

    def at(i: Array) -> Array:
        apart_x = _except(i, jnp.max(jnp.abs(x - x[i][None]), 1))
        apart_y = _except(i, jnp.max(jnp.abs(y - y[i][None]), 1))
        apart = jnp.maximum(apart_x, apart_y.astype(apart_x.dtype))
        radius = _smallest(apart, k)
        near = lambda a: jnp.where(radius > 0, a < radius, a <= 0)
        together = jnp.where(radius > 0, k, jnp.sum(apart <= 0))
        counts = jnp.stack(
            [together, *(jnp.sum(near(a)) + 1 for a in (apart_x, apart_y))]
        )
        terms = digamma(counts.astype(x.dtype))
        return terms[0] - terms[1] - terms[2]

    return jax.lax.map(at, jnp.arange(len(x)), batch_size=BLOCK)


def _except(i: Array, distances: Float[Array, " N"]) -> Float[Array, " N"]:
    return distances.at[i].set(jnp.inf)


def _smallest(distances: Float[Array, " N"], k: int) -> Float[Array, ""]:
    return -jax.lax.top_k(-distances, k)[0][k - 1]


def _mean(terms: Float[Array, " N"]) -> Estimate:
    return Estimate(jnp.mean(terms), jnp.std(terms, ddof=1) / len(terms) ** 0.5)


def _samples(owner: str, name: str, x: Real[Array, "..."]) -> Float[Array, "N D"]:
    if x.ndim != 2:
        raise ValueError(
            f"`{owner}`: {name} has shape {x.shape}; expected (N, D). Pass "
            f"`{name}[:, None]` for numbers."
        )
    return parameter(x)


def _require_neighbour(owner: str, k: int, N: int) -> None:
    if not 1 <= k < N:
        raise ValueError(
            f"`{owner}`: k is {k} with {N} samples; expected k from 1 up and more "
            "samples than k."
        )
