"""The square-root form against dense updates, closed forms and other libraries."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st

from least_squares import Vector, poisson, quadratic, regression, rosenbrock
from osculate import curve, train
from osculate.core import Objective, Samples, Status, Term, trainable

SEEDS = st.integers(0, 10_000)


def spd(key, n, spread=3.0):
    A = jr.normal(key, (n, n))
    q, _ = jnp.linalg.qr(A)
    return q @ jnp.diag(jnp.exp(jnp.linspace(0, spread, n))) @ q.T


@eqx.filter_jit
def one_step(optimizer, objective, model, samples, root):
    """A step from a given square root: the state before and after, and what moved."""
    state = optimizer.init(objective, model, samples)
    state = optimizer.moved(
        objective, model, samples, state._replace(root=root, fresh=jnp.asarray(False))
    )
    after, following = optimizer.step(objective, model, samples, state)
    return state, after, following


class Quartic(eqx.Module):
    """Probe: half a square by H, and fourth powers."""

    H: jax.Array

    def __call__(self, m, x, y):
        return 0.5 * m.theta @ self.H @ m.theta + jnp.sum(m.theta**4)


def as_it_is(z, y, w=1.0):
    return jnp.sum(w * z)


def pair(seed, optimizer):
    """h before, h after, s and y of one step on a quartic in five unknowns."""
    k1, k2, k3 = jr.split(jr.key(seed), 3)
    objective = Objective({"q": Term(Quartic(spd(k1, 5)), as_it_is)})
    samples = {"q": Samples(jnp.zeros((1, 1)))}
    model = Vector(jr.normal(k2, (5,)))
    root = jnp.linalg.cholesky(spd(k3, 5, 1.0)) * 0.3
    before, after, following = one_step(optimizer, objective, model, samples, root)
    s, y = after.theta - model.theta, following.gradient - before.gradient
    return root @ root.T, following.root @ following.root.T, s, y, following


def inverse_bfgs(h, s, y):
    V = jnp.eye(len(s)) - jnp.outer(s, y) / (y @ s)
    return V @ h @ V.T + jnp.outer(s, s) / (y @ s)


@pytest.mark.spec("K4.7.14-15", "K4.7.22")
@given(SEEDS)
def test_bfgs_is_the_inverse_update(seed):
    h, found, s, y, _ = pair(seed, curve.ssbfgs(scaled=False))
    expected = inverse_bfgs(h, s, y)
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=1e-12 * abs(expected).max()
    )
    np.testing.assert_allclose(found @ y, s, rtol=1e-10)


@pytest.mark.spec("K4.7.16-21")
@given(SEEDS)
def test_its_inverse_is_the_direct_update(seed):
    h, found, s, y, _ = pair(seed, curve.ssbfgs(scaled=False))
    B = jnp.linalg.inv(h)
    Bs = B @ s
    direct = B + jnp.outer(y, y) / (y @ s) - jnp.outer(Bs, Bs) / (s @ Bs)
    assert y @ s > 0
    assert jnp.linalg.eigvalsh(direct).min() > 0
    np.testing.assert_allclose(found @ direct, jnp.eye(5), rtol=0, atol=1e-10)


@given(SEEDS)
def test_self_scaled_broyden_is_the_update_of_its_class(seed):
    """Al-Baali and Khalfan: tau scales all that the pair does not fix."""
    h, found, s, y, after = pair(seed, curve.ssbroyden())
    B, ys = jnp.linalg.inv(h), y @ s
    Bs = B @ s
    sBs = s @ Bs
    b, hh = sBs / ys, (y @ h @ y) / ys
    a = b * hh - 1
    c = jnp.sqrt(a / (1 + a))
    rho = min(1.0, hh * (1 - c))
    theta = max((rho - 1) / a, min(1 / rho, (1 - b) / b))
    sigma = 1 + a * theta
    power = abs(sigma) ** (1 / (1 - 5))
    least = min(1.0, 1 / b)
    tau = min(least * power, sigma) if theta <= 0 else least * min(power, 1 / theta)
    v = jnp.sqrt(sBs) * (y / ys - Bs / sBs)
    update = tau * (B - jnp.outer(Bs, Bs) / sBs + theta * jnp.outer(v, v))
    update += jnp.outer(y, y) / ys
    np.testing.assert_allclose(found @ update, jnp.eye(5), rtol=0, atol=1e-9)
    np.testing.assert_allclose(found @ y, s, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(after.image, after.gradient @ after.root, atol=1e-12)
    step = -found @ after.gradient
    np.testing.assert_allclose(after.direction, step, rtol=1e-9, atol=1e-12)


METHODS = {
    "broyden": curve.ssbroyden(),
    "scaled bfgs": curve.ssbfgs(),
    "bfgs": curve.ssbfgs(scaled=False),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_minimum_of_rosenbrock(method):
    objective, samples = rosenbrock()
    start = Vector(jnp.array([-1.2, 1.0]))
    found = train.fit(objective, start, samples, method, steps=200)
    np.testing.assert_allclose(found.value.theta, 1.0, atol=1e-12)
    assert found.status is Status.CONVERGED
    assert found.stats["steps"] < 200
    assert "resets" in found.history
    assert "converged" not in found.history


def test_one_parameter():
    objective, samples = quadratic(jnp.array([[4.0]]), jnp.array([2.0]))
    found = train.fit(
        objective, Vector(jnp.array([3.0])), samples, curve.ssbroyden(), steps=50
    )
    np.testing.assert_allclose(found.value.theta, 0.5, atol=1e-14)


def test_a_minimum_is_left_alone():
    objective, samples = quadratic(jnp.eye(3), jnp.zeros(3))
    found = train.fit(
        objective, Vector(jnp.zeros(3)), samples, curve.ssbroyden(), steps=50
    )
    assert found.status is Status.CONVERGED
    assert found.stats["steps"] <= 1
    np.testing.assert_array_equal(found.value.theta, 0.0)


@pytest.mark.slow
def test_a_network_solves_poisson_far_beyond_first_order_methods(key):
    objective, net, samples = poisson(key, N=200, width=10)
    found = train.fit(objective, net, samples, curve.ssbroyden(), steps=3000)
    assert found.history["loss"][-1] < 1e-13 * found.history["loss"][0]


def test_new_samples_keep_the_curvature(key):
    objective, net, samples = regression(key)
    method = curve.ssbroyden()
    half = train.fit(objective, net, samples, method, steps=60)
    state = train.start(objective, half.value, samples, method).state
    rng = jr.normal(key, state.root.shape)
    state = state._replace(root=state.root + 0.1 * rng)
    fewer = jax.tree.map(lambda a: a[:7], samples)
    moved = method.moved(objective, half.value, fewer, state)
    theta, build = trainable(half.value)
    gradient = jax.grad(lambda t: objective(build(t), fewer)[0])(theta)
    flat = jax.flatten_util.ravel_pytree(gradient)[0]
    np.testing.assert_array_equal(moved.root, state.root)
    np.testing.assert_allclose(moved.gradient, flat, rtol=1e-12, atol=1e-15)
    expected = -state.root @ (state.root.T @ flat)
    np.testing.assert_allclose(moved.direction, expected, rtol=1e-10, atol=1e-14)


def test_a_resumed_fit_has_the_same_bits(key):
    objective, net, samples = regression(key)
    seen = []
    whole = train.fit(
        objective,
        net,
        samples,
        curve.ssbroyden(),
        steps=40,
        every=10,
        watch=[seen.append],
    )
    middle = seen[2]
    resumed = train.fit(
        objective,
        net,
        samples,
        curve.ssbroyden(),
        steps=40,
        every=10,
        resume=(middle.carry, middle.history),
    )
    same = jax.tree.map(np.array_equal, whole.value, resumed.value)
    assert all(jax.tree.leaves(same))


def test_a_loss_that_is_not_finite_beyond_a_wall():
    """The search retreats from where the logarithm ends."""
    probe = lambda m, x, y: -jnp.sum(jnp.log(m.theta)) + 0.5 * m.theta @ m.theta
    objective = Objective({"q": Term(probe, lambda z, y, w=1.0: jnp.sum(w * z))})
    samples = {"q": Samples(jnp.zeros((1, 1)))}
    start = Vector(jnp.array([0.01, 30.0]))
    found = train.fit(objective, start, samples, curve.ssbroyden(), steps=100)
    np.testing.assert_allclose(found.value.theta, 1.0, atol=1e-8)


def test_single_precision_is_refused_unless_wanted():
    objective, samples = rosenbrock()
    model = Vector(jnp.array([-1.2, 1.0], jnp.float32))
    with pytest.raises(ValueError, match="of type float32; expected float64"):
        train.fit(objective, model, samples, curve.ssbroyden(), steps=1)
    single = curve.ssbroyden(dtype="float32")
    found = train.fit(objective, model, samples, single, steps=100)
    assert found.value.theta.dtype == jnp.float32
    np.testing.assert_allclose(found.value.theta, 1.0, atol=1e-3)


def test_a_matrix_without_room(key, monkeypatch):
    monkeypatch.setattr("osculate.curve._dense.memory", lambda: 1000)
    with pytest.raises(ValueError, match=r"`ssbroyden`: a dense matrix .*lbfgs"):
        curve.ssbroyden().init(*regression(key))
