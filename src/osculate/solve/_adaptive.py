"""Points where the equation is met worst: drawn anew, and weighted for being drawn."""

from collections.abc import Mapping
from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from osculate.core import Fixed, Objective, Samples, Term

from ._domain import Domain
from ._problem import EQUATION, Problem
from ._spots import Lift, lift_of

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
        lift: What conditions contribute at points, or None.
        before: As of `Trial`: the window of time that they are moved into, or None.
        pool: How many points there are to choose from, for each that is drawn.
        label: Of the term.
    """

    domain: Domain
    lift: Lift | None
    before: Fixed | None
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
        N = len(jax.tree.leaves(samples[self.label].x)[0])
        spread, first = jr.split(key)
        x = self.domain.points(self.pool * N, spread)
        inside = jax.vmap(self.domain.inside)(x).astype(x.dtype)
        x = x if self.before is None else self.before.value.placed(x)
        spots = x if self.lift is None else self.lift(x)
        size = magnitude(objective.terms[self.label], model, spots) * inside
        drawn, weight = draw(self.domain, x, size, inside, N, first)
        kept = jax.tree.map(lambda a: a[drawn], spots)
        return {**samples, self.label: Samples(kept, None, weight)}


def draw(
    domain: Domain,
    x: Float[Array, "M D"],
    size: Float[Array, " M"],
    inside: Float[Array, " M"],
    N: int,
    key: PRNGKeyArray,
) -> tuple[Int[Array, " {N}"], Float[Array, " {N}"]]:
    """Draws points with the density `1 + size / mean`.

    Args:
        domain: Where they lie.
        x: Points to choose from.
        size: Of the residual at each; 0 outside.
        inside: 1 inside, 0 outside.
        N: How many are drawn.
        key: Of the first.

    Returns:
        Rows of x, and weights `1 / density`.
    """
    mean = jnp.sum(size) / jnp.sum(inside)
    density = (1 + size / jnp.where(mean > 0, mean, 1.0)) * inside
    order = jnp.argsort(morton(x, domain))
    whole = jnp.cumsum(density[order])
    at = (jr.uniform(key) + jnp.arange(N, dtype=x.dtype)) / N * whole[-1]
    drawn = order[jnp.minimum(jnp.searchsorted(whole, at), len(order) - 1)]
    return drawn, 1 / density[drawn]


def residual_adaptive(
    problem: Problem, *, pool: int = 16, before: Fixed | None = None
) -> ResidualAdaptive:
    """Returns a Sampler that puts points of the equation where it is met worst.

    Args:
        problem: The problem.
        pool: How many points there are to choose from, for each that is drawn.
        before: As of `Trial`, in a window of time.

    Returns:
        A Sampler for `train.fit`; the weights of its points are `1 / density`.
    """
    lift = lift_of(problem, before)
    return ResidualAdaptive(problem.domain, lift, before, pool, EQUATION)


def magnitude(term: Term, model: PyTree, x: PyTree) -> Float[Array, " N"]:
    """Returns the norm of all residuals of a term at each point.

    Args:
        term: The term; its losses have residuals.
        model: The model.
        x: Points, any pytree with leading axis N.

    Returns:
        `(N,)`.
    """
    return norms(term.outputs(model, Samples(x)))


def norms(found: Mapping[str, Array]) -> Float[Array, " N"]:
    """Returns the norm over all names and entries of each row.

    Args:
        found: Arrays by name.

    Returns:
        `(N,)`.
    """
    squares = [jnp.sum(z.reshape(len(z), -1) ** 2, axis=1) for z in found.values()]
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
