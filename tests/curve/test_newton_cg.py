"""Truncated Newton steps against dense algebra, saddles, and the digits they reach."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from hypothesis import given, strategies as st

from least_squares import Vector, dense, poisson, quadratic, regression, rosenbrock
from osculate import chance, curve, train
from osculate.core import Objective, Samples, Status, Term


def spd(key, n, spread=3.0):
    q, _ = jnp.linalg.qr(jr.normal(key, (n, n)))
    return q @ jnp.diag(jnp.exp(jnp.linspace(0, spread, n))) @ q.T


@eqx.filter_jit
def one_step(method, objective, model, samples):
    state = method.init(objective, model, samples)
    return method.step(objective, model, samples, state)


def plain(probe):
    """An objective that is a function of the parameters alone."""
    term = Term(lambda m, x, y: probe(m.theta), lambda z, y, w=1.0: jnp.sum(w * z))
    return Objective({"q": term}), {"q": Samples(jnp.zeros((1, 1)))}


@jax.jit
def newton_and_descent(H, b, start):
    """A sharp step, its products, and a step of one product."""
    objective, samples = quadratic(H, b)
    sharp, one = curve.newton_cg(tolerance=1e-12), curve.newton_cg(max_products=1)
    newton, state = one_step(sharp, objective, Vector(start), samples)
    short, _ = one_step(one, objective, Vector(start), samples)
    return newton.theta, state.products, short.theta


@pytest.mark.spec("K4.1.2", "K4.6.5")
@given(st.integers(0, 10_000))
def test_a_quadratic_takes_one_step(seed):
    """M = H^-1 is Newton; one product, M = 1 in the span of g, steepest descent."""
    k1, k2, k3 = jr.split(jr.key(seed), 3)
    H, b, start = spd(k1, 6), jr.normal(k2, (6,)), jr.normal(k3, (6,))
    newton, products, short = newton_and_descent(H, b, start)
    np.testing.assert_allclose(newton, jnp.linalg.solve(H, b), atol=1e-9)
    assert 6 <= products <= 8
    g = H @ start - b
    step = (g @ g) / (g @ H @ g)
    np.testing.assert_allclose(short, start - step * g, atol=1e-12)


def decay(noise=0.05):
    """A curve with three unknowns, and a point near the best one."""
    t = jnp.linspace(0, 3, 20)
    y = 2.0 * jnp.exp(-1.3 * t) + 0.5 + noise * jr.normal(jr.key(3), (20,))
    predict = lambda m, t, y: m.theta[0] * jnp.exp(-m.theta[1] * t) + m.theta[2]
    start = jnp.array([1.9, 1.2, 0.45])
    return Objective({"fit": Term(predict)}), Vector(start), {"fit": Samples(t, y)}


@pytest.mark.parametrize("gauss_newton", [False, True])
def test_a_step_is_the_dense_one(gauss_newton):
    objective, model, samples = decay()
    loss = lambda t: objective(Vector(t), samples)[0]
    _, J = dense(objective, model, samples)
    H = J.T @ J if gauss_newton else jax.hessian(loss)(model.theta)
    newton = -jnp.linalg.solve(H, jax.grad(loss)(model.theta))
    method = curve.newton_cg(gauss_newton=gauss_newton, tolerance=1e-12)
    after, _ = one_step(method, objective, model, samples)
    np.testing.assert_allclose(after.theta - model.theta, newton, rtol=0, atol=1e-9)


def test_the_tolerance_follows_the_gradient():
    """Eisenstat and Walker, choice 2: 0.9 (|g| / |g before|)^2, within limits."""
    objective, samples = plain(lambda t: jnp.sum(jnp.cosh(t) * jnp.arange(1.0, 9.0)))
    method = curve.newton_cg()
    step = eqx.filter_jit(method.step)
    model = Vector(jnp.linspace(0.5, 2.0, 8))
    state = method.init(objective, model, samples)
    assert state.tolerance == 0.25
    seen = []
    for _ in range(5):
        before = state
        model, state = step(objective, model, samples, state)
        ratio = jnp.sum(state.gradient**2) / jnp.sum(before.gradient**2)
        expected = jnp.clip(0.9 * ratio, jnp.finfo(float).eps ** 0.5, 0.25)
        np.testing.assert_allclose(state.tolerance, expected)
        seen.append(float(state.tolerance))
    assert min(seen) < 1e-3


@pytest.mark.parametrize("start", [(1e-3, 1.0), (1e-6, 0.0), (-0.2, 0.3)])
def test_saddles_are_left_along_negative_curvature(start):
    objective, samples = plain(
        lambda t: 0.25 * t[0] ** 4 - 0.5 * t[0] ** 2 + 0.5 * t[1] ** 2
    )
    found = train.fit(
        objective, Vector(jnp.array(start)), samples, curve.newton_cg(), steps=60
    )
    expected = [jnp.sign(start[0]), 0.0]
    np.testing.assert_allclose(found.value.theta, expected, atol=1e-8)
    assert found.status is Status.CONVERGED


@pytest.mark.parametrize("gauss_newton", [False, True])
def test_minimum_of_rosenbrock(gauss_newton):
    objective, samples = rosenbrock()
    start = Vector(jnp.array([-1.2, 1.0]))
    method = curve.newton_cg(gauss_newton=gauss_newton)
    found = train.fit(objective, start, samples, method, steps=200)
    np.testing.assert_allclose(found.value.theta, 1.0, atol=1e-12)
    assert found.status is Status.CONVERGED
    assert found.history["products"][-1] <= 2 * found.stats["steps"] <= 100


def test_a_minimum_is_left_alone_and_a_line_is_left():
    objective, samples = quadratic(jnp.eye(3), jnp.zeros(3))
    found = train.fit(
        objective, Vector(jnp.zeros(3)), samples, curve.newton_cg(), steps=5
    )
    assert found.status is Status.CONVERGED
    np.testing.assert_array_equal(found.value.theta, 0.0)
    objective, samples = plain(jnp.sum)  # no curvature at all: the step has a length
    after, _ = one_step(curve.newton_cg(), objective, Vector(jnp.zeros(3)), samples)
    assert after.theta.max() < 0


def test_new_samples_begin_anew():
    objective, model, samples = decay()
    method = curve.newton_cg()
    model, state = one_step(method, objective, model, samples)
    other = {"fit": jax.tree.map(lambda a: a[:6], samples["fit"])}
    state = method.moved(objective, model, other, state)
    loss = lambda t: objective(Vector(t), other)[0]
    np.testing.assert_allclose(state.loss, loss(model.theta))
    np.testing.assert_allclose(state.gradient, jax.grad(loss)(model.theta), atol=1e-14)
    assert state.tolerance == 0.25


def test_a_classifier_goes_down_by_gauss_newton_products(key):
    """Softmax with a penalty: strictly convex, so the end is a zero of the gradient."""
    x = jr.normal(key, (40, 3))
    y = jnp.argmax(x @ jr.normal(jr.key(1), (3, 3)), 1)
    terms = {
        "class": Term(lambda m, x, y: m.theta @ x, chance.CategoricalLoss()),
        "small": Term(lambda m, x, y: 0.1 * m.theta),
    }
    samples = {"class": Samples(x, y), "small": Samples(jnp.zeros((1, 1)))}
    objective, start = Objective(terms), Vector(jnp.zeros((3, 3)))
    found = train.fit(
        objective, start, samples, curve.newton_cg(gauss_newton=True), steps=30
    )
    gradient = jax.grad(lambda t: objective(Vector(t), samples)[0])(found.value.theta)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-10)
    assert found.status is Status.CONVERGED


@pytest.mark.slow
def test_a_network_solves_poisson_beyond_adam(key):
    """A product counts as two gradients, a step as three more."""
    objective, net, samples = poisson(key, N=100, width=8)
    found = train.fit(objective, net, samples, curve.newton_cg(), steps=80)
    price = int(2 * found.history["products"][-1] + 3 * found.stats["steps"])
    adam = train.fit(
        objective, net, samples, train.first_order(optax.adam, 1e-2), steps=price
    )
    assert found.history["loss"][-1] < 1e-2 * adam.history["loss"][-1]


def test_messages(key):
    with pytest.raises(
        ValueError, match=r"tolerance=2.0.*expected a tolerance between"
    ):
        curve.newton_cg(tolerance=2.0)
    objective, net, samples = regression(key)
    single = jax.tree.map(
        lambda a: a.astype(jnp.float32) if eqx.is_array(a) else a, net
    )
    with pytest.raises(ValueError, match=r"`newton_cg`.*of type float32"):
        train.fit(objective, single, samples, curve.newton_cg(), steps=1)
