"""Hessian and Gauss-Newton operators against dense matrices, and what they are for."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax
import numpy as np
import pytest
from hypothesis import given, strategies as st
from jax.flatten_util import ravel_pytree

from curvature import (
    NAMES,
    PROBLEMS,
    X,
    dense_gauss_newton,
    dense_hessian,
    dense_jacobian,
    flat,
    net,
    tree,
    value,
)
from osculate import chance, curve
from osculate.core import Fixed, Gaussian, Objective, Samples, Term

RNG = np.random.default_rng(1)
close = lambda a, b, atol=1e-10: np.testing.assert_allclose(a, b, rtol=0, atol=atol)
vector = lambda v: ravel_pytree(v)[0]
product = eqx.filter_jit(lambda operator, v: operator.mv(v))


@pytest.mark.parametrize("name", NAMES)
def test_against_dense_matrices(name):
    H = curve.hessian(*PROBLEMS[name])
    G = curve.gauss_newton(*PROBLEMS[name])
    close(curve.dense(H), dense_hessian(name))
    close(curve.dense(G), dense_gauss_newton(name))
    assert np.abs(curve.dense(H) - curve.dense(G)).max() > 1e-2
    assert lineax.is_symmetric(H)
    assert not lineax.is_positive_semidefinite(H)
    assert lineax.is_positive_semidefinite(G)


@pytest.mark.parametrize("make", [curve.hessian, curve.gauss_newton])
@given(seed=st.integers(0, 2**16))
def test_symmetric_and_linear(make, seed):
    A = make(*PROBLEMS["gaussian"])
    v, w = tree(A, seed), tree(A, seed + 1)
    Av, Aw = vector(product(A, v)), vector(product(A, w))
    close(vector(w) @ Av, vector(v) @ Aw)
    mixed = jax.tree.map(lambda v, w: 2 * v - w, v, w)
    close(vector(product(A, mixed)), 2 * Av - Aw)
    if make is curve.gauss_newton:
        assert vector(v) @ Av >= 0


def test_hessian_is_the_difference_of_gradients():
    objective, model, samples = PROBLEMS["categorical"]
    theta, build = flat(model)
    g = jax.jit(jax.grad(lambda t: objective(build(t), samples)[0]))
    v = tree(curve.hessian(*PROBLEMS["categorical"]))
    # Central differences of step 1e-5: error 1e-10 times the fourth derivative.
    found = (g(theta + 1e-5 * vector(v)) - g(theta - 1e-5 * vector(v))) / 2e-5
    close(vector(curve.hessian(objective, model, samples).mv(v)), found, 1e-7)


def test_products_can_be_mapped_and_differentiated():
    objective, model, samples = PROBLEMS["poisson"]
    H = curve.hessian(objective, model, samples)
    theta, build = flat(model)
    v = tree(H)
    many = jax.tree.map(lambda a: jnp.stack([a, -3 * a]), v)
    found = jax.jit(jax.vmap(H.mv))(many)
    close(vector(jax.tree.map(lambda a: a[1], found)), -3 * vector(H.mv(v)))
    square = lambda v: jnp.vdot(vector(v), vector(H.mv(v)))
    close(vector(jax.grad(square)(v)), 2 * vector(H.mv(v)))

    def along(s):
        moved = build(theta + s * vector(v))
        return jnp.vdot(
            vector(v), vector(curve.hessian(objective, moved, samples).mv(v))
        )

    # The third derivative; central differences of step 1e-4.
    slope = (jax.jit(along)(1e-4) - jax.jit(along)(-1e-4)) / 2e-4
    np.testing.assert_allclose(jax.grad(along)(0.0), slope, rtol=1e-4)


def test_equal_shapes_share_one_compilation():
    traces = []

    def probe(model, x, y):
        traces.append(None)
        return model(x)

    objective = Objective({"": Term(probe)})
    for key in range(3):
        samples = {"": Samples(X + key, jnp.zeros((len(X), 2)))}
        G = curve.gauss_newton(objective, net(2, key), samples)
        product(G, tree(G))
        if not key:
            first = len(traces)
    assert len(traces) == first


@pytest.mark.parametrize("name", ["gaussian", "residual"])
def test_linearized_is_the_same_operator(name):
    G = curve.gauss_newton(*PROBLEMS[name])
    kept = curve.linearized(G)
    close(curve.dense(kept), dense_gauss_newton(name))
    assert lineax.is_positive_semidefinite(kept)
    forward = lambda op: str(jax.make_jaxpr(op.mv)(tree(G))).count("tanh")
    assert forward(kept) == 0 < forward(G)


def test_restricted_to_layers():
    objective, model, samples = PROBLEMS["categorical"]
    where = lambda m: (m.weights[1], m.biases[0])
    mark = jax.tree.map(jnp.zeros_like, eqx.filter(model, eqx.is_array))
    mark = eqx.tree_at(where, mark, jax.tree.map(jnp.ones_like, where(model)))
    kept = np.flatnonzero(ravel_pytree(mark)[0])
    part = curve.restrict(curve.gauss_newton(objective, model, samples), where)
    close(curve.dense(part), dense_gauss_newton("categorical")[np.ix_(kept, kept)])
    assert lineax.is_positive_semidefinite(part)
    one = curve.restrict(
        curve.hessian(objective, model, samples), lambda m: m.weights[1]
    )
    kept = kept[: 8 * 8]
    close(curve.dense(one), dense_hessian("categorical")[np.ix_(kept, kept)])
    assert not lineax.is_positive_semidefinite(one)


def test_restricted_jacobian_has_all_rows():
    J = curve.restrict(curve.jacobian(*PROBLEMS["residual"]), lambda m: m["nu"])
    theta, build = flat(PROBLEMS["residual"][1])
    column = [float(build(e)["nu"]) != 0 for e in jnp.eye(theta.size)].index(True)
    close(curve.dense(J)[:, 0], dense_jacobian("residual")[:, column])


@pytest.mark.spec("K4.7.1-2")
def test_newton_step_has_the_sign_of_descent():
    x = jnp.asarray(RNG.normal(size=(9, 3)))
    y = jnp.asarray(RNG.normal(size=(9, 2)))
    probe = lambda m, x, y: m["A"] @ x + m["b"]
    model = {"A": jnp.asarray(RNG.normal(size=(2, 3))), "b": jnp.ones(2)}
    objective = Objective({"": Term(probe)})
    samples = {"": Samples(x, y)}
    g = jax.grad(lambda m: objective(m, samples)[0])(model)
    G = curve.gauss_newton(objective, model, samples)
    minus = jax.tree.map(jnp.negative, g)
    step = lineax.linear_solve(G, minus, lineax.CG(1e-13, 1e-13)).value
    dense = jnp.linalg.solve(
        curve.dense(curve.hessian(objective, model, samples)), vector(g)
    )
    close(vector(step), -dense)
    slope = lambda sign: vector(
        jax.grad(lambda m: objective(m, samples)[0])(
            jax.tree.map(lambda a, s: a + sign * s, model, step)
        )
    )
    close(slope(1), 0.0)
    assert np.abs(slope(-1)).max() > 1e-2


@pytest.mark.spec("K4.7.3-4")
def test_hessian_is_gauss_newton_less_the_curvature_of_the_model():
    model = net(1)
    y = jnp.asarray(RNG.normal(size=(len(X), 1)))
    # sigma = 1 / sqrt(2): the loss of a row is (y - f)^2.
    objective = Objective({"": Term(value, Gaussian(0.5**0.5))})
    samples = {"": Samples(X, y)}
    theta, build = flat(model)
    f = lambda t: jax.vmap(build(t))(X)[:, 0]
    J, second = jax.jit(jax.jacobian(f))(theta), jax.jit(jax.hessian(f))(theta)
    gap = y[:, 0] - f(theta)
    mean_square, mean_curved = (
        J.T @ J / len(X),
        jnp.einsum("n,nij", gap, second) / len(X),
    )
    H = curve.dense(curve.hessian(objective, model, samples))
    G = curve.dense(curve.gauss_newton(objective, model, samples))
    close(H, 2 * mean_square - 2 * mean_curved, 1e-13)
    close(G, 2 * mean_square, 1e-13)
    # The source has neither the factors 2 nor the minus (E35).
    assert np.abs(H - (mean_square + mean_curved)).max() > 0.1
    # No more independent directions than outputs, whatever P (E36).
    assert np.linalg.matrix_rank(G, tol=1e-10) <= len(X) < len(theta)
    assert np.linalg.eigvalsh(G)[0] > -1e-13


def test_a_loss_that_is_not_convex_is_not_tagged():
    y = jnp.full((len(X), 1), 9.0)
    objective = Objective({"": Term(value, chance.CauchyLoss())})
    G = curve.gauss_newton(objective, net(1), {"": Samples(X, y)})
    assert not lineax.is_positive_semidefinite(G)
    assert np.linalg.eigvalsh(curve.dense(G))[0] < -1e-3


def row_gradients(name):
    """Per row its probability and the gradient that is drawn with it, term by term."""
    objective, model, samples = PROBLEMS[name]
    theta, build = flat(model)
    for label, term in objective.terms.items():
        known = samples[label]
        z = term.outputs(model, known)
        ones = Term(term.probe, term.loss).shares(z, known)
        q = sum(np.asarray(s).reshape(len(s), -1).sum(1) for s in ones.values())
        shares = term.shares(z, known)
        found = []
        for i in range(len(q)):
            row = jax.tree.map(lambda a, i=i: a[i], (known.x, known.y, shares))

            def loss(t, row=row, term=term):
                z = term.at(build(t), row[0], row[1])
                return sum(term.loss_at(z, row[1], row[2]).values())

            found.append(jax.grad(loss)(theta))
        yield q / q.sum(), np.stack(found)


@pytest.mark.parametrize("name", ["categorical", "gaussian"])
def test_covariance_of_gradients(name):
    C = curve.gradient_covariance(*PROBLEMS[name])
    expected = 0.0
    for q, g in row_gradients(name):
        drawn = g[q > 0] / q[q > 0, None]
        expected = expected + np.cov(drawn.T, aweights=q[q > 0], ddof=0)
    close(curve.dense(C), expected)
    assert lineax.is_positive_semidefinite(C)


def test_rows_of_no_weight_change_no_covariance():
    objective, model, samples = PROBLEMS["categorical"]
    known = samples["class"]
    more = Samples(
        jnp.concatenate([known.x, jnp.ones((3, 2))]),
        jnp.concatenate([known.y, jnp.zeros(3, known.y.dtype)]),
        jnp.concatenate([known.weight, jnp.zeros(3)]),
    )
    C = curve.gradient_covariance(objective, model, samples)
    padded = curve.gradient_covariance(objective, model, {"class": more})
    v = tree(C)
    close(vector(C.mv(v)), vector(padded.mv(v)), 1e-13)


MAKERS = (
    curve.hessian,
    curve.gauss_newton,
    curve.fisher,
    curve.empirical_fisher,
    curve.gradient_covariance,
)


@pytest.mark.parametrize("make", MAKERS)
def test_a_model_that_is_not_trained_is_refused(make):
    objective = Objective({"": Term(lambda m, x, y: m.value @ x)})
    samples = {"": Samples(X, jnp.zeros(len(X)))}
    with pytest.raises(ValueError, match=f"`{make.__name__}`: the model has nothing"):
        make(objective, Fixed(jnp.ones(2)), samples)


def test_restricted_to_nothing_is_refused():
    H = curve.hessian(*PROBLEMS["residual"])
    with pytest.raises(ValueError, match="`where` finds nothing that is trained"):
        curve.restrict(H, lambda m: m["scale"])


def test_operators_add_and_solve():
    G = curve.gauss_newton(*PROBLEMS["poisson"])
    damped = G + 0.1 * lineax.IdentityLinearOperator(G.in_structure())
    damped = lineax.TaggedLinearOperator(damped, lineax.positive_semidefinite_tag)
    b = tree(G)
    solve = eqx.filter_jit(
        lambda A, b: lineax.linear_solve(A, b, lineax.CG(1e-12, 1e-12)).value
    )
    dense = dense_gauss_newton("poisson")
    expected = jnp.linalg.solve(dense + 0.1 * jnp.eye(len(dense)), vector(b))
    close(vector(solve(damped, b)), expected, 1e-8)


def test_float32_stays_float32():
    objective, model, samples = PROBLEMS["gaussian"]
    down = lambda t: jax.tree.map(
        lambda a: a.astype(jnp.float32) if eqx.is_inexact_array(a) else a, t
    )
    problem = objective, down(model), down(samples)
    for make in (*MAKERS, lambda *p: curve.fisher(*p, key=jr.key(0))):
        A = make(*problem)
        leaves = jax.tree.leaves(jax.eval_shape(A.mv, tree(A)))
        assert {a.dtype for a in leaves} == {jnp.dtype("float32")}
