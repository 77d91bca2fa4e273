"""First-order methods on quadratics: Optax against the matrices of the theory."""

import jax
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
import optax
import pytest
from hypothesis import given, strategies as st

from least_squares import Vector, quadratic
from osculate import curve, train
from osculate.core import trainable

RATES = st.floats(0.01, 0.99)
CURVATURES = st.floats(0.1, 100.0)


def path(method, gradient, theta, steps):
    """Iterates of an Optax method, the start first."""
    with jax.numpy_dtype_promotion("standard"):
        state, found = method.init(theta), [theta]
        for _ in range(steps):
            update, state = method.update(gradient(theta), state, theta)
            theta = optax.apply_updates(theta, update)
            found.append(theta)
    return np.asarray(found)


def ball(step, momentum, curvature):
    """The matrix of (theta, v) under momentum (K4.3.6)."""
    return np.array([[1 - curvature * step, -momentum * step], [curvature, momentum]])


def radius(matrix):
    return np.abs(np.linalg.eigvals(matrix)).max()


@pytest.mark.spec("K1.3.1", "K4.3.3-5")
@given(CURVATURES, st.floats(0.05, 1.9))
def test_gradient_descent_multiplies_by_one_minus_step_times_curvature(curvature, part):
    step = part / curvature
    found = path(optax.sgd(step), lambda t: curvature * t, jnp.array([1.0]), 5)[:, 0]
    np.testing.assert_allclose(found, (1 - part) ** np.arange(6), rtol=1e-9, atol=1e-12)


@pytest.mark.spec("K1.3.1")
def test_a_step_of_the_library_is_that_of_optax():
    H, b = jnp.diag(jnp.array([1.0, 4.0])), jnp.array([1.0, -2.0])
    objective, samples = quadratic(H, b)
    start = Vector(jnp.array([3.0, 1.0]))
    method = train.first_order(optax.sgd, 0.1)
    found = train.fit(objective, start, samples, method, steps=3).value.theta
    expected = path(optax.sgd(0.1), lambda t: H @ t - b, start.theta, 3)[-1]
    np.testing.assert_allclose(found, expected, rtol=1e-14)


@pytest.mark.spec("K4.3.3-5")
@pytest.mark.parametrize(("part", "grows"), [(1.999, False), (2.001, True)])
def test_the_step_is_bounded_by_two_over_the_curvature(part, grows):
    bound = curve.heavy_ball(1.0, 8.0).largest_plain_step
    step = float(bound) * part / 2
    found = path(optax.sgd(step), lambda t: 8.0 * t, jnp.array([1.0]), 400)[:, 0]
    assert (abs(found[-1]) > 1) == grows


@pytest.mark.spec("K4.3.1-2", "K4.3.6-8")
@given(CURVATURES, st.floats(0.05, 1.5), RATES)
def test_momentum_is_its_matrix(curvature, part, momentum):
    step = part / curvature
    found = path(
        optax.sgd(step, momentum), lambda t: curvature * t, jnp.array([1.0]), 6
    )[:, 0]
    matrix = ball(step, momentum, curvature)
    state, expected = np.array([1.0, 0.0]), [1.0]
    for _ in range(6):
        # v' = m v + lambda theta and theta' = theta - step v'
        state = matrix @ state
        expected.append(state[0])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    middle = 1 + momentum - part
    root = np.sqrt(complex(middle**2 - 4 * momentum))
    eigenvalues = np.array([middle - root, middle + root]) / 2
    product = np.prod(eigenvalues)
    np.testing.assert_allclose(product, np.linalg.det(matrix), rtol=1e-9)
    np.testing.assert_allclose(np.linalg.det(matrix), momentum, rtol=1e-9)
    np.testing.assert_allclose(np.abs(eigenvalues).max(), radius(matrix), rtol=1e-6)


@pytest.mark.spec("K4.3.9")
def test_the_bound_with_momentum():
    m, curvature = 0.9, 3.0
    bound = 2 * (1 + m) / curvature
    inside, outside = (radius(ball(bound * f, m, curvature)) for f in (0.999, 1.001))
    assert inside < 1 < outside
    steps = np.array([bound - 1e-3, bound + 1e-3]) * curvature
    radii = [radius(ball(s, m, 1.0)) for s in steps]
    assert radii[0] < 1 < radii[1]


@pytest.mark.spec("K4.3.10-11")
@given(CURVATURES, st.floats(0.01, 0.9))
def test_critical_momentum_has_a_double_root(curvature, part):
    step, m = part / curvature, (1 - np.sqrt(part)) ** 2
    middle = 1 + m - part
    np.testing.assert_allclose(middle**2, 4 * m, rtol=1e-9, atol=1e-12)
    # A double root is known to the square root of the rounding errors.
    np.testing.assert_allclose(
        radius(ball(step, m, curvature)), 1 - np.sqrt(part), rtol=0, atol=1e-6
    )


@pytest.mark.spec("K4.3.12-13", "K4.3.14")
@given(CURVATURES, st.floats(1.0, 1e4))
def test_the_best_ball_treats_both_ends_alike(low, condition):
    found = curve.heavy_ball(low, low * condition)
    step, m = float(found.step), float(found.momentum)
    radii = [radius(ball(step, m, c)) for c in (low, low * condition)]
    np.testing.assert_allclose(radii, found.rate, rtol=0, atol=1e-6)
    root = np.sqrt(condition)
    np.testing.assert_allclose(found.rate, (root - 1) / (root + 1), atol=1e-12)
    plain = (condition - 1) / (condition + 1)
    np.testing.assert_allclose(found.plain_rate, plain, atol=1e-12)


@pytest.mark.spec("K4.3.14")
def test_rates_of_runs():
    low, high = 1.0, 100.0
    advice = curve.heavy_ball(low, high)
    np.testing.assert_allclose(advice.rate, 0.81818, atol=1e-5)
    np.testing.assert_allclose(advice.plain_rate, 0.98020, atol=1e-5)
    gradient = lambda t: jnp.array([low, high]) * t
    start = jnp.array([1.0, 1.0])
    slope = lambda found, a, b: (
        (np.linalg.norm(found[b]) / np.linalg.norm(found[a])) ** (1 / (b - a))
    )
    with_ball = path(optax.sgd(advice.step, advice.momentum), gradient, start, 150)
    # A double root: the distance falls as k rate^k, so that (b / a) is taken out.
    rate = slope(with_ball, 75, 150) / 2 ** (1 / 75)
    np.testing.assert_allclose(rate, advice.rate, atol=5e-3)
    alone = path(optax.sgd(2 / (low + high)), gradient, start, 300)
    np.testing.assert_allclose(slope(alone, 100, 300), advice.plain_rate, atol=1e-3)


def test_a_curvature_that_is_not_positive_has_no_advice():
    with pytest.raises(RuntimeError, match="expected 0 < low <= high"):
        curve.heavy_ball(-1.0, 2.0)


@pytest.mark.spec("K4.1.2", "K4.1.3")
@given(st.integers(0, 100))
def test_newton_is_exact_in_one_step_and_shrinks_by_one_minus_step(seed):
    k1, k2 = jr.split(jr.key(seed))
    A = jr.normal(k1, (3, 3))
    H, b = A @ A.T + jnp.eye(3), jr.normal(k2, (3,))
    objective, samples = quadratic(H, b)
    model = Vector(jr.normal(k1, (3,)))
    theta, build = trainable(model)
    gradient = jax.grad(lambda t: objective(build(t), samples)[0])(theta)
    operator = curve.hessian(objective, model, samples)
    newton = jnp.linalg.solve(operator.as_matrix(), gradient.theta)
    minimum = jnp.linalg.solve(H, b)
    np.testing.assert_allclose(model.theta - newton, minimum, rtol=1e-8, atol=1e-9)
    part = model.theta - 0.3 * newton - minimum
    np.testing.assert_allclose(
        part, 0.7 * (model.theta - minimum), rtol=1e-7, atol=1e-9
    )


@pytest.mark.spec("K4.2.3", "K4.6.10-13")
@given(st.integers(0, 100))
def test_steepest_descent_depends_on_the_metric(seed):
    """The least g'd on d'Md = 1 is along -M^-1 g; M = 1 is the sphere."""
    k1, k2, k3 = jr.split(jr.key(seed), 3)
    g, A = jr.normal(k1, (3,)), jr.normal(k2, (3, 3))
    directions = jr.normal(k3, (4000, 3))
    for M in (jnp.eye(3), A @ A.T + 0.5 * jnp.eye(3)):
        length = jnp.sqrt(jnp.einsum("ni,ij,nj->n", directions, M, directions))
        others = (directions / length[:, None]) @ g
        best = -jnp.linalg.solve(M, g)
        best = best / jnp.sqrt(best @ M @ best)
        assert best @ g <= others.min() + 1e-12
        np.testing.assert_allclose(best @ M @ best, 1.0, rtol=1e-9)
        multiplier = (M @ best) / g
        np.testing.assert_allclose(multiplier, multiplier[0], rtol=1e-7)


SCALE_FREE = {
    "adam": (lambda: optax.adam(0.01, eps=1e-300), True),
    "rmsprop": (lambda: optax.rmsprop(0.01, eps=1e-300), True),
    "sgd": (lambda: optax.sgd(0.01), False),
}


@pytest.mark.spec("K4.1/a", "K4.2.2", "K4.4.5")
@pytest.mark.parametrize(("make", "free"), SCALE_FREE.values(), ids=SCALE_FREE)
def test_units_of_the_step(make, free):
    """Steps of Adam are in units of theta, those of SGD in theta^2 per loss."""
    gradient = lambda t: jnp.array([1.0, 7.0]) * t
    start = jnp.array([1.0, -2.0])
    one = path(make(), gradient, start, 5)
    scaled = path(make(), lambda t: 1e3 * gradient(t), start, 5)
    if free:
        np.testing.assert_allclose(one, scaled, rtol=1e-12)
    else:
        smaller = path(optax.sgd(0.01 / 1e3), lambda t: 1e3 * gradient(t), start, 5)
        assert not np.allclose(one, scaled)
        np.testing.assert_allclose(one, smaller, rtol=1e-12)


@pytest.mark.spec("K4.4.1", "K4.4.2", "K4.4.3")
@given(st.lists(st.floats(-3, 3), min_size=2, max_size=8), st.floats(0.5, 0.999))
def test_the_corrected_accumulator(gradients, beta):
    """V_n over 1 - beta^n; its recursion has the denominator that the source lacks."""
    squares, V, corrected = np.square(gradients), 0.0, []
    for n, square in enumerate(squares, start=1):
        V = beta * V + (1 - beta) * square
        corrected.append(V / (1 - beta**n))
        weights = (1 - beta) * beta ** np.arange(n)[::-1]
        np.testing.assert_allclose(weights.sum(), 1 - beta**n, rtol=1e-9)
        np.testing.assert_allclose(V, weights @ squares[:n], rtol=1e-9, atol=1e-12)
        if n > 1:
            before = corrected[-2] * (1 - beta ** (n - 1))
            again = square / np.sum(beta ** np.arange(n)) + beta * before / (
                1 - beta**n
            )
            np.testing.assert_allclose(corrected[-1], again, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(corrected[0], squares[0], rtol=1e-9, atol=1e-15)


@pytest.mark.spec("K4.4.4")
def test_adam_is_its_formula():
    gradient = lambda t: jnp.array([1.0, 30.0]) * t + jnp.array([0.3, -0.1])
    found = path(optax.adam(0.05, 0.9, 0.99, eps=1e-8), gradient, jnp.ones(2), 20)
    theta, m, V = np.ones(2), np.zeros(2), np.zeros(2)
    for n in range(1, 21):
        g = np.asarray(gradient(jnp.asarray(theta)))
        m, V = 0.9 * m + 0.1 * g, 0.99 * V + 0.01 * g**2
        hat = m / (1 - 0.9**n), V / (1 - 0.99**n)
        theta = theta - 0.05 * hat[0] / (np.sqrt(hat[1]) + 1e-8)
        np.testing.assert_allclose(found[n], theta, rtol=1e-12)


@pytest.mark.spec("K4.4.6")
def test_sign_descent_takes_as_many_steps_as_the_distance_has_of_them():
    """Without memory RMSProp steps by its step size, then swings about the minimum."""
    method = optax.rmsprop(0.1, decay=0.0, eps=0.0)
    found = path(method, lambda t: 5.0 * t, jnp.array([0.95]), 30)[:, 0]
    np.testing.assert_allclose(found[:10], 0.95 - 0.1 * np.arange(10), atol=1e-12)
    np.testing.assert_allclose(np.abs(found[10:]), 0.05, atol=1e-9)


@pytest.mark.spec("K4.6.1-4", "K4.6.5")
def test_gradient_descent_depends_on_coordinates_and_newton_does_not():
    """A step in phi, theta = f(phi), is one with the inverse metric J J'."""
    f = lambda phi: jnp.stack([phi[0] ** 3 + phi[1], jnp.exp(0.5 * phi[1])])
    loss = lambda theta: jnp.sum(jnp.array([1.0, 3.0]) * (theta - 0.2) ** 2)
    phi = jnp.array([0.8, 0.4])
    J, g = jax.jacobian(f)(phi), jax.grad(loss)(f(phi))
    gaps = []
    for step in (1e-2, 5e-3):
        moved = f(phi - step * jax.grad(lambda p: loss(f(p)))(phi)) - f(phi)
        gaps.append(jnp.linalg.norm(moved + step * J @ J.T @ g))
    np.testing.assert_allclose(gaps[0] / gaps[1], 4.0, atol=0.2)
    # An affine change of coordinates leaves Newton's step as it is.
    A = jnp.array([[2.0, 0.3], [0.1, 5.0]])
    H = lambda u, x: jnp.linalg.solve(jax.hessian(u)(x), jax.grad(u)(x))
    here = jnp.linalg.solve(A, f(phi))
    there = A @ H(lambda q: loss(A @ q), here)
    np.testing.assert_allclose(there, H(loss, f(phi)), rtol=1e-9)


@pytest.mark.spec("K4.6.17")
def test_the_natural_gradient_of_a_normal_law():
    """F = diag(1, 2) / s^2 in (mean, s); in other coordinates the same direction."""
    from_phi = lambda phi: jnp.stack([phi[0], jnp.exp(phi[1])])
    theta = jnp.array([0.7, 1.5])
    loss = lambda t: jnp.sin(t[0]) + t[0] * t[1] ** 2
    F = jnp.diag(jnp.array([1.0, 2.0])) / theta[1] ** 2
    natural = jnp.linalg.solve(F, jax.grad(loss)(theta))
    phi = jnp.array([0.7, jnp.log(1.5)])
    J = jax.jacobian(from_phi)(phi)
    other = jnp.linalg.solve(J.T @ F @ J, jax.grad(lambda p: loss(from_phi(p)))(phi))
    np.testing.assert_allclose(J @ other, natural, rtol=1e-10)
    operator = lx.MatrixLinearOperator(F, lx.positive_semidefinite_tag)
    solved = lx.linear_solve(operator, jax.grad(loss)(theta), lx.CG(1e-12, 1e-12))
    np.testing.assert_allclose(solved.value, natural, rtol=1e-8)
