"""Bounds of mutual information from below, by a critic that tells pairs apart."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from osculate.diff import Estimate


def info_nce(scores: Float[Array, "rows columns"]) -> Estimate:
    """Estimates the contrastive bound: can the critic tell a pair among N?

    Its mean is never above the mutual information, nor above log N, whatever the
    critic; maximize the value to train one.

    Args:
        scores: `scores[i, j]` is the critic of x_i and y_j; pairs on the diagonal.

    Returns:
        Value, in nats, and standard error.

    Raises:
        ValueError: If the scores are not square, or of fewer than 2 pairs.

    Reference: van den Oord, Li and Vinyals (2018), Representation learning with
        contrastive predictive coding, eq. 4.

    Example:
        >>> round(float(info_nce(20 * jnp.eye(8)).value), 3)  # log 8, and no more
        2.079
    """
    N = _require_square("info_nce", scores)
    log_share = jax.nn.log_softmax(scores, 1)
    pairs = jnp.diagonal(log_share) + math.log(N)
    taken = jnp.sum(jnp.exp(log_share), 0)
    return Estimate(jnp.mean(pairs), _error(pairs - taken))


def donsker_varadhan(scores: Float[Array, "rows columns"]) -> Estimate:
    """Estimates the bound `E[f] - log E[exp f]` of paired and of shuffled samples.

    With the logarithm of the ratio of densities as critic f it is the mutual
    information itself. It has no ceiling, but where the information is large few
    samples carry the mean of the exponentials: then value and error are unreliable.

    Args:
        scores: `scores[i, j]` is the critic of x_i and y_j; pairs on the diagonal.

    Returns:
        Value, in nats, and standard error.

    Raises:
        ValueError: If the scores are not square, or of fewer than 2 pairs.

    Reference: Donsker and Varadhan (1983), Asymptotic evaluation of certain Markov
        process expectations; Belghazi et al. (2018), Mutual information neural
        estimation, eq. 10.

    Example:
        >>> float(donsker_varadhan(jnp.zeros((4, 4))).value)
        0.0
    """
    N = _require_square("donsker_varadhan", scores)
    shuffled = jnp.where(jnp.eye(N, dtype=bool), -jnp.inf, scores)
    log_mean = jax.nn.logsumexp(shuffled) - math.log(N * (N - 1))
    pairs = jnp.diagonal(scores)
    ratio = jnp.exp(shuffled - log_mean)
    carried = (jnp.sum(ratio, 0) + jnp.sum(ratio, 1)) / (N - 1)
    return Estimate(jnp.mean(pairs) - log_mean, _error(pairs - carried))


def _error(influences: Float[Array, " N"]) -> Float[Array, ""]:
    """Returns the standard error of a mean that each sample moves by its influence."""
    return jnp.std(influences, ddof=1) / len(influences) ** 0.5


def _require_square(owner: str, scores: Float[Array, "..."]) -> int:
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or len(scores) < 2:
        raise ValueError(
            f"`{owner}`: scores have shape {scores.shape}; expected (N, N), of 2 pairs "
            "or more."
        )
    return len(scores)
