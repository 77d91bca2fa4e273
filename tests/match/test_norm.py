"""Sobolev norms against closed forms, and the objective that samples them."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate import match, nets
from osculate.core import Objective, Samples

TURN = 2 * jnp.pi
sine = lambda x: jnp.sin(x[0])
bell = lambda x: jnp.exp(-(x[0] ** 2) / 2)


@pytest.mark.spec("S0.11")
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_sine(order):
    norm = match.sobolev_norm(sine, [0.0], [TURN], order=order)
    np.testing.assert_allclose(norm**2, (order + 1) * jnp.pi, rtol=1e-8)


@pytest.mark.spec("S0.11")
def test_bell():
    norm = match.sobolev_norm(bell, [-12.0], [12.0])
    np.testing.assert_allclose(norm**2, 1.5 * jnp.sqrt(jnp.pi), rtol=1e-8)


@pytest.mark.spec("S0.11")
def test_powers_other_than_two():
    # Over a turn |sin| has the integral 4, sin^4 has 3 pi / 4, and cos the same.
    one = match.sobolev_norm(sine, [0.0], [TURN / 4], p=1.0)
    np.testing.assert_allclose(one, 2.0, rtol=1e-8)
    four = match.sobolev_norm(sine, [0.0], [TURN], p=4.0)
    np.testing.assert_allclose(four**4, 2 * 3 * jnp.pi / 4, rtol=1e-8)
    largest = match.sobolev_norm(lambda x: 3 * x[0] ** 2, [0.0], [1.0], p=jnp.inf)
    assert 5.99 < largest < 6.0  # the slope at the end, where there is no node


@pytest.mark.spec("S0.11")
def test_full_tensors_of_fields_in_the_plane():
    """x y and x^2: 1/9 + 1/5 + 1/3 + 1/3 + 4/3, 2 + 4 of second order."""
    u = lambda x: jnp.stack([x[0] * x[1], x[0] ** 2])
    box = [0.0, 0.0], [1.0, 1.0]
    norm = match.sobolev_norm(u, *box, nodes=8)
    np.testing.assert_allclose(norm**2, 1 / 9 + 1 / 5 + 2 / 3 + 4 / 3, rtol=1e-12)
    second = match.sobolev_norm(u, *box, order=2, nodes=8)
    np.testing.assert_allclose(second**2 - norm**2, 6.0, rtol=1e-12)


@pytest.mark.spec("S0.11")
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_random_points_within_their_error(p):
    u = lambda x: x[0] * jnp.sin(2 * x[0])
    wanted = match.sobolev_norm(u, [0.0], [3.0], p=p, nodes=200)
    found = match.estimate_sobolev_norm(u, [0.0], [3.0], jr.key(0), p=p)
    assert found.standard_error < 1e-2 * wanted
    assert abs(found.value - wanted) < 4.5 * found.standard_error
    nothing = match.estimate_sobolev_norm(lambda x: 0.0 * x[0], [0.0], [3.0], jr.key(0))
    assert (nothing.value, nothing.standard_error) == (0.0, 0.0)


@pytest.mark.spec("S0.12")
def test_the_objective_on_random_points_tends_to_the_norm(key):
    """Twice the loss times the volume is the squared norm of the difference."""
    net = nets.MLP(2, 1, width=4, depth=1, key=key)
    lower, upper = [0.0, -1.0], [2.0, 1.0]
    exact = match.sobolev_norm(net, lower, upper, order=2, nodes=24) ** 2
    objective = Objective({"zero": match.term(*map(match.derivatives, range(3)))})
    gaps = []
    for N in (100, 10_000):
        x = jr.uniform(key, (N, 2)) * 2 - jnp.array([[0.0, 1.0]])
        shapes = {"value": (1,), "jacobian": (1, 2), "hessian": (1, 2, 2)}
        y = {name: jnp.zeros((N, *shape)) for name, shape in shapes.items()}
        total = 2 * objective(net, {"zero": Samples(x, y)})[0]
        gaps.append(abs(4 * total / exact - 1))
    assert gaps[0] < 0.5
    assert gaps[1] < 0.05


@given(st.floats(-3, 3), st.floats(1, 4))
def test_it_is_a_norm(factor, p):
    u, v = (lambda x: jnp.sin(2 * x[0])), (lambda x: x[0] ** 2)
    norm = lambda f: match.sobolev_norm(f, [0.0], [1.0], p=p, nodes=16)
    np.testing.assert_allclose(
        norm(lambda x: factor * u(x)), abs(factor) * norm(u), rtol=1e-10, atol=1e-12
    )
    assert norm(lambda x: u(x) + v(x)) <= norm(u) + norm(v) + 1e-10


def test_jit_and_gradient():
    """The norm of a sin(x) is a times that of sin(x)."""
    norm = lambda a: match.sobolev_norm(lambda x: a * sine(x), [0.0], [TURN])
    value, slope = jax.jit(jax.value_and_grad(norm))(2.0)
    np.testing.assert_allclose(value, 2 * jnp.sqrt(TURN), rtol=1e-10)
    np.testing.assert_allclose(slope, jnp.sqrt(TURN), rtol=1e-10)


@pytest.mark.parametrize(
    "choice",
    [{"order": -1}, {"p": 0.5}, {"nodes": 0}, {"nodes": 2_000_000}],
)
def test_what_makes_no_sense(choice):
    with pytest.raises(ValueError, match="`sobolev_norm`"):
        match.sobolev_norm(sine, [0.0], [1.0], **choice)


def test_a_box_that_is_none():
    for lower, upper in (([1.0], [0.0]), ([[0.0]], [[1.0]]), ([0.0, 0.0], [1.0])):
        with pytest.raises(ValueError, match=r"expected corners \(D,\)"):
            match.sobolev_norm(sine, lower, upper)
    with pytest.raises(ValueError, match="finite p"):
        match.estimate_sobolev_norm(sine, [0.0], [1.0], jr.key(0), p=jnp.inf)


@pytest.mark.spec("S0.10")
@pytest.mark.parametrize("seed", range(5))
def test_the_slope_of_a_kink_is_its_weak_derivative(seed):
    """Integrals of |x| phi' and of -sign(x) phi agree, phi smooth and 0 at the ends."""
    a, b, c = jr.uniform(jr.key(seed), (3,), minval=-1.0, maxval=1.0)
    bump = lambda x: jnp.exp(-1 / jnp.maximum(1 - x**2, 1e-3)) * jnp.sin(a + b * x)
    test = lambda x: bump(x) * (1 + c * x)
    # By halves, since a rule of one piece does not see the kink.
    x, w = np.polynomial.legendre.leggauss(400)
    x, w = np.concatenate([(x - 1) / 2, (x + 1) / 2]), np.concatenate([w, w]) / 2
    slope = jax.vmap(jax.grad(jnp.abs))(x)
    left = w @ (jnp.abs(x) * jax.vmap(jax.grad(test))(x))
    right = -w @ (slope * jax.vmap(test)(x))
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-10)
    assert abs(right) > 1e-3
