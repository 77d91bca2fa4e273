"""Neighbour embedding: a picture of points that keeps who is near to whom."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, Real

from ._distribution import parameter
from ._information import entropy
from ._transport import squared_distances

BISECTIONS = 70
WIDEST = 80.0  # logarithms of the largest and smallest precision, in mean distances
EARLY_MOMENTUM, LATE_MOMENTUM = 0.5, 0.8
MORE_GAIN, LESS_GAIN, LEAST_GAIN = 0.2, 0.8, 0.01


def perplexity(p: Real[Array, "... N"]) -> Float[Array, "..."]:
    """Returns the number of equally likely values of the same entropy.

    Args:
        p: Probabilities over the last axis.

    Returns:
        Two to the power of the entropy in bits, from 1 to N.

    Raises:
        ValueError: If the probabilities are negative or do not sum to 1.

    Example:
        >>> round(float(perplexity(jnp.array([0.25, 0.25, 0.25, 0.25, 0.0]))), 3)
        4.0
    """
    return jnp.exp2(entropy(p, -1, "bits"))


def neighbour_probabilities(
    x: Real[Array, "N D"], perplexity: float = 30.0
) -> Float[Array, "N N"]:
    """Returns how likely each point takes each other for its neighbour.

    Row i is proportional to `exp(-|x_i - x_j|**2 / (2 sigma_i**2))`, 0 at i itself,
    with sigma_i such that every row has the given perplexity, found by bisection.
    Derivatives by the points, of every order, include those of sigma_i. Where more
    points than `perplexity` are equally near and nearest, the row is equal over them.

    Args:
        x: Points.
        perplexity: Effective number of neighbours, between 1 and N - 1; usually 5 to
            50.

    Returns:
        Rows of sum 1.

    Raises:
        ValueError: If the perplexity is not between 1 and N - 1.

    Reference: Hinton and Roweis (2002), Stochastic neighbor embedding.

    Example:
        >>> x = jnp.array([[0.0], [1.0], [3.0]])
        >>> p = neighbour_probabilities(x, 1.5)
        >>> round(float(perplexity(p)[0]), 3)
        1.5
    """
    N = len(x)
    if not 1 < perplexity < N - 1:
        raise ValueError(
            f"`neighbour_probabilities`: perplexity is {perplexity} with {N} points; "
            f"expected between 1 and {N - 1}."
        )
    return _calibrated(squared_distances(x, x), math.log(perplexity))


def sne_loss(
    y: Float[Array, "N E"], p: Float[Array, "rows columns"]
) -> Float[Array, ""]:
    """Returns the divergence of normal neighbours in a picture from those given.

    Args:
        y: Points of the picture.
        p: `neighbour_probabilities` of the points that it shows.

    Returns:
        The sum over the rows of the divergence, in nats.

    Raises:
        ValueError: If p has not one row and one column per point.

    Reference: Hinton and Roweis (2002), Stochastic neighbor embedding, eq. 5.

    Example:
        >>> y = jnp.array([[0.0], [1.0], [3.0]])
        >>> p = neighbour_probabilities(y, 1.5)
        >>> bool(sne_loss(y, p) > 0)
        True
    """
    _require_square("sne_loss", y, p)
    apart = jnp.where(jnp.eye(len(y), dtype=bool), jnp.inf, squared_distances(y, y))
    log_q = jax.nn.log_softmax(-apart, 1)
    return _divergence(p, log_q)


def tsne_loss(
    y: Float[Array, "N E"], p: Float[Array, "rows columns"]
) -> Float[Array, ""]:
    """Returns the divergence of Student-t neighbours in a picture from those given.

    The pairs of p are made symmetric, `(p_ij + p_ji) / 2N`; those of the picture are
    proportional to `1 / (1 + |y_i - y_j|**2)`: far apart is far enough.

    Args:
        y: Points of the picture.
        p: `neighbour_probabilities` of the points that it shows.

    Returns:
        The divergence of all pairs, in nats.

    Raises:
        ValueError: If p has not one row and one column per point.

    Reference: van der Maaten and Hinton (2008), Visualizing data using t-SNE, eq. 4.

    Example:
        >>> y = jnp.array([[0.0], [1.0], [3.0]])
        >>> p = neighbour_probabilities(y, 1.5)
        >>> bool(tsne_loss(y, p) > 0)
        True
    """
    _require_square("tsne_loss", y, p)
    pairs = _pairs(p)
    log_w = -jnp.log1p(squared_distances(y, y))
    return _divergence(pairs, log_w - _log_total(log_w))


class Embedding(NamedTuple):
    """A picture of points.

    Attributes:
        points: `(N, num_components)`.
        losses: `tsne_loss` before every step.
    """

    points: Float[Array, "N E"]
    losses: Float[Array, " steps"]


def tsne(
    x: Real[Array, "N D"],
    key: PRNGKeyArray,
    num_components: int = 2,
    perplexity: float = 30.0,
    steps: int = 1000,
    exaggeration: float = 12.0,
    exaggeration_steps: int = 250,
    learning_rate: float | None = None,
    initial: Float[Array, "N E"] | None = None,
) -> Embedding:
    """Embeds points in the plane, by gradient descent on `tsne_loss` in one loop.

    Cost: N^2 memory, and N^2 operations per step. At first the attraction of neighbours
    is exaggerated, so that clusters form; the momentum is .5 then and .8 later, and
    every coordinate has a gain that grows while its gradient keeps its sign.

    Args:
        x: Points.
        key: A random key, of the random start.
        num_components: Coordinates of the picture.
        perplexity: Effective number of neighbours.
        steps: Of gradient descent, all together.
        exaggeration: Factor of the attraction at first.
        exaggeration_steps: How long.
        learning_rate: None means N / 48, and 50 at least.
        initial: Where the points of the picture start; small, such as the principal
            components scaled to 1e-4. None means normal numbers of deviation 1e-4.

    Returns:
        The points of the picture and the losses on the way.

    Raises:
        ValueError: If the perplexity is not between 1 and N - 1, or the start has not
            one row per point and num_components columns.

    Reference: van der Maaten and Hinton (2008), Visualizing data using t-SNE, alg. 1.

    Example:
        >>> x = jr.normal(jr.key(0), (20, 5))
        >>> tsne(x, jr.key(1), perplexity=5.0, steps=10).points.shape
        (20, 2)
    """
    x = parameter(x)
    N = len(x)
    if initial is None:
        initial = 1e-4 * jr.normal(key, (N, num_components), x.dtype)
    if initial.shape != (N, num_components):
        raise ValueError(
            f"`tsne`: initial has shape {initial.shape} with {N} points; expected "
            f"{(N, num_components)}."
        )
    rate = max(N / 48, 50.0) if learning_rate is None else learning_rate
    pairs = _pairs(neighbour_probabilities(x, perplexity))
    early = jnp.arange(steps) < exaggeration_steps
    factors = jnp.where(early, exaggeration, 1.0).astype(x.dtype)
    momenta = jnp.where(early, EARLY_MOMENTUM, LATE_MOMENTUM).astype(x.dtype)
    start = initial.astype(x.dtype)
    y, losses = _descended(start, pairs, factors, momenta, rate)
    return Embedding(y, losses - entropy(pairs))


@jax.jit
def _descended(
    start: Float[Array, "N E"],
    pairs: Float[Array, "N N"],
    factors: Float[Array, " steps"],
    momenta: Float[Array, " steps"],
    rate: Any,
) -> tuple[Float[Array, "N E"], Float[Array, " steps"]]:
    """Returns the points after all steps, and the cross-entropy before each."""

    def exaggerated(y: Array, factor: Array) -> tuple[Array, Array]:
        log_w = -jnp.log1p(squared_distances(y, y))
        attraction, repulsion = -jnp.sum(pairs * log_w), _log_total(log_w)
        return factor * attraction + repulsion, attraction + repulsion

    def step(state: Any, now: Any) -> Any:
        y, velocity, gains = state
        factor, momentum = now
        slope, loss = jax.grad(exaggerated, has_aux=True)(y, factor)
        kept = slope * velocity < 0
        gains = jnp.where(kept, gains + MORE_GAIN, gains * LESS_GAIN)
        gains = jnp.maximum(gains, LEAST_GAIN)
        velocity = momentum * velocity - rate * gains * slope
        y = y + velocity
        return (y - jnp.mean(y, 0, keepdims=True), velocity, gains), loss

    state = start, jnp.zeros_like(start), jnp.ones_like(start)
    (y, _, _), losses = jax.lax.scan(step, state, (factors, momenta))
    return y, losses


@jax.jit
def _calibrated(D: Float[Array, "N N"], target: Any) -> Float[Array, "N N"]:
    """Returns the neighbours whose entropy is the target, from squared distances."""
    rows = jnp.arange(len(D))
    mean = jnp.sum(D, 1, keepdims=True) / (len(D) - 1)
    D = D / jnp.where(mean > 0, mean, 1.0)
    excess = lambda log_beta: jax.vmap(_row_entropy)(log_beta, D, rows) - target

    def bisect(excess: Any, start: Float[Array, " N"]) -> Float[Array, " N"]:
        def halve(_: Any, bounds: Any) -> Any:
            low, high = bounds
            middle = 0.5 * (low + high)
            wide = excess(middle) > 0
            return jnp.where(wide, middle, low), jnp.where(wide, high, middle)

        bounds = start - WIDEST, start + WIDEST
        low, high = jax.lax.fori_loop(0, BISECTIONS, halve, bounds)
        return 0.5 * (low + high)

    def tangent_solve(linear: Any, y: Float[Array, " N"]) -> Float[Array, " N"]:
        # Rows do not share widths; one that changes nothing stays as it is.
        slope = linear(jnp.ones_like(y))
        falls = slope < 0
        return jnp.where(falls, y / jnp.where(falls, slope, -1.0), 0.0)

    start = jnp.zeros(len(D), D.dtype)
    log_beta = jax.lax.custom_root(excess, start, bisect, tangent_solve)
    return jax.vmap(_row)(log_beta, D, rows)


def _row(
    log_beta: Float[Array, ""], d: Float[Array, " N"], i: Array
) -> Float[Array, " N"]:
    logits = (-jnp.exp(log_beta) * d).at[i].set(-jnp.inf)
    return jax.nn.softmax(logits)


def _row_entropy(
    log_beta: Float[Array, ""], d: Float[Array, " N"], i: Array
) -> Float[Array, ""]:
    p = _row(log_beta, d, i)
    return -jnp.sum(p * jnp.log(jnp.where(p > 0, p, 1.0)))


def _pairs(p: Float[Array, "N N"]) -> Float[Array, "N N"]:
    return (p + p.T) / (2 * len(p))


def _log_total(log_w: Float[Array, "N N"]) -> Float[Array, ""]:
    """Returns the logarithm of the sum over all pairs of different points."""
    return jax.nn.logsumexp(log_w, where=~jnp.eye(len(log_w), dtype=bool))


def _divergence(p: Float[Array, "N N"], log_q: Float[Array, "N N"]) -> Float[Array, ""]:
    happens = p > 0
    log_p = jnp.log(jnp.where(happens, p, 1.0))
    return jnp.sum(p * (log_p - jnp.where(happens, log_q, 0.0)))


def _require_square(owner: str, y: Float[Array, "N E"], p: Float[Array, "..."]) -> None:
    if p.shape != (len(y), len(y)):
        raise ValueError(
            f"`{owner}`: p has shape {p.shape} with {len(y)} points; expected "
            f"{(len(y), len(y))}."
        )
