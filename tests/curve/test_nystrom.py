"""The randomized preconditioner against dense algebra, and the products it saves."""

import functools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from least_squares import poisson
from osculate import curve
from osculate.curve import _lanes
from osculate.curve._nystrom import nystrom, preconditioner

P = 40


def decaying(key, rate):
    """A matrix whose eigenvalues are `exp(-rate k)`."""
    q, _ = jnp.linalg.qr(jr.normal(key, (P, P)))
    return (q * jnp.exp(-rate * jnp.arange(float(P)))[None]) @ q.T


@functools.partial(jax.jit, static_argnums=1)
def factor_of(A, rank):
    return nystrom(lambda v: A @ v, jnp.zeros(P), rank)


@given(st.integers(0, 10_000))
@settings(max_examples=10)
def test_it_lies_below_the_matrix_and_near_it(seed):
    """0 <= A - B B', of the size of the eigenvalues that are left out."""
    A = decaying(jr.key(seed), 0.5)
    B = factor_of(A, 20)
    gap = jnp.linalg.eigvalsh(A - B @ B.T)
    assert gap.min() > -1e-12
    assert gap.max() < 1e3 * jnp.exp(-0.5 * 20)
    products = B.T @ B
    np.testing.assert_allclose(products, jnp.diag(jnp.diag(products)), atol=1e-12)
    assert jnp.all(jnp.diff(jnp.diag(products)) <= 1e-14)


@pytest.mark.parametrize("rank", [6, 15])
def test_a_matrix_of_low_rank_is_found(key, rank):
    J = jr.normal(key, (6, P))
    B = factor_of(J.T @ J, rank)
    np.testing.assert_allclose(B @ B.T, J.T @ J, rtol=0, atol=1e-10)


def test_it_inverts_what_it_knows(key):
    """Symmetric, positive, and with a full factor the inverse up to a number."""
    A, damping = decaying(key, 0.3), jnp.asarray(1e-4)
    near = preconditioner(factor_of(A, P), damping)
    M = jax.vmap(near, 1, 1)(jnp.eye(P))
    np.testing.assert_allclose(M, M.T, atol=1e-12)
    assert jnp.linalg.eigvalsh(M).min() > 0
    both = M @ (A + damping * jnp.eye(P))
    np.testing.assert_allclose(both, both[0, 0] * jnp.eye(P), rtol=0, atol=1e-10)


def test_nothing_is_changed_without_columns_or_without_a_matrix(key):
    v, damping = jr.normal(key, (P,)), jnp.asarray(0.1)
    for factor in (factor_of(jnp.eye(P), 0), factor_of(jnp.zeros((P, P)), 5)):
        np.testing.assert_array_equal(preconditioner(factor, damping)(v), v)


def test_it_saves_more_products_than_it_costs(key):
    """The matrix of an equation, with small damping: both solutions of a step."""
    objective, net, samples = poisson(key, N=60, width=10)
    here = _lanes.local(objective, net, samples)
    A = curve.gram(objective, net, samples)
    damping = 1e-7 * jnp.trace(A)

    def steps(rank):
        factor = nystrom(lambda v: A @ v, here.theta, rank)
        solve = functools.partial(
            curve.conjugate_gradients,
            lambda v: A @ v + damping * v,
            preconditioner=preconditioner(factor, damping),
            max_steps=3000,
        )
        first = solve(here.pull(here.residual))
        second = solve(here.pull(here.bend(-first.value)))
        return first.steps + second.steps, first.value

    plain, without = steps(0)
    few, found = steps(25)
    assert 25 + few < 0.5 * plain
    exact = jnp.linalg.solve(A + damping * jnp.eye(len(A)), here.pull(here.residual))
    assert jnp.linalg.norm(found - exact) < jnp.linalg.norm(without - exact)
