"""Estimators: their bias and variance, the best possible, propagated and resampled."""

import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osculate import chance


def close(found, exact, errors=4.5):
    """Whether estimates are as close to the exact value as their errors allow."""
    return bool(jnp.all(jnp.abs(found.value - exact) <= errors * found.standard_error))


def normal_sample(N, sigma=1.0, mean=0.0):
    return lambda key: mean + sigma * jr.normal(key, (N,))


unbiased_variance = lambda x: jnp.var(x, ddof=1)


@pytest.mark.spec("K3.3.1-2")
def test_error_is_squared_bias_plus_variance(key):
    found = chance.study_estimator(
        lambda x: 0.8 * jnp.mean(x) + 0.1, normal_sample(5, 1.3, 2.0), 2.0, key, 4000
    )
    assert close(found.bias, 0.8 * 2 + 0.1 - 2)
    assert close(found.variance, 0.64 * 1.69 / 5)
    sum_of_parts = found.bias.value**2 + found.variance.value * 3999 / 4000
    assert found.mean_squared_error.value == pytest.approx(
        float(sum_of_parts), rel=1e-12
    )
    assert close(found.mean_squared_error, 0.09 + 0.64 * 1.69 / 5)


@pytest.mark.spec("K3.3.4-5", "K3.3.9")
def test_sample_mean(key):
    found = chance.study_estimator(
        jnp.mean, normal_sample(9, 1.5, 0.7), 0.7, key, 40000
    )
    assert close(found.bias, 0.0)
    assert found.variance.value == pytest.approx(1.5**2 / 9, rel=0.02)


@pytest.mark.spec("K3.3.6-7", "K3.3.8", "K3.3.10-14")
def test_sample_variance(key):
    N, sigma = 7, 1.5
    both = lambda x: jnp.stack([jnp.var(x), unbiased_variance(x)])
    draw = normal_sample(N, sigma, 3.0)
    found = chance.study_estimator(both, draw, sigma**2, key, 40000)
    naive = 1 + found.bias.value[0] / sigma**2
    assert naive == pytest.approx(6 / 7, abs=0.012)  # .857
    assert close(found.bias, jnp.array([-(sigma**2) / N, 0.0]))
    of_unbiased = 2 * sigma**4 / (N - 1)  # 1.6875
    assert close(found.variance, of_unbiased * jnp.array([(6 / 7) ** 2, 1]))
    # The matrix δ - 1/N behind it: tr v² = tr v⁴ = N - 1.
    v = np.eye(N) - 1 / N
    traces = [np.trace(np.linalg.matrix_power(v, p)) for p in (2, 4)]
    np.testing.assert_allclose(traces, N - 1, rtol=1e-12)
    # The naive one is closer to the truth all the same.
    assert found.mean_squared_error.value[0] < found.mean_squared_error.value[1]


def test_standard_errors_of_a_study_are_right():
    one = lambda key: chance.study_estimator(
        unbiased_variance, normal_sample(5), 1.0, key, 200
    )
    studies = jax.jit(jax.vmap(one))(jr.split(jr.key(3), 400))
    for part in studies:
        told = jnp.sqrt(jnp.mean(part.standard_error**2))
        assert told == pytest.approx(float(jnp.std(part.value)), rel=0.15)


@pytest.mark.spec("K3.4.8")
def test_cauchy_schwarz(key):
    # Two numbers that depend on one of 6 cases, 10⁴ times.
    def moments(key):
        k_logits, k_first, k_second = jr.split(key, 3)
        cases = chance.Categorical(jr.normal(k_logits, (6,)))
        a, b = jr.normal(k_first, (6,)), jr.normal(k_second, (6,))
        expect = lambda f: chance.expect(f, cases)
        mean_a, mean_b = expect(lambda i: a[i]), expect(lambda i: b[i])
        covariance = lambda u, v: expect(
            lambda i: (u(i) - expect(u)) * (v(i) - expect(v))
        )
        first, second, line = (
            lambda i: a[i] - mean_a,
            lambda i: b[i] - mean_b,
            lambda i: 3 - 2 * a[i],
        )
        return tuple(
            covariance(first, other) ** 2
            / (covariance(first, first) * covariance(other, other))
            for other in (second, line)
        )

    other, line = jax.jit(jax.vmap(moments))(jr.split(key, 10_000))
    assert jnp.all(other < 1)
    assert jnp.max(other) > 0.9
    np.testing.assert_allclose(line, 1, rtol=1e-10)


@pytest.mark.spec("K3.4.9-13")
def test_bound_of_one_parameter(key):
    N, sigma = 51, 1.4
    law = chance.Normal(0.3, sigma)
    bound = chance.cramer_rao(N * law.fisher()[0, 0])
    assert bound == pytest.approx(sigma**2 / N, rel=1e-12)
    both = lambda x: jnp.stack([jnp.mean(x), jnp.median(x)])
    draw = lambda key: law.sample(key, (N,))
    found = chance.study_estimator(both, draw, 0.3, key, 20000)
    ratio = found.variance.value / bound
    assert ratio[0] == pytest.approx(1, abs=0.045)  # attained
    assert ratio[1] == pytest.approx(1.555, abs=0.07)  # towards π/2


@pytest.mark.spec("K3.4.9-13")
def test_the_score_behind_the_bound(key):
    # <S> = 0, Var S = F, Cov(S, estimate) = ∂φ, for φ = mean³ + 3 mean σ².
    law, N = chance.Normal(0.8, 1.2), 4
    total = jax.vmap(lambda key: law.sample(key, (N,)))(jr.split(key, 200_000))
    log_p = lambda mean, x: jnp.sum(chance.Normal(mean, 1.2).log_prob(x))
    S = jax.vmap(jax.grad(log_p), (None, 0))(0.8, total)
    estimate = jnp.mean(total**3, axis=1)  # of φ = E x³
    slope = 3 * 0.8**2 + 3 * 1.2**2
    assert abs(jnp.mean(S)) < 4.5 * jnp.std(S) / 200_000**0.5
    F = N / 1.2**2
    assert jnp.var(S) == pytest.approx(F, rel=0.02)
    products = S * (estimate - jnp.mean(estimate))
    error = jnp.std(products) / 200_000**0.5
    assert abs(jnp.mean(products) - slope) < 4.5 * error
    assert jnp.var(estimate) > chance.cramer_rao(F, slope)


@pytest.mark.spec("K3.4.9-13")
@settings(max_examples=10)
@given(st.floats(0.05, 0.95), st.integers(1, 40))
def test_a_frequency_attains_the_bound(p, N):
    logit = math.log(p / (1 - p))
    law = chance.Bernoulli(logit)
    score = lambda x: jax.grad(lambda l: chance.Bernoulli(l).log_prob(x))(logit)
    F = N * chance.expect(lambda x: score(x) ** 2, law)
    # By the logit, the derivative of p is p (1 - p).
    bound = chance.cramer_rao(F, p * (1 - p))
    assert bound == pytest.approx(p * (1 - p) / N, rel=1e-9)


@pytest.mark.spec("K3.4.14")
def test_bound_of_many_parameters(key):
    N, sigma = 12, 1.3
    law = chance.Normal(0.4, sigma)
    J = jnp.array([[1.0, 0.0], [0.0, 2 * sigma]])  # of mean and variance
    bound = chance.cramer_rao(N * law.fisher(), J)
    exact = [[sigma**2 / N, 0], [0, 2 * sigma**4 / N]]
    np.testing.assert_allclose(bound, exact, rtol=1e-12)
    both = lambda x: jnp.stack([jnp.mean(x), unbiased_variance(x)])
    estimates = jax.vmap(lambda k: both(law.sample(k, (N,))))(jr.split(key, 50_000))
    excess = np.cov(np.asarray(estimates).T) - np.asarray(bound)
    assert np.linalg.eigvalsh(excess)[0] > -4.5 * math.sqrt(2 / 50_000) * sigma**2 / N
    assert excess[1, 1] == pytest.approx(2 * sigma**4 * (1 / 11 - 1 / 12), rel=0.4)


@pytest.mark.spec("K3.4.14")
def test_bound_by_products_is_the_dense_one(key):
    A = jr.normal(key, (6, 6))
    F, J = A @ A.T + 0.5 * jnp.eye(6), jr.normal(jr.key(5), (2, 6))
    dense = J @ jnp.linalg.inv(F) @ J.T
    by_products = lambda F: chance.cramer_rao(lambda v: F @ v, J)
    np.testing.assert_allclose(chance.cramer_rao(F, J), dense, rtol=1e-9)
    np.testing.assert_allclose(jax.jit(by_products)(F), dense, rtol=1e-9)
    gradient = jax.jit(lambda F: chance.cramer_rao(lambda v: F @ v, J[0]))(F)
    assert gradient == pytest.approx(float(dense[0, 0]), rel=1e-9)
    np.testing.assert_allclose(chance.cramer_rao(F), jnp.linalg.inv(F), rtol=1e-9)
    # Derivatives go through both, in both modes.
    trace = lambda bound: lambda F: jnp.trace(bound(F))
    ways = [lambda F: chance.cramer_rao(F, J), by_products]
    first, second = (jax.jit(jax.grad(trace(way)))(F) for way in ways)
    symmetric = lambda G: G + G.T
    np.testing.assert_allclose(symmetric(first), symmetric(second), rtol=1e-7)
    found = jax.jit(jax.vmap(by_products))(jnp.stack([F, 2 * F]))
    np.testing.assert_allclose(found[1], dense / 2, rtol=1e-9)


@pytest.mark.spec("K3.4.14")
def test_an_ill_conditioned_information_in_single_precision():
    scale = jnp.array([1.0, 10.0, 100.0, 1000.0], jnp.float32)
    bound = chance.cramer_rao(lambda v: scale * v, jnp.ones(4, jnp.float32))
    assert bound.dtype == jnp.float32
    assert bound == pytest.approx(1.111, rel=1e-5)


@pytest.mark.spec("K3.4/a")
def test_maximum_likelihood_attains_the_bound_as_data_grow(key):
    theta = jnp.array([0.3, 0.9])
    features = lambda x: jnp.stack([jnp.ones_like(x), x], axis=-1)

    def sample(N):
        def draw(key):
            k_x, k_y = jr.split(key)
            A = features(jr.normal(k_x, (N,)))
            return A, (jr.uniform(k_y, (N,)) < jax.nn.sigmoid(A @ theta)).astype(float)

        return draw

    def fit(data):
        A, y = data

        def newton(_, estimate):
            p = jax.nn.sigmoid(A @ estimate)
            w, x = p * (1 - p), A[:, 1]
            a, b, c = jnp.sum(w), jnp.sum(w * x), jnp.sum(w * x * x)
            inverse = jnp.array([[c, -b], [-b, a]]) / (a * c - b * b)
            return estimate + inverse @ (A.T @ (y - p))

        return jax.lax.fori_loop(0, 7, newton, jnp.zeros(2))

    x, w = np.polynomial.hermite_e.hermegauss(60)
    A, w = features(jnp.array(x)), jnp.array(w / w.sum())
    p = jax.nn.sigmoid(A @ theta)
    bound = chance.cramer_rao((A * (w * p * (1 - p))[:, None]).T @ A)
    few, many = (
        chance.study_estimator(fit, sample(N), theta, key, 2500) for N in (60, 400)
    )
    np.testing.assert_allclose(400 * many.variance.value, jnp.diag(bound), rtol=0.15)
    # With few data it is biased outwards and above the bound.
    assert few.bias.value[1] > 4.5 * few.bias.standard_error[1]
    above = few.variance.value - jnp.diag(bound) / 60
    assert above[1] > 3 * few.variance.standard_error[1]


def test_delta_method(key):
    C = jnp.array([[0.04, 0.01], [0.01, 0.09]])
    mean = jnp.array([2.0, 3.0])
    found = chance.delta_method(lambda x: x[0] * x[1], mean, C)
    gradient = np.array([3.0, 2.0])
    assert found.shape == ()
    assert found == pytest.approx(gradient @ np.asarray(C) @ gradient, rel=1e-12)
    both = lambda x: jnp.stack([x[0] + x[1], x[0] - x[1], 2 * x[0]])
    J = np.array([[1, 1], [1, -1], [2, 0]])
    np.testing.assert_allclose(
        chance.delta_method(both, mean, C), J @ np.asarray(C) @ J.T, rtol=1e-12
    )
    # Against draws, for a spread in which the logarithm is nearly straight.
    draws = 2 + 0.02 * jr.normal(key, (100_000,))
    found = chance.delta_method(jnp.log, 2.0, 0.02**2)
    assert found == pytest.approx(float(jnp.var(jnp.log(draws))), rel=0.03)
    assert (
        jax.jit(jax.grad(lambda s: chance.delta_method(jnp.log, 2.0, s)))(0.1) == 0.25
    )


def test_bootstrap(key):
    x = 2 + 1.5 * jr.normal(key, (200,))
    found = chance.bootstrap(jnp.mean, x, jr.key(1), 1500)
    assert found.value == jnp.mean(x)
    exact = float(jnp.std(x)) / 200**0.5
    assert found.standard_error == pytest.approx(exact, rel=4.5 / (2 * 1500) ** 0.5)
    half = (found.upper - found.lower) / 2
    assert half == pytest.approx(1.96 * exact, rel=0.12)
    narrow = chance.bootstrap(jnp.mean, x, jr.key(1), 1500, level=0.5)
    assert narrow.upper - narrow.lower < found.upper - found.lower


def test_bootstrap_keeps_rows_together(key):
    x = jr.normal(key, (50,))
    data = {"x": x, "y": 3 * x}
    slope = lambda d: jnp.stack([jnp.vdot(d["x"], d["y"]) / jnp.vdot(d["x"], d["x"])])
    found = chance.bootstrap(slope, data, key, 50)
    np.testing.assert_allclose(found.value, [3], rtol=1e-12)
    assert found.standard_error < 1e-12


def test_coverage_of_the_percentile_interval():
    def covers(key):
        k_data, k_boot = jr.split(key)
        found = chance.bootstrap(jnp.mean, jr.normal(k_data, (60,)), k_boot, 200)
        return (found.lower < 0) & (found.upper > 0)

    share = jnp.mean(jax.jit(jax.vmap(covers))(jr.split(jr.key(2), 600)))
    assert 0.89 < share < 0.98


@pytest.mark.spec("K3.4.14")
@pytest.mark.parametrize("F", [(1.0, 0.0), (1.0, -3.0)])
def test_a_singular_information_known_by_products(F):
    # The bound is infinite, and a fit of conjugate gradients that stops would say 0.
    by_products = lambda J: chance.cramer_rao(lambda v: jnp.array(F) * v, J)
    for J in (jnp.array([0.0, 1.0]), jnp.ones(2)):
        with pytest.raises(ValueError, match="`cramer_rao`: fisher v -> F v could not"):
            by_products(J)
        assert jnp.isnan(jax.jit(by_products)(J))
    assert by_products(jnp.array([2.0, 0.0])) == 4


def test_errors(key):
    draw = normal_sample(3)
    tree = lambda x: {"mean": jnp.mean(x)}
    with pytest.raises(TypeError, match=r"`study_estimator`: got PyTreeDef.*one arr"):
        chance.study_estimator(tree, draw, 0.0, key, 4)
    with pytest.raises(TypeError, match=r"`bootstrap`: got PyTreeDef.*one array"):
        chance.bootstrap(tree, jnp.ones(3), key)
    with pytest.raises(ValueError, match="`study_estimator`: repeats is 1"):
        chance.study_estimator(jnp.mean, draw, 0.0, key, 1)
    with pytest.raises(ValueError, match=r"`study_estimator`: truth has shape \(2,\)"):
        chance.study_estimator(jnp.mean, draw, jnp.ones(2), key, 4)
    with pytest.raises(ValueError, match=r"`cramer_rao`: fisher has shape \(2, 3\)"):
        chance.cramer_rao(jnp.ones((2, 3)))
    with pytest.raises(
        ValueError, match=r"`cramer_rao`: phi_jacobian has shape \(3,\)"
    ):
        chance.cramer_rao(jnp.eye(2), jnp.ones(3))
    with pytest.raises(ValueError, match="phi_jacobian is missing"):
        chance.cramer_rao(lambda v: v)
    with pytest.raises(ValueError, match="fisher is not positive definite"):
        chance.cramer_rao(jnp.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"`delta_method`: mean has shape \(2,\)"):
        chance.delta_method(jnp.sum, jnp.ones(2), jnp.eye(3))
    with pytest.raises(ValueError, match="`bootstrap`: data have shapes"):
        chance.bootstrap(jnp.mean, (jnp.ones(2), jnp.ones(3)), key)
    with pytest.raises(ValueError, match="`bootstrap`: data have shapes"):
        chance.bootstrap(jnp.mean, jnp.ones(0), key)
    with pytest.raises(ValueError, match=r"`bootstrap`: n is 1, level 0\.95"):
        chance.bootstrap(jnp.mean, jnp.ones(3), key, 1)
    with pytest.raises(ValueError, match=r"level 1\.0; expected"):
        chance.bootstrap(jnp.mean, jnp.ones(3), key, level=1.0)
