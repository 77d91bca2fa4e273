"""All derivative tensors from one pass, against nested `jax.jacfwd`."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as npst

from osculate import diff
from osculate.diff import _operators, _streams

MANY = 10  # coordinates: tensors are stacked from order 2 on


def nested(u, order):
    return [
        functools.reduce(lambda f, _: jax.jacfwd(f), range(j), u)
        for j in range(order + 1)
    ]


def field(size, outputs, key):
    """A smooth field whose derivatives of all orders are full."""
    k1, k2 = jr.split(key)
    A, B = jr.normal(k1, (5, size)) / size**0.5, jr.normal(k2, (5, *outputs))
    return lambda x: jnp.tensordot(jnp.sin(A @ x) + jnp.tanh(A @ x), B, 1)


@pytest.mark.parametrize(
    ("size", "outputs"),
    [(1, ()), (2, ()), (3, ()), (MANY, ()), (2, (3,)), (3, (2, 2)), (MANY, (3,))],
)
def test_against_nested_jacfwd(size, outputs, key):
    order = 3
    u, x = field(size, outputs, key), jnp.linspace(-0.6, 0.9, size)
    tensors = jax.jit(diff.jet(u, order))(x)
    assert len(tensors) == order + 1
    oracle = jax.jit(lambda x: [f(x) for f in nested(u, order)])(x)
    for j, (tensor, expected) in enumerate(zip(tensors, oracle, strict=True)):
        assert tensor.shape == outputs + (size,) * j
        assert np.abs(expected).max() > 1e-2
        np.testing.assert_allclose(
            tensor, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max()
        )


@pytest.mark.parametrize("size", [2, MANY])
def test_lower_orders_alone(size, key):
    u, x = field(size, (2,), key), jnp.linspace(-0.6, 0.9, size)
    full = jax.jit(diff.jet(u, 3))(x)
    for order in range(3):
        tensors = jax.jit(diff.jet(u, order))(x)
        assert len(tensors) == order + 1
        for tensor, expected in zip(tensors, full, strict=False):
            np.testing.assert_allclose(tensor, expected, rtol=1e-12, atol=1e-13)


def test_separate_and_stacked_arrays_agree(key, monkeypatch):
    u, x = field(3, (2,), key), jnp.asarray([0.1, -0.7, 1.2])
    separate = jax.jit(diff.jet(u, 3))(x)
    monkeypatch.setattr(_operators, "MOST_STREAMS", 2)
    stacked = jax.jit(diff.jet(u, 3))(x)
    for one, two in zip(separate, stacked, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-13)


def test_closed_form():
    # d^3 exp(a x + b y) / dx^i dy^j = a^i b^j exp(a x + b y)
    a, b = 0.5, -2.0
    x = jnp.asarray([0.3, 0.1])
    tensors = diff.jet(lambda x: jnp.exp(a * x[0] + b * x[1]), 4)(x)
    for tensor in tensors:
        for entry in np.ndindex(tensor.shape):
            factor = math.prod((a, b)[i] for i in entry)
            expected = factor * np.exp(a * 0.3 + b * 0.1)
            np.testing.assert_allclose(tensor[entry], expected, rtol=1e-13)


@given(npst.arrays(float, 3, elements=st.floats(-2, 2, allow_subnormal=False)))
def test_mixed_derivatives_are_equal_to_the_bit(x):
    _, _, hessian, third = _third(x)
    np.testing.assert_array_equal(hessian, hessian.T)
    for axes in itertools.permutations(range(3)):
        np.testing.assert_array_equal(third, np.transpose(third, axes))


@jax.jit
def _third(x):
    u = lambda x: jnp.sin(x[0] * x[1]) * jnp.exp(x[2]) + x[1] ** 3
    return diff.jet(u, 3)(x)


@given(
    npst.arrays(float, 2, elements=st.floats(-2, 2, allow_subnormal=False)),
    st.floats(-2, 2),
    st.floats(-2, 2),
)
def test_linear(x, a, b):
    together, one, two = _jets(x, a, b)
    for tensor, p, q in zip(together, one, two, strict=True):
        np.testing.assert_allclose(tensor, a * p + b * q, rtol=0, atol=1e-12)


@jax.jit
def _jets(x, a, b):
    u, v = lambda x: jnp.sin(x[0]) * x[1], lambda x: jnp.tanh(x[0] + x[1] ** 2)
    both = lambda x: a * u(x) + b * v(x)
    return [diff.jet(f, 2)(x) for f in (both, u, v)]


def test_finite_differences(key):
    # Central differences of step 1e-5 of the tensor below: errors about 1e-10.
    u, x, h = field(3, (2,), key), jnp.asarray([0.1, -0.7, 1.2]), 1e-5
    jet = jax.jit(diff.jet(u, 2))
    up, down = ([jet(x + s * h * e) for e in np.eye(3)] for s in (1, -1))
    for j, tensor in enumerate(jax.jit(diff.jet(u, 3))(x)[1:]):
        slopes = [(p[j] - m[j]) / (2 * h) for p, m in zip(up, down, strict=True)]
        np.testing.assert_allclose(tensor, np.stack(slopes, -1), rtol=0, atol=1e-8)


@pytest.mark.parametrize("size", [2, MANY])
def test_jit_vmap_and_grad(size, key):
    u = field(size, (2,), key)
    points = jr.normal(key, (3, size))
    many, one = jax.jit(jax.vmap(diff.jet(u, 2)))(points), jax.jit(diff.jet(u, 2))
    for i, x in enumerate(points):
        for tensor, alone in zip(many, one(x), strict=True):
            np.testing.assert_allclose(tensor[i], alone, rtol=1e-12, atol=1e-13)
    # The gradient of a sum over one tensor is a sum over the next.
    of_jet = jax.jit(jax.grad(lambda x: jnp.sum(diff.jet(u, 2)(x)[2])))(points[0])
    third = jax.jit(diff.jet(u, 3))(points[0])[3]
    np.testing.assert_allclose(
        of_jet, third.sum(axis=(0, 1, 2)), rtol=1e-11, atol=1e-12
    )


def test_derivative_with_respect_to_parameters():
    # d/da of the Hessian of sin(a x) at x: -2 a sin(a x) - a^2 x cos(a x)
    a, x = 1.3, 0.4
    bend = lambda a: diff.jet(lambda x: jnp.sin(a * x[0]), 2)(jnp.asarray([x]))[2][0, 0]
    expected = -2 * a * np.sin(a * x) - a**2 * x * np.cos(a * x)
    np.testing.assert_allclose(jax.grad(bend)(a), expected, rtol=1e-13)


@pytest.mark.parametrize("size", [3, MANY])
def test_the_function_is_looked_at_once(size, key):
    calls = []

    def counted(x):
        calls.append(1)
        return jnp.sum(jnp.sin(x))

    diff.jet(counted, 3)(jnp.ones(size))
    # Shapes are asked for ahead of a stacked order, at no run time.
    assert len(calls) == 1 if size == 3 else len(calls) <= 8


@pytest.mark.parametrize(("size", "order"), [(2, 3), (3, 3), (4, 2)])
def test_equal_mixed_derivatives_are_computed_once(size, order):
    W = jnp.ones((4, size))
    u = lambda x: jnp.tanh(W @ jnp.tanh(W.T @ jnp.tanh(W @ x)))
    found = jax.make_jaxpr(diff.jet(u, order))(jnp.ones(size))
    products = str(found).count("dot_general")
    distinct = sum(math.comb(size + j - 1, j) for j in range(order + 1))
    # One product per layer and distinct derivative; the first layer is linear.
    assert products == (1 + size) + 2 * distinct


def test_nothing_else_is_computed():
    u = lambda x: jnp.sin(x[0]) * jnp.exp(2 * x[1])
    x = jnp.asarray([0.3, 0.2])
    found = _streams.streams(u, [(0, 0, 1), (0, 1), (0, 0, 1)])(x)
    assert found.keys() == {(), (0, 1), (0, 0, 1)}
    e = np.exp(0.4)
    for key, expected in [
        ((), np.sin(0.3) * e),
        ((0, 1), 2 * np.cos(0.3) * e),
        ((0, 0, 1), -2 * np.sin(0.3) * e),
    ]:
        np.testing.assert_allclose(found[key], expected, rtol=1e-14)


def test_a_negative_order():
    with pytest.raises(ValueError, match="`jet`: order is -1; expected 0 or more"):
        diff.jet(jnp.sum, -1)


@pytest.mark.parametrize("size", [2, MANY])
def test_a_dictionary_has_no_tensor(size):
    u = lambda x: {"a": x[0], "b": x[1]}
    with pytest.raises(ValueError, match=r"dictionary of \['a', 'b'\].*as_vector"):
        diff.jet(u, 2)(jnp.ones(size))
