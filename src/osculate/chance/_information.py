"""Entropies and divergences of tables of probabilities."""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Real

from ._distribution import parameter, require

Axis = int | tuple[int, ...]
Generator = Callable[[Float[Array, "..."]], Float[Array, "..."]]

NATS_PER_UNIT = {"nats": 1.0, "bits": math.log(2.0)}
BOLTZMANN = 1.380649e-23  # J/K, exact by the definition of the kelvin


def entropy(
    p: Real[Array, "..."], axis: Axis | None = None, base: str = "nats"
) -> Float[Array, "..."]:
    """Returns `-sum(p log p)`, where 0 log 0 is 0 and has derivative 0.

    Args:
        p: Probabilities.
        axis: The axes of one table; None means all.
        base: The unit of the result, `nats` or `bits`.

    Returns:
        One number per table.

    Raises:
        ValueError: If the probabilities are negative or do not sum to 1.

    Example:
        >>> round(float(entropy(jnp.full(8, 1 / 8), base="bits")), 3)
        3.0
    """
    unit = _unit("entropy", base)
    p = _table("entropy", "p", p, axis)
    return jnp.sum(_entropy_terms(p), axis) / unit


def cross_entropy(
    p: Real[Array, "..."],
    q: Real[Array, "..."],
    axis: Axis | None = None,
    base: str = "nats",
) -> Float[Array, "..."]:
    """Returns `-sum(p log q)`, the entropy of p and the divergence of q from p.

    Args:
        p: Probabilities of what happens.
        q: Probabilities that were expected, of the same shape.
        axis: The axes of one table; None means all.
        base: The unit of the result, `nats` or `bits`.

    Returns:
        One number per table; infinite where q is 0 and p is not.

    Raises:
        ValueError: If the probabilities are negative or do not sum to 1, or the shapes
            differ.

    Example:
        >>> p, q = jnp.array([1.0, 0.0]), jnp.array([0.5, 0.5])
        >>> float(cross_entropy(p, q, base="bits"))
        1.0
    """
    unit = _unit("cross_entropy", base)
    p, q = _pair("cross_entropy", p, q, axis)
    return -jnp.sum(_times_log(p, q), axis) / unit


def kl_divergence(
    p: Real[Array, "..."],
    q: Real[Array, "..."],
    axis: Axis | None = None,
    base: str = "nats",
) -> Float[Array, "..."]:
    """Returns `sum(p log(p / q))`: what it costs to expect q where p happens.

    Args:
        p: Probabilities of what happens.
        q: Probabilities that were expected, of the same shape.
        axis: The axes of one table; None means all.
        base: The unit of the result, `nats` or `bits`.

    Returns:
        One number per table, 0 where p is q; infinite where q is 0 and p is not.

    Raises:
        ValueError: If the probabilities are negative or do not sum to 1, or the shapes
            differ.

    Example:
        >>> p, q = jnp.array([1.0, 0.0]), jnp.array([0.25, 0.75])
        >>> float(kl_divergence(p, q, base="bits"))
        2.0
    """
    unit = _unit("kl_divergence", base)
    p, q = _pair("kl_divergence", p, q, axis)
    return jnp.sum(_kl_terms(p, q), axis) / unit


def jensen_shannon(
    p: Real[Array, "..."],
    q: Real[Array, "..."],
    axis: Axis | None = None,
    base: str = "nats",
) -> Float[Array, "..."]:
    """Returns the mean divergence of p and of q from their mixture.

    Symmetric and at most 1 bit; its square root is a distance.

    Args:
        p: Probabilities.
        q: Probabilities of the same shape.
        axis: The axes of one table; None means all.
        base: The unit of the result, `nats` or `bits`.

    Returns:
        One number per table.

    Raises:
        ValueError: If the probabilities are negative or do not sum to 1, or the shapes
            differ.

    Reference: Endres and Schindelin (2003), A new metric for probability distributions.

    Example:
        >>> p, q = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
        >>> float(jensen_shannon(p, q, base="bits"))
        1.0
    """
    unit = _unit("jensen_shannon", base)
    p, q = _pair("jensen_shannon", p, q, axis)
    return jnp.sum(_jensen_shannon_terms(p, q), axis) / unit


def f_divergence(
    f: str | Generator,
    p: Real[Array, "..."],
    q: Real[Array, "..."],
    axis: Axis | None = None,
    slope: float = math.inf,
) -> Float[Array, "..."]:
    """Returns `sum(q f(p / q))` of a convex function f that is 0 at 1.

    Near p = q all of them are `f''(1) / 2` times the Fisher metric.

    Args:
        f: A function of the ratio, or a name: `kl`, `reverse_kl`, `jensen_shannon`,
            `squared_hellinger` (the sum of `(sqrt(p) - sqrt(q))**2`), `chi_squared` or
            `total_variation`.
        p: Probabilities.
        q: Probabilities of the same shape.
        axis: The axes of one table; None means all.
        slope: Limit of `f(t) / t` at infinity: the weight of p where q is 0. A name
            knows its own.

    Returns:
        One number per table, in nats where f is a logarithm.

    Raises:
        ValueError: If the name is not known, the probabilities are negative or do not
            sum to 1, or the shapes differ.

    Reference: Csiszar (1967), Information-type measures of difference.

    Example:
        >>> p, q = jnp.array([0.5, 0.5]), jnp.array([1.0, 0.0])
        >>> float(f_divergence("total_variation", p, q))
        0.5
    """
    p, q = _pair("f_divergence", p, q, axis)
    if isinstance(f, str):
        if f not in GENERATORS:
            raise ValueError(
                f"`f_divergence`: f {f!r} is not known; expected a function or one of "
                f"{', '.join(GENERATORS)}."
            )
        f, slope = GENERATORS[f]
    inside = q > 0
    ratio = jnp.where(inside, p, 1.0) / jnp.where(inside, q, 1.0)
    excluded = ~inside & (p > 0)
    beside = jnp.where(excluded, slope, 0.0) * jnp.where(excluded, p, 0.0)
    return jnp.sum(jnp.where(inside, q * f(ratio), beside), axis)


def marginal(joint: Real[Array, "..."], keep: Axis) -> Float[Array, "..."]:
    """Returns the table of some variables whatever the others are.

    Args:
        joint: Probabilities, one axis per variable.
        keep: The axes that stay, in their order.

    Returns:
        The sums over the other axes.

    Raises:
        ValueError: If the table is none, or has no such axis.

    Example:
        >>> print(marginal(jnp.array([[0.5, 0.25], [0.0, 0.25]]), 0))
        [0.75 0.25]
    """
    joint = _table("marginal", "joint", joint)
    return jnp.sum(joint, _others("marginal", joint, keep))


def conditional(joint: Real[Array, "..."], given: Axis) -> Float[Array, "..."]:
    """Returns the probabilities of the other variables where some are known.

    Args:
        joint: Probabilities, one axis per variable.
        given: The axes of what is known.

    Returns:
        An array of the shape of `joint` that sums to 1 over the other axes; 0 where the
        condition has probability 0.

    Raises:
        ValueError: If the table is none, or has no such axis.

    Example:
        >>> print(conditional(jnp.array([[0.5, 0.25], [0.0, 0.25]]), 1))
        [[1.  0.5]
         [0.  0.5]]
    """
    joint = _table("conditional", "joint", joint)
    others = _others("conditional", joint, given)
    return _ratio(joint, jnp.sum(joint, others, keepdims=True))


def bayes(
    prior: Real[Array, " H"], likelihood: Real[Array, "rows ..."]
) -> Float[Array, "rows ..."]:
    """Returns the probabilities of hypotheses after an observation.

    Args:
        prior: Probabilities of the hypotheses before it.
        likelihood: Probability, or density, of each observation under each hypothesis.

    Returns:
        One table per observation, over the first axis; 0 where no hypothesis allows the
        observation.

    Raises:
        ValueError: If the prior is no table, a likelihood is negative, or there is not
            one per hypothesis.

    Example:
        >>> print(bayes(jnp.array([0.5, 0.5]), jnp.array([0.25, 0.75])))
        [0.25 0.75]
    """
    prior = _table("bayes", "prior", prior)
    likelihood = parameter(likelihood)
    if likelihood.shape[:1] != prior.shape:
        raise ValueError(
            f"`bayes`: likelihood has shape {likelihood.shape} with {len(prior)} "
            "hypotheses; expected as many rows."
        )
    require(likelihood >= 0, "bayes", "likelihood is negative; expected 0 or more")
    joint = prior.reshape(-1, *[1] * (likelihood.ndim - 1)) * likelihood
    return _ratio(joint, jnp.sum(joint, 0, keepdims=True))


def conditional_entropy(
    joint: Real[Array, "..."], given: Axis, base: str = "nats"
) -> Float[Array, ""]:
    """Returns what stays unknown of the other variables where some are known.

    Args:
        joint: Probabilities, one axis per variable.
        given: The axes of what is known.
        base: The unit of the result, `nats` or `bits`.

    Returns:
        `-sum(p(x, y) log p(x | y))`, 0 or more.

    Raises:
        ValueError: If the table is none, or has no such axis.

    Example:
        >>> round(float(conditional_entropy(jnp.full((4, 2), 1 / 8), 1, "bits")), 3)
        2.0
    """
    unit = _unit("conditional_entropy", base)
    joint = _table("conditional_entropy", "joint", joint)
    others = _others("conditional_entropy", joint, given)
    known = jnp.sum(joint, others, keepdims=True)
    return -jnp.sum(_times_log(joint, _ratio(joint, known))) / unit


def mutual_information(
    joint: Real[Array, "..."], base: str = "nats"
) -> Float[Array, ""]:
    """Returns what one variable tells about another.

    Args:
        joint: Probabilities of both, `(X, Y)`; where one is several variables, reshape.
        base: The unit of the result, `nats` or `bits`.

    Returns:
        The divergence of the product of the marginals from the joint table; 0 where the
        variables are independent.

    Raises:
        ValueError: If the table does not have two axes, or the probabilities are
            negative or do not sum to 1.

    Example:
        >>> float(mutual_information(jnp.eye(2) / 2, base="bits"))
        1.0
    """
    unit = _unit("mutual_information", base)
    joint = _table("mutual_information", "joint", joint)
    if joint.ndim != 2:
        raise ValueError(
            f"`mutual_information`: joint has shape {joint.shape}; expected one axis "
            "for each of two variables."
        )
    product = jnp.sum(joint, 1, keepdims=True) * jnp.sum(joint, 0, keepdims=True)
    return jnp.sum(_kl_terms(joint, product)) / unit


def landauer(bits: float, temperature: float = 300.0) -> float:
    """Returns the least heat of erasing bits, `k T log 2` each.

    Args:
        bits: How many; per second, to get a power.
        temperature: In kelvin.

    Returns:
        Joules.

    Raises:
        ValueError: If the temperature is negative.

    Reference: Landauer (1961), Irreversibility and heat generation in computing.

    Example:
        >>> f"{landauer(16.0):.3g} J"
        '4.59e-20 J'
    """
    require(
        temperature >= 0, "landauer", f"temperature is {temperature} K; expected 0 up"
    )
    return BOLTZMANN * temperature * math.log(2.0) * bits


def _jensen_shannon_generator(t: Float[Array, "..."]) -> Float[Array, "..."]:
    return -0.5 * (_entropy_terms(t) + (1 + t) * jnp.log(0.5 * (1 + t)))


def _squared_hellinger_generator(t: Float[Array, "..."]) -> Float[Array, "..."]:
    root = jnp.sqrt(jnp.where(t > 0, t, 1.0))
    return jnp.where(t > 0, (1 - root) ** 2, 1.0)


# Each with the limit of f(t) / t at infinity.
GENERATORS: dict[str, tuple[Generator, float]] = {
    "kl": (lambda t: -_entropy_terms(t), math.inf),
    "reverse_kl": (lambda t: -jnp.log(t), 0.0),
    "jensen_shannon": (_jensen_shannon_generator, 0.5 * math.log(2.0)),
    "squared_hellinger": (_squared_hellinger_generator, 1.0),
    "chi_squared": (lambda t: (t - 1) ** 2, math.inf),
    "total_variation": (lambda t: 0.5 * jnp.abs(t - 1), 0.5),
}


def _entropy_terms(p: Float[Array, "..."]) -> Float[Array, "..."]:
    return -_times_log(p, p)


def _times_log(p: Float[Array, "..."], q: Float[Array, "..."]) -> Float[Array, "..."]:
    """Returns p log q; without value and derivative where p is 0."""
    happens = p > 0
    log = jnp.log(jnp.where(happens, q, 1.0))
    return jnp.where(happens, p, 0.0) * log


def _kl_terms(p: Float[Array, "..."], q: Float[Array, "..."]) -> Float[Array, "..."]:
    happens = p > 0
    log = jnp.log(jnp.where(happens, p, 1.0)) - jnp.log(jnp.where(happens, q, 1.0))
    return jnp.where(happens, p, 0.0) * log


def _jensen_shannon_terms(p: Float[Array, "..."], q: Float[Array, "..."]) -> Array:
    """Returns terms that are 0 or more; near p = q without cancellation."""
    mixture = 0.5 * (p + q)
    far = 0.5 * (_kl_terms(p, mixture) + _kl_terms(q, mixture))
    near = jnp.abs(p - q) < 0.5 * mixture
    t = 0.5 * jnp.where(near, p - q, 0.0) / jnp.where(near, mixture, 1.0)
    close = 0.5 * mixture * (2 * t * jnp.arctanh(t) + jnp.log1p(-(t**2)))
    return jnp.where(near, close, far)


def _ratio(part: Float[Array, "..."], whole: Float[Array, "..."]) -> Array:
    return part / jnp.where(whole > 0, whole, 1.0)


def _unit(owner: str, base: str) -> float:
    if base not in NATS_PER_UNIT:
        raise ValueError(
            f"`{owner}`: base {base!r} is not known; expected 'nats' or 'bits'."
        )
    return NATS_PER_UNIT[base]


def _others(owner: str, joint: Float[Array, "..."], axes: Axis) -> tuple[int, ...]:
    """Returns the axes of a table that are not named."""
    named = (axes,) if isinstance(axes, int) else axes
    if any(not -joint.ndim <= axis < joint.ndim for axis in named):
        raise ValueError(
            f"`{owner}`: axes {named}, but the table has {joint.ndim}; expected axes "
            f"from 0 to {joint.ndim - 1}."
        )
    kept = {axis % joint.ndim for axis in named}
    return tuple(axis for axis in range(joint.ndim) if axis not in kept)


def _pair(
    owner: str, p: Real[Array, "..."], q: Real[Array, "..."], axis: Axis | None
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    if jnp.shape(p) != jnp.shape(q):
        raise ValueError(
            f"`{owner}`: p has shape {jnp.shape(p)} and q {jnp.shape(q)}; expected the "
            "same."
        )
    return _table(owner, "p", p, axis), _table(owner, "q", q, axis)


def _table(owner: str, name: str, p: Any, axis: Axis | None = None) -> Array:
    """Returns real numbers known to be probabilities; traced tables pass."""
    p = parameter(p)
    if isinstance(p, Tracer):
        return p
    values = np.asarray(p, float)
    require(values >= 0, owner, f"{name} has negative entries; expected probabilities")
    off = float(np.max(np.abs(np.sum(values, axis) - 1), initial=0.0))
    slack = float(jnp.finfo(p.dtype).eps) ** 0.5
    require(off <= slack, owner, f"{name} sums to 1 within {off:.3g}; expected exactly")
    return p
