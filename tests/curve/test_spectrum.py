"""Spectra and stochastic figures: unbiased, and as far off as they say."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax
import numpy as np
import pytest
from hypothesis import given, strategies as st

from curvature import NAMES, PROBLEMS, dense_hessian
from osculate import curve

SIZE = 60
RNG = np.random.default_rng(2)
EIGENVALUES = jnp.asarray(np.geomspace(1e-2, 10, SIZE))
BASIS = jnp.asarray(np.linalg.qr(RNG.normal(size=(SIZE, SIZE)))[0])


def matrix(eigenvalues):
    A = BASIS @ jnp.diag(eigenvalues) @ BASIS.T
    return lineax.MatrixLinearOperator((A + A.T) / 2, lineax.symmetric_tag)


POSITIVE = matrix(EIGENVALUES)
INDEFINITE = matrix(EIGENVALUES - 1.0)
LOW_RANK = matrix(jnp.where(jnp.arange(SIZE) < 50, 0.0, EIGENVALUES))
damped = lambda A, by: lineax.TaggedLinearOperator(
    A + by * lineax.IdentityLinearOperator(A.in_structure()), lineax.symmetric_tag
)


@pytest.mark.spec("K1.3/a")
@pytest.mark.parametrize("name", NAMES)
def test_extremes_of_the_hessian(name):
    H = curve.hessian(*PROBLEMS[name])
    found = curve.spectrum(H, jr.key(0), num_matvecs=48, num_probes=2)
    exact = np.linalg.eigvalsh(dense_hessian(name))
    assert abs(found.low - exact[0]) < 1e-6
    assert abs(found.high - exact[-1]) < 1e-6


@pytest.mark.spec("K1.3/a")
def test_condition_number_of_a_network():
    G = curve.gauss_newton(*PROBLEMS["gaussian"])
    found = curve.condition_number(damped(G, 0.1), jr.key(0))
    exact = np.linalg.cond(curve.dense(G) + 0.1 * np.eye(G.in_size()))
    assert abs(found.value / exact - 1) < 1e-6
    assert found.standard_error < 1e-6 * exact


@pytest.mark.parametrize("num_matvecs", [5, 15])
def test_an_eigenvalue_lies_within_the_error_of_an_extreme(num_matvecs):
    found = curve.spectrum(INDEFINITE, jr.key(3), num_matvecs=num_matvecs, num_probes=3)
    eigenvalues = EIGENVALUES - 1
    for end, error in ((found.low, found.low_error), (found.high, found.high_error)):
        gap = jnp.min(jnp.abs(eigenvalues - end))
        assert 1e-12 < gap <= error  # not converged, so that there is something to show


def test_density_against_the_eigenvalues():
    grid = jnp.linspace(-3.0, 13.0, 400)
    found = curve.spectrum(POSITIVE, jr.key(0), num_matvecs=30, num_probes=50)
    density = found.density(grid, 0.4)
    gap = (grid[:, None] - EIGENVALUES[None]) / 0.4
    exact = jnp.mean(jnp.exp(-0.5 * gap**2), 1) / (0.4 * (2 * np.pi) ** 0.5)
    off = jnp.abs(density.value - exact)
    assert jnp.all(off < 4.5 * density.standard_error + 1e-10)
    assert 0.05 < jnp.max(density.standard_error / exact) < 1
    np.testing.assert_allclose(jnp.trapezoid(density.value, grid), 1, atol=1e-3)
    np.testing.assert_allclose(jnp.sum(found.weights, 1), 1, atol=1e-12)


def test_logarithmic_density_against_the_eigenvalues():
    grid = jnp.linspace(-5.0, 3.0, 400)
    found = curve.spectrum(INDEFINITE, jr.key(0), num_matvecs=SIZE, num_probes=20)
    density = found.log_density(grid, 0.2, 1e-3)
    sizes = jnp.log10(jnp.abs(EIGENVALUES - 1) + 1e-3)
    gap = (grid[:, None] - sizes[None]) / 0.2
    exact = jnp.mean(jnp.exp(-0.5 * gap**2), 1) / (0.2 * (2 * np.pi) ** 0.5)
    off = jnp.abs(density.value - exact)
    assert jnp.all(off < 4.5 * density.standard_error + 1e-10)
    assert jnp.max(density.standard_error) < 0.2 * jnp.max(exact)
    np.testing.assert_allclose(jnp.trapezoid(density.value, grid), 1, atol=1e-3)
    none = curve.spectrum(ODD["zero"], jr.key(0), num_probes=4)
    at = none.log_density(jnp.array([-3.0]), 0.2, 1e-3)
    np.testing.assert_allclose(at.value, 1 / (0.2 * (2 * np.pi) ** 0.5), rtol=1e-10)
    with pytest.raises(ValueError, match="`log_density`: one random vector has no"):
        curve.spectrum(POSITIVE, jr.key(0), num_probes=1).log_density(grid, 0.2, 1e-3)


ODD = {
    "zero": matrix(jnp.zeros(SIZE)),
    "identity": matrix(jnp.ones(SIZE)),
    "low rank": LOW_RANK,
    "two values": matrix(jnp.where(jnp.arange(SIZE) < 7, -2.0, 3.0)),
    "one number": lineax.MatrixLinearOperator(-2 * jnp.eye(1), lineax.symmetric_tag),
    "large": matrix(1e9 * jnp.where(jnp.arange(SIZE) < 55, 0.0, 1.0)),
}


@pytest.mark.parametrize("name", ODD)
def test_an_exhausted_space_leaves_no_rubbish(name):
    A = ODD[name]
    exact = jnp.linalg.eigvalsh(A.as_matrix())
    scale = max(1.0, float(jnp.max(jnp.abs(exact))))
    found = curve.spectrum(A, jr.key(0), num_probes=4)
    assert jnp.all(jnp.isfinite(found.nodes))
    np.testing.assert_allclose(found.low, exact[0], atol=1e-12 * scale)
    np.testing.assert_allclose(found.high, exact[-1], atol=1e-12 * scale)
    nearest = jnp.min(jnp.abs(found.nodes[..., None] - exact[None, None]), -1)
    assert jnp.max(jnp.where(found.weights > 1e-10, nearest, 0)) < 1e-10 * scale
    total = curve.trace(A, jr.key(1), num_matvecs=30)
    is_found = jnp.sum(jnp.abs(exact) > 0) < 15 or jnp.ptp(exact) == 0
    rounding = 1e-14 * SIZE * scale
    slack = 1e-10 * scale if is_found else 4.5 * total.standard_error + rounding
    np.testing.assert_allclose(total.value, jnp.sum(exact), rtol=0, atol=slack)


FIGURES = {
    "trace": (curve.trace, INDEFINITE, lambda A: jnp.trace(A), 20),
    "diagonal": (curve.diagonal, INDEFINITE, lambda A: jnp.diagonal(A), 20),
    "squared norm": (curve.squared_norm, INDEFINITE, lambda A: jnp.sum(A**2), 40),
    "logdet": (curve.logdet, POSITIVE, lambda A: jnp.linalg.slogdet(A)[1], SIZE),
}


@pytest.mark.parametrize("name", FIGURES)
def test_unbiased_with_the_error_it_tells(name):
    figure, A, exact, num_matvecs = FIGURES[name]
    one = lambda key: figure(A, key, num_matvecs=num_matvecs)
    keys = jr.split(jr.key(4), 400)
    value, error = jax.jit(lambda keys: jax.lax.map(one, keys))(keys)
    off = np.mean(value, 0) - exact(A.as_matrix())
    assert np.all(np.abs(off) < 4.5 * np.std(value, 0) / 400**0.5)
    # Estimates that leave one vector out share the others: their error is up to a third
    # too small. The probes of the determinant are independent.
    ratio = np.sqrt(np.mean(error**2) / np.mean(np.var(value, 0)))
    assert (0.9 if name == "logdet" else 0.65) < ratio < 1.1


def test_as_many_products_as_parameters_are_exact():
    H = curve.hessian(*PROBLEMS["poisson"])
    dense = dense_hessian("poisson")
    total = curve.trace(H, jr.key(0), num_matvecs=len(dense) + 1)
    np.testing.assert_allclose(total.value, jnp.trace(dense), rtol=0, atol=1e-10)
    assert total.standard_error < 1e-10
    entries = curve.diagonal(H, jr.key(0), num_matvecs=len(dense) + 1)
    assert jax.tree.structure(entries.value) == jax.tree.structure(H.in_structure())
    found = jax.flatten_util.ravel_pytree(entries.value)[0]
    np.testing.assert_allclose(found, jnp.diagonal(dense), rtol=0, atol=1e-10)


def test_squared_norms_of_any_shape():
    H = curve.hessian(*PROBLEMS["poisson"])
    dense = dense_hessian("poisson")
    found = curve.squared_norm(H, jr.key(0), num_matvecs=4 * len(dense))
    np.testing.assert_allclose(found.value, jnp.sum(dense**2), rtol=0, atol=1e-10)
    assert found.standard_error < 1e-10
    J = curve.jacobian(*PROBLEMS["residual"])
    exact = jnp.sum(curve.dense(J) ** 2)
    several = 4 * (min(J.in_size(), J.out_size()) + 2)
    found = curve.squared_norm(J, jr.key(0), num_matvecs=several)
    np.testing.assert_allclose(found.value, exact, rtol=1e-10)


def test_more_products_are_worth_their_price():
    errors = [
        float(curve.trace(POSITIVE, jr.key(0), num_matvecs=n).standard_error)
        for n in (10, 40)
    ]
    assert errors[1] < errors[0] / 4  # Hutchinson's would be half


@given(shift=st.floats(-3, 3), scale=st.floats(0.1, 4))
def test_figures_follow_shifts_and_scales(shift, scale):
    A = matrix(EIGENVALUES - 1)
    B = matrix(scale * (EIGENVALUES - 1) + shift)
    one, other = (curve.spectrum(M, jr.key(0), num_matvecs=12) for M in (A, B))
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)
    close(other.nodes, scale * one.nodes + shift)
    close(other.low, scale * one.low + shift)
    first, second = (curve.trace(M, jr.key(0), num_matvecs=12) for M in (A, B))
    assert abs(second.value - scale * first.value - shift * SIZE) < 50 * max(
        second.standard_error, 1e-9
    )


def test_extremes_can_be_differentiated():
    highest = lambda c: curve.spectrum(matrix(c * EIGENVALUES), jr.key(0)).high
    np.testing.assert_allclose(jax.jit(jax.grad(highest))(1.5), 10.0, rtol=1e-8)


def test_an_indefinite_or_singular_operator_has_no_logarithm():
    for A in (INDEFINITE, LOW_RANK):
        for figure in (curve.logdet, curve.condition_number):
            with pytest.raises(RuntimeError, match="negative or 0 to rounding"):
                figure(A, jr.key(0))
    found = curve.logdet(damped(LOW_RANK, 0.5), jr.key(0))
    exact = jnp.linalg.slogdet(LOW_RANK.as_matrix() + 0.5 * jnp.eye(SIZE))[1]
    assert abs(found.value - exact) < 4.5 * found.standard_error


def test_what_cannot_be_asked():
    other = lineax.MatrixLinearOperator(jnp.ones((3, 3)))
    for figure in (curve.spectrum, curve.logdet, curve.condition_number):
        with pytest.raises(
            ValueError, match=f"`{figure.__name__}`: the operator is not"
        ):
            figure(other, jr.key(0))
    wide = lineax.MatrixLinearOperator(jnp.ones((3, 4)))
    for figure in (curve.trace, curve.diagonal):
        with pytest.raises(
            ValueError, match="the operator is 3 x 4; expected a square"
        ):
            figure(wide, jr.key(0))
        with pytest.raises(
            ValueError, match="num_matvecs is 3; a standard error needs"
        ):
            figure(other, jr.key(0), num_matvecs=3)
    with pytest.raises(ValueError, match="`squared_norm`: num_matvecs is 7; a standa"):
        curve.squared_norm(wide, jr.key(0), num_matvecs=7)
    with pytest.raises(ValueError, match="num_matvecs is 0, num_probes 8"):
        curve.spectrum(POSITIVE, jr.key(0), num_matvecs=0)
    with pytest.raises(ValueError, match="`logdet`: one random vector has no standard"):
        curve.logdet(POSITIVE, jr.key(0), num_probes=1)


def test_one_compilation_for_equal_shapes():
    count = []

    class Counted(eqx.Module):
        diagonal: jax.Array

        def __call__(self, v):
            count.append(None)
            return self.diagonal * v

    for key in range(3):
        diagonal = jr.uniform(jr.key(key), (40,))
        structure = jax.eval_shape(lambda d=diagonal: d)
        A = lineax.FunctionLinearOperator(
            Counted(diagonal), structure, lineax.symmetric_tag, closure_convert=False
        )
        curve.trace(A, jr.key(0), num_matvecs=10)
        curve.spectrum(A, jr.key(0), num_matvecs=10)
        if not key:
            first = len(count)
    assert len(count) == first
