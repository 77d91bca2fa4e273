"""Kullback-Leibler's divergence against quadrature, sums, draws and closed forms."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate import chance

SIZE = st.floats(0.2, 5)
PLACE = st.floats(-3, 3)


def pair(a, b):
    return chance.Independent(chance.Laplace(jnp.stack([a, b]), jnp.stack([b, b])))


def vectors(a, b):
    one = jnp.ones_like(a)
    scale_tril = jnp.stack([jnp.stack([b, 0 * b]), jnp.stack([a, one])])
    return chance.MultivariateNormal(jnp.stack([a, one]), scale_tril)


FAMILIES = {  # how it is made of two numbers, those of p, those of q
    "normal": (chance.Normal, (0.3, 1.2), (-0.5, 0.7)),
    "laplace": (chance.Laplace, (0.3, 1.2), (-0.5, 0.7)),
    "cauchy": (chance.Cauchy, (0.3, 1.2), (-0.5, 0.7)),
    "gumbel": (chance.Gumbel, (0.3, 0.6), (-0.5, 0.9)),
    "gamma": (chance.Gamma, (2.3, 1.2), (3.5, 0.7)),
    "gamma_many": (chance.Gamma, (22.0, 11.0), (26.0, 12.0)),
    "beta": (chance.Beta, (2.3, 1.2), (1.5, 2.7)),
    "dirichlet": (
        lambda a, b: chance.Dirichlet(jnp.stack([a, b, a + b])),
        (2.3, 1.2),
        (1.5, 2.7),
    ),
    "multivariate_normal": (vectors, (0.3, 1.2), (-0.5, 0.9)),
    "independent": (pair, (0.3, 1.2), (-0.5, 0.7)),
    "exponential": (lambda a, b: chance.Exponential(a), (1.3, 0.0), (0.4, 0.0)),
    "bernoulli": (lambda a, b: chance.Bernoulli(a), (1.3, 0.0), (-0.4, 0.0)),
    "binomial": (lambda a, b: chance.Binomial(12, a), (1.3, 0.0), (0.4, 0.0)),
    "poisson": (lambda a, b: chance.Poisson(a), (4.3, 0.0), (6.4, 0.0)),
    "categorical": (
        lambda a, b: chance.Categorical(jnp.stack([a, b, 0 * a])),
        (1.3, -0.5),
        (0.4, 1.0),
    ),
}
WHOLE = "normal", "laplace", "cauchy", "gumbel", "gamma", "beta"  # have two parameters
SINGLE = "exponential", "bernoulli", "binomial", "poisson"
EVERY = pytest.mark.parametrize("name", FAMILIES)


def made(name):
    make, p, q = FAMILIES[name]
    return make(*map(jnp.asarray, p)), make(*map(jnp.asarray, q))


@EVERY
def test_closed_form_is_the_mean_over_draws(name, key):
    p, q = made(name)
    both = jax.jit(lambda key: (chance.kl(p, q), chance.estimate_kl(p, q, key, 5000)))
    exact, found = both(key)
    assert exact > 0.01
    assert abs(found.value - exact) < 4.5 * found.standard_error
    assert exact.shape == found.value.shape == ()


@EVERY
def test_zero_of_equal_and_the_fisher_matrix_its_hessian(name):
    """The first derivative at q = p is 0 and the second is Fisher's matrix."""
    make, numbers, _ = FAMILIES[name]
    theta = jnp.asarray(numbers)
    p = make(*theta)
    divergence = lambda theta: chance.kl(p, make(*theta))
    value, slope = jax.jit(jax.value_and_grad(divergence))(theta)
    assert abs(value) < 1e-14
    np.testing.assert_allclose(slope, 0, atol=1e-12)
    size = {**dict.fromkeys(WHOLE, 2), **dict.fromkeys(SINGLE, 1)}.get(name, 0)
    if size:
        second = lambda theta: (jax.hessian(divergence)(theta), p.fisher())
        hessian, fisher = jax.jit(second)(theta)
        np.testing.assert_allclose(hessian[:size, :size], fisher, rtol=1e-8, atol=1e-10)


@pytest.mark.spec("K2.3.13")
def test_normal_from_the_standard_one_has_the_hessian_diag_1_2():
    standard = chance.Normal()
    divergence = lambda t: chance.kl(standard, chance.Normal(t[0], t[1]))
    found = jax.hessian(divergence)(jnp.asarray([0.0, 1.0]))
    np.testing.assert_allclose(found, jnp.diag(jnp.asarray([1.0, 2.0])), atol=1e-12)


@pytest.mark.spec("K2.3.13")
@given(mu=PLACE, sigma=SIZE)
def test_normal_from_the_standard_one(mu, sigma):
    found = chance.kl(chance.Normal(), chance.Normal(mu, sigma))
    exact = mu**2 / (2 * sigma**2) + 1 / (2 * sigma**2) - 0.5 + math.log(sigma)
    np.testing.assert_allclose(found, exact, rtol=1e-12, atol=1e-12)


@jax.jit
def all_families(a, b, c, d):
    families = chance.Laplace, chance.Cauchy, chance.Gumbel, chance.Gamma, chance.Beta
    return [chance.kl(family(a, b), family(c, d)) for family in families]


@given(a=SIZE, b=SIZE, c=SIZE, d=SIZE)
def test_never_below_0(a, b, c, d):
    assert np.all(np.asarray(all_families(a, b, c, d)) >= -1e-12)


def test_nearby_ones_in_single_precision():
    """Half of Fisher's matrix times the square of the step, far below rounding."""
    for make, at, step in [
        (chance.Poisson, 1e6, 100.0),
        (lambda a: chance.Gamma(a, 1.0), 1e6, 100.0),
        (chance.Exponential, 1.0, 1e-3),
        (lambda a: chance.Gamma(a, a), 1e6, 100.0),
        (lambda a: chance.Beta(a, a), 1e6, 100.0),
        (lambda a: chance.Beta(a, 3 * a), 1e6, 1e3),
        (lambda a: chance.Normal(0 * a, a), 1.0, 1e-4),
        (lambda a: chance.Laplace(0 * a, a), 1.0, 1e-4),
        (lambda a: chance.Categorical(jnp.stack([a, 0 * a])), 1.0, 1e-3),
        (
            lambda a: chance.MultivariateNormal(
                jnp.stack([0 * a, 0 * a]), a * jnp.eye(2, dtype=a.dtype)
            ),
            1.0,
            1e-4,
        ),
    ]:
        divergence = jax.jit(lambda a, b, make=make: chance.kl(make(a), make(b)))
        exact = divergence(jnp.asarray(at), jnp.asarray(at + step))
        found = divergence(jnp.float32(at), jnp.float32(at + step))
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, exact, rtol=3e-3)


def test_exponential_is_a_gamma_of_one_event():
    found = chance.kl(chance.Exponential(2.0), chance.Gamma(1.0, 0.7))
    exact = chance.kl(chance.Exponential(2.0), chance.Exponential(0.7))
    np.testing.assert_allclose(found, exact, rtol=1e-12)


@pytest.mark.slow
def test_counts_of_different_families_are_summed():
    p, q = chance.Binomial(6, 0.3), chance.Poisson(4.0)
    k = jnp.arange(7)
    exact = jnp.sum(jnp.exp(p.log_prob(k)) * (p.log_prob(k) - q.log_prob(k)))
    np.testing.assert_allclose(chance.kl(p, q), exact, rtol=1e-12)
    one = chance.kl(chance.Bernoulli(0.3), chance.Categorical(jnp.asarray([0.0, 0.3])))
    np.testing.assert_allclose(one, 0, atol=1e-15)
    longer = chance.kl(
        chance.Categorical(jnp.zeros(2)), chance.Categorical(jnp.zeros(4))
    )
    np.testing.assert_allclose(longer, math.log(2), rtol=1e-14)


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (chance.Poisson(1.0), chance.Binomial(3, 0.0)),
        (chance.Binomial(4, 0.0), chance.Binomial(3, 0.0)),
        (chance.Categorical(jnp.zeros(4)), chance.Categorical(jnp.zeros(3))),
        (
            chance.Categorical(jnp.zeros(2)),
            chance.Categorical(jnp.log(jnp.arange(2.0))),
        ),
        (chance.Bernoulli(0.0), chance.Bernoulli(jnp.inf)),
        (chance.Normal(), chance.Exponential()),
        (chance.Gamma(1.0, 1.0), chance.Beta(1.0, 1.0)),
        (chance.Poisson(1.0), chance.Normal()),
        (chance.Normal(), chance.Poisson(1.0)),
        (
            chance.Mixture(
                chance.Categorical(jnp.zeros(2)), chance.Normal(jnp.ones(2))
            ),
            chance.Gamma(2.0),
        ),
    ],
)
def test_infinite_where_q_is_0_and_p_is_not(p, q):
    assert chance.kl(p, q) == math.inf


def test_one_map_of_both_changes_nothing():
    law = lambda m: chance.Transformed(chance.Normal(m, 1.0), jnp.exp, jnp.log)
    assert chance.kl(law(1.0), law(0.0)) == 0.5
    other = chance.Transformed(chance.Normal(), jnp.expm1, jnp.log1p)
    with pytest.raises(ValueError, match="no closed form for Transformed"):
        chance.kl(law(1.0), other)


def test_finite_where_p_is_0():
    q = chance.Categorical(jnp.zeros(2))
    logits = jnp.asarray([0.0, -jnp.inf])
    np.testing.assert_allclose(chance.kl(chance.Categorical(logits), q), math.log(2))
    slope = jax.grad(lambda a: chance.kl(chance.Categorical(a), q))(logits)
    assert np.all(np.isfinite(slope))


@pytest.mark.slow
def test_batches_broadcast_and_map():
    rates = jnp.asarray([1.0, 2.0, 3.0])
    found = chance.kl(chance.Poisson(rates), chance.Poisson(2.0))
    mapped = jax.vmap(lambda a: chance.kl(chance.Poisson(a), chance.Poisson(2.0)))(
        rates
    )
    np.testing.assert_allclose(found, mapped, rtol=1e-14)
    means = jnp.stack([jnp.zeros(2), jnp.ones(2)])
    p = chance.MultivariateNormal(means, jnp.eye(2))
    q = chance.MultivariateNormal(jnp.zeros(2), jnp.eye(2))
    np.testing.assert_allclose(chance.kl(p, q), [0, 1], atol=1e-15)
    many = chance.estimate_kl(p, q, jr.key(0), 50)
    assert many.value.shape == many.standard_error.shape == (2,)
    mixed = chance.kl(chance.Bernoulli(jnp.zeros(3)), chance.Poisson(1.0))
    assert mixed.shape == (3,)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (
            partial(chance.kl, chance.Normal(), chance.Laplace()),
            "no closed form for Normal from Laplace. `estimate_kl` averages",
        ),
        (
            partial(chance.kl, chance.StudentT(2.0), chance.StudentT(3.0)),
            "no closed form for StudentT from StudentT",
        ),
        (
            partial(
                chance.kl, chance.Dirichlet(jnp.ones(2)), chance.Dirichlet(jnp.ones(3))
            ),
            r"events of Dirichlet have shape \(2,\), those of Dirichlet \(3,\)",
        ),
        (
            partial(
                chance.estimate_kl, chance.Normal(), chance.Laplace(), jr.key(0), 1
            ),
            "`estimate_kl`: n is 1; a standard error needs 2 draws or more",
        ),
    ],
)
def test_what_is_not_known_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
