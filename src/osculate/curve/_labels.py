"""Labels from the likelihood that stands behind a loss, and its Fisher information."""

import math
from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from osculate.chance import (
    AbstractLoss,
    Bernoulli,
    BernoulliLoss,
    Categorical,
    CategoricalLoss,
    Cauchy,
    CauchyLoss,
    HeteroscedasticLoss,
    HuberLoss,
    Laplace,
    LaplaceLoss,
    Normal,
    OrdinalLoss,
    Poisson,
    PoissonLoss,
    PowerLoss,
    StudentT,
    StudentTLoss,
)
from osculate.core import Gaussian

KNOWN = (
    "Gaussian, BernoulliLoss, CategoricalLoss, CauchyLoss, HeteroscedasticLoss, "
    "HuberLoss, LaplaceLoss, OrdinalLoss, PoissonLoss, PowerLoss, StudentTLoss"
)


def unknown(loss: Any) -> TypeError:
    """Returns what to raise where no likelihood is known to stand behind a loss."""
    return TypeError(
        f"`fisher`: no likelihood is known behind the loss {loss!r}; expected one of "
        f"{KNOWN}. Use `gauss_newton`, or `empirical_fisher` if that is meant."
    )


def has_likelihood(loss: Any) -> bool:
    """Returns whether a likelihood is known to stand behind a loss."""
    return information.dispatch(type(loss)) is not information.dispatch(object)


@singledispatch
def information(
    loss: Any, z: Float[Array, "..."], y: Any, dz: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Returns the Fisher matrix of one row by z, times a vector.

    It is the covariance of the score of labels from the likelihood itself.

    Args:
        loss: A negative log-likelihood.
        z: What the likelihood is given.
        y: A label, for its shape.
        dz: The vector, of the shape of z.

    Returns:
        An array of the shape of z.

    Raises:
        TypeError: If no likelihood is known to stand behind the loss.
    """
    raise unknown(loss)


@information.register
def _(loss: AbstractLoss, z: Array, y: Any, dz: Array) -> Array:
    return loss.weight(z, y) * dz


@information.register
def _(loss: Gaussian, z: Array, y: Any, dz: Array) -> Array:
    return dz / loss.sigma**2


@information.register
def _(loss: CategoricalLoss, z: Array, y: Any, dz: Array) -> Array:
    p = jax.nn.softmax(z)
    return p * (dz - jnp.sum(p * dz, -1, keepdims=True))


@singledispatch
def labels(loss: Any, z: Float[Array, "..."], key: PRNGKeyArray) -> Array:
    """Returns what the likelihood behind a loss would draw for one row.

    Args:
        loss: A negative log-likelihood.
        z: What the likelihood is given.
        key: A random key.

    Returns:
        A label, as the loss takes it.

    Raises:
        TypeError: If no likelihood is known to stand behind the loss.
    """
    raise unknown(loss)


@labels.register
def _(loss: Gaussian, z: Array, key: PRNGKeyArray) -> Array:
    return z + loss.sigma * jr.normal(key, z.shape, z.dtype)


@labels.register
def _(loss: BernoulliLoss, z: Array, key: PRNGKeyArray) -> Array:
    return Bernoulli(z).sample(key)


@labels.register
def _(loss: CategoricalLoss, z: Array, key: PRNGKeyArray) -> Array:
    return Categorical(z).sample(key)


@labels.register
def _(loss: CauchyLoss, z: Array, key: PRNGKeyArray) -> Array:
    return Cauchy(z, loss.scale).sample(key)


@labels.register
def _(loss: HeteroscedasticLoss, z: Array, key: PRNGKeyArray) -> Array:
    return Normal(z[..., 0], jnp.exp(z[..., 1])).sample(key)


@labels.register
def _(loss: HuberLoss, z: Array, key: PRNGKeyArray) -> Array:
    """A normal law cut at the threshold, with exponential tails."""
    t = jnp.asarray(loss.threshold, z.dtype)
    inside = jax.scipy.special.erf(t / math.sqrt(2))
    near = math.sqrt(2 * math.pi) * inside
    far = 2 * jnp.exp(-0.5 * t**2) / t
    first, second, third = jr.split(key, 3)
    u = jr.uniform(first, z.shape, z.dtype, -1, 1)
    middle = math.sqrt(2) * jax.scipy.special.erfinv(u * inside)
    tail = jnp.sign(u) * (t + jr.exponential(second, z.shape, z.dtype) / t)
    is_near = jr.uniform(third, z.shape, z.dtype) * (near + far) < near
    return z + loss.scale * jnp.where(is_near, middle, tail)


@labels.register
def _(loss: LaplaceLoss, z: Array, key: PRNGKeyArray) -> Array:
    return Laplace(z, loss.scale).sample(key)


@labels.register
def _(loss: OrdinalLoss, z: Array, key: PRNGKeyArray) -> Array:
    score = z + jr.logistic(key, z.shape, z.dtype)
    limits = jnp.asarray(loss.thresholds, z.dtype)
    return jnp.searchsorted(limits, score)


@labels.register
def _(loss: PoissonLoss, z: Array, key: PRNGKeyArray) -> Array:
    return Poisson(jnp.exp(z)).sample(key)


@labels.register
def _(loss: PowerLoss, z: Array, key: PRNGKeyArray) -> Array:
    """`|r|**p / p` has the law Gamma(1 / p), and either sign is as likely."""
    p = jnp.broadcast_to(jnp.asarray(loss.power, z.dtype), z.shape)
    first, second = jr.split(key)
    size = (p * jr.gamma(first, 1 / p, dtype=z.dtype)) ** (1 / p)
    return z + loss.scale * size * jr.rademacher(second, z.shape, z.dtype)


@labels.register
def _(loss: StudentTLoss, z: Array, key: PRNGKeyArray) -> Array:
    return StudentT(loss.degrees, z, loss.scale).sample(key)
