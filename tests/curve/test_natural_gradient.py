"""Natural gradient steps against dense least squares and across coordinates."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from least_squares import Vector, dense, poisson, regression
from osculate import chance, curve, train
from osculate.core import Objective, Samples, Term, trainable


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


def test_messages(key):
    with pytest.raises(ValueError, match=r"momentum=1.0.*expected a positive step"):
        curve.natural_gradient(momentum=1.0)
    with pytest.raises(ValueError, match=r"lane 'fre'.*Did you mean 'free'"):
        curve.natural_gradient(lane="fre")
    _, net, samples = regression(key)
    laplace = Objective({"fit": Term(lambda m, x, y: m(x), chance.LaplaceLoss())})
    rows = {"fit": Samples(samples["fit"].x, samples["fit"].y["value"])}
    with pytest.raises(ValueError, match="`natural_gradient`: the loss of 'fit'"):
        train.fit(laplace, net, rows, curve.natural_gradient(), steps=1)
