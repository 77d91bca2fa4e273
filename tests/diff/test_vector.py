"""Vector calculus: closed forms, and laws that hold for every field."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as npst

from osculate import diff, nets

POINT = npst.arrays(float, 3, elements=st.floats(-1.5, 1.5, allow_subnormal=False))
NET = nets.MLP(3, 3, width=8, depth=2, key=jr.key(0))
SCALAR = lambda x: NET(x)[0]
laws = settings(max_examples=10)


def close(one, two, atol=1e-12):
    np.testing.assert_allclose(one, two, rtol=1e-12, atol=atol)


def test_gaussian():
    u = lambda x: jnp.exp(-x @ x / 2)
    for x in np.random.default_rng(0).normal(size=(5, 3)):
        r2 = x @ x
        close(diff.laplacian(u)(jnp.asarray(x)), (r2 - 3) * np.exp(-r2 / 2))
        fourth = (r2**2 - 10 * r2 + 15) * np.exp(-r2 / 2)
        close(diff.biharmonic(u)(jnp.asarray(x)), fourth)


def test_products_of_sines():
    u = lambda x: jnp.sin(x[0]) * jnp.sin(2 * x[1]) * jnp.sin(3 * x[2])
    x = jnp.asarray([0.3, 0.2, -0.4])
    close(diff.laplacian(u)(x), -14 * u(x))
    close(diff.biharmonic(u)(x), 196 * u(x))
    close(diff.hessian_diagonal(u)(x), -np.array([1.0, 4.0, 9.0]) * u(x))
    close(diff.laplacian(u, over=[0, 2])(x), -10 * u(x))


@pytest.mark.spec("S3.6")
@pytest.mark.parametrize("n", [1, 3, 7])
def test_divergence_of_the_gradient_of_a_square(n):
    u = lambda x: x @ x
    x = jnp.linspace(0.1, 0.9, n)
    assert diff.divergence(diff.gradient(u))(x) == 2 * n
    assert diff.laplacian(u)(x) == 2 * n


@pytest.mark.spec("S3.7")
def test_the_sum_of_a_jacobian_is_no_divergence():
    f = lambda x: jnp.stack([x[0] * 0, x[0]]) + jnp.stack([x[1], 0 * x[1]])
    gradient = diff.gradient(lambda x: x[0] * x[1])
    x = jnp.asarray([1.0, 2.0])
    assert diff.divergence(gradient)(x) == 0
    assert jax.jvp(gradient, (x,), (jnp.ones(2),))[1].sum() == 2  # the trick
    with pytest.raises(ValueError, match="depends on another entry"):
        diff.elementwise_derivative(gradient)(x)
    assert diff.divergence(f)(x) == 0


@pytest.mark.spec("S3.8")
@laws
@given(POINT)
def test_divergence_is_the_trace_of_the_jacobian(x):
    x = jnp.asarray(x)
    close(diff.divergence(NET)(x), jnp.trace(jax.jacfwd(NET)(x)))


@pytest.mark.spec("S3.9")
def test_rotation_and_expansion():
    x = jnp.asarray([0.3, 0.2, -0.4])
    turn = lambda x: jnp.stack([-x[1], x[0], 0 * x[2]])
    np.testing.assert_array_equal(diff.curl(turn)(x), [0, 0, 2])
    assert diff.divergence(turn)(x) == 0
    assert diff.divergence(lambda x: x)(x) == 3
    assert diff.curl(lambda x: jnp.stack([-x[1], x[0]]))(x[:2]) == 2


@pytest.mark.spec("S3.9")
@laws
@given(POINT)
def test_second_derivatives_commute(x):
    x = jnp.asarray(x)
    close(diff.curl(diff.gradient(SCALAR))(x), np.zeros(3))
    close(diff.divergence(diff.curl(NET))(x), 0)
    close(diff.laplacian(SCALAR)(x), diff.divergence(diff.gradient(SCALAR))(x))
    # curl curl = grad div - vector Laplacian
    left = diff.curl(diff.curl(NET))(x)
    close(left, diff.gradient(diff.divergence(NET))(x) - diff.laplacian(NET)(x), 1e-11)


@laws
@given(POINT, st.floats(-2, 2), st.floats(-2, 2))
def test_linearity_and_the_product_rule(x, a, b):
    x = jnp.asarray(x)
    u, v = SCALAR, lambda x: jnp.sin(x[0]) * x[1] + x[2] ** 2
    close(
        diff.laplacian(lambda x: a * u(x) + b * v(x))(x),
        a * diff.laplacian(u)(x) + b * diff.laplacian(v)(x),
        1e-11,
    )
    cross = 2 * diff.gradient(u)(x) @ diff.gradient(v)(x)
    close(
        diff.laplacian(lambda x: u(x) * v(x))(x),
        u(x) * diff.laplacian(v)(x) + v(x) * diff.laplacian(u)(x) + cross,
        1e-11,
    )


@laws
@given(POINT)
def test_rotations_do_not_change_the_laplacian(x):
    x = jnp.asarray(x)
    Q = jnp.linalg.qr(jr.normal(jr.key(1), (3, 3)))[0]
    turned = lambda x: SCALAR(Q @ x)
    close(diff.laplacian(turned)(x), diff.laplacian(SCALAR)(Q @ x), 1e-11)
    close(diff.biharmonic(turned)(x), diff.biharmonic(SCALAR)(Q @ x), 1e-9)


@laws
@given(POINT)
def test_moving_along(x):
    x = jnp.asarray(x)
    J = jax.jacfwd(NET)(x)
    close(diff.advection(NET, NET)(x), J @ NET(x))
    close(diff.strain_rate(NET)(x), (J + J.T) / 2)
    velocity = lambda x: NET(x)[:2]
    moved = diff.material_derivative(SCALAR, velocity)(x)
    close(moved, J[0] @ jnp.concatenate([jnp.ones(1), velocity(x)]))
    last = diff.material_derivative(SCALAR, velocity, time=2)(x)
    close(last, J[0] @ jnp.concatenate([velocity(x), jnp.ones(1)]))
    close(diff.log_determinant(NET)(x), jnp.linalg.slogdet(J)[1], 1e-10)


@pytest.mark.spec("S2.9")
@laws
@given(POINT, POINT, POINT)
def test_products_with_the_hessian(x, v, w):
    x, v, w = map(jnp.asarray, (x, v, w))
    H = jax.hessian(SCALAR)(x)
    reverse = jax.grad(lambda x: jnp.vdot(jax.grad(SCALAR)(x), v))(x)
    close(diff.hvp(SCALAR, v)(x), H @ v)
    close(reverse, H @ v)
    close(w @ diff.hvp(SCALAR, v)(x), v @ diff.hvp(SCALAR, w)(x))
    close(diff.hessian_row(SCALAR, 1)(x), H[1])
    close(diff.directional(SCALAR, v, 2)(x), v @ H @ v)
    close(diff.directional(SCALAR, v, 0)(x), SCALAR(x))


@pytest.mark.spec("S3.1")
def test_rows_and_columns():
    J = jnp.asarray([[1.0, 2.0], [3.0, 4.0]])
    v, x = jnp.ones(2), jnp.zeros(2)
    np.testing.assert_array_equal(diff.directional(lambda x: J @ x, v)(x), [3, 7])
    np.testing.assert_array_equal(jax.vjp(lambda x: J @ x, x)[1](v)[0], [4, 6])


@pytest.mark.spec("S1.1")
def test_the_local_affine_model():
    x, d = jnp.asarray([0.3, 0.2, -0.4]), jnp.asarray([0.5, -0.3, 0.8])
    slope = diff.directional(SCALAR, d)(x)
    error = lambda h: abs(SCALAR(x + h * d) - SCALAR(x) - h * slope)
    assert error(1e-3) / error(5e-4) == pytest.approx(4, rel=0.01)
    kinked = nets.MLP(3, 1, width=8, depth=2, activation="relu", key=jr.key(2))
    slope = diff.directional(kinked, d)(x)
    np.testing.assert_allclose(
        kinked(x + 1e-3 * d) - kinked(x), 1e-3 * slope, rtol=1e-9
    )


@pytest.mark.spec("S1.2")
def test_a_relu_network_is_a_product_of_masked_weights():
    net = nets.MLP(3, 2, width=8, depth=2, activation="relu", key=jr.key(2))
    x = jnp.asarray([0.3, 0.2, -0.4])
    J, y = jnp.eye(3), x
    for W, b in zip(net.weights, net.biases, strict=True):
        J, y = W @ J, W @ y + b
        if W is not net.weights[-1]:
            J, y = jnp.where(y[:, None] > 0, J, 0), jax.nn.relu(y)
    close(diff.jacobian(net)(x), J)


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        (
            diff.divergence(lambda x: x[:2]),
            r"`divergence`: a field of shape \(2,\) in 3",
        ),
        (diff.curl(lambda x: x[:2]), r"`curl`: a field of shape \(2,\) in 3"),
        (
            diff.strain_rate(lambda x: x[0]),
            r"`strain_rate`: a field of shape \(\) in 3",
        ),
        (
            diff.material_derivative(lambda x: x[0], lambda x: x),
            r"`material_derivative`: a velocity of shape \(3,\); expected \(2,\)",
        ),
    ],
)
def test_fields_of_another_shape(operator, message):
    with pytest.raises(ValueError, match=message):
        operator(jnp.ones(3))


def test_curl_in_four_dimensions():
    with pytest.raises(ValueError, match="`curl`: 4 coordinates; expected 2 or 3"):
        diff.curl(lambda x: x)(jnp.ones(4))


def test_a_negative_order():
    with pytest.raises(ValueError, match="`directional`: order is -1"):
        diff.directional(SCALAR, jnp.ones(3), -1)


# --- change of volume -----------------------------------------------------------------

L = jnp.tril(jr.normal(jr.key(3), (5, 5)))
MAPS = {
    "dense": lambda x: jnp.sin(L @ L.T @ x) + x,
    "diagonal": lambda x: jnp.sinh(x) * 3.0,
    "lower": lambda x: jnp.tanh(L @ x) + x,
    "upper": lambda x: jnp.tanh(L.T @ x) + x,
}


@pytest.mark.parametrize("structure", MAPS)
def test_log_determinants(structure):
    f, x = MAPS[structure], jnp.linspace(-1.0, 1.0, 5)
    exact = jnp.linalg.slogdet(jax.jacfwd(f)(x))[1]
    for ours in (diff.log_determinant(f), diff.log_determinant(f, structure)):
        close(jax.jit(ours)(x), exact)
        numeric = diff.difference(lambda t, g=ours: g(x + t[0]))(jnp.zeros(1))
        close(jax.grad(lambda t, g=ours: g(x + t))(0.0), numeric.value[0], 1e-7)


@pytest.mark.spec("K7.2/b")
def test_mass_is_conserved_under_a_change_of_variables():
    """x = 3 z + 1 of a normal z: with the determinant the mass is 1, without it 3."""
    backward = lambda x: (x - 1.0) / 3.0
    normal = lambda z: jnp.sum(jnp.exp(-(z**2) / 2)) / jnp.sqrt(2 * jnp.pi)
    x = jnp.linspace(-40.0, 40.0, 4001)[:, None]
    without = jax.vmap(lambda x: normal(backward(x)))(x)
    volume = jax.vmap(diff.log_determinant(backward, "diagonal"))(x)
    step = x[1, 0] - x[0, 0]
    np.testing.assert_allclose(jnp.sum(without * jnp.exp(volume)) * step, 1, rtol=1e-9)
    np.testing.assert_allclose(jnp.sum(without) * step, 3, rtol=1e-9)


def test_log_determinants_of_another_structure():
    x = jnp.ones(5)
    with pytest.raises(ValueError, match="is not upper triangular"):
        diff.log_determinant(MAPS["lower"], "upper")(x)
    with pytest.raises(ValueError, match="the Jacobian is not diagonal"):
        diff.log_determinant(MAPS["lower"], "diagonal")(x)
    with pytest.raises(ValueError, match="structure 'banded' is not known"):
        diff.log_determinant(MAPS["lower"], "banded")
    with pytest.raises(ValueError, match=r"`log_determinant`: a field of shape \(2,\)"):
        diff.log_determinant(lambda x: x[:2])(x)


def test_time_may_be_counted_from_the_end():
    u = lambda p: p[0] * p[1] * p[2]
    v = lambda p: jnp.array([2.0, 3.0])
    p = jnp.array([0.3, 0.5, 0.7])
    for time in (2, -1):
        found = diff.material_derivative(u, v, time=time)(p)
        close(found, 2 * 0.5 * 0.7 + 3 * 0.3 * 0.7 + 0.3 * 0.5)
    with pytest.raises(ValueError, match="there is no such coordinate"):
        diff.material_derivative(u, v, time=3)(p)
