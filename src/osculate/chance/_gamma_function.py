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
NEAR = 0.1  # up to where that of log(1 + e) has 16 digits


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
    n: Float[Array, "..."], y: Float[Array, "..."], log_y: Float[Array, "..."]
) -> Float[Array, "..."]:
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
    close = base * _above_log((other - base) / base)
    return jnp.where(near, close, n * (jnp.log(n) - log_y) + y - n)


def above_log(
    excess: Float[Array, "*s"], log_ratio: Float[Array, "*s"]
) -> Float[Array, "*s"]:
    """Returns `e - log(1 + e)`, accurate where e is close to 0 and where it is -1.

    Args:
        excess: e, above -1; -1 where it rounds to that.
        log_ratio: `log(1 + e)`, looked at where e is not close to 0.

    Returns:
        Numbers from 0.
    """
    near = jnp.abs(excess) < 0.5
    close = _above_log(jnp.where(near, excess, 0.0))
    return jnp.where(near, close, excess - log_ratio)


def _above_log(e: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Of e from -0.5; of small ones by `log(1 + e) = 2 artanh(e / (2 + e))`."""
    small = jnp.abs(e) < NEAR
    inner = jnp.where(small, e, 0.0)
    r = inner / (2 + inner)
    total = jnp.zeros_like(r)
    for odd in range(15, 1, -2):
        total = (total + 2 / odd) * r**2
    outer = jnp.where(small, 1.0, e)
    return jnp.where(small, r * (inner - total), outer - jnp.log1p(outer))


def log_power_of_0(exponent: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Returns the logarithm of `0**exponent`: 0 of the exponent 0.

    Its slope there is that of the smallest positive number, in the place of infinity.
    """
    log_tiny = math.log(float(jnp.finfo(exponent.dtype).tiny))
    infinite = jnp.where(exponent > 0, -math.inf, math.inf)
    return jnp.where(exponent == 0, exponent * log_tiny, infinite)


def log_poisson(
    n: Float[Array, "..."], y: Float[Array, "..."], log_y: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Returns `n log y - y - log Γ(n + 1)`.

    Args:
        n: Numbers from 0.
        y: Positive numbers; 0 where they underflow.
        log_y: Their logarithms.

    Returns:
        For whole n: the logarithm of the probability of n events where y are expected.
    """
    few = lambda n, y, log_y: n * log_y - y - gammaln(n + 1)

    def any_number(n: Array, y: Array, log_y: Array) -> Array:
        large = n >= LARGE
        many = jnp.where(large, n, LARGE)
        saddle = -0.5 * (LOG_2PI + jnp.log(many)) - stirling(many)
        return jnp.where(large, saddle - deviance(many, y, log_y), few(n, y, log_y))

    return jax.lax.cond(jnp.any(n >= LARGE), any_number, few, n, y, log_y)


def log_dirichlet(
    concentration: Float[Array, "..."], x: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Returns the logarithm of Dirichlet's density at shares from 0 that sum to 1."""
    any_large = jnp.any(concentration >= LARGE)
    return jax.lax.cond(any_large, _saddle_dirichlet, _few_dirichlet, concentration, x)


def _few_dirichlet(a: Float[Array, "..."], x: Float[Array, "..."]) -> Array:
    """By the gamma function itself: where it is small, nothing cancels."""
    none = x == 0
    inside = (a - 1) * jnp.log(jnp.where(none, 1.0, x))
    entries = jnp.where(none, log_power_of_0(a - 1), inside) - gammaln(a)
    return jnp.sum(entries, axis=-1) + gammaln(jnp.sum(a, axis=-1))


def _saddle_dirichlet(a: Float[Array, "..."], x: Float[Array, "..."]) -> Array:
    """By what Stirling's formula leaves, for concentrations of any size."""
    total = jnp.sum(a, axis=-1, keepdims=True)
    none = x == 0
    x = jnp.where(none, 1.0, x)
    log_x, log_total = jnp.log(x), jnp.log(total)
    distance = deviance(a, total * x, log_total + log_x)
    entries = 0.5 * (jnp.log(a) - LOG_2PI) - log_x - stirling(a) - distance
    whole = stirling(total) - 0.5 * (log_total - LOG_2PI)
    entries = jnp.where(none, log_total + log_power_of_0(a - 1), entries)
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


def stirling_gap(q: Float[Array, "*s"], p: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Returns what Γ adds to divergences beside `q log(q / p) + p - q`.

    Args:
        q: Positive numbers.
        p: Positive numbers.

    Returns:
        The rest of `log Γ(q) - log Γ(p) - ψ(p) (q - p)`.
    """
    value, slope = stirling_slope(p)
    gap = stirling(q) - value - slope * (q - p)
    return deviance(p, q, jnp.log(q)) / (2 * p) + gap
