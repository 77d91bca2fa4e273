"""Conjugate gradients against dense solutions and Lineax."""

import jax
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate import curve


def spectral(key, eigenvalues):
    n = len(eigenvalues)
    q, _ = jnp.linalg.qr(jr.normal(key, (n, n)))
    return q @ jnp.diag(jnp.asarray(eigenvalues, float)) @ q.T


@jax.jit
def solve(A, b):
    return curve.conjugate_gradients(lambda v: A @ v, b, tolerance=1e-12)


@pytest.mark.spec("K4.7.8-13")
@given(st.integers(0, 1000))
def test_against_dense_and_lineax(seed):
    k1, k2 = jr.split(jr.key(seed))
    A, b = spectral(k1, np.geomspace(1, 50, 8)), jr.normal(k2, (8,))
    found = solve(A, b)
    np.testing.assert_allclose(
        found.value, jnp.linalg.solve(A, b), rtol=1e-8, atol=1e-9
    )
    operator = lx.MatrixLinearOperator(A, lx.positive_semidefinite_tag)
    other = lx.linear_solve(operator, b, lx.CG(rtol=1e-12, atol=0)).value
    np.testing.assert_allclose(found.value, other, rtol=1e-8, atol=1e-9)


@pytest.mark.spec("K4.7.5-7", "K4.7.8-13")
@pytest.mark.parametrize("distinct", [1, 2, 4])
def test_as_many_steps_as_distinct_eigenvalues(key, distinct):
    eigenvalues = np.repeat(np.geomspace(1, 10, distinct), 12 // distinct)
    A, b = spectral(key, eigenvalues), jr.normal(jr.fold_in(key, 1), (12,))
    found = solve(A, b)
    assert found.steps == distinct
    np.testing.assert_allclose(A @ found.value, b, atol=1e-10)


@pytest.mark.spec("K4.7.5-7")
def test_directions_are_conjugate_and_expand_the_solution(key):
    """alpha_i = v_i'b / v_i'Hv_i over a conjugate basis solves exactly."""
    A, b = spectral(key, np.geomspace(1, 9, 5)), jr.normal(key, (5,))
    iterates = [
        curve.conjugate_gradients(lambda v: A @ v, b, tolerance=0.0, max_steps=k).value
        for k in range(6)
    ]
    V = jnp.diff(jnp.stack(iterates), axis=0)
    products = V @ A @ V.T
    np.testing.assert_allclose(products, jnp.diag(jnp.diag(products)), atol=1e-10)
    alpha = (V @ b) / jnp.diag(products)
    np.testing.assert_allclose(alpha @ V, jnp.linalg.solve(A, b), rtol=1e-9)


def test_preconditioned_by_the_inverse_takes_one_step(key):
    A, b = spectral(key, np.geomspace(1, 1e4, 6)), jr.normal(key, (6,))
    found = curve.conjugate_gradients(
        lambda v: A @ v, b, preconditioner=lambda v: jnp.linalg.solve(A, v)
    )
    assert found.steps == 1
    np.testing.assert_allclose(A @ found.value, b, rtol=1e-9)


def test_an_indefinite_operator_is_said_to_be_one(key):
    A, b = spectral(key, [-1.0, 2.0, 3.0]), jr.normal(key, (3,))
    found = solve(A, b)
    assert found.indefinite
    assert jnp.isfinite(found.value).all()
    down = curve.conjugate_gradients(lambda v: -v, b)
    assert down.indefinite
    np.testing.assert_array_equal(down.value, b)


def test_nothing_to_solve():
    found = solve(jnp.eye(3), jnp.zeros(3))
    assert found.steps == 0
    np.testing.assert_array_equal(found.value, 0.0)


def test_compiled_in_a_loop_in_single_precision_as_eager(key):
    A = spectral(key, np.geomspace(1e-6, 1, 20)).astype(jnp.float32)
    b = jr.normal(key, (20,), jnp.float32)

    def run(b):
        found = curve.conjugate_gradients(lambda v: A @ v, b, max_steps=10)
        return found.value

    compiled = jax.jit(
        lambda b: jax.lax.fori_loop(0, 3, lambda i, x: run(b) + 0 * x, b)
    )
    assert jnp.isfinite(compiled(b)).all()
    np.testing.assert_allclose(compiled(b), run(b), rtol=2e-3, atol=1e-4)
