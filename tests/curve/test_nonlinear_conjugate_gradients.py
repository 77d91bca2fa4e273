"""Nonlinear conjugate gradients against the linear method and known minima."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from least_squares import Vector, poisson, quadratic, regression, rosenbrock
from osculate import curve, train
from osculate.core import Objective, Samples, Status, Term
from osculate.curve._nonlinear_conjugate_gradients import _hager_zhang

BETAS = ["hager-zhang", "polak-ribiere"]


def with_eigenvalues(key, values):
    q, _ = jnp.linalg.qr(jr.normal(key, (len(values),) * 2))
    return q @ jnp.diag(jnp.asarray(values)) @ q.T


@functools.partial(jax.jit, static_argnums=(0, 4))
def iterates(beta, H, b, start, count):
    """The first steps on a quadratic."""
    objective, samples = quadratic(H, b)
    method = curve.nonlinear_conjugate_gradients(beta=beta)

    def step(now, _):
        model, state = method.step(objective, now[0], samples, now[1])
        return (model, state), model.theta

    begin = Vector(start)
    state = method.init(objective, begin, samples)
    return jax.lax.scan(step, (begin, state), length=count)[1]


@functools.partial(jax.jit, static_argnums=2)
def linear(H, b, steps):
    mv = lambda v: H @ v
    return curve.conjugate_gradients(mv, b, tolerance=0.0, max_steps=steps).value


@pytest.mark.spec("K4.7.8-13")
@pytest.mark.parametrize("beta", BETAS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=10)
def test_a_quadratic_takes_the_steps_of_linear_conjugate_gradients(beta, seed):
    k1, k2, k3 = jr.split(jr.key(seed), 3)
    H = with_eigenvalues(k1, [1.0, 1.5, 2.0, 3.0, 5.0, 8.0])
    b, start = jr.normal(k2, (6,)), jr.normal(k3, (6,))
    found = iterates(beta, H, b, start, 6)
    for k in range(1, 7):
        expected = linear(H, b - H @ start, k)
        np.testing.assert_allclose(found[k - 1] - start, expected, atol=1e-9)


@pytest.mark.spec("K4.7.8-13")
@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("values", [[3.0] * 9, [1.0, 10.0] * 5, [1.0, 4.0, 20.0] * 4])
def test_as_many_steps_as_distinct_eigenvalues(key, beta, values):
    H = with_eigenvalues(key, values)
    b = jr.normal(jr.key(1), (len(values),))
    distinct = len(set(values))
    found = iterates(beta, H, b, jnp.zeros_like(b), distinct)
    minimum = jnp.linalg.solve(H, b)
    np.testing.assert_allclose(found[-1], minimum, rtol=0, atol=1e-11)
    if distinct > 1:
        assert jnp.abs(found[-2] - minimum).max() > 1e-4


def test_directions_of_hager_and_zhang_go_down():
    """g'd <= -7/8 |g|^2 whatever the line search found (Hager and Zhang, eq. 1.4)."""
    objective, samples = rosenbrock()
    method = curve.nonlinear_conjugate_gradients(evaluations=1)
    model = Vector(jnp.array([-1.2, 1.0]))
    state = begin = method.init(objective, model, samples)
    step = eqx.filter_jit(method.step)
    for _ in range(30):
        model, state = step(objective, model, samples, state)
        square = state.gradient @ state.gradient
        assert state.gradient @ state.direction <= -7 / 8 * square * (1 - 1e-12)
    assert state.loss < begin.loss


@pytest.mark.parametrize("beta", BETAS)
def test_minimum_of_rosenbrock(beta):
    objective, samples = rosenbrock()
    start = Vector(jnp.array([-1.2, 1.0]))
    method = curve.nonlinear_conjugate_gradients(beta=beta)
    found = train.fit(objective, start, samples, method, steps=300)
    np.testing.assert_allclose(found.value.theta, 1.0, atol=1e-10)
    assert found.status is Status.CONVERGED
    assert "restarts" in found.history


def test_where_the_loss_bends_down():
    """No Newton trial there: the first step has the length 1."""
    probe = lambda m, x, y: jnp.sum(jnp.cos(m.theta))
    term = Term(probe, lambda z, y, w=1.0: jnp.sum(w * z))
    samples = {"q": Samples(jnp.zeros((1, 1)))}
    start = Vector(jnp.array([0.3, 0.2]))
    method = curve.nonlinear_conjugate_gradients()
    found = train.fit(Objective({"q": term}), start, samples, method, steps=50)
    np.testing.assert_allclose(found.value.theta, jnp.pi, atol=1e-7)


def test_a_minimum_is_left_alone():
    objective, samples = quadratic(jnp.eye(3), jnp.zeros(3))
    method = curve.nonlinear_conjugate_gradients()
    found = train.fit(objective, Vector(jnp.zeros(3)), samples, method, steps=5)
    assert found.status is Status.CONVERGED
    np.testing.assert_array_equal(found.value.theta, 0.0)


def test_new_samples_begin_anew():
    objective = Objective({"fit": Term(lambda m, x, y: jnp.tanh(m.theta * x))})
    x = jnp.linspace(-1.0, 1.0, 8)
    samples = {"fit": Samples(x, x**2)}
    method = curve.nonlinear_conjugate_gradients()
    model = Vector(jnp.asarray(0.5))
    state = method.init(objective, model, samples)
    model, state = eqx.filter_jit(method.step)(objective, model, samples, state)
    other = {"fit": Samples(x[:5], x[:5])}
    state = method.moved(objective, model, other, state)
    np.testing.assert_allclose(state.loss, objective(model, other)[0])
    np.testing.assert_array_equal(state.direction, -state.gradient)


@pytest.mark.slow
def test_a_network_solves_poisson_in_fewer_steps_than_gradient_descent(key):
    objective, net, samples = poisson(key, N=100, width=8)
    method = curve.nonlinear_conjugate_gradients()
    found = train.fit(objective, net, samples, method, steps=1000)
    assert found.history["loss"][-1] < 1e-5 * found.history["loss"][0]


def test_messages(key):
    with pytest.raises(ValueError, match=r"'hager-zang'.*Did you mean 'hager-zhang'"):
        curve.nonlinear_conjugate_gradients(beta="hager-zang")
    with pytest.raises(ValueError, match="evaluations=0; expected 1"):
        curve.nonlinear_conjugate_gradients(evaluations=0)
    objective, net, samples = regression(key)
    single = jax.tree.map(
        lambda a: a.astype(jnp.float32) if eqx.is_array(a) else a, net
    )
    with pytest.raises(ValueError, match="of type float32; expected float64"):
        train.fit(
            objective, single, samples, curve.nonlinear_conjugate_gradients(), steps=1
        )


def test_the_bound_looks_at_the_gradient_where_the_search_began():
    bounded = 0
    for seed in range(40):
        before, after, d = jr.normal(jr.key(seed), (3, 3))
        d = -before + 0.1 * d
        y = after - before
        beta = (y - 2 * d * (y @ y) / (d @ y)) @ after / (d @ y)
        bound = 0.4 * (d @ before) / (d @ d)
        bounded += bool(bound > beta)
        found = _hager_zhang(after, y, d)
        np.testing.assert_allclose(found, jnp.maximum(beta, bound), rtol=1e-12)
    assert 0 < bounded < 40
