"""Cumulants: closed forms, the formula over partitions, sums and their limit."""

import math
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osculate import chance

POISSON = lambda t: 2.5 * jnp.expm1(t)
EXPONENTIAL = lambda t: -jnp.log1p(-t)
NORMAL = lambda t: 0.7 * t + 0.5 * 1.3**2 * t * t
DELTA = lambda t: 0.7 * t
CASES = {
    "Poisson": (POISSON, [2.5] * 6),
    "Exponential": (EXPONENTIAL, [1, 1, 2, 6, 24, 120]),
    "Normal": (NORMAL, [0.7, 1.69, 0, 0, 0, 0]),
    "delta": (DELTA, [0.7, 0, 0, 0, 0, 0]),
}


def partitions(m, largest=None):
    """All ways to write m as a sum of whole numbers, each as a tuple."""
    largest = m if largest is None else largest
    if m == 0:
        yield ()
    for n in range(min(m, largest), 0, -1):
        for rest in partitions(m - n, n):
            yield (n, *rest)


def moment_by_partitions(kappa, m):
    """m! sum over partitions of products of kappa_n^p / (p! (n!)^p)."""
    total = 0.0
    for parts in partitions(m):
        term = math.factorial(m)
        for n, p in Counter(parts).items():
            term *= kappa[n - 1] ** p / (math.factorial(p) * math.factorial(n) ** p)
        total += term
    return total


@pytest.mark.spec("K3.2.2-4", "K3.2/a")
@pytest.mark.parametrize("name", CASES)
def test_closed_forms(name):
    log_mgf, exact = CASES[name]
    np.testing.assert_allclose(chance.cumulants(log_mgf, 6), exact, rtol=1e-12)


@pytest.mark.spec("K3.2.2-4")
def test_the_characteristic_function_has_the_same_cumulants():
    # log <exp(-ikX)> = sum (-ik)^n / n! kappa_n, at a small k against its remainder.
    kappa = np.asarray(chance.cumulants(POISSON, 12))
    k = 0.1
    series = sum(
        (-1j * k) ** n / math.factorial(n) * kappa[n - 1] for n in range(1, 13)
    )
    assert abs(series - 2.5 * np.expm1(-1j * k)) < 1e-15


@pytest.mark.spec("K3.2.5-6")
def test_moments_of_the_exponential_law():
    kappa = chance.cumulants(EXPONENTIAL, 4)
    np.testing.assert_allclose(
        chance.moments_from_cumulants(kappa), [1, 2, 6, 24], rtol=1e-13
    )


@pytest.mark.spec("K3.2.5-6")
@settings(max_examples=10)
@given(st.lists(st.floats(-2, 2), min_size=5, max_size=5))
def test_the_formula_over_partitions_and_back(kappa):
    found = chance.moments_from_cumulants(jnp.array(kappa))
    exact = [moment_by_partitions(kappa, m) for m in range(1, 6)]
    np.testing.assert_allclose(found, exact, rtol=1e-11, atol=1e-11)
    back = chance.cumulants_from_moments(found)
    np.testing.assert_allclose(back, kappa, rtol=1e-9, atol=1e-9)


@pytest.mark.spec("K3.2.7-8")
def test_cumulants_of_a_sum_of_independent_numbers_add():
    together = chance.cumulants(lambda t: EXPONENTIAL(t) + POISSON(t), 5)
    apart = chance.cumulants(EXPONENTIAL, 5) + chance.cumulants(POISSON, 5)
    np.testing.assert_allclose(together, apart, rtol=1e-12)
    # The same from moments alone: those of a sum by the binomial theorem.
    a, b = (
        np.array([1.0, *chance.moments_from_cumulants(chance.cumulants(f, 5))])
        for f in (EXPONENTIAL, POISSON)
    )
    of_sum = [
        sum(math.comb(m, j) * a[j] * b[m - j] for j in range(m + 1))
        for m in range(1, 6)
    ]
    found = chance.cumulants_from_moments(jnp.array(of_sum))
    np.testing.assert_allclose(found, apart, rtol=1e-10)


@pytest.mark.spec("K3.2.9-14")
def test_central_limit():
    # y = (X - N mu) / sqrt(N) for a sum X of N: cumulant n shrinks as N^(1 - n/2).
    def of_mean(N):
        root = math.sqrt(N)
        return chance.cumulants(lambda t: N * EXPONENTIAL(t / root) - root * t, 6)

    one = np.asarray(of_mean(1))
    for N in (4, 100):
        found = np.asarray(of_mean(N))
        scale = N ** (1 - np.arange(1, 7) / 2)
        np.testing.assert_allclose(found, one * scale, rtol=1e-11, atol=1e-12)
        assert found[2] == pytest.approx(2 / math.sqrt(N), rel=1e-11)
        assert found[3] == pytest.approx(6 / N, rel=1e-11)


def test_derivatives_by_the_parameters_of_a_law():
    skewness = lambda rate: chance.cumulants(lambda t: -jnp.log1p(-t / rate), 3)[2]
    assert jax.jit(jax.grad(skewness))(2.0) == pytest.approx(-6 / 2.0**4)
    rates = jnp.array([1.0, 2.0])
    np.testing.assert_allclose(jax.vmap(skewness)(rates), [2, 0.25])


def test_single_precision_stays_single():
    found = chance.moments_from_cumulants(jnp.ones(3, jnp.float32))
    assert found.dtype == jnp.float32
    assert chance.cumulants_from_moments(found).dtype == jnp.float32


def test_errors():
    with pytest.raises(ValueError, match="`cumulants`: order is 0"):
        chance.cumulants(POISSON, 0)
    with pytest.raises(ValueError, match=r"`cumulants`: log_mgf returns shape \(2,\)"):
        chance.cumulants(lambda t: jnp.stack([t, t]), 2)
    with pytest.raises(ValueError, match=r"`moments_from_cumulants`: kappa has shape"):
        chance.moments_from_cumulants(jnp.ones((2, 2)))
    with pytest.raises(ValueError, match=r"`cumulants_from_moments`: moments has sh"):
        chance.cumulants_from_moments(jnp.ones(()))
