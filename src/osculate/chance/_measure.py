"""Derivatives of a density as differences of two densities: weak derivatives.

The derivative of `E f(x)` by a parameter is `c (E f(x+) - E f(x-))`: the derivative of
the density is split into its positive and negative part, both normed. f itself is not
differentiated, and x+ and x- share their noise, so the variance is small.

Reference: G. C. Pflug 1996, Optimization of stochastic models; S. Mohamed et al. 2020,
Monte Carlo gradient estimation in machine learning, table 1 and section 6.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray

from ._counts import Bernoulli, Poisson
from ._distribution import Distribution
from ._draws import constant_draws
from ._half_line import Exponential
from ._normal import Normal
from ._shapes import aligned


class Pair(NamedTuple):
    """The derivative by one parameter.

    Attributes:
        parameter: Of each entry.
        constant: c.
        above: x+, draws of the positive part.
        below: x-, draws of the negative part.
    """

    parameter: Array
    constant: Array
    above: Array
    below: Array


def has_weak_derivatives(law: Distribution) -> bool:
    """Returns whether `weak_terms` knows the distribution."""
    return type(law) in _PAIRS


def weak_terms(f: Callable, law: Distribution, key: PRNGKeyArray, n: int) -> Any:
    """Returns f at n draws, with weak first derivatives and no second ones."""
    k_draw, k_pairs = jr.split(key)
    x = constant_draws(law, k_draw, n)
    found = jax.vmap(f)(x)
    for pair in _PAIRS[type(law)](law, x, k_pairs):
        found = jax.tree.map(jnp.add, found, _first_derivative(f, x, pair))
    return found


def _first_derivative(f: Callable, x: Array, pair: Pair) -> Any:
    """Returns zeros whose derivative by the parameter is the weak one, summed."""
    shape = x.shape[1:]
    entries = jnp.eye(math.prod(shape), dtype=bool).reshape(-1, *shape)
    spread = lambda a: jnp.broadcast_to(a, x.shape)
    above, below = spread(pair.above), spread(pair.below)

    def slopes(x: Array, above: Array, below: Array, entry: Array) -> Any:
        up, down = (f(jnp.where(entry, moved, x)) for moved in (above, below))
        return jax.tree.map(jnp.subtract, up, down)

    over_draws = jax.vmap(slopes, in_axes=(0, 0, 0, None))
    found = jax.vmap(over_draws, in_axes=(None, None, None, 0))(
        x, above, below, entries
    )
    parameter, constant = (
        jnp.broadcast_to(a, shape).reshape(-1) for a in (pair.parameter, pair.constant)
    )

    def summed(slope: Array) -> Array:
        cast = lambda a: a.astype(slope.dtype).reshape(-1, *[1] * (slope.ndim - 1))
        return jnp.sum(_linear(cast(parameter), cast(constant) * slope), axis=0)

    return jax.tree.map(summed, found)


@jax.custom_jvp
def _linear(parameter: Array, slope: Array) -> Array:
    """Returns zeros, whose derivative by the parameter is the slope."""
    return jnp.zeros_like(slope)


@_linear.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple:
    parameter, slope = primals
    return _linear(parameter, slope), tangents[0] * _once(slope)


@jax.custom_jvp
def _once(slope: Array) -> Array:
    return slope


@_once.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple:
    raise ValueError(
        "`expect`: how='measure' has first derivatives only, and this is a second one. "
        "Use how='score'."
    )


def _normal(law: Normal, x: Array, key: PRNGKeyArray) -> list[Pair]:
    """Rayleigh numbers on either side; double-sided Maxwell against normal ones."""
    k_rayleigh, k_maxwell, k_sign, k_shrink = jr.split(key, 4)
    rayleigh = jnp.sqrt(2 * jr.exponential(k_rayleigh, x.shape, x.dtype))
    squares = jr.normal(k_maxwell, (3, *x.shape), x.dtype) ** 2
    sign = jr.rademacher(k_sign, x.shape, x.dtype)
    maxwell = sign * jnp.sqrt(jnp.sum(squares, axis=0))
    shrunk = maxwell * jr.uniform(k_shrink, x.shape, x.dtype)  # normal again
    mean, scale, _ = aligned(law.mean, law.scale, x)
    at = lambda z: mean + scale * z
    return [
        Pair(
            law.mean,
            1 / (law.scale * math.sqrt(2 * math.pi)),
            at(rayleigh),
            at(-rayleigh),
        ),
        Pair(law.scale, 1 / law.scale, at(maxwell), at(shrunk)),
    ]


def _exponential(law: Exponential, x: Array, key: PRNGKeyArray) -> list[Pair]:
    """One waiting time against the sum of two."""
    z, rate = aligned(jr.exponential(key, x.shape, x.dtype), law.rate)
    return [Pair(law.rate, 1 / law.rate, x, x + z / rate)]


def _poisson(law: Poisson, x: Array, key: PRNGKeyArray) -> list[Pair]:
    """One event more."""
    return [Pair(law.rate, jnp.ones_like(law.rate), x + 1, x)]


def _bernoulli(law: Bernoulli, x: Array, key: PRNGKeyArray) -> list[Pair]:
    """Yes against no."""
    slope = jax.nn.sigmoid(law.logits) * jax.nn.sigmoid(-law.logits)
    return [Pair(law.logits, slope, jnp.ones_like(x), jnp.zeros_like(x))]


_PAIRS: dict[type, Callable[[Any, Array, PRNGKeyArray], list[Pair]]] = {
    Normal: _normal,
    Exponential: _exponential,
    Poisson: _poisson,
    Bernoulli: _bernoulli,
}
