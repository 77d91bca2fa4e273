"""Search without derivatives: the mean of the best of many random neighbours."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree, UInt32

from osculate.core import Objective

from ._descent import flat_loss

Scalar = Float[Array, ""]
Vector = Float[Array, " P"]


class SearchState(NamedTuple):
    """What one step leaves to the next.

    Attributes:
        key: Data of the random key of all draws; a step folds its number in.
        step: How many steps were taken.
        step_size: Standard deviation of the neighbours in each parameter.
        path: Recent steps in units of their expected length, discounted, `(P,)`.
        evaluations: Of the loss, so far.
    """

    key: UInt32[Array, "..."]
    step: Int[Array, ""]
    step_size: Scalar
    path: Vector
    evaluations: Int[Array, ""]


class RandomSearch(eqx.Module):
    """Evolution strategy with one step size for all parameters. No gradients.

    Attributes:
        step_size: The first one.
        population: Neighbours per step, or None.
        key: Data of the random key.
        kind: Name of its generator.
    """

    step_size: Scalar
    population: int | None = eqx.field(static=True)
    key: UInt32[Array, "..."]
    kind: str = eqx.field(static=True)

    def init(
        self, objective: Objective, model: PyTree[Any], samples: Any
    ) -> SearchState:
        """Returns the state before the first step."""
        theta = flat_loss(objective, model, samples).theta
        zero = jnp.asarray(0)
        step_size = self.step_size.astype(theta.dtype)
        return SearchState(self.key, zero, step_size, jnp.zeros_like(theta), zero)

    def moved(
        self, objective: Objective, model: PyTree[Any], samples: Any, state: SearchState
    ) -> SearchState:
        """Returns the state unchanged: no loss outlives its step."""
        return state

    def step(
        self, objective: Objective, model: PyTree[Any], samples: Any, state: SearchState
    ) -> tuple[PyTree[Any], SearchState]:
        """Moves to the weighted mean of the best half of the neighbours."""
        theta, build, loss_at = flat_loss(objective, model, samples)
        P, dtype = theta.size, theta.dtype
        weights = _weights(self.population or _population(P))
        key = jr.fold_in(jr.wrap_key_data(state.key, impl=self.kind), state.step)
        draws = jr.normal(key, (weights.size, P), dtype)
        at = lambda z: loss_at(theta + state.step_size * z)
        losses = jax.lax.map(at, draws)
        order = jnp.argsort(jnp.where(jnp.isfinite(losses), losses, jnp.inf))
        mean = jnp.asarray(weights, dtype) @ draws[order]
        path, factor = _adapted(state.path, mean, float(1 / np.sum(weights**2)))
        after = SearchState(
            key=state.key,
            step=state.step + 1,
            step_size=state.step_size * factor,
            path=path,
            evaluations=state.evaluations + weights.size,
        )
        return build(theta + state.step_size * mean), after

    def notes(self, state: SearchState) -> dict[str, Array]:
        """Returns the step size and the evaluations so far."""
        return {"step_size": state.step_size, "evaluations": state.evaluations}


def _population(P: int) -> int:
    """Hansen, eq. 48."""
    return 4 + math.floor(3 * math.log(P))


def _weights(population: int) -> Float[np.ndarray, " population"]:
    """Returns weights by rank: they fall as a logarithm, and end at the better half."""
    best = np.log((population + 1) / 2) - np.log(np.arange(1, population + 1))
    kept = np.where(np.arange(population) < population // 2, best, 0.0)
    return kept / kept.sum()


def _adapted(path: Vector, mean: Vector, effective: float) -> tuple[Vector, Scalar]:
    """Cumulative step-size adaptation (Hansen, eqs. 43, 44 and 55, with C = 1).

    Args:
        path: Of the steps before.
        mean: Of the draws that were kept.
        effective: How many of them count.

    Returns:
        The path with this step, and the factor of the step size: above 1 where steps
        go the same way.
    """
    P = path.size
    memory = (effective + 2) / (P + effective + 5)
    excess = max(0.0, math.sqrt((effective - 1) / (P + 1)) - 1)
    damping = 1 + 2 * excess + memory
    path = (1 - memory) * path + math.sqrt(memory * (2 - memory) * effective) * mean
    expected = math.sqrt(P) * (1 - 1 / (4 * P) + 1 / (21 * P**2))
    length = jnp.linalg.norm(path) / expected
    return path, jnp.exp(memory / damping * (length - 1))


def random_search(
    key: PRNGKeyArray, step_size: float = 0.1, *, population: int | None = None
) -> RandomSearch:
    """Returns an evolution strategy: the baseline that no derivative should lose to.

    Random neighbours of the parameters are tried, and the best half is combined with
    weights that fall with the rank (SPEC K4.1/b). Only the order of losses counts, so
    that the loss may jump, and may be replaced by any rising function of it. The price
    grows with the number of parameters: on quadratics, gradient descent needs about P
    times fewer evaluations.

    Cost of a step: `population` evaluations of the loss, one after the other.

    Reference: Hansen, The CMA evolution strategy: a tutorial (2016), arXiv:1604.00772,
    without adaptation of the covariance; Ostermeier, Gawelczyk and Hansen (1994) for
    the step size.

    Args:
        key: Where its randomness comes from.
        step_size: Standard deviation of the first neighbours, in units of the
            parameters.
        population: Neighbours per step; None takes `4 + 3 log P`.

    Returns:
        An Optimizer for `train.fit`.

    Raises:
        ValueError: If the step size is not positive or the population below 4.

    Example:
        >>> method = random_search(key)
        >>> found = osculate.train.fit(objective, model, samples, method, steps=20)
        >>> first, *_, last = found.history["loss"]
        >>> bool(last < first)
        True
    """
    if not step_size > 0 or (population is not None and population < 4):
        raise ValueError(
            f"`random_search`: step_size={step_size}, population={population}; "
            "expected a positive step size, and 4 neighbours or more."
        )
    data, kind = jr.key_data(key), str(jr.key_impl(key))
    return RandomSearch(jnp.asarray(float(step_size)), population, data, kind)
