"""Gradient, Jacobian and Hessian against closed forms and finite differences."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as npst
from jax.flatten_util import ravel_pytree

from osculate import diff, nets

REAL = st.floats(-2, 2, allow_subnormal=False)
POINT = npst.arrays(float, 3, elements=REAL)
H = 1e-5  # step of central differences: h^2 and 1e-16 / h are both about 1e-10


def scalar(x):
    return jnp.sin(x[0]) * x[1] ** 2 + jnp.exp(x[1] * x[2] / 4)


def vector(x):
    return jnp.stack(
        [x[0] * x[1], jnp.sin(x[2]) + x[0], x[1] ** 2 * x[2], jnp.cosh(x[0])]
    )


def named(x):
    return {"w": x[0] * x[1], "a": jnp.sin(x[2])}


def differences(u, x, h=H):
    """The Jacobian by central differences, one column per coordinate."""
    column = lambda e: (u(x + h * e) - u(x - h * e)) / (2 * h)
    return np.stack([column(e) for e in np.eye(x.size)], axis=-1)


# --- what the specification prints ---------------------------------------------------


@pytest.mark.spec("S3.2")
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_sine_at_zero_is_exact(dtype):
    x = jnp.zeros(1, dtype)
    sin = lambda x: jnp.sin(x[0])
    assert diff.gradient(sin)(x) == 1
    assert diff.hessian(sin)(x) == 0
    for operator in (diff.gradient, diff.hessian):
        assert operator(sin)(x).dtype == dtype
    value, slope, bend = diff.jet(sin, 2)(x)
    assert (value, slope[0], bend[0, 0]) == (0, 1, 0)


@pytest.mark.spec("S3.3")
def test_partials_of_a_product_are_exact():
    f = lambda x: (x[0] + x[1]) * (x[1] + 3)
    x = jnp.asarray([1.0, 2.0])
    np.testing.assert_array_equal(diff.gradient(f)(x), [5.0, 8.0])
    d = diff.partials(f, "u_x u_y", over="x y")(x)
    assert (d.u_x, d.u_y) == (5, 8)
    # Differences of step 0.1 (inexact in binary) are not exact.
    assert (f(x.at[1].add(0.1)) - f(x)) / 0.1 != 8


@pytest.mark.spec("S3.4")
def test_dot_product():
    y = jnp.asarray([3.0, -1.0, 0.5])
    x = jnp.ones(3)
    np.testing.assert_array_equal(diff.gradient(lambda x: x @ y)(x), y)
    np.testing.assert_array_equal(diff.gradient(lambda x: x @ x)(x), [2.0, 2.0, 2.0])


@pytest.mark.spec("S3.5", "S3.6")
@pytest.mark.parametrize("n", [1, 3, 5])
def test_jacobian_of_the_gradient_of_the_square(n):
    square = lambda x: jnp.sum(x**2)
    J = jax.jit(diff.jacobian(diff.gradient(square)))(jnp.ones(n))
    np.testing.assert_array_equal(J, 2 * np.eye(n))
    np.testing.assert_array_equal(J, jax.jit(diff.hessian(square))(jnp.ones(n)))
    assert jnp.trace(J) == 2 * n


@pytest.mark.spec("S3.16")
def test_shapes():
    shape = lambda f: jax.eval_shape(f, jnp.ones(3)).shape
    assert shape(diff.gradient(scalar)) == (3,)
    assert shape(diff.jacobian(scalar)) == (3,)
    assert shape(diff.jacobian(diff.as_vector(scalar))) == (1, 3)
    assert shape(diff.jacobian(vector)) == (4, 3)
    assert shape(diff.hessian(scalar)) == (3, 3)
    assert shape(diff.hessian(vector)) == (4, 3, 3)
    assert shape(diff.jacobian(lambda x: jnp.outer(x[:2], x))) == (2, 3, 3)
    # The row of a scalar is its gradient.
    x = jnp.asarray([0.4, -1.1, 0.9])
    row = diff.jacobian(diff.as_vector(scalar))(x)
    np.testing.assert_allclose(row[0], diff.gradient(scalar)(x), rtol=1e-14)


@pytest.mark.spec("S3.13")
def test_differences_are_inexact_where_derivatives_are_not():
    x = jnp.asarray([0.7])
    f = lambda x: jnp.sin(x[0])
    exact = np.cos(0.7)
    steps = 10.0 ** -np.arange(1, 16)
    forward = [abs(float((f(x + h) - f(x)) / h) - exact) for h in steps]
    best = int(np.argmin(forward))
    assert 1e-9 <= steps[best] <= 1e-7
    assert 1e-10 < forward[best] < 1e-7
    # The error falls with h, then rises as digits cancel.
    assert forward[0] > 1e6 * forward[best]
    assert forward[-1] > 1e4 * forward[best]
    assert abs(diff.gradient(f)(x)[0] - exact) < 2e-16


@pytest.mark.spec("S3.15")
def test_reverse_mode_is_back_propagation(key):
    k1, k2, k3 = jr.split(key, 3)
    shapes = ((4, 3), (4,), (1, 4))
    theta, x, y = jr.normal(k1, (20,)), jr.normal(k2, (3,)), jr.normal(k3, (1,))

    def layers(theta):
        parts, start = [], 0
        for shape in shapes:
            parts.append(theta[start : start + np.prod(shape)].reshape(shape))
            start += np.prod(shape)
        return parts

    def loss(theta):
        W, b, V = layers(theta)
        return jnp.sum((V @ jnp.tanh(W @ x + b) - y) ** 2) / 2

    W, b, V = map(np.asarray, layers(theta))
    hidden = np.tanh(W @ x + b)
    error = V @ hidden - y
    back = (V.T @ error) * (1 - hidden**2)
    by_hand = np.concatenate(
        [np.outer(back, x).ravel(), back, np.outer(error, hidden).ravel()]
    )
    np.testing.assert_allclose(diff.gradient(loss)(theta), by_hand, rtol=0, atol=1e-12)


@pytest.mark.spec("S2.8")
def test_a_row_of_the_hessian_by_two_backward_passes():
    row = lambda f, i: diff.gradient(lambda x: diff.gradient(f)(x)[i])
    cubic = lambda x: x[0] ** 3 * x[1] + 4 * x[0] * x[2] ** 2
    x = jnp.asarray([1.0, 2.0, -3.0])
    np.testing.assert_array_equal(row(cubic, 0)(x), jax.hessian(cubic)(x)[0])
    np.testing.assert_array_equal(row(cubic, 0)(x), [12.0, 3.0, -24.0])
    for i in range(3):
        np.testing.assert_allclose(
            row(scalar, i)(x), diff.hessian(scalar)(x)[i], rtol=0, atol=1e-14
        )


@pytest.mark.spec("S2.10")
def test_hessian_of_a_network(key):
    x = jnp.asarray([0.3, -0.8, 0.5])
    smooth = nets.MLP(3, 1, width=8, depth=2, key=key)
    hessian = jax.jit(diff.hessian(lambda x: smooth(x)[0]))(x)
    assert np.abs(hessian).max() > 1e-3
    np.testing.assert_allclose(hessian, hessian.T, rtol=0, atol=1e-12)
    kinked = nets.MLP(3, 2, width=8, depth=2, activation="relu", key=key)
    with pytest.warns(diff.KinkWarning, match="'relu' has a kink"):
        flat = jax.jit(diff.hessian(kinked))(x)
    np.testing.assert_array_equal(flat, np.zeros((2, 3, 3)))
    assert np.abs(jax.jit(diff.jacobian(kinked))(x)).max() > 1e-3
    # With respect to the weights: a function of one point, the flat parameters.
    theta, unravel = ravel_pytree(smooth)
    curved = diff.hessian(lambda theta: unravel(theta)(x)[0])(theta)
    assert curved.shape == (theta.size, theta.size)
    np.testing.assert_allclose(curved, curved.T, rtol=0, atol=1e-12)


# --- closed forms, laws, differences --------------------------------------------------


@given(POINT)
def test_closed_forms(x):
    a, b, c = x
    e = np.exp(b * c / 4)
    expected = [np.cos(a) * b**2, 2 * np.sin(a) * b + c / 4 * e, b / 4 * e]
    gradient, jacobian, hessian = _three(x)
    np.testing.assert_allclose(gradient, expected, atol=1e-13)
    J = [[b, a, 0], [1, 0, np.cos(c)], [0, 2 * b * c, b**2], [np.sinh(a), 0, 0]]
    np.testing.assert_allclose(jacobian, J, atol=1e-13)
    second = np.zeros((4, 3, 3))
    second[0, 0, 1] = second[0, 1, 0] = 1
    second[1, 2, 2] = -np.sin(c)
    second[2, 1, 1] = 2 * c
    second[2, 1, 2] = second[2, 2, 1] = 2 * b
    second[3, 0, 0] = np.cosh(a)
    np.testing.assert_allclose(hessian, second, atol=1e-13)


@jax.jit
def _three(x):
    return diff.gradient(scalar)(x), diff.jacobian(vector)(x), diff.hessian(vector)(x)


def test_finite_differences():
    x = jnp.asarray([0.4, -1.1, 0.9])
    np.testing.assert_allclose(
        diff.gradient(scalar)(x), differences(scalar, x), rtol=0, atol=1e-8
    )
    np.testing.assert_allclose(
        diff.jacobian(vector)(x), differences(vector, x), rtol=0, atol=1e-8
    )
    np.testing.assert_allclose(
        diff.hessian(vector)(x),
        differences(diff.jacobian(vector), x),
        rtol=0,
        atol=1e-8,
    )


@given(POINT, REAL, REAL)
def test_linear(x, a, b):
    for together, apart in zip(*_both_ways(x, a, b), strict=True):
        np.testing.assert_allclose(together, apart, rtol=0, atol=1e-12)


@jax.jit
def _both_ways(x, a, b):
    other = lambda x: jnp.tanh(x[0] * x[2])
    both = lambda x: a * scalar(x) + b * other(x)
    operators = diff.gradient, diff.hessian, diff.jacobian
    return [d(both)(x) for d in operators], [
        a * d(scalar)(x) + b * d(other)(x) for d in operators
    ]


@given(POINT)
def test_chain_rule(x):
    together, apart = _chained(x)
    np.testing.assert_allclose(together, apart, rtol=1e-12, atol=1e-11)


@jax.jit
def _chained(x):
    outer = lambda y: jnp.stack([jnp.sin(y[0] + y[3]), y[1] * y[2]])
    together = diff.jacobian(lambda x: outer(vector(x)))(x)
    return together, diff.jacobian(outer)(vector(x)) @ diff.jacobian(vector)(x)


def test_jit_vmap_and_grad():
    points = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)))
    for operator, u in [
        (diff.gradient, scalar),
        (diff.jacobian, vector),
        (diff.hessian, scalar),
    ]:
        many, alone = jax.jit(jax.vmap(operator(u)))(points), jax.jit(operator(u))
        for i, x in enumerate(points):
            np.testing.assert_allclose(many[i], alone(x), rtol=1e-12, atol=1e-14)
        total = jax.jit(lambda x, alone=alone: jnp.sum(jnp.sin(alone(x))))
        np.testing.assert_allclose(
            jax.jit(jax.grad(total))(points[0]),
            differences(total, points[0]),
            rtol=0,
            atol=1e-7,
        )  # third derivatives up to 10, hence ten times the usual bound


@pytest.mark.parametrize("size", [3, 12])
def test_both_branches_of_the_jacobian(size, key):
    """Two outputs of 12 coordinates go in reverse, of 3 forwards; both are exact."""
    A = jr.normal(key, (2, size))
    J = diff.jacobian(lambda x: A @ x)(jnp.ones(size))
    np.testing.assert_array_equal(J, A)
    u = lambda x: jnp.tanh(A @ x)
    x = jnp.linspace(-1, 1, size)
    expected = (1 - np.tanh(A @ x) ** 2)[:, None] * A
    np.testing.assert_allclose(diff.jacobian(u)(x), expected, rtol=1e-13)


@pytest.mark.parametrize("shape", [(2, 30), (30, 2)])
def test_the_jacobian_takes_the_cheaper_way(shape, key):
    A, B = jr.normal(key, (6, shape[1])), jr.normal(key, (shape[0], 6))
    f, x = lambda x: B @ jnp.tanh(A @ x), jnp.ones(shape[1])
    ways = [diff.cost(way(f), x).products for way in (jax.jacfwd, jax.jacrev)]
    assert diff.cost(diff.jacobian(f), x).products == min(ways) < max(ways)


def test_what_cannot_be_reversed_goes_forward():
    def u(x):
        grown = lambda c: (c[0] + 1, jnp.sin(c[1]) * 2.0)
        return jnp.sum(jax.lax.while_loop(lambda c: c[0] < 3, grown, (0, x))[1])

    x = jnp.linspace(0.1, 0.9, 9)
    slopes = jax.jacfwd(u)(x)
    np.testing.assert_allclose(diff.gradient(u)(x), slopes, rtol=1e-13)
    np.testing.assert_allclose(diff.jacobian(u)(x), slopes, rtol=1e-13)
    np.testing.assert_allclose(diff.jet(u, 2)(x)[1], slopes, rtol=1e-13)


def test_what_cannot_go_forward_is_reversed():
    @jax.custom_vjp
    def u(x):
        return jnp.sum(x**2)

    u.defvjp(lambda x: (u(x), x), lambda x, t: (2 * t * x,))
    found = diff.partials(u, "u u_a u_b", over="a b")(jnp.array([3.0, 4.0]))
    assert found == (25.0, 6.0, 8.0)
    with pytest.raises(ValueError, match="custom reverse rule"):
        diff.laplacian(u)(jnp.ones(2))


def test_dictionaries_of_fields():
    x = jnp.asarray([0.4, -1.1, 0.9])
    gradient = diff.gradient(named)(x)
    np.testing.assert_allclose(gradient["w"], [-1.1, 0.4, 0], rtol=1e-15)
    np.testing.assert_allclose(gradient["a"], [0, 0, np.cos(0.9)], rtol=1e-15)
    np.testing.assert_array_equal(diff.jacobian(named)(x)["w"], gradient["w"])
    hessian = diff.hessian(named)(x)
    np.testing.assert_array_equal(hessian["w"], [[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(hessian["a"][2, 2], -np.sin(0.9), rtol=1e-15)


def test_gradient_wants_a_scalar():
    message = r"`gradient`: u returns an array of shape \(4,\); expected a scalar"
    with pytest.raises(ValueError, match=message):
        diff.gradient(vector)(jnp.ones(3))
    with pytest.raises(ValueError, match=r"an array of shape \(1,\)"):
        diff.gradient(lambda x: {"u": x[0], "v": x[:1]})(jnp.ones(3))


# --- names ----------------------------------------------------------------------------


def test_as_vector_keeps_the_order_of_the_names():
    u = lambda x: {"w": x[0], "b": x[:2] + 10, "a": jnp.outer(x[:2], x[:2])}
    y = diff.as_vector(u)(jnp.asarray([2.0, 3.0]))
    np.testing.assert_array_equal(y, [2, 12, 13, 4, 6, 6, 9])
    np.testing.assert_array_equal(diff.as_vector(lambda x: x[0])(jnp.ones(2)), [1])
    np.testing.assert_array_equal(
        diff.as_vector(lambda x: jnp.eye(2))(jnp.ones(2)), [1, 0, 0, 1]
    )


def test_as_vector_keeps_the_order_inside_jit_vmap_and_grad():
    v = diff.as_vector(named)  # w before a, which no sorting would give
    points = jnp.asarray([[0.4, -1.1, 0.9], [1.0, 2.0, 0.0]])
    np.testing.assert_allclose(
        jax.jit(jax.vmap(v))(points)[0], [-0.44, np.sin(0.9)], rtol=1e-15
    )
    np.testing.assert_allclose(
        diff.jacobian(v)(points[1]), [[2, 1, 0], [0, 0, 1]], rtol=1e-15
    )


def test_tensor_names():
    assert [diff.tensor_name(n) for n in range(5)] == [
        *diff.TENSORS,
        "derivative3",
        "derivative4",
    ]
    assert diff.TENSORS == ("value", "jacobian", "hessian")
    with pytest.raises(ValueError, match="`tensor_name`: order is -1; expected 0"):
        diff.tensor_name(-1)
