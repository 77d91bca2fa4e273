"""Jacobians that are mostly zeros: products counted, wrong structure refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate import diff
from osculate.diff import _structure

N = 12
NEIGHBOURS = lambda x: (
    jnp.sin(x) * jnp.pad(x[1:], (0, 1)) + jnp.pad(x[:-1] ** 2, (1, 0))
)
DENSE = lambda x: jnp.sin(jnp.arange(1.0, N + 1) * jnp.sum(x))
BLOCKS = lambda x: jnp.cumsum(x.reshape(4, 3), axis=1).reshape(-1) ** 2
AT = np.linspace(0.2, 0.9, N)
BLOCK_MASK = np.kron(np.eye(4), np.ones((3, 3)))


@pytest.mark.spec("S3.11")
@pytest.mark.parametrize("found", [True, False])
@pytest.mark.parametrize(
    ("f", "structure", "products"),
    [
        (jnp.sin, "diagonal", 1),
        (NEIGHBOURS, "tridiagonal", 3),
        (BLOCKS, BLOCK_MASK, 3),
        (DENSE, np.ones((N, N)), N),
    ],
    ids=["diagonal", "tridiagonal", "blocks", "dense"],
)
def test_products_and_entries(f, structure, products, found):
    J = diff.sparse_jacobian(f, AT, None if found else structure)
    assert J.products == products
    x = jnp.asarray(AT)
    np.testing.assert_allclose(
        jax.jit(lambda x: J(x).todense())(x), jax.jacfwd(f)(x), rtol=1e-12, atol=1e-12
    )


@pytest.mark.spec("S3.11")
@pytest.mark.parametrize("f", [NEIGHBOURS, DENSE, lambda x: x[::-1]])
def test_a_wrong_structure_is_refused(f):
    message = r"row \d+ of the Jacobian has entries outside the declared structure"
    with pytest.raises(ValueError, match=message):
        diff.sparse_jacobian(f, AT, "diagonal")


def test_a_sparse_hessian():
    u = lambda x: jnp.sum(jnp.sin(x[1:] * x[:-1]))
    H = diff.sparse_hessian(u, AT, "tridiagonal")
    assert H.products == 3
    x = jnp.asarray(AT)
    np.testing.assert_allclose(
        H(x).todense(), jax.hessian(u)(x), rtol=1e-12, atol=1e-12
    )


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 10**6))
def test_no_row_has_a_colour_twice(rows, columns, seed):
    mask = np.random.default_rng(seed).random((rows, columns)) < 0.4
    colours = _structure._coloured(mask)
    for row in mask:
        assert len(set(colours[row])) == row.sum()


@pytest.mark.spec("S3.10")
def test_the_sine_on_a_thousand_and_one_points():
    x = jnp.asarray(np.arange(1001) * 0.001)
    first = diff.elementwise_derivative(jnp.sin)
    np.testing.assert_array_equal(first(x), jnp.cos(x))
    np.testing.assert_array_equal(
        diff.elementwise_derivative(jnp.sin, 2)(x), -jnp.sin(x)
    )
    np.testing.assert_array_equal(diff.elementwise_derivative(first)(x), -jnp.sin(x))
    products = jax.make_jaxpr(first)(x)
    assert str(products).count("cos") == 1  # one pass, not 1,001


@pytest.mark.spec("S3.7", "S3.11")
def test_a_map_that_mixes_is_no_elementwise_one():
    for f in (lambda x: x * jnp.sum(x), lambda x: jnp.roll(x, 1), DENSE):
        with pytest.raises(ValueError, match="depends on another entry of x"):
            diff.elementwise_derivative(f)(jnp.asarray(AT))
    with pytest.raises(ValueError, match=r"maps the shape \(12,\) to \(11,\)"):
        diff.elementwise_derivative(lambda x: x[1:])(jnp.asarray(AT))


def test_elementwise_maps_with_traced_parameters():
    f = lambda a: diff.elementwise_derivative(lambda x: jnp.sin(a * x))(jnp.asarray(AT))
    np.testing.assert_allclose(jax.jit(f)(2.0), 2 * np.cos(2 * AT), rtol=1e-14)


@pytest.mark.parametrize(
    ("structure", "message"),
    [("banded", "structure 'banded' is not known"), (np.eye(3), r"of shape \(3, 3\)")],
)
def test_structures_that_are_none(structure, message):
    with pytest.raises(ValueError, match=message):
        diff.sparse_jacobian(jnp.sin, AT, structure)


def test_an_order_that_is_none():
    with pytest.raises(ValueError, match="order is 0; expected 1 or more"):
        diff.elementwise_derivative(jnp.sin, 0)
