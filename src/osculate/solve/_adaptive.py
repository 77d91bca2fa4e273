"""Points where the equation is met worst: drawn anew, and weighted for being drawn."""

from collections.abc import Mapping
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from osculate.core import Objective, Samples, Term

from ._domain import Domain
from ._problem import EQUATION

BITS = 62


@final
class ResidualAdaptive(eqx.Module):
    """A Sampler of points with a density that grows with the residual.

    From a pool of evenly spread points, N are drawn with the density `q = 1 + |r| /
    mean |r|` and weighted by `1 / q`: the loss stays the mean square over the domain,
    and what it misses between points becomes small where it would be large. Draws are
    systematic along a curve that keeps neighbours together (Morton order).

    Reference: Wu et al. (2023), A comprehensive study of non-adaptive and
    residual-based adaptive sampling for physics-informed neural networks; the weights
    and the order are ours.

    Attributes:
        domain: Where points are drawn.
        pool: How many points there are to choose from, for each that is drawn.
        label: Of the term.
    """

    domain: Domain
    pool: int = eqx.field(static=True)
    label: str = eqx.field(static=True)

    def __call__(
        self,
        objective: Objective,
        model: PyTree,
        samples: Mapping[str, Samples],
        key: PRNGKeyArray,
    ) -> dict[str, Samples]:
        """Returns the samples with new points of one term."""
        N = samples[self.label].x.shape[0]
        spread, first = jr.split(key)
        x = self.domain.points(self.pool * N, spread)
        inside = jax.vmap(self.domain.inside)(x).astype(x.dtype)
        size = magnitude(objective.terms[self.label], model, x) * inside
        mean = jnp.sum(size) / jnp.sum(inside)
        density = (1 + size / jnp.where(mean > 0, mean, 1.0)) * inside
        order = jnp.argsort(morton(x, self.domain))
        whole = jnp.cumsum(density[order])
        at = (jr.uniform(first) + jnp.arange(N, dtype=x.dtype)) / N * whole[-1]
        drawn = order[jnp.minimum(jnp.searchsorted(whole, at), len(order) - 1)]
        weight = 1 / density[drawn]
        return {**samples, self.label: Samples(x[drawn], None, weight)}


def residual_adaptive(domain: Domain, *, pool: int = 16) -> ResidualAdaptive:
    """Returns a Sampler that puts points of the equation where it is met worst.

    Args:
        domain: Of the problem.
        pool: How many points there are to choose from, for each that is drawn.

    Returns:
        A Sampler for `train.fit`; the weights of its points are `1 / density`.
    """
    return ResidualAdaptive(domain, pool, EQUATION)


def magnitude(term: Term, model: PyTree, x: Float[Array, "N D"]) -> Float[Array, " N"]:
    """Returns the norm of all residuals of a term at each point.

    Args:
        term: The term; its losses have residuals.
        model: The model.
        x: Points.

    Returns:
        `(N,)`.
    """
    found = term.outputs(model, Samples(x))
    squares = [jnp.sum(z.reshape(len(x), -1) ** 2, axis=1) for z in found.values()]
    return jnp.sqrt(sum(squares[1:], squares[0]))


def morton(x: Float[Array, "N D"], domain: Domain) -> Int[Array, " N"]:
    """Returns numbers that are near each other where points are.

    Args:
        x: Points.
        domain: Whose box they lie in.

    Returns:
        `(N,)`: the bits of all coordinates in turn.
    """
    low, high = jnp.asarray(domain.low), jnp.asarray(domain.high)
    D = x.shape[1]
    bits = max(1, min(16, BITS // D))
    z = jnp.clip((x - low[None]) / (high - low)[None], 0, 1)
    cells = (z * (2**bits - 1)).astype(jnp.int64)[:, : BITS // bits]
    D = cells.shape[1]
    level, axis = np.indices((bits, D))
    bit = (cells[:, None] >> jnp.asarray(level)[None]) % 2
    place = jnp.asarray(D * level + (D - 1 - axis))
    return jnp.sum(bit << place[None], axis=(1, 2))
