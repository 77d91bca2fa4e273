"""Optimal transport: exact in one dimension and of few points, entropic otherwise."""

import functools
import itertools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import wasserstein_distance

from osculate import chance

SINKHORN = jax.jit(chance.sinkhorn, static_argnames=("tolerance", "max_iterations"))
W1 = jax.jit(chance.wasserstein_1d, static_argnames="p")
SEEDS = st.integers(0, 2**31 - 1)


def close(found, expected, atol=1e-12):
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


def clouds(seed, N=6, M=6, D=2):
    a, b = jr.split(jr.key(seed))
    return jr.normal(a, (N, D)), 1.5 * jr.normal(b, (M, D)) + 1


@pytest.mark.spec("K3.6/b")
@pytest.mark.parametrize("p", [1.0, 2.0, 3.5])
def test_distance_of_two_points_far_apart(p):
    for a in (0.0, -3.0, 1e-3):
        close(chance.wasserstein_1d(jnp.zeros(1), jnp.array([a]), p), abs(a), 1e-15)
    x, y = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])  # tables of the two points
    assert jnp.isinf(chance.kl_divergence(x, y))
    close(chance.jensen_shannon(x, y), np.log(2))


@pytest.mark.spec("K3.6/b")
@settings(max_examples=10)
@given(SEEDS)
def test_distance_of_numbers_against_scipy(seed):
    k = jr.split(jr.key(seed), 4)
    x, y = jr.normal(k[0], (40,)), 3 + 2 * jr.normal(k[1], (40,))
    close(W1(x, y), wasserstein_distance(x, y), 4e-15)
    u, v = jr.uniform(k[2], (40,)), jr.uniform(k[3], (25,))
    found = W1(x, y[:25], 1.0, u, v)
    close(found, wasserstein_distance(x, y[:25], u, v), 1e-14)


@pytest.mark.spec("K3.6/b")
def test_distance_of_two_normal_laws():
    levels = (jnp.arange(100_000.0) + 0.5) / 100_000
    z = jax.scipy.stats.norm.ppf(levels)
    close(chance.wasserstein_1d(z, 3 + 2 * z, 2.0) ** 2, 10.0, 1e-3)
    # Of samples, the square misses 10 by the noise of their moments.
    x, y = jr.normal(jr.key(0), (2, 20_000))
    close(chance.wasserstein_1d(x, 3 + 2 * y, 2.0) ** 2, 10.0, 4.5 * 0.11)


@pytest.mark.spec("K3.6/b")
@settings(max_examples=5)
@given(SEEDS)
def test_keeping_the_order_is_the_best_assignment(seed):
    x, y = clouds(seed, 7, 7, 1)
    found = W1(x[:, 0], y[:, 0], p=2.0) ** 2
    close(found, chance.assignment(x, y).cost)
    doubled = jnp.repeat(x[:, 0], 2)
    close(W1(doubled, y[:, 0], p=2.0) ** 2, found)


def test_distance_is_differentiable():
    x, y = (c[:, 0] for c in clouds(0, 5, 3, 1))
    w = jnp.array([1.0, 2.0, 3.0, 0.5, 1.5])
    steps = 1e-6 * jnp.eye(5)
    for p in (1.0, 2.0):
        distance = lambda x, w, p=p: chance.wasserstein_1d(x, y, p, w)
        slopes = jax.jit(jax.grad(distance, (0, 1)))(x, w)
        by_x = jax.jit(jax.vmap(lambda s, d=distance: d(x + s, w)))
        by_w = jax.jit(jax.vmap(lambda s, d=distance: d(x, w + s)))
        for found, ends in zip(slopes, (by_x, by_w), strict=True):
            close(found, (ends(steps) - ends(-steps)) / 2e-6, 1e-7)
    slope = jax.grad(lambda x: chance.wasserstein_1d(x, x, 2.0))(x)
    assert jnp.all(jnp.isfinite(slope))
    pairs = jax.vmap(chance.wasserstein_1d)(jnp.stack([x, x]), jnp.stack([x, x + 1]))
    close(pairs, [0, 1])


@settings(max_examples=5)
@given(SEEDS)
def test_assignment_against_all_permutations(seed):
    x, y = clouds(seed, 5, 5)
    C = np.asarray(chance.squared_distances(x, y))
    best = min(
        np.mean(C[np.arange(5), list(order)])
        for order in itertools.permutations(range(5))
    )
    found = jax.jit(chance.assignment)(x, y)
    close(found.cost, best)
    close(found.cost, np.mean(C[np.arange(5), found.permutation]))


def test_the_largest_distance():
    # Levels of tenths and of thirtieths meet but for rounding, which is no width.
    x, y = jnp.arange(10.0), jnp.repeat(jnp.arange(10.0), 3)
    assert chance.wasserstein_1d(x, y, jnp.inf) == 0
    assert chance.wasserstein_1d(x, y, 64.0) == 0
    y = y.at[-1].set(12.0)
    close(chance.wasserstein_1d(x, y, jnp.inf), 3)
    close(chance.wasserstein_1d(x[::-1], x + 2, jnp.inf), 2)


def test_whole_numbers_are_numbers():
    x, y = jnp.array([0, 1]), jnp.array([5, 4])
    assert chance.wasserstein_1d(x, y) == 4
    found = chance.wasserstein_1d(x, y, x_weights=jnp.array([1, 3]))
    close(found, 4.5 - 0.75)
    points = chance.squared_distances(x[:, None], y[:, None])
    assert points.dtype == float
    assert chance.assignment(x[:, None], y[:, None]).cost == 16
    # Equal costs of all pairs but the diagonal: the plan is one shared by both.
    assert jnp.isfinite(chance.sinkhorn(jnp.eye(2, dtype=int), 1.0).value)


def test_assignment_is_differentiated_at_its_pairs():
    x, y = clouds(1, 6, 6)
    cost = lambda x: chance.assignment(x, y).cost
    found = jax.grad(cost)(x)
    close(found, (x - y[chance.assignment(x, y).permutation]) / 3)
    step = 1e-6 * jnp.ones_like(x).at[0].set(0.0)
    close(jnp.sum(found * step), (cost(x + step) - cost(x - step)) / 2, 1e-13)
    both = jax.vmap(lambda s: cost(x + s))(jnp.array([0.0, 2.0]))
    close(both, [cost(x), cost(x + 2)])


def test_sinkhorn_near_the_exact_assignment():
    x, y = clouds(2, 60, 60, 5)
    exact = chance.assignment(x, y).cost
    C = chance.squared_distances(x, y)
    off = []
    for epsilon in (1.0, 0.1, 0.01):
        found = SINKHORN(C, epsilon)
        assert found.error <= 1.1e-4
        off.append(float(found.cost / exact - 1))
    assert off[0] > off[1] > 0.0
    assert abs(off[2]) < 0.01


@settings(max_examples=5)
@given(SEEDS)
def test_sinkhorn_plan_is_optimal(seed):
    x, y = clouds(seed, 5, 4)
    a = jr.dirichlet(jr.key(seed), jnp.full(5, 3.0))
    C = 0.2 * chance.squared_distances(x, y)
    found = SINKHORN(C, 0.7, a, tolerance=1e-13)
    close(jnp.sum(found.plan, 1), a, 1e-12)
    close(jnp.sum(found.plan, 0), jnp.full(4, 0.25))
    assert found.error < 1e-12
    product = jnp.broadcast_to(a[:, None] / 4, (5, 4))
    penalty = 0.7 * chance.kl_divergence(found.plan, product)
    close(found.value, found.cost + penalty, 1e-11)
    # Duality: no feasible plan is cheaper.
    corners = jnp.zeros((5, 4)).at[:2, :2].set(jnp.array([[1.0, -1.0], [-1.0, 1.0]]))
    for sign in (0.9, -0.9):
        other = found.plan + sign * corners * jnp.min(found.plan[:2, :2])
        value = jnp.sum(other * C) + 0.7 * chance.kl_divergence(other, product)
        assert value > found.value


def test_sinkhorn_derivatives_at_every_order():
    x, y = clouds(3, 5, 4)
    C = chance.squared_distances(x, y)
    solve = lambda C, epsilon=0.5: SINKHORN(C, epsilon, tolerance=1e-14)
    plan = lambda C: solve(C).plan
    slope = jax.grad(lambda C, e: solve(C, e).value, (0, 1))
    v = jr.normal(jr.key(0), C.shape)

    @jax.jit
    def derivatives(C, e):
        along = jax.jvp(plan, (C,), (v,))[1]
        pulled = jax.vjp(plan, C)[1](v)[0]
        first, second = jax.jvp(lambda C: slope(C, e), (C,), (v,))
        return along, pulled, first, second[0]

    along, pulled, (by_cost, by_epsilon), second = derivatives(C, 0.5)
    close(by_cost, plan(C), 1e-11)
    product = jnp.full((5, 4), 1 / 20)
    close(by_epsilon, chance.kl_divergence(plan(C), product), 1e-10)
    expected = (plan(C + 1e-5 * v) - plan(C - 1e-5 * v)) / 2e-5
    close(along, expected, 1e-8)
    close(jnp.sum(pulled * v), jnp.sum(expected * v), 1e-8)
    close(second, expected, 1e-8)


def test_sinkhorn_potentials_are_prices():
    x, y = clouds(4, 5, 5)
    C = chance.squared_distances(x, y)
    a = jnp.array([0.1, 0.2, 0.3, 0.15, 0.25])
    solve = lambda a: SINKHORN(C, 0.5, a, a[::-1], tolerance=1e-14)
    f, g = solve(a).potentials
    v = jnp.array([1.0, -2.0, 1.0, 0.5, -0.5])
    close(jax.grad(lambda a: solve(a).value)(a) @ v, f @ v + g @ v[::-1], 1e-10)


def test_sinkhorn_divergence_is_0_of_the_same_points():
    x, y = clouds(5, 20, 20)
    found = jax.jit(functools.partial(chance.sinkhorn_divergence, tolerance=1e-9))
    close(found(x, x[::-1], 0.3), 0, 1e-6)
    assert found(x, y, 0.3) > 0.1
    shift = jnp.array([[2.0, -1.0]])
    close(found(x, x + shift, 0.3), 5.0, 1e-3)
    slope = jax.grad(lambda y: found(x, y, 0.3))(x)
    close(slope, jnp.zeros_like(x), 1e-8)


def test_sinkhorn_in_float32():
    x, y = (c.astype(jnp.float32) for c in clouds(6, 30, 30))
    C = 1e3 * chance.squared_distances(x, y)
    found = SINKHORN(C, 10.0)
    assert found.plan.dtype == jnp.float32
    assert found.error < 2e-4
    assert jnp.all(jnp.isfinite(jax.grad(lambda C: SINKHORN(C, 10.0).value)(C)))


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (
            lambda: chance.wasserstein_1d(jnp.ones(2), jnp.ones(2), 0.5),
            "`wasserstein_1d`: p is 0.5; expected 1 or more",
        ),
        (
            lambda: chance.wasserstein_1d(jnp.ones(2), jnp.ones(2), 1.0, -jnp.ones(2)),
            "`wasserstein_1d`: x_weights are negative",
        ),
        (
            lambda: chance.wasserstein_1d(
                jnp.ones(2), jnp.ones(2), y_weights=jnp.zeros(2)
            ),
            "`wasserstein_1d`: y_weights are all 0",
        ),
        (
            lambda: chance.wasserstein_1d(jnp.ones(0), jnp.ones(3)),
            r"`wasserstein_1d`: x has shape \(0,\) and y \(3,\)",
        ),
        (
            lambda: chance.wasserstein_1d(jnp.ones(2), jnp.ones(2), 1.0, jnp.ones(3)),
            r"`wasserstein_1d`: x_weights have shape \(3,\); expected \(2,\)",
        ),
        (
            lambda: chance.squared_distances(jnp.ones((2, 1)), jnp.ones((2, 3))),
            r"`squared_distances`: points x of shape \(2, 1\) and y of \(2, 3\)",
        ),
        (
            lambda: chance.assignment(jnp.ones((0, 1)), jnp.ones((0, 1))),
            "`assignment`: 0 points x and 0 points y",
        ),
        (
            lambda: chance.assignment(jnp.full((1, 1), jnp.nan), jnp.ones((1, 1))),
            "`assignment`: cost is not finite",
        ),
        (
            lambda: chance.sinkhorn(jnp.array([[0.0, jnp.inf]]), 1.0),
            "`sinkhorn`: cost is not finite",
        ),
        (
            lambda: chance.sinkhorn(jnp.ones((0, 2)), 1.0),
            r"`sinkhorn`: cost has shape \(0, 2\)",
        ),
        (
            lambda: chance.sinkhorn(jnp.ones((2, 2)), 1.0, None, jnp.ones(3) / 3),
            r"`sinkhorn`: y_weights have shape \(3,\); expected \(2,\)",
        ),
        (
            lambda: chance.assignment(jnp.ones((3, 1)), jnp.ones((2, 1))),
            "`assignment`: 3 points x and 2 points y",
        ),
        (
            lambda: chance.sinkhorn(jnp.ones((2, 2)), 0.0),
            "`sinkhorn`: epsilon is not positive",
        ),
        (
            lambda: chance.sinkhorn(jnp.ones((2, 2)), 1.0, jnp.ones(2)),
            "`sinkhorn`: x_weights do not sum to 1",
        ),
    ],
)
def test_refusals(refused, message):
    with pytest.raises(ValueError, match=message):
        refused()
