"""Optimal transport: the least cost of turning one distribution into another."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Real
from scipy.optimize import linear_sum_assignment

from ._distribution import parameter, require

Cost = Callable[[Float[Array, "N D"], Float[Array, "M E"]], Float[Array, "N M"]]

LOOSE = 1e-2  # error at which epsilon is lowered
STEPS_PER_LEVEL = 100


def squared_distances(
    x: Real[Array, "N D"], y: Real[Array, "M E"]
) -> Float[Array, "N M"]:
    """Returns the squared Euclidean distances of all points to all others.

    Args:
        x: Points.
        y: Points.

    Returns:
        One row per point of x.

    Raises:
        ValueError: If the points have unequal numbers of coordinates.

    Example:
        >>> print(squared_distances(jnp.zeros((1, 2)), jnp.ones((3, 2))))
        [[2. 2. 2.]]
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(
            f"`squared_distances`: points x of shape {x.shape} and y of {y.shape}; "
            "expected (N, D) and (M, D)."
        )
    return _squared_distances(parameter(x), parameter(y))


def wasserstein_1d(
    x: Real[Array, " N"],
    y: Real[Array, " M"],
    p: float = 1.0,
    x_weights: Real[Array, " x_shares"] | None = None,
    y_weights: Real[Array, " y_shares"] | None = None,
) -> Float[Array, ""]:
    """Returns the Wasserstein distance of two samples of numbers, exactly.

    The best transport keeps the order, so that it is the distance of the quantiles.

    Args:
        x: Numbers.
        y: Numbers.
        p: Power of the distance that a transport costs, 1 or more; infinite: the
            largest distance counts.
        x_weights: Shares of the numbers, not all 0; None means equal.
        y_weights: Likewise.

    Returns:
        `(mean cost)**(1 / p)`, in the units of x; differentiable by all four.

    Raises:
        ValueError: If p is below 1, there are no numbers, or the weights are negative,
            all 0, or not one per number.

    Example:
        >>> float(wasserstein_1d(jnp.array([0.0, 1.0]), jnp.array([5.0, 4.0])))
        4.0
    """
    if not p >= 1:
        raise ValueError(f"`wasserstein_1d`: p is {p}; expected 1 or more.")
    x, y = parameter(x), parameter(y)
    if x.ndim != 1 or y.ndim != 1 or not (x.size and y.size):
        raise ValueError(
            f"`wasserstein_1d`: x has shape {x.shape} and y {y.shape}; expected (N,) "
            "and (M,), 1 or more numbers of each."
        )
    if x_weights is None and y_weights is None and len(x) == len(y):
        apart = jnp.abs(jnp.sort(x) - jnp.sort(y))
        widths = jnp.full_like(apart, 1 / len(x))
    else:
        x, x_levels = _quantiles(x, x_weights, "x_weights")
        y, y_levels = _quantiles(y, y_weights, "y_weights")
        levels = jnp.sort(jnp.concatenate([x_levels, y_levels]))
        widths = jnp.diff(levels, prepend=0.0)
        # Levels that are equal but for rounding have no width between them.
        rounding = 4 * jnp.finfo(levels.dtype).eps
        widths = jnp.where(widths > rounding, widths, 0.0)
        middles = jax.lax.stop_gradient(levels - 0.5 * widths)
        apart = jnp.abs(_at(x, x_levels, middles) - _at(y, y_levels, middles))
    if p == 1:
        return jnp.sum(widths * apart)
    if math.isinf(p):
        return jnp.max(jnp.where(widths > 0, apart, 0.0))
    scale = jax.lax.stop_gradient(jnp.max(apart))
    scale = jnp.where(scale > 0, scale, 1.0)
    mean = jnp.sum(widths * (apart / scale) ** p)
    moved = mean > 0
    return jnp.where(moved, scale * jnp.where(moved, mean, 1.0) ** (1 / p), 0.0)


class Assignment(NamedTuple):
    """The cheapest way to pair points.

    Attributes:
        cost: The mean cost of the pairs.
        permutation: The point of y that each point of x is paired with.
    """

    cost: Float[Array, ""]
    permutation: Int[Array, " N"]


def assignment(
    x: Real[Array, "N D"], y: Real[Array, "M E"], cost: Cost = squared_distances
) -> Assignment:
    """Returns the exact optimal transport of as many points, found on the host.

    Cost: N^3 operations at worst. The derivative is that of the cost of the same pairs
    (the envelope theorem): exact wherever the best pairs are unique.

    Args:
        x: Points.
        y: As many points.
        cost: From both to the cost of all pairs, `(N, N)`.

    Returns:
        The mean cost and the pairs.

    Raises:
        ValueError: If the numbers of points differ or are 0, or the cost is not finite.

    Reference: Crouse (2016), On implementing 2D rectangular assignment algorithms.

    Example:
        >>> x = jnp.array([[0.0], [1.0]])
        >>> float(assignment(x, x[::-1] + 2).cost)
        4.0
    """
    x, y = parameter(x), parameter(y)
    N = len(x)
    if len(y) != N or N == 0:
        raise ValueError(
            f"`assignment`: {N} points x and {len(y)} points y; expected as many, 1 or "
            "more."
        )
    C = cost(x, y)
    require(jnp.isfinite(C), "assignment", "cost is not finite; expected real numbers")
    permutation = jax.pure_callback(
        lambda known: linear_sum_assignment(np.asarray(known))[1].astype(np.int32),
        jax.ShapeDtypeStruct((N,), jnp.int32),
        jax.lax.stop_gradient(C),
        vmap_method="sequential",
    )
    return Assignment(jnp.mean(C[jnp.arange(N), permutation]), permutation)


class Transport(NamedTuple):
    """Entropic optimal transport.

    Attributes:
        value: The least of `cost + epsilon * KL(plan, product of the weights)`.
        cost: The mean cost of the plan alone.
        plan: Shares that go from each point of x to each of y, `(N, M)`.
        potentials: Prices at the points of x and of y: derivatives of the value by the
            weights.
        error: How much of the shares arrives at a wrong place.
    """

    value: Float[Array, ""]
    cost: Float[Array, ""]
    plan: Float[Array, "N M"]
    potentials: tuple[Float[Array, " N"], Float[Array, " M"]]
    error: Float[Array, ""]


def sinkhorn(
    cost: Real[Array, "N M"],
    epsilon: float | Float[Array, ""],
    x_weights: Float[Array, " x_shares"] | None = None,
    y_weights: Float[Array, " y_shares"] | None = None,
    tolerance: float = 1e-4,
    max_iterations: int = 10_000,
) -> Transport:
    """Returns the optimal transport with an entropic penalty, by alternate scaling.

    All in logarithms; epsilon is lowered to its value step by step. Derivatives of the
    value by cost, epsilon and weights come with it (the envelope theorem). Those of the
    plan are implicit, and those of the value of higher order: one dense linear system
    of M unknowns, singular where the plan has become a pairing.

    Args:
        cost: Of every pair, such as `squared_distances(x, y)`.
        epsilon: Penalty, positive, in the units of the cost: below it, differences of
            cost do not count. The smaller, the more iterations.
        x_weights: Shares that start, positive, of sum 1; None means equal.
        y_weights: Shares that arrive.
        tolerance: Error at which to stop.
        max_iterations: At the last epsilon.

    Returns:
        Value, cost, plan, potentials and the error that is left.

    Raises:
        ValueError: If epsilon is not positive, the cost is empty or not finite, or the
            weights are not positive, do not sum to 1 or are not one per point.

    Reference: Cuturi (2013), Sinkhorn distances; Peyre and Cuturi (2019), Computational
        optimal transport, ch. 4.

    Example:
        >>> x = jnp.array([[0.0], [1.0]])
        >>> found = sinkhorn(squared_distances(x, x + 3), 0.01)
        >>> round(float(found.cost), 3)
        9.0
    """
    require(
        jnp.asarray(epsilon) > 0,
        "sinkhorn",
        "epsilon is not positive; expected above 0",
    )
    cost = parameter(cost)
    if cost.ndim != 2 or cost.size == 0:
        raise ValueError(
            f"`sinkhorn`: cost has shape {cost.shape}; expected (N, M), 1 or more."
        )
    require(jnp.isfinite(cost), "sinkhorn", "cost is not finite; expected real numbers")
    epsilon = jnp.asarray(epsilon, cost.dtype)
    a = _shares(x_weights, cost.shape[0], cost.dtype, "x_weights")
    b = _shares(y_weights, cost.shape[1], cost.dtype, "y_weights")
    g = _potential(cost, epsilon, a, b, tolerance, max_iterations)
    f = _soft_minimum(cost, g, b, epsilon)
    plan = a[:, None] * b[None] * jnp.exp((f[:, None] + g[None] - cost) / epsilon)
    value = _dual((f, g), (cost, epsilon, a, b))
    error = jnp.sum(jnp.abs(jnp.sum(plan, 0) - b))
    return Transport(value, jnp.sum(plan * cost), plan, (f, g), error)


def sinkhorn_divergence(
    x: Real[Array, "N D"],
    y: Real[Array, "M E"],
    epsilon: float | Float[Array, ""],
    cost: Cost = squared_distances,
    tolerance: float = 1e-4,
    max_iterations: int = 10_000,
) -> Float[Array, ""]:
    """Returns the entropic transport without its bias: 0 from points to themselves.

    Args:
        x: Points.
        y: Points.
        epsilon: Penalty, positive, in the units of the cost.
        cost: From both to the cost of all pairs.
        tolerance: Error at which to stop.
        max_iterations: At the last epsilon.

    Returns:
        `value(x, y) - value(x, x) / 2 - value(y, y) / 2`, in the units of the cost.

    Raises:
        ValueError: If epsilon is not positive, or there are no points.

    Reference: Feydy et al. (2019), Interpolating between optimal transport and MMD
        using Sinkhorn divergences, eq. 3.

    Example:
        >>> x = jnp.array([[0.0], [1.0]])
        >>> round(float(sinkhorn_divergence(x, x + 3, 0.5)), 3)
        9.0
    """

    def value(x: Array, y: Array) -> Array:
        C = cost(x, y)
        return sinkhorn(
            C, epsilon, tolerance=tolerance, max_iterations=max_iterations
        ).value

    return value(x, y) - 0.5 * value(x, x) - 0.5 * value(y, y)


@jax.jit
def _squared_distances(x: Array, y: Array) -> Array:
    """Compiled, so that the differences are never all in memory."""
    return jnp.sum((x[:, None] - y[None]) ** 2, -1)


def _worth(
    potentials: tuple[Float[Array, " N"], Float[Array, " M"]],
    problem: tuple[Array, Array, Array, Array],
) -> Float[Array, ""]:
    """Returns what the prices are worth; the best prices maximize it."""
    f, g = potentials
    cost, epsilon, a, b = problem
    exponents = (f[:, None] + g[None] - cost) / epsilon
    total = jnp.sum(a[:, None] * b[None] * jnp.exp(exponents))
    return a @ f + b @ g - epsilon * (total - 1)


_dual = jax.custom_jvp(_worth)


@_dual.defjvp
def _dual_jvp(primals: Any, tangents: Any) -> Any:
    """At the best prices a change of them is worth nothing."""
    potentials, problem = primals
    return jax.jvp(lambda p: _worth(potentials, p), (problem,), (tangents[1],))


@jax.jit
def _potential(
    cost: Float[Array, "N M"],
    epsilon: Float[Array, ""],
    a: Float[Array, " N"],
    b: Float[Array, " M"],
    tolerance: Any,
    max_iterations: Any,
) -> Float[Array, " M"]:
    """Returns the prices at y that two half steps leave as they are."""

    def step(g: Float[Array, " M"], epsilon: Any = epsilon) -> Float[Array, " M"]:
        f = _soft_minimum(cost, g, b, epsilon)
        return _soft_minimum(cost.T, f, a, epsilon)

    span = jnp.max(cost) - jnp.min(cost)

    def anneal(_: Any, start: Float[Array, " M"]) -> Float[Array, " M"]:
        def settle(g: Any, level: Any, tolerance: Any, most: Any) -> Any:
            def going(state: Any) -> Any:
                return (state[1] > tolerance) & (state[2] < most)

            def again(state: Any) -> Any:
                g, _, iteration = state
                new = step(g, level)
                error = jnp.sum(b * jnp.abs(jnp.expm1((g - new) / level)))
                return new, error, iteration + 1

            state = g, jnp.array(jnp.inf, cost.dtype), 0
            return jax.lax.while_loop(going, again, state)[0]

        def lower(state: Any) -> Any:
            g, level = state
            return settle(g, level, LOOSE, STEPS_PER_LEVEL), 0.5 * level

        g, _ = jax.lax.while_loop(
            lambda state: state[1] > epsilon,
            lower,
            (start, jnp.where(jnp.isfinite(span), span, 0.0)),
        )

        return settle(g, epsilon, tolerance, max_iterations)

    def tangent_solve(linear: Any, y: Float[Array, " M"]) -> Float[Array, " M"]:
        # Prices are defined up to a constant: the one whose mean is 0.
        J = jax.jacfwd(linear)(jnp.zeros_like(y)) + b[None]
        return jnp.linalg.solve(J, y)

    return jax.lax.custom_root(
        lambda g: g - step(g),
        jnp.zeros(cost.shape[1], cost.dtype),
        anneal,
        tangent_solve,
    )


def _soft_minimum(
    cost: Float[Array, "N M"],
    prices: Float[Array, " M"],
    weights: Float[Array, " M"],
    epsilon: Any,
) -> Float[Array, " N"]:
    exponents = (prices[None] - cost) / epsilon + jnp.log(weights)[None]
    return -epsilon * jax.nn.logsumexp(exponents, 1)


def _shares(weights: Array | None, n: int, dtype: Any, name: str) -> Array:
    if weights is None:
        return jnp.full(n, 1 / n, dtype)
    _require_length("sinkhorn", weights, n, name)
    require(weights > 0, "sinkhorn", f"{name} are not positive; expected above 0")
    off = jnp.abs(jnp.sum(weights) - 1)
    require(off < 1e-3, "sinkhorn", f"{name} do not sum to 1; expected shares")
    return weights


def _quantiles(
    x: Float[Array, " N"], weights: Real[Array, "..."] | None, name: str
) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
    """Returns sorted numbers and the share that is at most each."""
    weights = jnp.ones_like(x) if weights is None else parameter(weights)
    _require_length("wasserstein_1d", weights, len(x), name)
    require(weights >= 0, "wasserstein_1d", f"{name} are negative; expected 0 or more")
    total = jnp.sum(weights)
    require(total > 0, "wasserstein_1d", f"{name} are all 0; expected some above")
    order = jnp.argsort(x)
    levels = jnp.cumsum(weights[order])
    return x[order], levels / levels[-1]


def _require_length(owner: str, weights: Array, n: int, name: str) -> None:
    if weights.shape != (n,):
        raise ValueError(
            f"`{owner}`: {name} have shape {weights.shape}; expected {(n,)}, one per "
            "point."
        )


def _at(
    x: Float[Array, " N"], levels: Float[Array, " N"], middles: Float[Array, " K"]
) -> Float[Array, " K"]:
    return x[jnp.clip(jnp.searchsorted(levels, middles), 0, len(x) - 1)]
