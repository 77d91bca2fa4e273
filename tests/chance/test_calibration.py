"""Calibration: bins by hand, probabilities that come true, temperature."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from osculate import chance

N = 20_000


def drawn(key, temperature, classes=3, n=N):
    """Logits, and labels drawn from softmax(logits / temperature)."""
    a, b = jr.split(key)
    logits = 3 * jr.normal(a, (n, classes))
    return logits, jr.categorical(b, logits / temperature)


def test_bins_by_hand():
    p, y = jnp.array([0.0, 0.1, 0.6, 0.7, 1.0]), jnp.array([0, 1, 0, 1, 1])
    found = chance.reliability(p, y, 4)
    assert found.counts.tolist() == [2, 0, 2, 1]
    np.testing.assert_allclose(found.confidence, [0.05, np.nan, 0.65, 1.0])
    np.testing.assert_allclose(found.frequency, [0.5, np.nan, 0.5, 1.0])
    error = chance.expected_calibration_error(p, y, 4)
    np.testing.assert_allclose(error, (2 * 0.45 + 2 * 0.15) / 5, rtol=1e-12)
    np.testing.assert_allclose(
        chance.brier_score(p, y), np.mean((np.asarray(p) - np.asarray(y)) ** 2)
    )


def test_of_classes_the_largest_probability_counts():
    p = jnp.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3]])
    found = chance.reliability(p, jnp.array([0, 2]), 10)
    assert (found.frequency[7], found.frequency[4]) == (1.0, 0.0)
    score = (0.09 + 0.04 + 0.01 + 0.09 + 0.16 + 0.49) / 2
    np.testing.assert_allclose(chance.brier_score(p, jnp.array([0, 2])), score)


@pytest.mark.spec("K3.4.20")
def test_frequencies_of_calibrated_probabilities_are_those_predicted(key):
    p = jr.uniform(key, (N,))
    y = jr.bernoulli(jr.fold_in(key, 1), p).astype(int)
    found = chance.reliability(p, y, 10)
    error = np.sqrt(found.confidence * (1 - found.confidence) / found.counts)
    assert (np.abs(found.frequency - found.confidence) < 4.5 * error).all()
    assert chance.expected_calibration_error(p, y, 10) < 4.5 * 0.5 / (N / 10) ** 0.5
    # E (p - y)^2 = E p (1 - p) = 1/6; its standard deviation is below 0.25.
    assert abs(chance.brier_score(p, y) - 1 / 6) < 4.5 * 0.25 / N**0.5


@pytest.mark.spec("K3.4.20")
@pytest.mark.parametrize("temperature", [0.5, 2.22])
def test_temperature_is_recovered_and_mends_the_calibration(key, temperature):
    logits, labels = drawn(key, temperature)
    found = chance.fit_temperature(logits, labels)
    mean = lambda t: chance.CategoricalLoss()(logits / t, labels) / N
    np.testing.assert_allclose(jax.grad(mean)(found), 0.0, atol=1e-12)
    # The standard error is 1 / sqrt(N times the curvature of the mean loss).
    error = float(1 / jnp.sqrt(N * jax.grad(jax.grad(mean))(found)))
    assert abs(float(found) - temperature) < 4.5 * error
    ece = lambda t: chance.expected_calibration_error(
        jax.nn.softmax(logits / t), labels
    )
    assert ece(found) < 0.2 * ece(1.0)


def test_temperature_does_not_care_for_units_and_offsets(key):
    logits, labels = drawn(key, 1.5, n=500)
    found = chance.fit_temperature(logits, labels)
    offset = jr.normal(key, (500, 1))
    again = chance.fit_temperature(1e6 * (logits + offset), labels)
    np.testing.assert_allclose(again, 1e6 * found, rtol=1e-9)
    small = chance.fit_temperature(logits.astype(jnp.float32), labels)
    assert small.dtype == jnp.float32
    np.testing.assert_allclose(small, found, rtol=1e-5)
    large = chance.fit_temperature(1e25 * logits.astype(jnp.float32), labels)
    np.testing.assert_allclose(large, 1e25 * found, rtol=1e-5)


def test_temperature_in_jax(key):
    logits, labels = drawn(key, 1.5, n=50)
    fit = lambda z: chance.fit_temperature(z, labels)
    both = jnp.stack([logits, 2 * logits])
    found = jax.jit(jax.vmap(fit))(both)
    np.testing.assert_allclose(found, [fit(logits), 2 * fit(logits)], rtol=1e-12)
    gradient, h = jax.grad(fit)(logits), 1e-5
    step = jnp.zeros_like(logits).at[3, 1].set(h)
    central = (fit(logits + step) - fit(logits - step)) / (2 * h)
    np.testing.assert_allclose(gradient[3, 1], central, atol=1e-8)


def test_temperature_where_none_is_best(key):
    logits = jr.normal(key, (30, 4))
    always, never = jnp.argmax(logits, -1), jnp.argmin(logits, -1)
    cold = chance.fit_temperature(logits, always)
    assert 0 < cold < 0.01
    assert chance.CategoricalLoss()(logits / cold, always) < 1e-12
    assert 1e3 < chance.fit_temperature(logits, never) < jnp.inf
    assert chance.fit_temperature(jnp.zeros((30, 4)), always) == 1.0


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: chance.reliability(jnp.array([1.5]), jnp.array([1])),
            ValueError,
            "`reliability`: probabilities holds 1.5; expected 0 to 1",
        ),
        (
            lambda: chance.reliability(jnp.array([0.5]), jnp.array([2])),
            ValueError,
            "`reliability`: labels holds 2; expected 0 to 1",
        ),
        (
            lambda: chance.reliability(jnp.array([0.5]), jnp.array([1]), 0),
            ValueError,
            "bins is 0; expected a Python int from 1",
        ),
        (
            lambda: chance.brier_score(jnp.full((1, 2), 0.7), jnp.array([1])),
            ValueError,
            "`brier_score`: probabilities has a row with sum 1.4; expected",
        ),
        (
            lambda: chance.expected_calibration_error(jnp.ones(0), jnp.ones(0, int)),
            ValueError,
            r"probabilities has shape \(0,\); expected one example or more",
        ),
        (
            lambda: chance.fit_temperature(
                jnp.array([[0.0, -jnp.inf]]), jnp.array([0])
            ),
            ValueError,
            "`fit_temperature`: logits holds -inf; expected finite numbers",
        ),
        (
            lambda: chance.brier_score(jnp.ones((2, 1, 1)), jnp.array([1, 1])),
            ValueError,
            r"probabilities has shape \(2, 1, 1\); expected",
        ),
        (
            lambda: chance.expected_calibration_error(jnp.ones(2), jnp.array([1])),
            ValueError,
            r"labels has shape \(1,\); expected \(2,\)",
        ),
        (
            lambda: chance.brier_score(jnp.ones(2), jnp.ones(2)),
            TypeError,
            "`brier_score`: labels is of type float64; expected whole numbers",
        ),
        (
            lambda: chance.brier_score(jnp.ones(2, int), jnp.ones(2, int)),
            TypeError,
            "`brier_score`: probabilities is of type int64; expected real numbers",
        ),
        (
            lambda: chance.fit_temperature(jnp.ones(3), jnp.array([0])),
            ValueError,
            r"`fit_temperature`: logits has shape \(3,\); expected \(N, C\)",
        ),
    ],
)
def test_what_cannot_be_measured(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
