"""The least committal distribution that has given means."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Real

from ._distribution import parameter, require

HALVINGS = 30


class MaximumEntropy(NamedTuple):
    """Probabilities proportional to `prior * exp(-multipliers @ energies)`.

    Attributes:
        probabilities: Of the states, `(n,)`.
        multipliers: One per mean, in 1 per unit of its energy: of one energy the
            inverse temperature.
        error: The largest deviation of a mean, relative to the range of its energy;
            not near 0 where no distribution has these means.
    """

    probabilities: Float[Array, " n"]
    multipliers: Float[Array, "..."]
    error: Float[Array, ""]


def maximum_entropy(
    energies: Real[Array, "*K n"],
    means: Real[Array, "..."] | float,
    prior: Real[Array, " states"] | None = None,
    max_iterations: int = 100,
) -> MaximumEntropy:
    """Returns the distribution of the largest entropy among those of given means.

    With one energy it is the distribution of Boltzmann. The multipliers minimize a
    convex function, by the method of Newton with steps halved until it decreases. They
    are differentiable, implicitly, by the energies, the means and the prior.

    Args:
        energies: Of every state: one kind `(n,)`, or K kinds `(K, n)`.
        means: What their means must be.
        prior: Probabilities that the result is least divergent from; None means equal.
        max_iterations: Of the method of Newton.

    Returns:
        Probabilities, multipliers and the error that is left.

    Raises:
        ValueError: If the shapes do not fit, a mean lies outside the range of its
            energies, or the prior is negative.

    Reference: Jaynes (1957), Information theory and statistical mechanics.

    Example:
        >>> dice = maximum_entropy(jnp.arange(1.0, 7.0), 3.5)
        >>> round(6 * float(dice.probabilities[0]), 3)
        1.0
    """
    shape = jnp.shape(energies)
    if len(shape) not in (1, 2) or 0 in shape or jnp.shape(means) != shape[:-1]:
        raise ValueError(
            f"`maximum_entropy`: energies have shape {shape}, means "
            f"{jnp.shape(means)}; expected (n,) and one number, or (K, n) and (K,)."
        )
    E = jnp.atleast_2d(parameter(energies))
    m = jnp.atleast_1d(jnp.asarray(means, E.dtype))
    low, high = jnp.min(E, 1), jnp.max(E, 1)
    require(
        (low < m) & (m < high),
        "maximum_entropy",
        "means lie outside the range of the energies; expected inside",
    )
    span = jnp.where(high > low, high - low, 1.0)
    e = (E - m[:, None]) / span[:, None]
    log_prior = _log_prior(prior, E.shape[1], E.dtype)
    multipliers = _multipliers(e, log_prior, max_iterations)
    p = jax.nn.softmax(log_prior - multipliers @ e)
    multipliers = (multipliers / span).reshape(shape[:-1])
    return MaximumEntropy(p, multipliers, jnp.max(abs(e @ p)))


def _log_prior(prior: Any, n: int, dtype: Any) -> Float[Array, " n"]:
    if prior is None:
        return jnp.zeros(n, dtype)
    if jnp.shape(prior) != (n,):
        raise ValueError(
            f"`maximum_entropy`: prior has shape {jnp.shape(prior)}; expected {(n,)}, "
            "one per state."
        )
    prior = jnp.asarray(prior, dtype)
    require(prior >= 0, "maximum_entropy", "prior is negative; expected probabilities")
    return jnp.log(prior)


@jax.jit
def _multipliers(
    e: Float[Array, "K n"], log_prior: Float[Array, " n"], max_iterations: Any
) -> Float[Array, " K"]:
    """Returns where the means of all energies are 0."""
    dual = lambda b: jax.nn.logsumexp(log_prior - b @ e)
    means = lambda b: e @ jax.nn.softmax(log_prior - b @ e)
    steps = 0.5 ** jnp.arange(HALVINGS, dtype=e.dtype)
    rounding = 4 * jnp.finfo(e.dtype).eps

    def newton(state: Any) -> Any:
        b, _, iteration = state
        p = jax.nn.softmax(log_prior - b @ e)
        centred = e - (e @ p)[:, None]
        step = _solve((p[None] * centred) @ centred.T, e @ p)
        tried = jax.vmap(lambda size: dual(b + size * step))(steps)
        slack = rounding * jnp.abs(dual(b))
        lower = tried <= dual(b) - 1e-4 * steps * ((e @ p) @ step) + slack
        size = jnp.where(jnp.any(lower), steps[jnp.argmax(lower)], 0.0)
        return b + size * step, jnp.any(lower), iteration + 1

    def going(state: Any) -> Any:
        b, moved, iteration = state
        p = jax.nn.softmax(log_prior - b @ e)
        off = jnp.any(jnp.abs(e @ p) > rounding * (jnp.abs(e) @ p))
        return moved & (iteration < max_iterations) & off

    def solve(_: Any, start: Float[Array, " K"]) -> Float[Array, " K"]:
        return jax.lax.while_loop(going, newton, (start, jnp.array(True), 0))[0]

    def tangent_solve(linear: Any, y: Float[Array, " K"]) -> Float[Array, " K"]:
        return _solve(jax.jacfwd(linear)(jnp.zeros_like(y)), y)

    start = jnp.zeros(e.shape[0], e.dtype)
    return jax.lax.custom_root(means, start, solve, tangent_solve)


def _solve(A: Float[Array, "K K"], y: Float[Array, " K"]) -> Float[Array, " K"]:
    """Returns a solution, the smallest where constraints repeat each other."""
    return jnp.linalg.pinv(A, rtol=1e2 * jnp.finfo(A.dtype).eps) @ y
