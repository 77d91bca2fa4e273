"""The algebra of keys: counts and laws."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate.diff._keys import LAPLACE, all_keys, chain, closure, order_of, product

KEY = st.lists(st.integers(LAPLACE, 1), max_size=3).map(lambda k: tuple(sorted(k)))


@given(KEY)
def test_every_operator_is_applied_to_one_factor(key):
    for _, a, b in product(key, (0, 1)):
        assert order_of(a) + order_of(b) == order_of(key)
    # D (a b) at a = b = exp(x + y): every derivative of a b is 2^order of it.
    total = sum(n * 2 ** (a + b).count(LAPLACE) for n, a, b in product(key, (0, 1)))
    assert total == 2 ** order_of(key) * 2 ** key.count(LAPLACE)


@given(st.integers(1, 6))
def test_partitions_are_counted_by_bell(order):
    assert (
        sum(n for n, _ in chain((0,) * order, (0,)))
        == [1, 2, 5, 15, 52, 203][order - 1]
    )


@pytest.mark.parametrize("directions", [1, 2, 3, 5])
def test_closures(directions):
    D = directions
    every = tuple(range(D))
    assert len(closure([(LAPLACE,)], every)) == D + 2
    # The Laplacian itself is the sum of the second derivatives, and needs no stream.
    assert len(closure([(LAPLACE, LAPLACE)], every)) == 1 + 2 + 2 * D + D * (D + 1) // 2
    assert closure([(0, 0)], every) == ((), (0,), (0, 0))
    assert len(all_keys(every, 3)) == math.comb(D + 2, 3)


def test_a_collapsed_chain_is_the_sum_of_chains():
    f = lambda a: jnp.sin(a)
    u = lambda x: jnp.exp(x[0]) * x[1] ** 3 + x[0] * x[1]
    x = jnp.asarray([0.4, 0.9])
    H, g = jax.hessian(u)(x), jax.grad(u)(x)
    known = {(LAPLACE,): jnp.trace(H), (0,): g[0], (1,): g[1]}
    slopes = [f(u(x)), jnp.cos(u(x)), -jnp.sin(u(x))]
    total = sum(
        n * slopes[len(keys)] * math.prod(known[k] for k in keys)
        for n, keys in chain((LAPLACE,), (0, 1))
    )
    exact = jnp.trace(jax.hessian(lambda x: f(u(x)))(x))
    np.testing.assert_allclose(total, exact, rtol=1e-13)
