"""Expectations: derivatives of orders 0 to 3 against exact ones, variances, errors."""

import functools
import math

import jax
import jax.numpy as jnp
import jax.random as jr
import jax.scipy.stats as stats
import numpy as np
import pytest

from osculate import chance
from osculate.chance import Bernoulli, Categorical, Exponential, Independent, Normal

NUM_CASES = 8  # random functions and parameters per law and way
WHOLE = jnp.arange(60.0)
LINE = jnp.linspace(-25.0, 25.0, 2001)
LOG_LINE = jnp.linspace(-30.0, 6.0, 3001)


def function(c):
    """A random function of a draw and of the parameter itself."""

    def f(x, t):
        x = jnp.asarray(x, float)
        return c[0] * x + c[1] * x**2 / 4 + c[2] * jnp.sin(c[3] * x + t) + t * x

    return f


def by_sum(f, log_p, x):
    return jnp.sum(jnp.exp(log_p) * f(x))


def by_integral(f, log_pdf):
    return jnp.trapezoid(jnp.exp(log_pdf(LINE)) * f(LINE), LINE)


def by_positive_integral(f, log_pdf):
    x = jnp.exp(LOG_LINE)
    return jnp.trapezoid(x * jnp.exp(log_pdf(x)) * f(x), LOG_LINE)


def logits(t):
    return jnp.stack([t, -t, 0.5 * t**2, 0.3 + 0 * t])


# A law of one parameter around 0.5, its exact expectations, and ways to estimate.
LAWS = {
    "Normal mean": (
        lambda t: Normal(t, 0.8),
        lambda f, t: by_integral(f, lambda x: stats.norm.logpdf(x, t, 0.8)),
        ("reparameterize", "score"),
    ),
    "Normal scale": (
        lambda t: Normal(0.2, 1 + t),
        lambda f, t: by_integral(f, lambda x: stats.norm.logpdf(x, 0.2, 1 + t)),
        ("reparameterize", "score"),
    ),
    "Exponential": (
        lambda t: Exponential(1 + t),
        lambda f, t: by_positive_integral(
            f, lambda x: stats.expon.logpdf(x, 0.0, 1 / (1 + t))
        ),
        ("reparameterize", "score"),
    ),
    "Gamma": (
        lambda t: chance.Gamma(2 + t, 2.0),
        lambda f, t: by_positive_integral(
            f, lambda x: stats.gamma.logpdf(x, 2 + t, 0.0, 0.5)
        ),
        ("score",),
    ),
    "Poisson": (
        lambda t: chance.Poisson(1 + t),
        lambda f, t: by_sum(f, stats.poisson.logpmf(WHOLE, 1 + t), WHOLE),
        ("score",),
    ),
    "Bernoulli": (
        lambda t: Bernoulli(t),
        lambda f, t: f(0.0) + jax.nn.sigmoid(t) * (f(1.0) - f(0.0)),
        ("enumerate", "score"),
    ),
    "Categorical": (
        lambda t: Categorical(logits(t)),
        lambda f, t: by_sum(f, jax.nn.log_softmax(logits(t)), jnp.arange(4.0)),
        ("enumerate", "score"),
    ),
}
PAIRS = [(law, how) for law, (_, _, ways) in LAWS.items() for how in ways]


def orders(g, t):
    """The value of g and its first three derivatives, by forward mode thrice."""
    slope = lambda g: lambda t: jax.jvp(g, (t,), (jnp.ones_like(t),))[1]
    first = slope(g)
    return jnp.stack([g(t), first(t), slope(first)(t), slope(slope(first))(t)])


@pytest.mark.spec("K3.5.1")
@pytest.mark.parametrize(("name", "how"), PAIRS)
def test_unbiased_at_orders_0_to_3(name, how):
    law, exact, _ = LAWS[name]
    repeats, n = (1, 1) if how == "enumerate" else (1000, 8)

    def estimates(t, c, key):
        f = function(c)
        g = lambda key: lambda t: chance.expect(lambda x: f(x, t), law(t), key, n, how)
        found = jax.vmap(lambda key: orders(g(key), t))(jr.split(key, repeats))
        spread = jnp.std(found, axis=0) / repeats**0.5
        truth = orders(lambda t: exact(lambda x: f(x, t), t), t)
        return jnp.mean(found, axis=0), spread, truth

    keys = jr.split(jr.key(7), NUM_CASES)
    t = jr.uniform(jr.key(1), (NUM_CASES,), float, 0.2, 0.9)
    c = jr.normal(jr.key(2), (NUM_CASES, 4))
    found, error, truth = jax.jit(jax.vmap(estimates))(t, c, keys)
    assert np.all(np.abs(found - truth) <= 4.5 * error + 1e-9)
    share = np.median(error / (1 + np.abs(truth)), axis=0)
    assert np.all(share < 0.5)  # small enough to show a bias


def surrogate(f, law, key, n):
    """The product log p · f, whose first derivative is right."""
    x = jax.lax.stop_gradient(law.sample(key, (n,)))
    return jnp.mean(jax.lax.stop_gradient(f(x)) * law.log_prob(x))


@pytest.mark.slow
@pytest.mark.spec("K3.5.1")
def test_second_derivatives_of_the_naive_surrogate_are_wrong():
    f = lambda a: jnp.array([1.0, 3.0, -2.0, 0.5])[a]
    at = jnp.array([0.1, -0.4, 0.3, 0.2])
    exact = jax.hessian(lambda l: chance.expect(f, Categorical(l)))(at)
    exact_gradient = jax.grad(lambda l: chance.expect(f, Categorical(l)))(at)
    keys = jr.split(jr.key(0), 2000)
    size = jnp.linalg.norm

    naive = lambda l, key: surrogate(f, Categorical(l), key, 32)
    ours = lambda l, key: chance.expect(f, Categorical(l), key, 32, "score")
    derivatives = [jax.grad(naive), jax.hessian(naive), jax.hessian(ours)]
    all_of = lambda key: [derivative(at, key) for derivative in derivatives]
    drawn = jax.jit(jax.vmap(all_of))(keys)
    gradient, wrong, right = (jnp.mean(a, axis=0) for a in drawn)
    errors = [size(jnp.std(a, axis=0)) / 2000**0.5 for a in drawn]
    assert size(gradient - exact_gradient) < 4.5 * errors[0]
    assert 0.9 < size(wrong - exact) / size(exact) < 1.1
    assert size(right - exact) < 4.5 * errors[2]
    assert max(errors[1:]) / size(exact) < 0.06


@pytest.mark.spec("K3.5.1")
def test_variance_of_the_derivative_of_a_square():
    # d/dmu E x² at mu = sigma = 1: 4 reparameterized, 30 by the score, 18 with 2 off.
    report = functools.partial(
        chance.report_variance, jnp.square, Normal(1.0, 1.0), jr.key(0), 400_000
    )
    for how, baseline, exact in [
        ("reparameterize", None, 4),
        ("score", None, 30),
        ("score", 2.0, 18),
        ("score", "leave-one-out", 18),  # the mean of x² is 2
    ]:
        found = report(how, baseline=baseline)
        assert found.gradient_variance.mean == pytest.approx(exact, rel=0.04)
        error = (exact / 400_000) ** 0.5
        assert abs(found.gradient.mean - 2) < 4.5 * error
        assert abs(found.value - 2) < 4.5 * found.standard_error
        assert found.standard_error == pytest.approx((6 / 400_000) ** 0.5, rel=0.02)


def exact_variances(mu, D, n):
    """Variance of d/dmu_i E|x|² by the score: alone, and with leave-one-out."""
    m, v = (D - 1) * (mu**2 + 1), (D - 1) * (2 + 4 * mu**2)  # of the other entries
    alone = v + m**2 + 2 * m * (mu**2 + 3) + mu**4 + 18 * mu**2 + 15 - 4 * mu**2
    # It is the sample covariance of |x|² and z_i; b = (mu + z)² - mu² - 1.
    both = v + 10 + 4 * mu**2 * 3
    total = v + 2 + 4 * mu**2
    covariance = 2 * mu
    with_others = both / n - ((n - 2) * covariance**2 - total) / (n * (n - 1))
    return alone / n, with_others


@pytest.mark.spec("K3.5.1")
def test_variance_in_twenty_dimensions():
    D, n = 20, 10

    def variances(mu, keys):
        def variance(how, baseline):
            g = lambda m, key: chance.expect(
                lambda x: jnp.sum(x**2), Normal(m, 1.0), key, n, how, baseline=baseline
            )
            found = jax.vmap(jax.grad(g), (None, 0))(jnp.full(D, mu), keys)
            return jnp.mean(jnp.var(found, axis=0))

        alone, others = variance("score", None), variance("score", "leave-one-out")
        return jnp.stack([variance("reparameterize", None), alone, others])

    mu, keys = jnp.array([0.0, 1.0, 3.0]), jr.split(jr.key(4), 2000)
    found = np.asarray(jax.jit(jax.vmap(variances, (0, None)))(mu, keys))
    np.testing.assert_allclose(found[:, 0], 0.4, rtol=0.04)
    exact = np.array([exact_variances(m, D, n) for m in (0, 1, 3)])
    np.testing.assert_allclose(found[:, 1:], exact, rtol=0.1)
    times = [[133, 13], [472, 37], [10384, 223]]
    np.testing.assert_allclose(found[:, 1:] / found[:, :1], times, rtol=0.13)


@pytest.mark.spec("K3.5.2-3")
def test_gumbel_max():
    logits = jnp.array([0.1, -0.4, 0.3, 1.2])
    p, n = jax.nn.softmax(logits), 200_000
    drawn = chance.straight_through(logits, jr.key(3), 0.5, (n,))
    assert np.all(np.sort(np.asarray(drawn), axis=1)[:, :3] == 0)
    error = jnp.sqrt(p * (1 - p) / n)
    assert np.all(np.abs(jnp.mean(drawn, axis=0) - p) < 4.5 * error)


@pytest.mark.spec("K3.5.4-5")
@pytest.mark.parametrize("k", range(3))
def test_the_integral_that_defines_gumbel_numbers(k):
    x = jnp.array([0.3, -0.5, 0.9])
    z = jnp.linspace(-8.0, 40.0, 20_001)
    g = lambda z: jnp.exp(chance.Gumbel(0.0, 1.0).log_prob(z))
    others = [g(x[k] + z - x[j]) for j in range(3) if j != k]
    found = jnp.trapezoid(g(z) * others[0] * others[1], z)
    exact = math.factorial(2) * jnp.prod(jax.nn.softmax(x))
    assert found == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.spec("K3.5.7")
def test_gumbel_softmax():
    logits = jnp.array([0.1, -0.4, 0.3, 0.2])
    p, n = jax.nn.softmax(logits), 100_000
    soft = chance.gumbel_softmax(logits, jr.key(3), 1e-3, (n,))
    np.testing.assert_allclose(jnp.sum(soft, axis=-1), 1, rtol=1e-12)
    assert jnp.mean(jnp.max(soft, axis=-1)) > 0.998
    assert np.all(np.abs(jnp.mean(soft, axis=0) - p) < 5 * jnp.sqrt(p * (1 - p) / n))
    # The largest entry has its class's probability at any temperature.
    warm = chance.gumbel_softmax(logits, jr.key(3), 2.0, (n,))
    np.testing.assert_array_equal(jnp.argmax(warm, -1), jnp.argmax(soft, -1))
    for temperature in (1e-6, 1e-3, 1e3):
        one = lambda l, tau=temperature: chance.gumbel_softmax(l, jr.key(0), tau)[0]
        assert jnp.all(jnp.isfinite(jax.grad(one)(logits.astype(jnp.float32))))


@pytest.mark.spec("K3.5.7")
def test_the_bias_of_the_relaxations_falls_with_the_temperature():
    rewards = jnp.array([1.0, 3.0, -2.0, 0.5])
    at = jnp.array([0.1, -0.4, 0.3, 0.2])
    exact = jax.grad(lambda l: jnp.sum(jax.nn.softmax(l) * rewards**2))(at)

    def bias(how, temperature):
        g = lambda l, key: chance.expect(
            lambda z: jnp.dot(z, rewards) ** 2,
            Categorical(l),
            key,
            64,
            how,
            temperature=temperature,
        )
        found = jax.vmap(jax.grad(g), (None, 0))(at, jr.split(jr.key(1), 1000))
        return jnp.linalg.norm(jnp.mean(found, axis=0) - exact) / jnp.linalg.norm(exact)

    temperatures = jnp.array([1.0, 0.5, 0.2, 0.1])
    one_way = lambda how: jax.jit(jax.vmap(lambda t: bias(how, t)))(temperatures)
    np.testing.assert_allclose(
        one_way("gumbel_softmax"), [0.75, 0.49, 0.21, 0.11], atol=0.03
    )
    through = one_way("straight_through")
    assert through[0] > 0.05
    value = chance.expect(
        lambda z: jnp.dot(z, rewards) ** 2,
        Categorical(at),
        jr.key(0),
        100_000,
        "straight_through",
    )
    exact_value = jnp.sum(jax.nn.softmax(at) * rewards**2)
    assert abs(value - exact_value) < 4.5 * 3.6 / 100_000**0.5


@pytest.mark.spec("K1.10.4")
def test_linearity_of_expectation():
    covariance = jnp.array([[1.0, 0.8], [0.8, 2.0]])
    law = chance.MultivariateNormal(
        jnp.array([0.5, -1.0]), jnp.linalg.cholesky(covariance)
    )
    mean = lambda f: chance.expect(f, law, jr.key(0), 100_000)
    X, Y, both, product = (
        mean(f)
        for f in (
            lambda x: x[0],
            lambda x: x[1],
            lambda x: x[0] + x[1],
            lambda x: x[0] * x[1],
        )
    )
    assert both == pytest.approx(float(X + Y), abs=1e-12)
    error = (1 * 2 + 0.8**2 + 0.25 * 2 + 1 - 2 * 0.5 * 0.8) ** 0.5 / 100_000**0.5
    assert abs(product - (0.8 - 0.5)) < 4.5 * error
    assert product - X * Y == pytest.approx(0.8, abs=0.05)


def test_nested_expectations():
    # E_x [(E_y|x y²)²] for x of two values and y of three.
    def nested(t):
        inner = lambda x: chance.expect(
            lambda y: (1.0 + y.astype(float)) ** 2,
            Categorical(jnp.stack([t * x, t**2, 0 * t - x])),
        )
        return chance.expect(lambda x: inner(x.astype(float)) ** 2, Bernoulli(t))

    def exact(t):
        total = 0.0
        for x, p in ((0.0, jax.nn.sigmoid(-t)), (1.0, jax.nn.sigmoid(t))):
            q = jax.nn.softmax(jnp.stack([t * x, t**2, 0 * t - x]))
            total += p * jnp.dot(q, jnp.array([1.0, 4.0, 9.0])) ** 2
        return total

    both = jax.jit(lambda t: (orders(nested, t), orders(exact, t)))
    found, truth = both(jnp.array(0.7))
    np.testing.assert_allclose(found, truth, rtol=1e-10)


def test_nested_draws():
    # x ~ N(t, 1), y exponential of mean exp(x / 2): E y = exp(t / 2 + 1 / 8).
    def nested(t, key):
        k_x, k_y = jr.split(key)
        inner = lambda x: chance.expect(
            lambda y: y,
            Exponential(jnp.exp(-x / 2)),
            k_y,
            1,
            "score",
            baseline=None,
        )
        return chance.expect(inner, Normal(t, 1.0), k_x, 4)

    at = jax.vmap(lambda key: orders(lambda t: nested(t, key), jnp.array(0.3)))
    found = jax.jit(at)(jr.split(jr.key(0), 8000))
    truth = math.exp(0.3 / 2 + 1 / 8) * 0.5 ** np.arange(4)
    error = np.std(found, axis=0) / 8000**0.5
    assert np.all(np.abs(np.mean(found, axis=0) - truth) < 4.5 * error)


def test_draws_within_draws_within_draws():
    # x ~ N(t, 1), y ~ N(t x, 1), z of mean exp(y / 4): E z² = 2 exp(1/8 + 5 t² / 8).
    def nested(t, key):
        k_x, k_y, k_z = jr.split(key, 3)
        mean = lambda f, law, key: chance.expect(f, law, key, 2, "score")
        last = lambda y: mean(jnp.square, Exponential(jnp.exp(-y / 4)), k_z)
        middle = lambda x: mean(last, Normal(t * x, 1.0), k_y)
        return mean(middle, Normal(t, 1.0), k_x)

    def first_orders(g, t):
        slope = lambda g: lambda t: jax.jvp(g, (t,), (jnp.ones_like(t),))[1]
        return jnp.stack([g(t), slope(g)(t), slope(slope(g))(t)])

    t = jnp.array(0.5)
    at = jax.vmap(lambda key: first_orders(lambda t: nested(t, key), t))
    found = jax.jit(at)(jr.split(jr.key(0), 20_000))
    truth = first_orders(lambda t: 2 * jnp.exp(1 / 8 + 5 * t**2 / 8), t)
    error = np.std(found, axis=0) / 20_000**0.5
    assert np.all(np.abs(np.mean(found, axis=0) - truth) < 4.5 * error)
    assert np.all(error[:2] < 0.03 * truth[:2])


@pytest.mark.parametrize("baseline", ["leave-one-out", None, 3.0])
def test_parameters_hidden_in_the_maps_of_a_law(baseline):
    # X = t exp(z / 2): the maps hold t, which is no leaf of the law.
    def both(t, key):
        law = chance.Transformed(
            Normal(0.0, 1.0),
            lambda z: t * jnp.exp(z / 2),
            lambda x: 2 * jnp.log(x / t),
        )
        f = lambda x: jnp.stack(
            [x**2, jnp.where(x > 1.0, 1.0, 0.0)]
        )  # the second has a jump
        return chance.expect(f, law, key, 8, "score", baseline=baseline)

    def exact(t):
        return jnp.stack([t**2 * math.exp(0.5), stats.norm.cdf(2 * jnp.log(t))])

    t = jnp.array(0.7)
    at = jax.vmap(lambda key: orders(lambda t: both(t, key), t)[:3])
    found = jax.jit(at)(jr.split(jr.key(1), 20_000))
    truth = orders(exact, t)[:3]
    error = np.std(found, axis=0) / 20_000**0.5
    assert np.all(np.abs(np.mean(found, axis=0) - truth) < 4.5 * error)


# A function with a jump, and exact expectations of it.
def UP(x):
    x = jnp.asarray(x, float)
    return jnp.where(x > 1.5, 2.0 + jnp.sin(x), 0.0)


WEAK = {
    "Normal": (
        lambda t: Normal(t[0], t[1]),
        lambda t: by_weights(lambda x: stats.norm.logpdf(x, t[0], t[1]), 1.5, 12.0),
    ),
    "Exponential": (
        lambda t: Exponential(t[0]),
        lambda t: by_weights(lambda x: stats.expon.logpdf(x, 0.0, 1 / t[0]), 1.5, 60.0),
    ),
    "Poisson": (
        lambda t: chance.Poisson(t[0]),
        lambda t: by_sum(UP, stats.poisson.logpmf(WHOLE, t[0]), WHOLE),
    ),
    "Bernoulli": (
        lambda t: Bernoulli(t[0] + t[1]),
        lambda t: jax.nn.sigmoid(t[0] + t[1]) * UP(2.0),
    ),
}


def by_weights(log_pdf, low, high):
    """The integral of UP from its jump on, by Gauss and Legendre."""
    x, w = np.polynomial.legendre.leggauss(200)
    x, w = low + (high - low) * (x + 1) / 2, w * (high - low) / 2
    x = jnp.array(x)
    return jnp.sum(jnp.array(w) * UP(x) * jnp.exp(log_pdf(x)))


@pytest.mark.spec("K3.5.1")
@pytest.mark.parametrize("name", WEAK)
def test_measure_valued_derivatives(name):
    law, exact = WEAK[name]
    f = (lambda x: UP(2.0 * x.astype(float))) if name == "Bernoulli" else UP
    at = jnp.array([0.9, 0.7])
    g = lambda t, key: t[0] * chance.expect(f, law(t), key, 4, "measure")
    truth = jax.value_and_grad(lambda t: t[0] * exact(t))(at)
    value, slope = jax.jit(jax.vmap(jax.value_and_grad(g), (None, 0)))(
        at, jr.split(jr.key(5), 10_000)
    )
    for found, right in zip((value, slope), truth, strict=True):
        error = np.std(found, axis=0) / 100
        assert np.all(np.abs(np.mean(found, axis=0) - right) <= 4.5 * error + 1e-12)


def test_measure_valued_derivatives_of_many_entries():
    # A jump of all entries together, against the score.
    f = lambda x: {"any": jnp.max(x) > 0.5, "two": x[:2] > 0.0}
    g = lambda how: (
        lambda t, key: chance.expect(f, Independent(Normal(t, 0.8), 1), key, 8, how)
    )
    at, keys = jnp.array([0.1, -0.2, 0.4]), jr.split(jr.key(6), 4000)
    derive = lambda how: jax.jit(jax.vmap(jax.jacrev(g(how)), (None, 0)))(at, keys)
    weak, score = derive("measure"), derive("score")
    for part in ("any", "two"):
        mean = lambda a: np.mean(np.asarray(a), axis=0)
        error = np.hypot(np.std(weak[part], axis=0), np.std(score[part], axis=0))
        off = np.abs(mean(weak[part]) - mean(score[part]))
        assert np.all(off <= 4.5 * error / 4000**0.5 + 1e-12)
    assert weak["two"].shape == (4000, 2, 3)
    assert np.var(weak["any"]) < np.var(score["any"])


def test_measure_valued_derivatives_are_first_ones():
    g = lambda t: chance.expect(UP, Normal(t, 1.0), jr.key(0), 4, "measure")
    with pytest.raises(ValueError, match="how='measure' has first derivatives only"):
        jax.jit(jax.grad(jax.grad(g)))(0.3)


def test_auto():
    f = lambda x: jnp.sum(jnp.asarray(x, float) ** 2)
    logits = jnp.linspace(-1.0, 1.0, 6)
    # Six bits have 64 joint values, and no key is needed.
    exact = jnp.sum(jax.nn.sigmoid(logits))
    assert chance.expect(f, Bernoulli(logits)) == pytest.approx(float(exact), rel=1e-12)
    product = lambda x: jnp.prod(jnp.asarray(x, float))
    found = jax.grad(lambda l: chance.expect(product, Independent(Bernoulli(l), 1)))(
        logits
    )
    truth = jax.grad(lambda l: jnp.prod(jax.nn.sigmoid(l)))(logits)
    np.testing.assert_allclose(found, truth, rtol=1e-10)
    square = chance.expect(f, Categorical(jnp.ones((2, 5))))
    assert square == pytest.approx(2 * 6)
    key = jr.key(0)
    derive = lambda how: jax.grad(lambda l: chance.expect(f, l, key, 5, how))
    for law, way in [
        (Normal(jnp.ones(3), 1.0), "reparameterize"),
        (Bernoulli(jnp.ones(7)), "score"),
    ]:
        both = lambda law, way=way: (derive("auto")(law), derive(way)(law))
        chosen, named = jax.jit(both)(law)
        jax.tree.map(np.testing.assert_array_equal, chosen, named)


def test_a_baseline_removes_variance_alone():
    law, keys = Exponential(1.0), jr.split(jr.key(8), 2000)
    f = lambda x: 10.0 + x

    def slopes(baseline):
        g = lambda l, key: chance.expect(f, l, key, 8, "score", baseline=baseline)
        return jax.jit(jax.vmap(lambda key: jax.grad(g)(law, key).rate))(keys)

    alone, others, number = slopes(None), slopes("leave-one-out"), slopes(11.0)
    for found in (alone, others, number):
        error = np.std(found) / 2000**0.5
        assert abs(np.mean(found) + 1) < 4.5 * error
    assert np.var(alone) > 10 * np.var(others)
    assert np.var(alone) > 10 * np.var(number)


def test_trees_of_values_compiled_mapped_and_in_single_precision():
    law = Normal(jnp.zeros(2, jnp.float32), jnp.ones(2, jnp.float32))
    f = lambda x: {"square": x**2, "positive": x[0] > 0, "sum": (jnp.sum(x),)}
    for how in ("reparameterize", "score", "measure"):
        g = jax.jit(lambda l, key, how=how: chance.expect(f, l, key, 400, how))
        found = jax.vmap(g, (None, 0))(law, jr.split(jr.key(0), 3))
        assert found["square"].shape == (3, 2)
        assert found["square"].dtype == jnp.float32
        assert np.all(np.abs(found["positive"] - 0.5) < 0.15)


def test_far_out_in_single_precision():
    # The probability of a draw underflows; its derivatives do not.
    law = Categorical(jnp.array([0.0, 200.0, -200.0], jnp.float32))
    for how in ("score", "enumerate"):
        g = lambda l, how=how: chance.expect(
            lambda x: x.astype(jnp.float32), l, jr.key(0), 50, how
        )
        assert jnp.all(jnp.isfinite(jax.jit(jax.grad(g))(law).logits))
    wide = Normal(jnp.float32(1e4), jnp.float32(1e-3))
    g = lambda l: chance.expect(lambda x: x - 1e4, l, jr.key(0), 50, "score")
    assert jnp.isfinite(jax.jit(jax.grad(g))(wide).mean)


def test_report_of_an_exact_way():
    found = chance.report_variance(lambda x: x.astype(float), Bernoulli(0.0))
    assert found.value == pytest.approx(0.5)
    assert found.standard_error == 0
    assert found.gradient.logits == pytest.approx(0.25)
    assert found.gradient_variance.logits == 0


def test_report_of_a_distribution_with_maps():
    lognormal = chance.Transformed(Normal(0.1, 0.3), jnp.exp, jnp.log)
    found = chance.report_variance(lambda x: x, lognormal, jr.key(0), 20_000)
    mean = math.exp(0.1 + 0.045)
    error = (found.gradient_variance.base.mean / 20_000) ** 0.5
    assert abs(found.gradient.base.mean - mean) < 4.5 * error
    assert found.gradient.forward is None


def test_errors(key):
    law = Normal(0.0, 1.0)
    f = jnp.sin
    with pytest.raises(ValueError, match="`expect`: key is missing"):
        chance.expect(f, law)
    with pytest.raises(ValueError, match="n is 1; expected 1 or more draws, and 2"):
        chance.expect(f, law, key, 1, "score")
    assert jnp.isfinite(chance.expect(f, law, key, 1, "score", baseline=None))
    with pytest.raises(ValueError, match="n is 0"):
        chance.expect(f, law, key, 0)
    ways = r"\['reparameterize', 'score', 'measure'\] for Normal of shape \(\)"
    with pytest.raises(ValueError, match=f"how is 'enumerate'; expected one of {ways}"):
        chance.expect(f, law, key, how="enumerate")
    with pytest.raises(ValueError, match="how is 'magic'"):
        chance.expect(f, law, key, how="magic")
    with pytest.raises(ValueError, match=r"'reparameterize'; expected one of.*'enumer"):
        chance.expect(f, Categorical(jnp.ones(3)), key, how="reparameterize")
    with pytest.raises(ValueError, match="baseline is 'mine'"):
        chance.expect(f, law, key, how="score", baseline="mine")
    with pytest.raises(ValueError, match="temperature is not positive"):
        chance.expect(
            jnp.sum, Categorical(jnp.ones(3)), key, how="gumbel_softmax", temperature=0
        )
    with pytest.raises(ValueError, match=r"`gumbel_softmax`: logits has shape \(0,\)"):
        chance.gumbel_softmax(jnp.zeros(0), key)
    whole = jax.tree.map(lambda a: a.astype(int), law)
    with pytest.raises(TypeError, match="`expect`: mean of Normal is of int64"):
        chance.expect(f, whole, key)
    with pytest.raises(ValueError, match=r"`report_variance`: f returns \(1000, 2\)"):
        chance.report_variance(lambda x: jnp.stack([x, x]), law, key)
    with pytest.raises(ValueError, match="`report_variance`: n is 1"):
        chance.report_variance(f, law, key, 1)
