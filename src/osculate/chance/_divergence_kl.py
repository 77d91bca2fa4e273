"""Kullback-Leibler's divergence of two distributions, exact or estimated."""

import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Array, Float, PRNGKeyArray

from osculate.diff import Estimate

from ._categorical import Categorical
from ._composed import Independent, Mixture, Transformed, is_discrete
from ._counts import Bernoulli, Binomial, Poisson
from ._distribution import Distribution
from ._gamma_function import above_log, deviance, stirling_gap
from ._half_line import Beta, Exponential, Gamma
from ._multivariate import Dirichlet, MultivariateNormal, solve_lower
from ._normal import Normal
from ._real_line import Cauchy, Gumbel, Laplace, StudentT
from ._shapes import aligned, weighted_sum


def kl(p: Distribution, q: Distribution) -> Float[Array, "..."]:
    """Returns `E_p[log p - log q]`, exactly.

    Of two members of one family by its closed form, of counts by a sum over the values
    of p when they are finitely many, of two that one map transforms by that of their
    bases. Infinity where q is 0 and p is not: of Poisson counts from a binomial
    distribution, of normal numbers from positive ones.

    Args:
        p: Distribution whose draws are averaged.
        q: Distribution it is compared to; batches broadcast.

    Returns:
        One number from 0 per event, in nats.

    Raises:
        ValueError: If no closed form is known, or events differ in size.

    Example:
        >>> from osculate.chance import Normal
        >>> float(kl(Normal(1.0, 1.0), Normal(0.0, 1.0)))
        0.5
    """
    if isinstance(p, Exponential) and isinstance(q, Gamma):
        p = Gamma(jnp.ones_like(p.rate), p.rate)
    closed = CLOSED.get(type(p)) if type(p) is type(q) else None
    if closed is not None and _comparable(p, q):
        return closed(p, q)
    _refuse_sizes(p, q)
    if is_discrete(p) and is_discrete(q):
        return _of_counts(p, q)
    if _leaves_support(p, q):
        return jnp.full(_batch_shape(p, q), math.inf)
    raise _unknown(p, q)


def estimate_kl(
    p: Distribution, q: Distribution, key: PRNGKeyArray, n: int = 1000
) -> Estimate:
    """Estimates `E_p[log p - log q]` from draws of p.

    Its derivatives by q are unbiased; those by p are where p is reparameterized.

    Args:
        p: Distribution whose draws are averaged.
        q: Distribution it is compared to.
        key: A random key.
        n: How many draws, 2 or more.

    Returns:
        The mean and its standard error, in nats, one number per event.

    Raises:
        ValueError: If there are fewer than 2 draws.

    Example:
        >>> from osculate.chance import Laplace, Normal
        >>> found = estimate_kl(Normal(), Laplace(), jax.random.key(0), 10_000)
        >>> abs(float(found.value) - 0.0721) < 4.5 * float(found.standard_error)
        True
    """
    if n < 2:
        raise ValueError(
            f"`estimate_kl`: n is {n}; a standard error needs 2 draws or more."
        )
    x = p.sample(key, (n,))
    found = jnp.subtract(*aligned(p.log_prob(x), q.log_prob(x)))
    error = jnp.std(found, axis=0, ddof=1) / math.sqrt(n)
    return Estimate(jnp.mean(found, axis=0), error)


def _comparable(p: Distribution, q: Distribution) -> bool:
    """Whether the parts that are no parameters agree."""
    if isinstance(p, Binomial) and isinstance(q, Binomial):
        return p.total == q.total
    if isinstance(p, Categorical) and isinstance(q, Categorical):
        return p.logits.shape[-1] == q.logits.shape[-1]
    if isinstance(p, Independent) and isinstance(q, Independent):
        return p.ndim == q.ndim
    if isinstance(p, Transformed) and isinstance(q, Transformed):
        return p.forward is q.forward and p.backward is q.backward
    if p.event_ndim:
        return p.shape[-1] == q.shape[-1]
    return True


def _unknown(p: Distribution, q: Distribution) -> ValueError:
    return ValueError(
        f"`kl`: no closed form for {type(p).__name__} from {type(q).__name__}. "
        "`estimate_kl` averages over draws."
    )


def _refuse_sizes(p: Distribution, q: Distribution) -> None:
    sizes = [d.shape[len(d.shape) - d.event_ndim :] for d in (p, q)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"`kl`: events of {type(p).__name__} have shape {sizes[0]}, those of "
            f"{type(q).__name__} {sizes[1]}; expected the same."
        )


def _batch_shape(p: Distribution, q: Distribution) -> tuple[int, ...]:
    mine = p.shape[: len(p.shape) - p.event_ndim]
    its = q.shape[: len(q.shape) - q.event_ndim]
    return jnp.broadcast_shapes(mine, its)


def _of_counts(p: Distribution, q: Distribution) -> Float[Array, "..."]:
    values = p.support()
    batch = _batch_shape(p, q)
    if values is None:
        if q.support() is None:
            raise _unknown(p, q)
        return jnp.full(batch, math.inf)
    ones = (1,) * len(batch)
    values = values.reshape(len(values), *ones, *values.shape[1:])
    spread = lambda d: jnp.broadcast_to(d.log_prob(values), (len(values), *batch))
    log_p, log_q = aligned(spread(p), spread(q))
    return _information(jnp.moveaxis(log_p, 0, -1), jnp.moveaxis(log_q, 0, -1))


def _leaves_support(p: Distribution, q: Distribution) -> bool:
    """Whether p has draws where q has none: counts are no draws of a density."""
    if is_discrete(p) != is_discrete(q):
        return True
    mine, its = _extent(p), _extent(q)
    return mine is not None and its is not None and mine > its


def _extent(d: Distribution) -> int | None:
    while isinstance(d, Mixture):
        d = d.components
    return EXTENT.get(type(d))


def _information(
    log_p: Float[Array, "*s n"], log_q: Float[Array, "*s n"]
) -> Float[Array, "*s"]:
    return weighted_sum(log_p, log_p - log_q)


def _of_all(
    log_p: Float[Array, "*s n"], log_q: Float[Array, "*s n"]
) -> Float[Array, "*s"]:
    """Of probabilities that both sum to 1: by terms `q - p - p log(q / p)`, from 0."""
    p, q = jnp.exp(log_p), jnp.exp(log_q)
    there = log_p > -math.inf
    gap = jnp.where(there, log_q - jnp.where(there, log_p, 0.0), 0.0)
    near = there & (jnp.abs(gap) < 0.4)
    inner = jnp.where(near, gap, 0.0)
    close = p * above_log(jnp.expm1(inner), inner)
    lost = jnp.where(there, -p * jnp.where(near, 0.0, gap), 0.0)
    return jnp.sum(jnp.where(near, close, q - p + lost), axis=-1)


def _normal(p: Normal, q: Normal) -> Array:
    m, s, other, width = aligned(p.mean, p.scale, q.mean, q.scale)
    away, excess = (m - other) / width, (s - width) / width
    return 0.5 * (away**2 + excess**2) + above_log(excess, jnp.log(s) - jnp.log(width))


def _laplace(p: Laplace, q: Laplace) -> Array:
    m, s, other, width = aligned(p.location, p.scale, q.location, q.scale)
    away = jnp.where(m >= other, m - other, other - m)  # smooth at 0 together with exp
    apart = away + s * jnp.expm1(-away / s)
    excess = above_log((s - width) / width, jnp.log(s) - jnp.log(width))
    return apart / width + excess


def _cauchy(p: Cauchy, q: Cauchy) -> Array:
    m, s, other, width = aligned(p.location, p.scale, q.location, q.scale)
    apart = ((s - width) ** 2 + (m - other) ** 2) / (4 * s * width)
    return jnp.log1p(apart)


def _gumbel(p: Gumbel, q: Gumbel) -> Array:
    m, s, other, width = aligned(p.location, p.scale, q.location, q.scale)
    away, ratio = (m - other) / width, s / width
    tail = gammaln(1 + ratio) - away
    size = gammaln(ratio) + np.euler_gamma * (s - width) / width
    return above_log(jnp.expm1(tail), tail) + size


def _exponential(p: Exponential, q: Exponential) -> Array:
    rate, other = aligned(p.rate, q.rate)
    return above_log((other - rate) / rate, jnp.log(other) - jnp.log(rate))


def _gamma(p: Gamma, q: Gamma) -> Array:
    a, b, other, rate = aligned(p.concentration, p.rate, q.concentration, q.rate)
    excess = (rate - b) / b - (other - a) / other * (rate / b)  # a rate / (other b) - 1
    log_ratio = jnp.log(a) - jnp.log(other) + jnp.log(rate) - jnp.log(b)
    return other * above_log(excess, log_ratio) + stirling_gap(other, a)


def _dirichlet_from(p: Array, q: Array) -> Array:
    """Of concentrations, along the last axis."""
    total = lambda values: jnp.sum(values, axis=-1, keepdims=True)
    P, Q, step = total(p), total(q), q - p
    excess = (total(step) * (p / P) - step) / q  # (p / P) / (q / Q) - 1
    log_ratio = jnp.log(p) - jnp.log(q) + jnp.log(Q) - jnp.log(P)
    entries = q * above_log(excess, log_ratio) + stirling_gap(q, p)
    return (total(entries) - stirling_gap(Q, P))[..., 0]


def _beta(p: Beta, q: Beta) -> Array:
    alpha, beta, other, rest = aligned(p.alpha, p.beta, q.alpha, q.beta)
    stack = lambda *entries: jnp.stack(entries, axis=-1)
    return _dirichlet_from(stack(alpha, beta), stack(other, rest))


def _dirichlet(p: Dirichlet, q: Dirichlet) -> Array:
    return _dirichlet_from(*aligned(p.concentration, q.concentration))


def _bernoulli(p: Bernoulli, q: Bernoulli) -> Array:
    return _of_all(*aligned(p.log_probabilities, q.log_probabilities))


def _binomial(p: Binomial, q: Binomial) -> Array:
    return p.total * _bernoulli(Bernoulli(p.logits), Bernoulli(q.logits))


def _poisson(p: Poisson, q: Poisson) -> Array:
    rate, other = aligned(p.rate, q.rate)
    return deviance(rate, other, jnp.log(other))


def _categorical(p: Categorical, q: Categorical) -> Array:
    return _of_all(*aligned(p.log_probabilities, q.log_probabilities))


def _multivariate_normal(p: MultivariateNormal, q: MultivariateNormal) -> Array:
    """With `N = Lq⁻¹ Lp - 1`: half of `|N|²`, and the excess of its diagonal's logs."""
    mean, other = aligned(p.mean, q.mean)
    away = solve_lower(q.scale_tril, mean - other)
    mine, its = aligned(p.scale_tril, q.scale_tril)
    columns = jnp.swapaxes(mine - its, -1, -2)
    N = solve_lower(its[..., None, :, :], columns)
    width, size = (jnp.diagonal(L, axis1=-2, axis2=-1) for L in (mine, its))
    logs = above_log((width - size) / size, jnp.log(width) - jnp.log(size))
    square, spread = jnp.sum(away**2, axis=-1), jnp.sum(N**2, axis=(-2, -1))
    square, spread, logs = aligned(square, spread, jnp.sum(logs, axis=-1))
    return 0.5 * (square + spread) + logs


def _independent(p: Independent, q: Independent) -> Array:
    found = kl(p.base, q.base)
    return jnp.sum(found, axis=tuple(range(-p.ndim, 0)))


def _transformed(p: Transformed, q: Transformed) -> Array:
    """No invertible map changes it."""
    return kl(p.base, q.base)


# 0: the numbers between 0 and 1; 1: the positive ones; 2: all.
EXTENT: dict[type, int] = {
    Beta: 0,
    Exponential: 1,
    Gamma: 1,
    Normal: 2,
    Laplace: 2,
    Cauchy: 2,
    StudentT: 2,
    Gumbel: 2,
}
CLOSED: dict[type, Callable[..., Array]] = {
    Bernoulli: _bernoulli,
    Beta: _beta,
    Binomial: _binomial,
    Categorical: _categorical,
    Cauchy: _cauchy,
    Dirichlet: _dirichlet,
    Exponential: _exponential,
    Gamma: _gamma,
    Gumbel: _gumbel,
    Independent: _independent,
    Laplace: _laplace,
    MultivariateNormal: _multivariate_normal,
    Normal: _normal,
    Poisson: _poisson,
    Transformed: _transformed,
}
