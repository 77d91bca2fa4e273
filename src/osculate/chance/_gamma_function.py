"""Sums of logarithms of factorials, without the cancellation of their large parts.

`log Γ(a) = (a - 1/2) log a - a + log(2π) / 2 + stirling(a)`: the first three parts of
numerator and denominator cancel on paper, the small last one is what is computed.
"""

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln
from jaxtyping import Array, Float

LOG_2PI = math.log(2 * math.pi)
SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
LARGE = 10.0  # from where the series has 15 digits


def stirling(a: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Returns what Stirling's formula leaves of log Γ(a), a > 0: about 1 / 12a."""
    large = a >= LARGE
    series = _series(jnp.where(large, a, LARGE))
    b = jnp.where(large, 1.0, a)
    exact = gammaln(b) - (b - 0.5) * jnp.log(b) + b - 0.5 * LOG_2PI
    return jnp.where(large, series, exact)


def _series(a: Float[Array, "*s"]) -> Float[Array, "*s"]:
    inverse = 1 / a
    total = jnp.zeros_like(a)
    for coefficient in reversed(SERIES):
        total = total * inverse**2 + coefficient
    return total * inverse


def stirling_slope(a: Float[Array, "*s"]) -> tuple[Array, Array]:
    """Returns `stirling(a)` and its derivative."""
    return jax.jvp(stirling, (a,), (jnp.ones_like(a),))


def deviance(
    n: Float[Array, "*s"], y: Float[Array, "*s"], log_y: Float[Array, "*s"]
) -> Float[Array, "*s"]:
    """Returns `n log(n / y) + y - n`, accurate where y is close to n.

    Args:
        n: Positive numbers.
        y: Positive numbers; 0 where they underflow.
        log_y: Their logarithms.

    Returns:
        Numbers from 0.
    """
    near = jnp.abs(y - n) < 0.5 * n
    base, other = jnp.where(near, n, 1.0), jnp.where(near, y, 1.0)
    excess = (other - base) / base
    close = base * (excess - jnp.log1p(excess))
    return jnp.where(near, close, n * (jnp.log(n) - log_y) + y - n)


def log_poisson(
    n: Float[Array, "*s"], y: Float[Array, "*s"], log_y: Float[Array, "*s"]
) -> Float[Array, "*s"]:
    """Returns `n log y - y - log Γ(n + 1)`.

    Args:
        n: Numbers from 0.
        y: Positive numbers; 0 where they underflow.
        log_y: Their logarithms.

    Returns:
        For whole n: the logarithm of the probability of n events where y are expected.
    """
    large = n >= LARGE
    many = jnp.where(large, n, LARGE)
    saddle = -0.5 * (LOG_2PI + jnp.log(many)) - stirling(many)
    few = n * log_y - y - gammaln(n + 1)
    return jnp.where(large, saddle - deviance(many, y, log_y), few)


def log_dirichlet(
    concentration: Float[Array, "*s K"], x: Float[Array, "*s K"]
) -> Float[Array, "*s"]:
    """Returns the logarithm of Dirichlet's density at positive shares that sum to 1."""
    total = jnp.sum(concentration, axis=-1, keepdims=True)
    log_x = jnp.log(x)
    entries = (
        0.5 * (jnp.log(concentration) - LOG_2PI)
        - log_x
        - stirling(concentration)
        - deviance(concentration, total * x, jnp.log(total) + log_x)
    )
    whole = stirling(total) - 0.5 * (jnp.log(total) - LOG_2PI)
    return jnp.sum(entries, axis=-1) + whole[..., 0]


def dirichlet_entropy(concentration: Float[Array, "*s K"]) -> Float[Array, "*s"]:
    """Returns the entropy of Dirichlet's distribution, in nats."""
    size = concentration.shape[-1]
    total = jnp.sum(concentration, axis=-1)
    part, part_slope = stirling_slope(concentration)
    whole, whole_slope = stirling_slope(total)
    entries = (
        0.5 * (LOG_2PI + 1 + jnp.log(concentration) - 1 / concentration)
        + part
        - (concentration - 1) * part_slope
    )
    rest = (
        (size - 0.5) * jnp.log(total)
        + 0.5 * (LOG_2PI + 1 - size / total)
        + whole
        - (total - size) * whole_slope
    )
    return jnp.sum(entries, axis=-1) - rest


def log_gamma_gap(q: Float[Array, "*s"], p: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Returns log Γ(q) less its tangent at p: what divergences of Γ's laws are made of.

    Args:
        q: Positive numbers.
        p: Positive numbers.

    Returns:
        `log Γ(q) - log Γ(p) - ψ(p) (q - p)`, from 0.
    """
    value, slope = stirling_slope(p)
    gap = stirling(q) - value - slope * (q - p)
    half = deviance(p, q, jnp.log(q)) / (2 * p)
    return deviance(q, p, jnp.log(p)) + half + gap
