"""Distances between models: which of them are metrics."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate import chance

LAWS = st.tuples(st.floats(-3, 3, allow_subnormal=False), st.floats(0.2, 5.0))


def normal(theta):
    return chance.Normal(theta[0], theta[1])


def distance(a, b):
    return float(jnp.linalg.norm(jnp.asarray(a) - jnp.asarray(b)))


def divergence(a, b):
    return float(chance.kl(normal(a), normal(b)))


@pytest.mark.spec("K4.6.6-9")
@given(LAWS, LAWS, LAWS)
def test_the_length_of_parameters_is_a_metric(a, b, c):
    assert distance(a, a) == 0
    assert distance(a, b) >= 0
    assert (distance(a, b) > 0) == (a != b)
    assert distance(a, b) == distance(b, a)
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-12


@pytest.mark.spec("K4.6.6-9")
@given(LAWS, LAWS)
def test_the_divergence_is_positive_and_zero_at_equality(a, b):
    np.testing.assert_allclose(divergence(a, a), 0, atol=1e-15)
    (mean, scale), (other, width) = a, b
    closed = np.log(width / scale) + (scale**2 + (mean - other) ** 2) / 2 / width**2
    np.testing.assert_allclose(divergence(a, b), closed - 0.5, rtol=1e-9, atol=1e-12)
    assert divergence(a, b) > -1e-15


@pytest.mark.spec("K4.6.6-9")
def test_the_divergence_is_not_symmetric():
    narrow, wide = (0.0, 1.0), (0.0, 2.0)
    there, back = divergence(narrow, wide), divergence(wide, narrow)
    np.testing.assert_allclose(there, np.log(2) - 3 / 8, rtol=1e-12)
    np.testing.assert_allclose(back, 3 / 2 - np.log(2), rtol=1e-12)
    assert back > 2 * there


@pytest.mark.spec("K4.6.6-9")
def test_the_divergence_has_no_triangle_inequality():
    """Of equal scales it is half the squared distance: a detour is shorter."""
    a, b, c = (0.0, 1.0), (1.0, 1.0), (2.0, 1.0)
    np.testing.assert_allclose(divergence(a, c), 2.0, rtol=1e-12)
    np.testing.assert_allclose(divergence(a, b) + divergence(b, c), 1.0, rtol=1e-12)
