"""Second moments in the Kronecker eigenbasis, against dense Gauss-Newton blocks."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
import pytest
from hypothesis import given, strategies as st
from jax.flatten_util import ravel_pytree

from osculate import curve, diff, nets
from osculate.core import Objective, Samples, Term, trainable
from osculate.curve._taps import Taps

KEY = jr.key(0)
X = jr.normal(jr.key(1), (6, 3))
Y = jr.normal(jr.key(2), (6, 2))
WEIGHT = jnp.array([1.0, 2.0, 0.0, 0.5, 1.0, 3.0])
EKFAC = eqx.filter_jit(curve.ekfac)
KFAC = eqx.filter_jit(curve.kfac)
JACOBIAN = eqx.filter_jit(curve.jacobian_matrix)


@cache  # one compilation for equal functions
def two_terms():
    terms = {"a": Term(lambda u, x, y: u(x)), "b": Term(lambda u, x, y: u(x)[0] ** 2)}
    samples = {"a": Samples(X, Y, WEIGHT), "b": Samples(X[:4])}
    return Objective(terms), nets.MLP(3, 2, width=4, depth=1, key=KEY), samples


@cache
def convolution():
    probe = lambda u, x, y: jnp.tanh(u(x)).sum(1)
    samples = {"": Samples(jr.normal(KEY, (5, 2, 5)), None, WEIGHT[:5])}
    return Objective({"": Term(probe)}), eqx.nn.Conv1d(2, 3, 2, key=KEY), samples


@cache
def laplacian():
    probe = lambda u, x, y: diff.laplacian(lambda x: u(x)[0])(x)
    model = nets.MLP(2, 1, width=3, depth=2, key=KEY)
    return Objective({"": Term(probe)}), model, {"": Samples(jr.normal(KEY, (5, 2)))}


@cache
def scaled():
    model = {"W": jr.normal(KEY, (2, 3)), "s": jr.normal(KEY, (3,))}
    probe = lambda p, x, y: jnp.tanh(p["W"] @ (p["s"] * x))
    return Objective({"": Term(probe)}), model, {"": Samples(X, Y, WEIGHT)}


PROBLEMS = (two_terms, convolution, laplacian, scaled)


def parts(operator, rows):
    """Rows of a matrix as derivatives by the matrices of layers, and by the rest."""
    _, unravel = ravel_pytree(operator.theta)
    taps = Taps(operator.theta, [], list(operator.layers), list(operator.direct))
    return jax.vmap(lambda row: taps.matrices(unravel(row)))(rows)


def exact_blocks(operator, rows):
    """The product of the transpose with a matrix, 0 between layers."""
    taps = Taps(operator.theta, [], list(operator.layers), list(operator.direct))
    matrices, direct = (jax.tree.map(jnp.zeros_like, p) for p in parts(operator, rows))
    matrices = [m[0] + k for k, m in enumerate(matrices)]
    direct = [d[0] + len(matrices) + k for k, d in enumerate(direct)]
    owner = ravel_pytree(taps.gradient(matrices, direct))[0]
    return jnp.where(owner[:, None] == owner[None], rows.T @ rows, 0)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_diagonal_of_the_exact_block_in_the_basis(problem):
    operator, factors = EKFAC(*problem()), KFAC(*problem())
    rows = JACOBIAN(*problem())
    matrices, _ = parts(operator, rows)
    assert matrices
    for k, D in enumerate(matrices):
        U, V = operator.inputs[k], operator.outputs[k]
        for basis, factor in ((U, factors.inputs[k]), (V, factors.outputs[k])):
            np.testing.assert_allclose(basis.T @ basis, np.eye(len(basis)), atol=1e-12)
            inside = basis.T @ factor @ basis
            scale = np.linalg.norm(factor)
            off = inside - np.diag(np.diag(inside))
            np.testing.assert_allclose(off, 0, atol=1e-12 * scale)
        # (u x v)^T (sum over rows of d d^T) (u x v), written with Kronecker products.
        flat = np.asarray(D).reshape(len(D), -1)
        K = np.kron(U, V)
        diagonal = np.diag(K.T @ flat.T @ flat @ K).reshape(len(U), len(V))
        np.testing.assert_allclose(
            operator.eigenvalues[k], diagonal, rtol=0, atol=1e-10
        )
    np.testing.assert_allclose(operator.trace(), np.sum(rows**2), rtol=1e-12)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_figures_and_the_inverse(problem):
    operator = EKFAC(*problem())
    matrix = operator.as_matrix()
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)
    close(matrix, matrix.T)
    close(operator.trace(), np.trace(matrix))
    close(operator.squared_norm(), np.sum(matrix**2))
    shifted = matrix + 0.3 * np.eye(len(matrix))
    close(operator.logdet(0.3), np.linalg.slogdet(shifted)[1])
    close(operator.inverse(0.3).as_matrix(), np.linalg.inv(shifted))


def test_where_factors_are_exact():
    """Nothing is lost in one layer and in deep linear networks."""
    deep = {"A": jr.normal(KEY, (4, 3)), "B": jr.normal(jr.key(5), (2, 4))}
    one = Objective({"": Term(lambda u, x, y: u(x))})
    linear = Objective({"": Term(lambda p, x, y: p["B"] @ (p["A"] @ x))})
    samples = {"": Samples(X, Y, WEIGHT)}
    single = nets.MLP(3, 2, width=1, depth=0, key=KEY)
    for objective, model in ((one, single), (linear, deep)):
        operator = EKFAC(objective, model, samples)
        blocks = exact_blocks(operator, JACOBIAN(objective, model, samples))
        np.testing.assert_allclose(operator.as_matrix(), blocks, rtol=0, atol=1e-10)


@eqx.filter_jit
def squared_distances(objective, model, samples):
    """Of both operators to the exact blocks, between eigenvalues, and the size."""
    ours = curve.ekfac(objective, model, samples)
    theirs = curve.kfac(objective, model, samples)
    exact = exact_blocks(ours, curve.jacobian_matrix(objective, model, samples))
    near, far = (jnp.sum((A.as_matrix() - exact) ** 2) for A in (ours, theirs))
    pairs = zip(ours.eigenvalues, theirs.eigenbasis().eigenvalues, strict=True)
    return near, far, sum(jnp.sum((a - b) ** 2) for a, b in pairs), jnp.sum(exact**2)


@given(seed=st.integers(0, 2**20), scale=st.floats(0.1, 4))
def test_never_farther_from_the_exact_blocks_than_the_factors(seed, scale):
    objective, model, samples = two_terms()
    model = jax.tree.map(lambda a: scale * jr.normal(jr.key(seed), a.shape), model)
    near, far, gap, size = squared_distances(objective, model, samples)
    assert near <= far + 1e-12 * size
    # The difference is that of the eigenvalues: by Pythagoras.
    np.testing.assert_allclose(far - near, gap, rtol=0, atol=1e-12 * size)


def test_rows_in_chunks(monkeypatch):
    whole = curve.ekfac(*convolution())
    monkeypatch.setattr("osculate.curve._dense.CHUNK_ENTRIES", 100)
    chunked = curve.ekfac(*convolution())
    for a, b in zip(whole.eigenvalues, chunked.eigenvalues, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_operator():
    objective, model, samples = two_terms()
    operator = EKFAC(objective, model, samples)
    assert lx.is_symmetric(operator)
    assert lx.is_positive_semidefinite(operator)
    assert operator.T is operator
    v = jax.tree.map(jnp.sin, trainable(model)[0])
    inverse = jax.jit(lambda d: operator.inverse(d).mv(v))(jnp.asarray(0.2))
    again = jax.tree.map(lambda a, b: a + 0.2 * b, operator.mv(inverse), inverse)
    np.testing.assert_allclose(ravel_pytree(again)[0], ravel_pytree(v)[0], atol=1e-12)
    many = jax.vmap(lambda d: operator.logdet(d))(jnp.array([0.2, 0.4]))
    np.testing.assert_allclose(many[1], operator.logdet(0.4), rtol=1e-12)
    slope = jax.grad(lambda d: operator.logdet(d))(0.2)
    np.testing.assert_allclose(slope, operator.inverse(0.2).trace(), rtol=1e-12)
    single = jax.tree.map(lambda a: a.astype(jnp.float32), (model, samples))
    for leaf in jax.tree.leaves(EKFAC(objective, *single)):
        assert leaf.dtype == jnp.float32


def test_nothing_trained_is_refused():
    objective = Objective({"": Term(lambda u, x, y: x)})
    with pytest.raises(ValueError, match="`ekfac`: rows of"):
        curve.ekfac(objective, {}, {"": Samples(X)})
