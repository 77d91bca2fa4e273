"""L-BFGS against the dense inverse Hessian estimate that it stands for."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st

from least_squares import Vector, rosenbrock
from osculate import train
from osculate.core import Objective, Samples, Term

N, STEPS = 5, 4


def dense_direction(g, steps, slopes):
    """`-h g` by dense BFGS updates of the first estimate `(s'y / y'y) 1`."""
    s, y = steps[-1], slopes[-1]
    eye = np.eye(len(g))
    h = (s @ y) / (y @ y) * eye
    for s, y in zip(steps, slopes, strict=True):
        V = eye - np.outer(s, y) / (y @ s)
        h = V @ h @ V.T + np.outer(s, s) / (y @ s)
    return -h @ g


QUARTIC = Objective(
    {
        "q": Term(
            lambda m, x, y: 0.5 * m.theta @ y @ m.theta + jnp.sum(m.theta**4),
            lambda z, y, w=1.0: jnp.sum(w * z),
        )
    }
)


@eqx.filter_jit
def path(memory, seed):
    """Points and gradients of a few steps on a quartic in five unknowns."""
    k1, k2 = jr.split(jr.key(seed))
    A = jr.normal(k1, (N, N))
    H = A @ A.T + jnp.eye(N)
    samples = {"q": Samples(jnp.zeros((1, 1)), H[None])}
    model, method = Vector(jr.normal(k2, (N,))), train.lbfgs(memory=memory)
    gradient = jax.grad(lambda t: QUARTIC(Vector(t), samples)[0])

    def one(carry, _):
        model, state = method.step(QUARTIC, carry[0], samples, carry[1])
        return (model, state), model.theta

    start = model, method.init(QUARTIC, model, samples)
    _, points = jax.lax.scan(one, start, length=STEPS)
    points = jnp.concatenate([model.theta[None], points])
    return points, jax.vmap(gradient)(points)


def off_by(memory, seed):
    """Largest distance of the unit directions of steps from those of dense BFGS."""
    points, gradients = map(np.asarray, path(memory, jnp.asarray(seed)))
    moves, slopes = np.diff(points, axis=0), np.diff(gradients, axis=0)
    worst = 0.0
    for k in range(1, STEPS):
        d = dense_direction(gradients[k], moves[:k], slopes[:k])
        unit = moves[k] / np.linalg.norm(moves[k])
        worst = max(worst, np.abs(unit - d / np.linalg.norm(d)).max())
    return worst


@pytest.mark.spec("K4.7/a")
@given(st.integers(0, 1000))
def test_with_all_pairs_in_memory_it_is_bfgs(seed):
    assert off_by(STEPS, seed) < 1e-10


@pytest.mark.spec("K4.7/a")
def test_with_fewer_it_is_not():
    assert off_by(1, 0) > 1e-3


@pytest.mark.spec("K4.7/a")
@pytest.mark.parametrize("memory", [3, 50])
def test_minimum_of_rosenbrock(memory):
    objective, samples = rosenbrock()
    start = Vector(jnp.array([-1.2, 1.0]))
    method = train.lbfgs(memory=memory)
    found = train.fit(objective, start, samples, method, steps=60)
    np.testing.assert_allclose(found.value.theta, 1.0, atol=1e-10)
    assert found.history["loss"][-1] < 1e-20
