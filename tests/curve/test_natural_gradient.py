"""Natural gradient steps against dense algebra and across coordinates."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from curvature import PROBLEMS, flat as flatten
from least_squares import Vector, dense, poisson, regression
from osculate import chance, curve, nets, train
from osculate.core import Objective, Samples, Term, trainable
from osculate.curve import _lanes


def flat(model):
    return ravel_pytree(trainable(model)[0])[0]


@pytest.mark.parametrize("lane", ["primal", "dual"])
def test_a_step_with_momentum_is_the_regularized_least_squares(key, lane):
    """d = argmin |J d + r|^2 + damping |d - m d'|^2."""
    objective, net, samples = regression(key)
    method = curve.natural_gradient(0.3, 1e-2, momentum=0.8, lane=lane)
    step = eqx.filter_jit(method.step)
    state = method.init(objective, net, samples)
    for _ in range(2):
        r, J = dense(objective, net, samples)
        kept = 0.8 * state.direction
        A = jnp.concatenate([J, 0.1 * jnp.eye(J.shape[1])])
        expected = jnp.linalg.lstsq(A, jnp.concatenate([-r, 0.1 * kept]))[0]
        moved, state = step(objective, net, samples, state)
        np.testing.assert_allclose(state.direction, expected, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(
            flat(moved) - flat(net), 0.3 * expected, rtol=1e-7, atol=1e-9
        )
        net = moved


@pytest.mark.spec("K4.6.17")
def test_the_step_does_not_depend_on_coordinates():
    """Affine changes leave it as it is; others to first order in the step size."""
    x = jnp.linspace(0.0, 1.0, 9)
    y = jnp.exp(-2 * x) + 0.1
    predict = lambda theta, x: theta[0] * jnp.exp(-theta[1] * x)
    theta = jnp.array([0.7, 1.2])
    affine = jnp.array([[2.0, 0.5], [0.0, 3.0]])
    maps = {
        "affine": (lambda q: affine @ q, jnp.linalg.solve(affine, theta)),
        "logarithm": (jnp.exp, jnp.log(theta)),
    }
    gaps = {}
    for name, (back, start) in maps.items():
        for size in (1e-2, 5e-3):
            method = curve.natural_gradient(size, 1e-12)
            moves = []
            for to_theta, begin in ((lambda t: t, theta), (back, start)):
                probe = lambda m, x, y, f=to_theta: predict(f(m.theta), x)
                objective = Objective({"fit": Term(probe)})
                data = {"fit": Samples(x, y)}
                found = train.fit(objective, Vector(begin), data, method, steps=1)
                moves.append(to_theta(found.value.theta))
            gaps[name, size] = float(jnp.linalg.norm(moves[0] - moves[1]))
    assert gaps["affine", 1e-2] < 1e-8
    ratio = gaps["logarithm", 1e-2] / gaps["logarithm", 5e-3]
    np.testing.assert_allclose(ratio, 4.0, atol=0.2)


@pytest.mark.slow
def test_the_equation_of_poisson(key):
    objective, net, samples = poisson(key, N=100, width=8)
    method = curve.natural_gradient(halvings=15)
    found = train.fit(objective, net, samples, method, steps=60)
    assert found.history["loss"][-1] < 1e-8 * found.history["loss"][0]
    assert found.history["step_size"][-1] <= 1.0


@pytest.mark.spec("K4.6.16", "K4.6.17")
@pytest.mark.parametrize("name", ["categorical", "poisson", "gaussian"])
def test_a_step_is_that_of_the_dense_fisher_matrix(name, monkeypatch):
    """(F + damping) (d - d') = -(g + F d'), for likelihoods that are squares or not."""
    monkeypatch.setitem(_lanes.LANES, "free", lambda: _lanes.Free(2000, 1e-13))
    objective, net, samples = PROBLEMS[name]
    method = curve.natural_gradient(0.4, 1e-2, momentum=0.7, lane="free")
    step = eqx.filter_jit(method.step)
    state = method.init(objective, net, samples)
    _, build = flatten(net)

    @jax.jit
    def direction(theta, kept):
        F = curve.dense(curve.fisher(objective, build(theta), samples))
        g = jax.grad(lambda t: objective(build(t), samples)[0])(theta)
        A = F + 1e-2 * jnp.eye(len(g))
        return kept - jnp.linalg.solve(A, g + F @ kept)

    for _ in range(2):
        start = flatten(net)[0]
        expected = direction(start, 0.7 * state.direction)
        net, state = step(objective, net, samples, state)
        np.testing.assert_allclose(state.direction, expected, rtol=0, atol=1e-8)
        np.testing.assert_allclose(flat(net) - start, 0.4 * expected, atol=1e-8)


@pytest.mark.spec("K4.6.16", "K4.6.17")
def test_counts_in_their_canonical_form_take_the_step_of_newton(key):
    """F is the Hessian where the outputs are linear and the link is canonical."""
    x = jr.normal(key, (30, 3))
    y = jnp.floor(jnp.exp(0.3 * x[:, 0] - 0.2 * x[:, 1] + 1))
    probe = lambda m, x, y: m.theta @ x
    objective = Objective({"count": Term(probe, chance.PoissonLoss())})
    samples = {"count": Samples(x, y)}
    method = curve.natural_gradient(1.0, 1e-14)
    loss = lambda t: objective(Vector(t), samples)[0]
    theta = jnp.array([0.2, 0.1, -0.1])
    state = method.init(objective, Vector(theta), samples)
    step = eqx.filter_jit(method.step)
    after, _ = step(objective, Vector(theta), samples, state)
    newton = -jnp.linalg.solve(jax.hessian(loss)(theta), jax.grad(loss)(theta))
    # Conjugate gradients end at a residual of 1e-3.
    np.testing.assert_allclose(after.theta - theta, newton, rtol=0, atol=2e-3)
    found = train.fit(objective, Vector(theta), samples, method, steps=30)
    np.testing.assert_allclose(jax.grad(loss)(found.value.theta), 0.0, atol=1e-12)


def test_a_classifier_is_fitted(key):
    x = jr.normal(key, (60, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    objective = Objective({"": Term(lambda m, x, y: m(x), chance.CategoricalLoss())})
    net = nets.MLP(2, 2, width=8, depth=1, key=key)
    method = curve.natural_gradient(damping=1e-3, halvings=10)
    found = train.fit(objective, net, {"": Samples(x, y)}, method, steps=40)
    assert found.history["loss"][-1] < 0.05 * found.history["loss"][0]


def test_large_matrices_are_refused_or_replaced(key, monkeypatch):
    objective, net, samples = regression(key)
    init = lambda lane: curve.natural_gradient(lane=lane).init(objective, net, samples)
    monkeypatch.setattr(_lanes, "memory", lambda: 1000)
    with pytest.raises(ValueError, match=r"`natural_gradient`: lane 'dual' factors"):
        init("dual")
    with pytest.warns(UserWarning, match=r"`natural_gradient`: .*lane 'free' solves"):
        init(None)
    init("free")


def test_messages(key):
    with pytest.raises(ValueError, match=r"momentum=1.0.*expected a positive step"):
        curve.natural_gradient(momentum=1.0)
    with pytest.raises(ValueError, match=r"lane 'fre'.*Did you mean 'free'"):
        curve.natural_gradient(lane="fre")
    _, net, samples = regression(key)
    rows = {"fit": Samples(samples["fit"].x, samples["fit"].y["value"])}
    at = lambda loss: Objective({"fit": Term(lambda m, x, y: m(x), loss)})
    method = curve.natural_gradient(lane="primal")
    with pytest.raises(ValueError, match="`natural_gradient`: the loss of 'fit'"):
        train.fit(at(chance.LaplaceLoss()), net, rows, method, steps=1)
    bare = at(lambda z, y, w=1.0: jnp.sum(w * jnp.abs(z - y)))
    with pytest.raises(TypeError, match="no likelihood is known behind the loss"):
        train.fit(bare, net, rows, curve.natural_gradient(), steps=1)


def test_classes_go_down_with_the_line_search_of_the_page(key):
    X = jr.normal(jr.key(0), (120, 2))
    Y = (X[:, 0] * X[:, 1] > 0).astype(int)
    objective = Objective({"c": Term(lambda n, x, y: n(x), chance.CategoricalLoss())})
    net = nets.MLP(2, 2, width=8, depth=1, key=jr.key(1))
    samples = {"c": Samples(X, Y)}
    method = curve.natural_gradient(damping=1e-4, halvings=30)
    loss = train.fit(objective, net, samples, method, steps=25).history["loss"]
    assert loss[-1] < 0.05 * loss[0]


def test_steps_into_nothing_are_shortened():
    """The logarithm of what is left up to 3: the first full step goes beyond."""
    objective = Objective({"l": Term(lambda m, x, y: jnp.log(3.0 - m) * (1 + x))})
    x = jnp.linspace(0.0, 1.0, 20)
    samples = {"l": Samples(x, 0 * x)}
    for halvings in (0, 1):
        method = curve.natural_gradient(1.0, 1e-6, halvings=halvings)
        start = jnp.asarray(-300.0)
        result = train.fit(objective, start, samples, method, steps=150, every=5)
        assert result.stats["retries"] > 0
        np.testing.assert_allclose(result.value, 2.0, atol=1e-3)
