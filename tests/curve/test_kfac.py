"""Kronecker factors, against Gauss-Newton blocks and sums written out, and descent."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from least_squares import Vector, rosenbrock
from osculate import chance, curve, diff, nets, train
from osculate.core import Objective, Samples, Status, Term, trainable

KEY = jr.key(0)
X = jr.normal(jr.key(1), (6, 3))
Y = jr.normal(jr.key(2), (6, 2))
WEIGHT = jnp.array([1.0, 2.0, 0.0, 0.5, 1.0, 3.0])


def blocks_of(matrix, tree, merged=()):
    """The matrix with zeros between different arrays, but for the merged pairs."""
    leaves = jax.tree.leaves(tree)
    owner = np.repeat(np.arange(len(leaves)), [a.size for a in leaves])
    for a, b in merged:
        owner[owner == b] = a
    return np.where(owner[:, None] == owner[None], matrix, 0)


def kfac(*args):
    return eqx.filter_jit(curve.kfac)(*args)


@pytest.mark.spec("K4.6/a")
def test_one_layer_is_exact():
    model = nets.MLP(3, 2, width=1, depth=0, key=KEY)
    objective = Objective({"": Term(lambda u, x, y: u(x))})
    samples = {"": Samples(X, Y, WEIGHT)}
    J = curve.jacobian_matrix(objective, model, samples)
    operator = kfac(objective, model, samples)
    np.testing.assert_allclose(operator.as_matrix(), J.T @ J, rtol=0, atol=1e-14)
    inverse = operator.inverse(0.0).as_matrix()
    np.testing.assert_allclose(inverse, np.linalg.inv(J.T @ J), rtol=1e-10, atol=1e-10)


@pytest.mark.spec("K4.6/a")
def test_deep_linear_blocks_are_exact():
    model = {"A": jr.normal(KEY, (4, 3)), "B": jr.normal(jr.key(5), (2, 4))}
    model["a"], model["b"] = jnp.ones(4), jnp.ones(2)
    probe = lambda p, x, y: p["B"] @ (p["A"] @ x + p["a"]) + p["b"]
    objective, samples = Objective({"": Term(probe)}), {"": Samples(X, Y, WEIGHT)}
    J = curve.jacobian_matrix(objective, model, samples)
    exact = blocks_of(J.T @ J, model, merged=[(0, 2), (1, 3)])
    found = kfac(objective, model, samples).as_matrix()
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-13)


def test_losses_without_residuals():
    """Softmax: the sum of the squares of the columns is the Hessian in the outputs."""
    loss = lambda z, y, w=1.0: w * (jax.nn.logsumexp(z) - jnp.sum(y * z))
    model = nets.MLP(3, 2, width=1, depth=0, key=KEY)
    objective = Objective({"": Term(lambda u, x, y: u(x), loss)})
    samples = {"": Samples(X[:1], jax.nn.softmax(Y[:1]))}
    theta, build = trainable(model)
    flat, unravel = ravel_pytree(theta)
    full = jax.hessian(lambda t: objective(build(unravel(t)), samples)[0])(flat)
    # The model is linear: the Hessian is the Gauss-Newton matrix, of one row exactly.
    found = kfac(objective, model, samples).as_matrix()
    np.testing.assert_allclose(found, full, rtol=0, atol=1e-14)


@pytest.mark.spec("K4.6/a")
def test_streams_of_a_laplacian_are_uses():
    model = nets.MLP(2, 1, width=3, depth=1, key=KEY)
    x = jr.normal(KEY, (4, 2))
    objective = Objective(
        {"": Term(lambda u, x, y: diff.laplacian(lambda x: u(x)[0])(x))}
    )
    operator = kfac(objective, model, {"": Samples(x)})
    (W, V), (b, _) = model.weights, model.biases

    def laplacian(z):
        """From the outputs of the first layer: value and one derivative per axis."""
        slope = 1 - jnp.tanh(z[0]) ** 2
        return V[0] @ (-2 * jnp.tanh(z[0]) * slope * (z[1] ** 2 + z[2] ** 2))

    A, G = 0.0, 0.0
    for p in x:
        a = np.array([[*p, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        delta = jax.grad(laplacian)(a @ jnp.concatenate([W, b[:, None]], 1).T)
        A, G = A + a.T @ a / 12, G + delta.T @ delta / 4
    np.testing.assert_allclose(operator.inputs[0], A, rtol=0, atol=1e-13)
    np.testing.assert_allclose(operator.outputs[0], G, rtol=0, atol=1e-13)


@pytest.mark.spec("K4.6/a")
def test_positions_of_a_convolution_are_uses():
    layer = eqx.nn.Conv1d(2, 3, 2, key=KEY)
    x = jr.normal(KEY, (4, 2, 5))
    objective = Objective({"": Term(lambda u, x, y: jnp.tanh(u(x)).sum(1))})
    operator = kfac(objective, layer, {"": Samples(x)})
    A, G = 0.0, 0.0
    for image in np.asarray(x):
        a = np.array([[*image[:, t : t + 2].ravel(), 1.0] for t in range(4)])
        z = np.asarray(layer(image)).T
        A, G = A + a.T @ a / 16, G + np.diag(((1 - np.tanh(z) ** 2) ** 2).sum(0)) / 4
    np.testing.assert_allclose(operator.inputs[0], A, rtol=0, atol=1e-13)
    np.testing.assert_allclose(operator.outputs[0], G, rtol=0, atol=1e-13)


def test_other_arrays_are_exact_or_diagonal(monkeypatch):
    model = {
        "W": jr.normal(KEY, (2, 3)),
        "s": jr.normal(KEY, (3,)),
        "unused": jnp.ones(1),
    }
    probe = lambda p, x, y: jnp.tanh(p["W"] @ (p["s"] * x))
    objective, samples = Objective({"": Term(probe)}), {"": Samples(X, Y)}
    J = curve.jacobian_matrix(objective, model, samples)
    block = (J.T @ J)[6:9, 6:9]
    full = kfac(objective, model, samples)
    np.testing.assert_allclose(full.as_matrix()[6:9, 6:9], block, rtol=0, atol=1e-14)
    shifted = np.linalg.inv(block + 0.1 * np.eye(3))
    inverse = full.inverse(0.1).as_matrix()
    np.testing.assert_allclose(inverse[6:9, 6:9], shifted, rtol=1e-10)
    np.testing.assert_allclose(inverse[9, 9], 10.0)
    monkeypatch.setattr("osculate.curve._kfac.LARGEST_BLOCK", 2)
    part = curve.kfac(objective, model, samples)
    diagonal = np.diag(np.diag(block))
    np.testing.assert_allclose(part.as_matrix()[6:9, 6:9], diagonal, rtol=0, atol=1e-14)


def two_terms():
    model = nets.MLP(3, 2, width=4, depth=1, key=KEY)
    terms = {"a": Term(lambda u, x, y: u(x)), "b": Term(lambda u, x, y: u(x)[0] ** 2)}
    samples = {"a": Samples(X, Y, WEIGHT), "b": Samples(X[:4])}
    return Objective(terms), model, samples


def test_operator():
    operator = kfac(*two_terms())
    theta, _ = trainable(two_terms()[1])
    matrix = operator.as_matrix()
    np.testing.assert_allclose(matrix, matrix.T, rtol=0, atol=1e-15)
    assert np.linalg.eigvalsh(matrix).min() > -1e-14
    assert lx.is_symmetric(operator)
    assert lx.is_positive_semidefinite(operator)
    assert operator.T is operator
    assert operator.in_size() == len(matrix)
    v = jax.tree.map(jnp.sin, theta)
    product = ravel_pytree(operator.mv(v))[0]
    np.testing.assert_allclose(product, matrix @ ravel_pytree(v)[0], atol=1e-14)
    np.testing.assert_allclose(lx.diagonal(operator), np.diag(matrix))
    shifted = operator + lx.IdentityLinearOperator(operator.in_structure())
    solved = lx.linear_solve(
        lx.TaggedLinearOperator(shifted, lx.positive_semidefinite_tag),
        v,
        lx.CG(rtol=1e-12, atol=1e-12),
        options={"preconditioner": operator.inverse(1.0)},
    ).value
    again = ravel_pytree(shifted.mv(solved))[0]
    np.testing.assert_allclose(again, ravel_pytree(v)[0], atol=1e-10)


def test_damping_is_shared_between_the_factors():
    operator = kfac(*two_terms())
    damped = jax.jit(lambda d: operator.inverse(d))(jnp.asarray(0.3))
    for A, G, A1, G1 in zip(
        operator.inputs, operator.outputs, damped.inputs, damped.outputs, strict=True
    ):
        pi = np.sqrt((np.trace(A) / len(A)) / (np.trace(G) / len(G)))
        ours = np.linalg.inv(A + pi * 0.3**0.5 * np.eye(len(A)))
        np.testing.assert_allclose(A1, ours, rtol=1e-10, atol=1e-14)
        ours = np.linalg.inv(G + 0.3**0.5 / pi * np.eye(len(G)))
        np.testing.assert_allclose(G1, ours, rtol=1e-10, atol=1e-14)


def test_damping_where_nothing_depends_on_a_layer():
    model = {"W": jnp.ones((2, 3)), "V": jnp.ones((2, 2))}
    probe = lambda p, x, y: (
        jax.lax.stop_gradient(p["V"] @ jnp.tanh(p["W"] @ x)) + 0 * x[0]
    )
    operator = kfac(Objective({"": Term(probe)}), model, {"": Samples(X, Y)})
    inverse = operator.inverse(0.25).as_matrix()
    assert np.isfinite(inverse).all()
    assert np.linalg.eigvalsh(inverse).min() > 0


@pytest.mark.spec("K4.6/a")
def test_fewer_steps_than_gradient_descent():
    """Inputs of scales 1 to 1/100; the best of many step sizes, equally many steps."""
    z = jr.normal(KEY, (64, 3))
    x = z * jnp.array([[1.0, 0.1, 0.01]])
    y = jnp.sin(z @ jnp.array([1.0, -0.5, 0.5]))[:, None]
    model = nets.MLP(3, 1, width=8, depth=1, key=KEY)
    objective = Objective({"": Term(lambda u, x, y: u(x))})
    theta, build = trainable(model)
    loss = lambda t: objective(build(t), {"": Samples(x, y)})[0]

    def run(rate, preconditioned):
        def step(t, _):
            g = jax.grad(loss)(t)
            if preconditioned:
                operator = curve.kfac(objective, build(t), {"": Samples(x, y)})
                g = operator.inverse(1e-5).mv(g)
            return jax.tree.map(lambda a, b: a - rate * b, t, g), None

        return loss(jax.lax.scan(step, theta, length=100)[0])

    rates = jnp.logspace(-3, 0.5, 8)
    plain = jnp.nanmin(jax.jit(jax.vmap(lambda r: run(r, False)))(rates))
    natural = jnp.nanmin(jax.jit(jax.vmap(lambda r: run(r, True)))(rates))
    assert natural < plain / 10


def ill_conditioned():
    """A network whose inputs differ in size by 100."""
    x = jr.normal(jr.key(1), (60, 4)) * jnp.array([[10.0, 1.0, 0.3, 0.1]])
    y = jnp.sin(2 * x[:, 1:2]) + 5 * x[:, 3:4] - 0.1 * x[:, 0:1]
    objective = Objective({"": Term(lambda u, x, y: u(x))})
    return objective, nets.MLP(4, 1, width=10, depth=2, key=KEY), {"": Samples(x, y)}


@pytest.mark.spec("K4.6/a")
def test_descent_beats_gradient_descent_in_steps():
    """Twenty steps go further than five hundred of the best of five step sizes."""
    problem = ill_conditioned()
    found = train.fit(*problem, curve.kfac_descent(), steps=20)
    losses = []
    for step_size in (0.01, 0.03, 0.1, 0.3, 1.0):
        sgd = train.first_order(optax.sgd, step_size)
        losses.append(train.fit(*problem, sgd, steps=500).history["loss"][-1])
    assert found.history["loss"][-1] < 0.7 * np.nanmin(losses)


def test_descent_solves_one_layer_at_once():
    """There the factors are exact, and the step size of the quadratic model is 1."""
    objective = Objective({"": Term(lambda u, x, y: u(x))})
    model = nets.MLP(3, 2, width=1, depth=0, key=KEY)
    method = curve.kfac_descent(1e-20)
    found = train.fit(objective, model, {"": Samples(X, Y)}, method, steps=1)
    design = np.concatenate([X, np.ones((6, 1))], 1)
    exact = design @ np.linalg.lstsq(design, np.asarray(Y))[0]
    np.testing.assert_allclose(jax.vmap(found.value)(X), exact, rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.history["step_size"][-1], 1.0, atol=1e-8)


def test_a_step_is_the_best_in_its_plane():
    """The gradient of the damped quadratic model there has no part in the plane."""
    objective, model, samples = ill_conditioned()
    method = curve.kfac_descent()
    step = eqx.filter_jit(method.step)
    state = method.init(objective, model, samples)
    for _ in range(2):
        model, state = step(objective, model, samples, state)
    before, start = state, model
    _, state = step(objective, start, samples, before)
    assert state.momentum != 0
    theta, build = trainable(start)
    flat, unravel = ravel_pytree(theta)
    loss = lambda t: objective(build(unravel(t)), samples)[0]
    g = jax.jit(jax.grad(loss))(flat)
    operator = kfac(objective, start, samples)
    mean = jnp.trace(operator.as_matrix()) / len(g)
    natural = ravel_pytree(operator.inverse(before.damping * mean).mv(unravel(g)))[0]
    G = curve.dense(curve.gauss_newton(objective, start, samples))
    G = G + before.damping * mean * jnp.eye(len(g))
    combined = state.momentum * before.update - state.step_size * natural
    np.testing.assert_allclose(state.update, combined, rtol=0, atol=1e-12)
    slope = G @ state.update + g
    for direction in (natural, before.update):
        small = 1e-8 * jnp.linalg.norm(g) * jnp.linalg.norm(direction)
        assert abs(slope @ direction) < small


def test_a_step_that_would_climb_is_not_taken():
    objective, samples = rosenbrock()
    model = Vector(jnp.array([-1.2, 1.0]))
    method = curve.kfac_descent(1e-9)
    state = method.init(objective, model, samples)
    step = eqx.filter_jit(method.step)
    after, following = step(objective, model, samples, state)
    np.testing.assert_array_equal(after.theta, model.theta)
    np.testing.assert_array_equal(following.update, 0.0)
    np.testing.assert_allclose(following.damping, 4e-9)
    found = train.fit(objective, model, samples, method, steps=300)
    np.testing.assert_allclose(found.value.theta, 1.0, atol=1e-8)
    assert found.status is Status.CONVERGED


def test_descent_fits_a_classifier():
    x = jr.normal(KEY, (60, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    objective = Objective({"": Term(lambda m, x, y: m(x), chance.CategoricalLoss())})
    net = nets.MLP(2, 2, width=8, depth=1, key=KEY)
    found = train.fit(
        objective, net, {"": Samples(x, y)}, curve.kfac_descent(), steps=40
    )
    assert found.history["loss"][-1] < 0.05 * found.history["loss"][0]


def test_messages_of_descent():
    with pytest.raises(ValueError, match=r"damping=0.0; expected a positive"):
        curve.kfac_descent(0.0)
    objective, model, samples = ill_conditioned()
    method = curve.kfac_descent(dtype="float32")
    with pytest.raises(ValueError, match=r"of type float64; expected float32"):
        method.init(objective, model, samples)


def test_figures_from_the_factors():
    operator = kfac(*two_terms())
    matrix = operator.as_matrix()
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10)
    close(operator.trace(), np.trace(matrix))
    close(operator.squared_norm(), np.sum(matrix**2))
    for damping in (0.0, 0.3):
        shifted = matrix + damping * np.eye(len(matrix))
        close(operator.logdet(damping), np.linalg.slogdet(shifted)[1])
    in_basis = operator.eigenbasis().as_matrix()
    np.testing.assert_allclose(in_basis, matrix, rtol=0, atol=1e-12)


def test_figures_of_other_arrays(monkeypatch):
    """Full blocks and diagonals, and a factor without full rank."""
    model = {"W": jr.normal(KEY, (2, 3)), "s": jr.normal(KEY, (3,))}
    probe = lambda p, x, y: jnp.tanh(p["W"] @ (p["s"] * x))
    problem = Objective({"": Term(probe)}), model, {"": Samples(X[:2], Y[:2])}
    for largest in (1024, 2):
        monkeypatch.setattr("osculate.curve._kfac.LARGEST_BLOCK", largest)
        operator = curve.kfac(*problem)
        assert [B.ndim for B in operator.blocks] == [2 if largest > 3 else 1]
        matrix = operator.as_matrix()
        close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10)
        close(operator.trace(), np.trace(matrix))
        close(operator.squared_norm(), np.sum(matrix**2))
        shifted = matrix + 0.3 * np.eye(len(matrix))
        close(operator.logdet(0.3), np.linalg.slogdet(shifted)[1])
        assert operator.logdet() == -np.inf
        inverse = operator.inverse(0.3, exact=True).as_matrix()
        np.testing.assert_allclose(inverse, np.linalg.inv(shifted), rtol=0, atol=1e-10)


@pytest.mark.spec("K4.6/a")
def test_exact_inverse():
    operator = kfac(*two_terms())
    matrix = operator.as_matrix()
    exact = jax.jit(lambda d: operator.inverse(d, exact=True))(jnp.asarray(0.3))
    expected = np.linalg.inv(matrix + 0.3 * np.eye(len(matrix)))
    np.testing.assert_allclose(exact.as_matrix(), expected, rtol=0, atol=1e-10)
    # That of damped factors is another one, but for no damping.
    shared = operator.inverse(0.3).as_matrix()
    assert np.linalg.norm(shared - expected) > 1e-2 * np.linalg.norm(expected)
    both = [operator.inverse(0.0, exact=e).as_matrix() for e in (False, True)]
    np.testing.assert_allclose(both[0], both[1], rtol=0, atol=1e-8 * abs(both[0]).max())
