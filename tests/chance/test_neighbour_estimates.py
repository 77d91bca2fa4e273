"""Entropy and information of samples: near the exact, and as far off as they say."""

import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from osculate import chance


def normal_pairs(key, rho, N):
    x, noise = jr.normal(key, (2, N, 1))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def information(rho):
    return -0.5 * math.log(1 - rho**2)


def ratio_of_densities(x, y, rho):
    """All log p(x_i, y_j) / (p(x_i) p(y_j))."""
    x, y = x, y.T
    square = (x**2 + y**2) * rho**2 - 2 * rho * x * y
    return information(rho) - 0.5 * square / (1 - rho**2)


@pytest.mark.parametrize(("d", "percent"), [(1, 3), (2, 2), (5, 1.5), (10, 2)])
def test_entropy_of_normal_samples(key, d, percent):
    x = jr.normal(key, (2000, d))
    value, error = jax.jit(chance.neighbour_entropy)(x)
    exact = 0.5 * d * math.log(2 * math.pi * math.e)
    assert abs(value / exact - 1) < percent / 100
    assert 0.2 * d**0.5 < error * 2000**0.5 < 4 * d**0.5


@pytest.mark.spec("K2.5.3-4")
@pytest.mark.parametrize(
    ("rho", "off"), [(0.0, 0.03), (0.5, 0.05), (0.9, 0.05), (0.99, 0.06)]
)
def test_information_of_normal_samples(key, rho, off):
    x, y = normal_pairs(key, rho, 2000)
    estimate = jax.jit(chance.neighbour_information)
    value, error = estimate(x, y)
    assert abs(value - information(rho)) < min(off, 4.5 * error)
    # It does not see a stretched coordinate, where neighbours are few enough.
    stretched, _ = estimate(x, jnp.sinh(y))
    assert abs(stretched - value) < 0.05


@pytest.mark.spec("K2.5.3-4")
def test_information_of_classes_and_of_what_repeats(key):
    # Of classes: one of itself, of another, of one that is often the same.
    k_x, k_other, k_swap, k_noise = jr.split(key, 4)
    x, other = jr.randint(k_x, (2000, 1), 0, 3), jr.randint(k_other, (2000, 1), 0, 3)
    y = jnp.where(jr.uniform(k_swap, (2000, 1)) < 0.15, other, x)
    joint = jnp.eye(3) * 0.85 / 3 + 0.15 / 9
    information = jax.jit(chance.neighbour_information)
    for a, b, exact in [
        (x, x, math.log(3)),
        (x, other, 0.0),
        (x, y, chance.mutual_information(joint)),
        (x, jr.normal(k_noise, (2000, 1)), 0.0),
        (x, 10.0 * x.astype(float) + jr.normal(k_noise, (2000, 1)), math.log(3)),
    ]:
        value, error = information(a, b)
        assert abs(value - exact) < 4.5 * error + 5 / 2000  # and of order 1 / N bias
    # Half of the pairs equal, half of them spread.
    half = jr.uniform(k_swap, (2000, 1)) < 0.5
    z = jnp.where(half, 0.0, 9 + jr.normal(k_noise, (2000, 1)))
    own = jnp.where(half, 0.0, 9 + jr.normal(k_other, (2000, 1)))
    value, error = information(z, own)
    assert abs(value - math.log(2)) < 4.5 * error + 0.03


def test_errors_are_those_of_repetition(key):
    keys = jr.split(key, 200)
    entropies = jax.jit(
        lambda: jax.lax.map(
            lambda k: chance.neighbour_entropy(jr.normal(k, (200, 2))), keys
        )
    )()
    pairs = lambda k: normal_pairs(k, 0.6, 200)
    informations = jax.jit(
        lambda: jax.lax.map(lambda k: chance.neighbour_information(*pairs(k)), keys)
    )()
    for values, errors in (entropies, informations):
        ratio = np.sqrt(np.mean(errors**2)) / np.std(values)
        assert 0.7 < ratio < 1.5


def test_entropy_follows_a_change_of_units(key):
    x = jr.normal(key, (100, 3))
    value = jax.jit(lambda x: chance.neighbour_entropy(x).value)
    np.testing.assert_allclose(value(7 * x) - value(x), 3 * math.log(7), atol=1e-12)
    # So that the derivative along the points themselves is their dimension.
    np.testing.assert_allclose(jnp.sum(jax.grad(value)(x) * x), 3, atol=1e-12)
    both = jax.vmap(value)(jnp.stack([x, 2 * x]))
    np.testing.assert_allclose(both[1] - both[0], 3 * math.log(2), atol=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_bounds_reach_the_information(key, rho):
    x, y = normal_pairs(key, rho, 1000)
    scores = ratio_of_densities(x, y, rho)
    for bound in (chance.info_nce, chance.donsker_varadhan):
        value, error = jax.jit(bound)(scores)
        assert abs(value - information(rho)) < 4.5 * error + 1e-2
        worse, its_error = bound(0.5 * scores)
        assert worse <= information(rho) + 4.5 * its_error
    assert chance.info_nce(20 * jnp.eye(8)).value <= math.log(8)


def test_errors_of_the_bounds(key):
    keys = jr.split(key, 1000)
    for bound in (chance.info_nce, chance.donsker_varadhan):
        values, errors = jax.jit(
            jax.vmap(
                lambda k, bound=bound: bound(
                    ratio_of_densities(*normal_pairs(k, 0.6, 100), 0.6)
                )
            )
        )(keys)
        ratio = np.sqrt(np.mean(errors**2)) / np.std(values)
        assert 0.8 < ratio < 1.25


def test_a_critic_can_be_trained(key):
    x, y = normal_pairs(key, 0.8, 400)
    critic = lambda t: t[0] * x * y.T + t[1] * y.T**2 + 0 * x
    for bound in (chance.info_nce, chance.donsker_varadhan):
        slope = jax.grad(lambda t, bound=bound: bound(critic(t)).value)
        climb = lambda _, t, slope=slope: t + 0.1 * slope(t)
        t = jax.jit(
            lambda climb=climb: jax.lax.fori_loop(0, 300, climb, jnp.zeros(2))
        )()
        value, error = bound(critic(t))
        assert value > 0.5 * information(0.8)
        assert value < information(0.8) + 4.5 * error


def test_entropy_of_equal_samples():
    found = chance.neighbour_entropy(jnp.zeros((10, 1)))
    assert found.value == -jnp.inf
    assert found.standard_error == jnp.inf


def test_whole_numbers_are_numbers():
    x = jr.randint(jr.key(0), (50, 2), 0, 1000)
    both = [chance.neighbour_entropy(a).value for a in (x, x.astype(float))]
    assert both[0] == both[1]


def test_refusals():
    x = jnp.ones((3, 1))
    with pytest.raises(ValueError, match="`neighbour_entropy`: k is 3 with 3 samples"):
        chance.neighbour_entropy(x)
    with pytest.raises(
        ValueError, match="`neighbour_information`: 3 samples of x and 2"
    ):
        chance.neighbour_information(x, x[:2])
    for bound in (chance.info_nce, chance.donsker_varadhan):
        with pytest.raises(ValueError, match=r"scores have shape \(2, 3\)"):
            bound(jnp.ones((2, 3)))
