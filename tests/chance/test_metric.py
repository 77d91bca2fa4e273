"""The Fisher metric: three routes to it, lengths and volumes."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osculate import chance

THETA = jnp.array([0.3, -0.8, 0.5])


def close(found, expected, atol=1e-12):
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


def coin(p):
    return jnp.stack([jnp.log(p[0]), jnp.log1p(-p[0])])


def model(theta):
    """Five values of two parameters beside each other, nonlinearly."""
    x = jnp.linspace(-1, 1, 5)
    return jax.nn.log_softmax(
        theta[0] * x + theta[1] * x**2 + jnp.sin(theta[2] * x * theta[0])
    )


@pytest.mark.spec("K2.3.7", "K2.3.8")
@pytest.mark.parametrize("log_p", [model, jax.nn.log_softmax])
def test_three_routes_to_the_metric(log_p):
    p = jnp.exp(log_p(THETA))
    F = jax.jit(lambda v: chance.fisher_metric(log_p, v))(THETA)
    score = jax.jit(jax.jacrev(log_p))(THETA)
    close(p @ score, jnp.zeros(3), 1e-15)
    close(F, sum(p[i] * jnp.outer(score[i], score[i]) for i in range(len(p))))
    divergence = lambda theta: chance.kl_divergence(p, jnp.exp(log_p(theta)))
    close(jax.jit(jax.hessian(divergence))(THETA), F)
    close(-jnp.einsum("n,nij->ij", p, jax.jit(jax.hessian(log_p))(THETA)), F)
    assert jnp.min(jnp.linalg.eigvalsh(F)) > -1e-15
    if log_p is jax.nn.log_softmax:
        close(F, jnp.diag(p) - jnp.outer(p, p), 1e-15)
        close(F @ jnp.ones(3), jnp.zeros(3), 1e-15)


def test_metric_ignores_what_cannot_happen():
    log_p = lambda v: jnp.append(jax.nn.log_softmax(v), -jnp.inf)
    found = jax.jit(lambda v: chance.fisher_metric(log_p, v))(THETA)
    close(found, chance.fisher_metric(jax.nn.log_softmax, THETA), 1e-15)
    with pytest.raises(ValueError, match="`fisher_metric`: log_probabilities are not"):
        chance.fisher_metric(lambda v: v, THETA)


@pytest.mark.spec("K2.3.9")
def test_divergences_along_a_path_vanish_in_sum():
    t = jnp.linspace(0, 1, 81)[:, None]
    p = jnp.exp(jax.jit(jax.vmap(model))(THETA[None] * t))
    step_by_step = lambda p: jnp.sum(chance.kl_divergence(p[:-1], p[1:], 1))
    sums = [float(step_by_step(p[::every])) for every in (8, 4, 2, 1)]
    close(np.array(sums[:-1]) / sums[1:], [2, 2, 2], 0.03)
    square = lambda t: THETA @ chance.fisher_metric(model, t * THETA) @ THETA
    speed = jax.jit(jax.vmap(square))
    close(80 * sums[-1], 0.5 * jnp.mean(speed(jnp.linspace(0, 1, 1001))), 1e-3)


@pytest.mark.spec("K2.3.10")
@settings(max_examples=10)
@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_length_between_coins(p, q):
    metric = lambda theta: chance.fisher_metric(coin, theta)
    found = chance.fisher_rao_length(metric, lambda t: (p + t * (q - p))[None])
    close(found, 2 * abs(math.asin(math.sqrt(p)) - math.asin(math.sqrt(q))), 1e-6)
    # Another speed and another parameter: the same length.
    curved = lambda t: (p + t**2 * (q - p))[None]
    close(chance.fisher_rao_length(metric, curved), found, 1e-5)
    logit = lambda x: math.log(x / (1 - x))
    other = lambda theta: chance.fisher_metric(
        lambda v: jax.nn.log_softmax(jnp.append(v, 0.0)), theta
    )
    straight = lambda t: (logit(p) + t * (logit(q) - logit(p)))[None]
    close(chance.fisher_rao_length(other, straight), found, 1e-6)


@pytest.mark.spec("K2.3.10")
def test_length_between_normal_laws():
    metric = lambda theta: chance.Normal(theta[0], theta[1]).fisher()
    along = lambda t: jnp.stack([1 + 2 * t, jnp.ones(())])
    close(chance.fisher_rao_length(metric, along), 2.0, 1e-14)
    wider = lambda t: jnp.stack([jnp.zeros(()), 1 + 3 * t])
    found = chance.fisher_rao_length(metric, wider)
    close(found, math.sqrt(2) * math.log(4), 1e-12)
    # The length is the sum of sqrt(2 KL) of small steps, with the 2: there and back.
    x = jnp.linspace(-36, 36, 4001)
    scales = jnp.linspace(1, 4, 201)
    p = jax.vmap(lambda s: jax.nn.softmax(-0.5 * (x / s) ** 2))(scales)
    there = chance.kl_divergence(p[:-1], p[1:], 1)
    back = chance.kl_divergence(p[1:], p[:-1], 1)
    steps = jnp.sqrt(there + back)
    close(jnp.sum(steps), found, 2e-4 * found)
    assert chance.fisher_rao_length(metric, lambda t: jnp.array([0.0, 1.0])) == 0


def test_length_is_differentiable():
    metric = lambda theta: chance.fisher_metric(coin, theta)
    length = lambda q: chance.fisher_rao_length(metric, lambda t: (q * t + 0.2)[None])
    close(jax.jit(jax.grad(length))(0.5), 1 / math.sqrt(0.7 * 0.3), 1e-9)
    with pytest.raises(ValueError, match="`fisher_rao_length`: num_points is 0"):
        chance.fisher_rao_length(metric, lambda t: t[None], 0)


@pytest.mark.spec("K2.3.11-12")
def test_prior_of_jeffreys():
    volume = lambda log_p: jax.vmap(
        lambda v: chance.volume_element(chance.fisher_metric(log_p, v[None]))
    )
    p = jnp.linspace(0.01, 0.99, 9)
    close(volume(coin)(p), 1 / jnp.sqrt(p * (1 - p)))
    # By the angle whose squared sine is p the volume is constant: the integral is pi.
    angle = jnp.linspace(0.1, 1.4, 9)
    by_angle = volume(lambda v: coin(jnp.sin(v) ** 2))(angle)
    close(by_angle, jnp.full(9, 2.0))
    stretch = jax.vmap(jax.grad(lambda a: jnp.sin(a) ** 2))(angle)
    close(volume(coin)(jnp.sin(angle) ** 2) * jnp.abs(stretch), by_angle)
    middles = (jnp.arange(1e6) + 0.5) / 1e6
    close(jnp.mean(1 / jnp.sqrt(middles * (1 - middles))), 3.1404, 1e-4)
    close(math.gamma(0.5) ** 2 / math.gamma(1), math.pi)


def test_volume_in_single_precision():
    # The determinant of the metric, 1e50, is none of float32; its root is one.
    metric = 1e5 * jnp.eye(10, dtype=jnp.float32)
    found = jax.jit(chance.volume_element)(metric)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, 1e25, rtol=1e-4)
    slope = jax.grad(lambda s: chance.volume_element(s * metric))(jnp.float32(1.0))
    np.testing.assert_allclose(slope, 5e25, rtol=1e-4)
    assert jnp.all(jnp.isfinite(jax.grad(chance.volume_element)(0 * metric)))
    with pytest.raises(
        ValueError, match=r"`volume_element`: metric has shape \(2, 3\)"
    ):
        chance.volume_element(jnp.ones((2, 3)))


def test_volume_of_a_flat_direction_is_0():
    assert chance.volume_element(jnp.diag(jnp.array([4.0, 0.0]))) == 0
    metrics = jnp.stack([4 * jnp.eye(2), 9 * jnp.eye(2)])
    close(jax.vmap(chance.volume_element)(metrics), [4.0, 9.0])
