"""Every distribution against quadrature, sums, its own draws and finite differences."""

import math
from functools import lru_cache, partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, strategies as st

from osculate import chance, diff

DRAWS = 20_000
ERRORS = 4.5  # standard errors: a chance of 7e-6 per check, and the keys are fixed


log_prob = eqx.filter_jit(lambda law, x: law.log_prob(x))


def half_line(h=0.02, reach=3.6):
    """Nodes and weights of double-exponential quadrature on the positive numbers."""
    t = np.arange(-reach, reach + h / 2, h)
    x = np.exp(np.pi / 2 * np.sinh(t))
    return x, h * np.pi / 2 * np.cosh(t) * x


def unit_interval(h=0.02, reach=2.9):
    t = np.arange(-reach, reach + h / 2, h)
    x = 1 / (1 + np.exp(-np.pi * np.sinh(t)))
    return x, h * np.pi * np.cosh(t) * x * (1 - x)


def real_line(center):
    x, w = half_line()
    return np.concatenate([center - x, center + x]), np.concatenate([w, w])


def counts(most):
    return np.arange(most + 1), np.ones(most + 1)


def plane():
    x, w = np.polynomial.hermite_e.hermegauss(40)
    nodes = np.stack(np.meshgrid(x, x), -1).reshape(-1, 2)
    weights = np.outer(w * np.exp(x**2 / 2), w * np.exp(x**2 / 2)).reshape(-1)
    return nodes, weights


def simplex():
    """Shares by breaking a stick twice."""
    x, w = unit_interval(0.05, 2.6)
    u, v = (a.reshape(-1) for a in np.meshgrid(x, x))
    weights = np.outer(w, w).reshape(-1) * (1 - u)
    return np.stack([u, (1 - u) * v, (1 - u) * (1 - v)], -1), weights


def multivariate_normal(a, b, c, d, e):
    scale_tril = jnp.stack([jnp.stack([c, 0 * c]), jnp.stack([d, e])])
    return chance.MultivariateNormal(jnp.stack([a, b]), scale_tril)


CASES = {  # how it is made of numbers, the numbers, nodes and weights
    "normal": (chance.Normal, (0.7, 1.3), real_line(0.7)),
    "laplace": (chance.Laplace, (-0.4, 0.8), real_line(-0.4)),
    "cauchy": (chance.Cauchy, (0.3, 0.5), real_line(0.3)),
    "student_t": (chance.StudentT, (9.0, 0.5, 1.2), real_line(0.5)),
    "gumbel": (chance.Gumbel, (0.2, 1.5), real_line(0.2)),
    "exponential": (chance.Exponential, (1.7,), half_line()),
    "gamma": (chance.Gamma, (2.5, 1.6), half_line()),
    "gamma_many": (chance.Gamma, (12.5, 3.0), half_line(0.005)),
    "beta": (chance.Beta, (2.5, 1.8), unit_interval()),
    "bernoulli": (chance.Bernoulli, (0.6,), counts(1)),
    "binomial": (partial(chance.Binomial, 23), (-0.4,), counts(23)),
    "poisson": (chance.Poisson, (3.7,), counts(60)),
    "categorical": (
        lambda *logits: chance.Categorical(jnp.stack(logits)),
        (0.3, -1.0, 0.9, 0.0),
        counts(3),
    ),
    "multivariate_normal": (multivariate_normal, (0.3, -0.2, 1.1, 0.4, 0.7), plane()),
    "dirichlet": (
        lambda *weights: chance.Dirichlet(jnp.stack(weights)),
        (1.7, 2.5, 3.2),
        simplex(),
    ),
    "mixture": (
        lambda a, b, c: chance.Mixture(
            chance.Categorical(jnp.stack([a, 0 * a])),
            chance.Laplace(jnp.stack([b, b]), jnp.stack([c, 2 * c])),
        ),
        (0.4, 0.5, 0.6),
        real_line(0.5),
    ),
    "transformed": (
        lambda a, b: chance.Transformed(chance.Normal(a, b), jnp.exp, jnp.log),
        (0.1, 0.6),
        half_line(),
    ),
}
EVERY = pytest.mark.parametrize("name", CASES)
NO_MOMENTS = {"cauchy", "transformed"}
NO_ENTROPY = {"mixture", "transformed"}
NO_FISHER = {"mixture"}


@lru_cache
def made(name):
    make, numbers, (x, w) = CASES[name]
    return make(*map(jnp.asarray, numbers)), jnp.asarray(x), np.asarray(w)


@lru_cache
def measured(name):
    """Log-probabilities and scores at the nodes, and what the closed forms say."""
    make, numbers, _ = CASES[name]
    _, x, w = made(name)

    @jax.jit
    def at(theta):
        d = make(*theta)
        found = {
            "log_p": d.log_prob(x),
            "score": jax.jacfwd(lambda theta: make(*theta).log_prob(x))(theta),
        }
        if name not in NO_MOMENTS:
            found |= {"mean": d.mean, "variance": d.variance}
        if name not in NO_ENTROPY:
            found |= {"entropy": d.entropy(), "mode": d.mode}
            found["peak"] = d.log_prob(d.mode)
        if name not in NO_FISHER:
            found["fisher"] = d.fisher()
        return found

    found = {k: np.asarray(v) for k, v in at(jnp.asarray(numbers)).items()}
    assert not np.any(np.isnan(found["log_p"]))
    found["p"] = np.exp(found["log_p"]) * w  # weights of expectations
    found["x"] = np.asarray(x, float)
    return found


def differences(function, theta, h=1e-5):
    """Central differences by each entry of theta, along the first axis."""
    steps = h * jnp.identity(theta.size)
    up, down = theta[None] + steps, theta[None] - steps
    each = jax.jit(jax.vmap(function))
    return (each(up) - each(down)) / (2 * h)


def average(values, p):
    """Of values `(n, ...)`; what never comes does not count."""
    p = p.reshape(-1, *(1,) * (values.ndim - 1))
    return np.sum(np.where(p > 0, values, 0.0) * p, axis=0)


# --- quadrature and sums --------------------------------------------------------------


@pytest.mark.spec("K3.2.1")
@EVERY
def test_density_and_moments(name):
    """The tail of Cauchy's density beyond the last node is 1e-12."""
    m = measured(name)
    assert abs(m["p"].sum() - 1) < 1e-8
    if name in NO_MOMENTS:
        return
    mean = average(m["x"], m["p"])
    np.testing.assert_allclose(m["mean"], mean, rtol=0, atol=1e-8)
    variance = average((m["x"] - mean) ** 2, m["p"])
    np.testing.assert_allclose(m["variance"], variance, rtol=1e-8)


@pytest.mark.spec("K2.1.5")
@EVERY
def test_entropy(name):
    if name in NO_ENTROPY:
        with pytest.raises(NotImplementedError, match=r"`\w+`: entropy has no closed"):
            made(name)[0].entropy()
        return
    m = measured(name)
    exact = -average(m["log_p"], m["p"])
    np.testing.assert_allclose(m["entropy"], exact, rtol=0, atol=1e-8)


@EVERY
def test_mode_is_where_the_density_is_largest(name):
    d = made(name)[0]
    if name in NO_ENTROPY:
        with pytest.raises(NotImplementedError, match=r"`\w+`: mode has no closed"):
            _ = d.mode
        return
    m = measured(name)
    assert m["peak"] >= np.max(m["log_p"]) - 1e-12
    assert m["mode"].shape == d.shape


@pytest.mark.spec("K2.3.5-6")
@EVERY
def test_score_has_mean_0_and_the_covariance_fisher(name):
    m = measured(name)
    score = np.where(m["p"][:, None] > 0, m["score"], 0.0)
    np.testing.assert_allclose(average(score, m["p"]), 0, atol=1e-7)
    if name in NO_FISHER:
        with pytest.raises(NotImplementedError, match="fisher has no closed form"):
            made(name)[0].fisher()
        return
    covariance = average(score[:, :, None] * score[:, None, :], m["p"])
    np.testing.assert_allclose(m["fisher"], covariance, rtol=0, atol=1e-6)


@pytest.mark.spec("K2.3.5-6")
def test_score_averages_to_0_over_draws(key):
    logits = jnp.asarray([0.3, -1.0, 0.9])
    x = chance.Categorical(logits).sample(key, (DRAWS,))
    score = jax.jacfwd(lambda logits: chance.Categorical(logits).log_prob(x))(logits)
    error = np.std(score, axis=0) / math.sqrt(DRAWS)
    assert np.all(np.abs(np.mean(score, axis=0)) < ERRORS * error)


def test_log_prob_agrees_with_scipy():
    oracles = scipy.stats
    x = np.linspace(0.05, 0.95, 7)
    for d, oracle in [
        (chance.Laplace(0.1, 0.7), oracles.laplace(0.1, 0.7)),
        (chance.Cauchy(0.1, 0.7), oracles.cauchy(0.1, 0.7)),
        (chance.StudentT(70.0, 0.1, 0.7), oracles.t(70.0, 0.1, 0.7)),
        (chance.Gumbel(0.1, 0.7), oracles.gumbel_r(0.1, 0.7)),
        (chance.Exponential(3.0), oracles.expon(scale=1 / 3)),
        (chance.Gamma(40.0, 50.0), oracles.gamma(40.0, scale=1 / 50)),
        (chance.Beta(40.0, 0.3), oracles.beta(40.0, 0.3)),
    ]:
        np.testing.assert_allclose(log_prob(d, x), oracle.logpdf(x), rtol=1e-10)
    k = np.arange(0, 120, 7)
    poisson = oracles.poisson(55.0)
    np.testing.assert_allclose(log_prob(chance.Poisson(55.0), k), poisson.logpmf(k))
    np.testing.assert_allclose(chance.Poisson(55.0).entropy(), poisson.entropy())
    binomial = oracles.binom(130, jax.nn.sigmoid(-0.3))
    found = log_prob(chance.Binomial(130, -0.3), k)
    np.testing.assert_allclose(found, binomial.logpmf(k), rtol=1e-9)


# --- draws ----------------------------------------------------------------------------


@EVERY
def test_draws_have_the_mean_and_the_variance(name, key):
    d = made(name)[0]

    @jax.jit
    def draw(key):
        x = d.sample(key, (DRAWS,))
        return x, jnp.all(jnp.isfinite(d.log_prob(x)))

    x, finite = draw(key)
    assert finite
    assert x.shape == (DRAWS, *d.shape)
    if name in NO_MOMENTS:
        return
    x = np.asarray(x, float)
    mean, variance = measured(name)["mean"], measured(name)["variance"]
    error = np.sqrt(variance / DRAWS)
    assert np.all(np.abs(x.mean(0) - mean) < ERRORS * error)
    square = (x - mean) ** 2
    error = square.std(0) / math.sqrt(DRAWS)
    assert np.all(np.abs(square.mean(0) - variance) < ERRORS * error + 1e-12)


def test_draws_without_moments_have_the_quartiles(key):
    for d, quartiles in [
        (chance.Cauchy(0.3, 0.5), (-0.2, 0.3, 0.8)),
        (
            chance.Transformed(chance.Normal(0.1, 0.6), jnp.exp, jnp.log),
            scipy.stats.lognorm(0.6, scale=math.exp(0.1)).ppf([0.25, 0.5, 0.75]),
        ),
    ]:
        x = np.asarray(d.sample(key, (DRAWS,)))
        for share, at in zip((0.25, 0.5, 0.75), quartiles, strict=True):
            error = math.sqrt(share * (1 - share) / DRAWS)
            assert abs(np.mean(x < at) - share) < ERRORS * error


REPARAMETERIZED = {
    "normal": (0.7, 1.3),
    "laplace": (-0.4, 0.8),
    "student_t": (9.0, 0.5, 1.2),
    "gumbel": (0.2, 1.5),
    "exponential": (1.7,),
    "gamma": (2.5, 1.6),
    "beta": (2.5, 1.8),
    "dirichlet": (1.7, 2.5, 3.2),
    "multivariate_normal": (0.3, -0.2, 1.1, 0.4, 0.7),
}


@pytest.mark.parametrize("name", REPARAMETERIZED)
def test_draws_are_differentiable_by_the_parameters(name, key):
    """d E x² against central differences (h = 1e-5) of the closed form."""
    make, theta = CASES[name][0], jnp.asarray(REPARAMETERIZED[name])

    def exact(theta):
        d = make(*theta)
        return d.variance + d.mean**2

    draws = lambda theta: make(*theta).sample(key, (4000,)) ** 2
    assert make(*theta).reparameterized
    found = np.asarray(jax.jit(jax.jacfwd(draws))(theta))
    for i, wanted in enumerate(differences(exact, theta)):
        error = found[..., i].std(0) / math.sqrt(4000)
        assert np.all(np.abs(found[..., i].mean(0) - wanted) < ERRORS * error + 1e-8)


def test_cauchy_draws_are_differentiable(key):
    draws = lambda scale: chance.Cauchy(0.0, scale).sample(key, (50,))
    x = draws(2.0)
    np.testing.assert_allclose(jax.jacfwd(draws)(2.0), x / 2, rtol=1e-12)


# --- derivatives and transformations --------------------------------------------------


@EVERY
def test_gradient_of_log_prob_against_finite_differences(name):
    """Central differences, h = 1e-5; their error is about 1e-9."""
    make, numbers, _ = CASES[name]
    theta = jnp.asarray(numbers)
    x = made(name)[1][made(name)[1].shape[0] // 3 :][:3]
    total = lambda theta: jnp.sum(make(*theta).log_prob(x))
    found = jax.jit(jax.grad(total))(theta)
    np.testing.assert_allclose(found, differences(total, theta), rtol=1e-6, atol=1e-7)


@EVERY
def test_jit_and_vmap_agree(name):
    make, numbers, _ = CASES[name]
    theta = jnp.stack([jnp.asarray(numbers), 1.1 * jnp.asarray(numbers)])
    x = made(name)[1][-2]
    log_prob = jax.jit(lambda row: make(*row).log_prob(x))
    one_by_one = jnp.stack([log_prob(row) for row in theta])
    mapped = jax.vmap(log_prob)(theta)
    np.testing.assert_allclose(mapped, one_by_one, rtol=1e-12)


@pytest.mark.parametrize(
    "d",
    [
        chance.Laplace(jnp.zeros(3), jnp.ones((2, 1))),
        chance.StudentT(jnp.full(3, 5.0), 0.0, jnp.ones((2, 1))),
        chance.Gamma(jnp.ones(3), jnp.ones((2, 1))),
        chance.Beta(jnp.ones(3), jnp.ones((2, 1))),
        chance.Poisson(jnp.ones((2, 3))),
        chance.Binomial(4, jnp.ones((2, 3))),
        chance.Bernoulli(jnp.ones((2, 3))),
        chance.Categorical(jnp.ones((2, 3, 5))),
        chance.Dirichlet(jnp.ones((2, 3, 4))),
        chance.MultivariateNormal(
            jnp.zeros((3, 4)), jnp.broadcast_to(jnp.eye(4), (2, 1, 4, 4))
        ),
        chance.Normal(jnp.zeros(3), jnp.ones((2, 1))),
        chance.Mixture(
            chance.Categorical(jnp.zeros(5)), chance.Gumbel(jnp.zeros((2, 3, 5)))
        ),
        chance.Mixture(
            chance.Categorical(jnp.zeros((2, 3, 5))), chance.Dirichlet(jnp.ones((5, 4)))
        ),
        chance.Transformed(chance.Gumbel(jnp.zeros((2, 3))), jnp.exp, jnp.log),
        chance.Independent(chance.Cauchy(jnp.zeros((2, 3, 4)), 1.0)),
    ],
    ids=lambda d: type(d).__name__,
)
def test_shapes(d, key):
    event = d.shape[2:]
    assert d.shape == (2, 3, *event)
    assert len(event) == d.event_ndim

    def everything(key):
        x = d.sample(key, (7,))
        found = [x, d.log_prob(x), d.log_prob(x[0, 0, 0])]
        if not isinstance(d, chance.Mixture | chance.Transformed):
            found += [d.mode, d.entropy()]
        if not isinstance(d, chance.Transformed):
            found += [d.mean, d.variance]
        return found

    x, log_p, broadcast, *moments = jax.eval_shape(everything, key)
    assert x.shape == (7, 2, 3, *event)
    assert log_p.shape == (7, 2, 3)
    assert broadcast.shape == (2, 3)
    assert all(m.shape in {d.shape, (2, 3)} for m in moments)
    if not isinstance(d, chance.Mixture):
        assert jax.eval_shape(d.fisher).shape[:2] == (2, 3)


@pytest.mark.parametrize(
    ("d", "x"),
    [
        (chance.Exponential(1.0), -1.0),
        (chance.Gamma(2.0, 1.0), -1.0),
        (chance.Beta(2.0, 3.0), 1.5),
        (chance.Bernoulli(0.3), 2),
        (chance.Bernoulli(0.3), 0.5),
        (chance.Binomial(3, 0.3), 4),
        (chance.Binomial(0, 0.3), 1),
        (chance.Poisson(2.0), -1),
        (chance.Poisson(2.0), 0.5),
        (chance.Categorical(jnp.zeros(3)), 3),
        (chance.Categorical(jnp.zeros(3)), -1),
        (chance.Dirichlet(jnp.ones(2)), jnp.asarray([0.5, 0.6])),
        (chance.Dirichlet(jnp.ones(2)), jnp.asarray([-0.5, 1.5])),
        (chance.Transformed(chance.Normal(), jnp.exp, jnp.log), -1.0),
    ],
)
def test_minus_infinity_outside_the_support(d, x):
    assert log_prob(d, x) == -math.inf


@pytest.mark.parametrize(
    "d",
    [
        *(chance.Normal(), chance.Laplace(), chance.Cauchy(), chance.StudentT(3.0)),
        *(chance.Gumbel(), chance.Exponential(), chance.Gamma(2.0), chance.Beta(2, 3)),
        *(chance.Bernoulli(), chance.Poisson(), chance.Categorical(jnp.zeros(3))),
        *(chance.Binomial(3), chance.Binomial(0)),
        chance.Transformed(chance.Normal(), jnp.exp, jnp.log),
    ],
    ids=lambda d: type(d).__name__,
)
def test_numbers_that_are_none_or_infinite(d):
    """NaN is neither in a support nor outside; no density reaches infinity."""
    found = log_prob(d, jnp.asarray([math.nan, math.inf, -math.inf]))
    np.testing.assert_array_equal(found, [math.nan, -math.inf, -math.inf])


def test_edges_of_a_support_have_the_limit_of_the_density():
    """The mode may be there; outside and on an edge no derivative is NaN."""
    a = jnp.asarray([1.0, 0.5, 2.0])
    flat, shares = jnp.ones(4), jnp.asarray([0.0, 0.4, 0.6])
    beta = chance.Beta(flat.at[2].set(3.0), jnp.asarray([1.0, 3.0, 1.0, 0.5]))
    slopes = jax.jit(jax.grad(lambda d, x: jnp.sum(d.log_prob(x))))
    for d, x, wanted in [
        (chance.Gamma(a, 3.0), 0.0, [math.log(3), math.inf, -math.inf]),
        (beta, jnp.asarray([0.0, 0.0, 1.0, 1.0]), [0, *[math.log(3)] * 2, math.inf]),
        (chance.Dirichlet(jnp.ones(3)), shares, math.log(2)),
        (chance.Exponential(2.0), -math.inf, -math.inf),
    ]:
        np.testing.assert_allclose(log_prob(d, x), wanted, atol=1e-14)
        assert all(np.all(np.isfinite(s)) for s in jax.tree.leaves(slopes(d, x)))
    for d in (chance.Gamma(a[:2]), chance.Beta(flat[:2], 2.0)):
        assert np.all(log_prob(d, d.mode) >= log_prob(d, 0.01))


def test_laplace_is_flat_where_it_has_its_kink():
    slope = jax.grad(lambda d: d.log_prob(0.3))(chance.Laplace(0.3, 2.0))
    assert (slope.location, slope.scale) == (0.0, -0.5)


@pytest.mark.parametrize("degrees", [0.02, 0.3])
def test_few_degrees_of_freedom(degrees, key):
    """E log(1 + t²/nu) is ψ((nu + 1) / 2) - ψ(nu / 2); draws stay finite."""
    small = chance.StudentT(jnp.float32(degrees)).sample(key, (1000,))
    assert np.all(np.isfinite(small))
    assert np.all(np.isfinite(log_prob(chance.StudentT(jnp.float32(degrees)), small)))
    if degrees < 0.1:
        return

    def tails(nu):
        return jnp.log1p(chance.StudentT(nu).sample(key, (DRAWS,)) ** 2 / nu)

    digamma = jax.scipy.special.digamma
    exact = lambda nu: digamma((nu + 1) / 2) - digamma(nu / 2)
    one = (jnp.asarray(degrees),), (jnp.ones(()),)
    for found, wanted in zip(jax.jvp(tails, *one), jax.jvp(exact, *one), strict=True):
        error = np.std(found) / math.sqrt(DRAWS)
        assert abs(np.mean(found) - wanted) < ERRORS * error


def test_tiny_scales_in_single_precision():
    """The ratio of distance and scale would overflow."""
    x, scale = jnp.float32(1e30), jnp.float32(1e-10)
    far = 40 * math.log(10)
    cauchy = chance.Cauchy(jnp.float32(0.0), scale).log_prob(x)
    exact = -2 * far - math.log(math.pi) + 10 * math.log(10)
    np.testing.assert_allclose(cauchy, exact, rtol=1e-6)
    student = chance.StudentT(jnp.float32(1.0), jnp.float32(0.0), scale).log_prob(x)
    np.testing.assert_allclose(student, exact, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32])
def test_information_of_many_degrees(dtype):
    """It tends to 7 / (2 nu^4); at 39.9 and 40.1 two formulas meet."""
    fisher = lambda nu: chance.StudentT(jnp.asarray(nu, dtype)).fisher()[0, 0]
    np.testing.assert_allclose(fisher(1e6), 3.5e-24, rtol=1e-5)
    # What is left falls as 1 - 13 / 3.5 nu: by 5e-4 at most; float32 rounds by 3e-5.
    step = (fisher(39.9) / fisher(40.1)) * (39.9 / 40.1) ** 4
    np.testing.assert_allclose(step, 1, atol=5e-4)


def test_no_number_is_invalid_on_the_way():
    with jax.debug_nans(True):
        assert chance.Beta(2.0, 3.0).mode == 1 / 3
        assert chance.Gamma(2.0).log_prob(-1.0) == -math.inf


SINGLE = [  # extreme parameters, float32
    (chance.Laplace, (1e3, 1e-6)),
    (chance.Cauchy, (0.0, 1e-10)),
    (chance.StudentT, (1e8, 0.0, 1.0)),
    (chance.StudentT, (0.5, 0.0, 1.0)),
    (chance.Gumbel, (0.0, 1e10)),
    (chance.Exponential, (1e-15,)),
    (chance.Gamma, (1e7, 1e3)),
    (chance.Gamma, (1e-3, 1.0)),
    (chance.Beta, (1e6, 1e6)),
    (chance.Beta, (1e-2, 1e-2)),
    (chance.Bernoulli, (80.0,)),
    (chance.Poisson, (1e6,)),
    (chance.Poisson, (1e-20,)),
    (partial(chance.Binomial, 10**5), (-3.0,)),
    (partial(chance.Binomial, 50), (-80.0,)),
    (CASES["categorical"][0], (1000.0, 0.0, -1000.0)),
    (CASES["dirichlet"][0], (1e6, 1e-2, 1.0)),
]


@pytest.mark.parametrize(("make", "numbers"), SINGLE)
def test_extreme_parameters_in_single_precision(make, numbers):
    """Finite, and as in double precision within 1e-3 or 1e-5 of the value.

    Rounding x to single precision moves the log-density by that much: at a relative
    distance d from the mode of a law as narrow as w, by 6e-8 d / w^2.
    """
    theta = jnp.asarray(numbers, jnp.float32)
    log_prob = lambda theta, x: make(*theta).log_prob(x)

    @jax.jit
    def single(theta):
        x = make(*theta).sample(jr.key(1), (200,))
        slopes = jax.jacfwd(log_prob)(theta, x)
        return x, log_prob(theta, x), make(*theta).entropy(), slopes

    x, found, entropy, slopes = single(theta)
    assert found.dtype == entropy.dtype == jnp.float32
    assert all(np.all(np.isfinite(values)) for values in (found, entropy, slopes))
    wide = x.astype(float) if jnp.issubdtype(x.dtype, jnp.floating) else x
    double = jax.jit(lambda t: (log_prob(t, wide), make(*t).entropy()))
    exact, exact_entropy = double(theta.astype(float))
    if not isinstance(make(*theta), chance.Dirichlet):
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=3e-3)
    np.testing.assert_allclose(entropy, exact_entropy, rtol=1e-5, atol=1e-4)


# --- rows of the specification --------------------------------------------------------


@pytest.mark.spec("K1.8.1")
def test_softmax_is_stable_and_has_its_derivative():
    logits = jnp.asarray([1000.0, 999.0, -1000.0])
    log_p = chance.Categorical(logits).log_prob(jnp.arange(3))
    np.testing.assert_allclose(log_p[:2], [-math.log1p(math.exp(-1))] * 2 - np.r_[0, 1])
    assert jnp.isfinite(log_p).all()
    shifted = chance.Categorical(logits - 1000.0).log_prob(jnp.arange(3))
    np.testing.assert_allclose(shifted, log_p, rtol=1e-12)
    p = jnp.exp(log_p)
    slope = jax.jacfwd(lambda a: chance.Categorical(a).probabilities)(logits)
    np.testing.assert_allclose(slope, jnp.diag(p) - jnp.outer(p, p), atol=1e-15)


@pytest.mark.spec("K3.5.6")
@given(z=st.floats(-3, 20), n=st.integers(2, 1000))
def test_largest_of_n_gumbel_numbers_is_one(z, n):
    """n G^(n-1) g = g(z - log n), with the distribution function exp(-exp(-z))."""
    largest = math.log(n) - (n - 1) * math.exp(-z) + chance.Gumbel().log_prob(z)
    shifted = chance.Gumbel(math.log(n), 1.0).log_prob(z)
    np.testing.assert_allclose(shifted, largest, rtol=1e-12, atol=1e-12)


@pytest.mark.spec("K3.5.6")
def test_gumbel_law(key):
    d = chance.Gumbel()
    np.testing.assert_allclose(d.mean, 0.5772156649015329, rtol=1e-15)
    np.testing.assert_allclose(d.variance, math.pi**2 / 6, rtol=1e-15)
    x, w = half_line()
    for z in (-1.0, 0.0, 2.5):
        below = np.sum(w * np.exp(d.log_prob(z - x)))
        np.testing.assert_allclose(below, math.exp(-math.exp(-z)), rtol=1e-10)
        np.testing.assert_allclose(
            d.log_prob(z), -z - math.exp(-z), rtol=1e-15, atol=1e-15
        )
    largest = d.sample(key, (5000, 8)).max(axis=1) - math.log(8)
    error = math.sqrt(math.pi**2 / 6 / 5000)
    assert abs(float(largest.mean() - d.mean)) < ERRORS * error


@pytest.mark.spec("K3.2.1")
def test_moments_of_the_normal_law():
    x, w = real_line(0.0)
    p = w * np.exp(chance.Normal().log_prob(jnp.asarray(x)))
    moments = [average(x**n, p) for n in range(5)]
    np.testing.assert_allclose(moments, [1, 0, 1, 0, 3], rtol=0, atol=1e-10)


@pytest.mark.spec("S1.3b")
def test_gaussian_moments_carry_double_factorials(key):
    sigma = 1.3
    d = chance.Normal(0.0, sigma)
    x, w = real_line(0.0)
    p = w * np.exp(d.log_prob(jnp.asarray(x)))
    draws = np.asarray(d.sample(key, (DRAWS,)))
    for n, factor in ((1, 0), (2, 1), (3, 0), (4, 3), (5, 0), (6, 15)):
        wanted = factor * sigma**n
        np.testing.assert_allclose(average(x**n, p), wanted, rtol=1e-9, atol=1e-9)
        error = np.std(draws**n) / math.sqrt(DRAWS)
        assert abs(np.mean(draws**n) - wanted) < ERRORS * error


@pytest.mark.spec("K2.1.5")
def test_entropy_of_the_normal_law():
    found = chance.Normal(3.0, 2.0).entropy()
    np.testing.assert_allclose(found, 0.5 * math.log(2 * math.pi * math.e * 4))


@pytest.mark.spec("K3.1/a")
def test_score_by_the_input_needs_no_normalizer():
    """Adding any constant to an energy leaves ∇ log p = -∇E."""
    weights = jnp.asarray([[2.0, 0.5], [0.5, 1.0]])
    energy = lambda x: 0.5 * x @ weights @ x
    covariance = jnp.linalg.inv(weights)
    d = chance.MultivariateNormal.from_covariance(jnp.zeros(2), covariance)
    x = jnp.asarray([0.3, -0.7])
    score = diff.gradient(d.log_prob)(x)
    np.testing.assert_allclose(score, -diff.gradient(energy)(x), rtol=1e-12)
    assert abs(float(d.log_prob(x) + energy(x))) > 0.1


# --- composed ones --------------------------------------------------------------------


def test_independent_sums_the_last_axes(key):
    base = chance.Laplace(jnp.zeros((4, 3)), jnp.asarray([1.0, 2.0, 3.0]))
    d = chance.Independent(base)
    x = d.sample(key)
    np.testing.assert_allclose(d.log_prob(x), base.log_prob(x).sum(-1), rtol=1e-14)
    np.testing.assert_allclose(d.entropy(), base.entropy().sum(-1), rtol=1e-14)
    assert d.reparameterized
    assert chance.Independent(base, 2).log_prob(x).shape == ()


def test_information_of_independent_entries_is_block_diagonal():
    base = chance.Laplace(jnp.zeros((2, 3)), jnp.asarray([[1.0, 2.0, 3.0]]))
    for ndim, batch in ((1, (2,)), (2, ())):
        found = chance.Independent(base, ndim).fisher()
        size = 3 ** (ndim == 1) * 6 ** (ndim == 2)
        assert found.shape == (*batch, 2 * size, 2 * size)
        blocks = found.reshape(-1, size, 2, size, 2)
        wanted = base.fisher().reshape(-1, size, 2, 2)
        for i in range(size):
            np.testing.assert_array_equal(blocks[:, i, :, i], wanted[:, i])
        assert np.count_nonzero(found) == np.count_nonzero(wanted)


def test_mixtures_of_counts_have_mode_and_entropy():
    logits = jnp.asarray([[0.3, -2.0], [1.0, 4.0]])
    d = chance.Mixture(
        chance.Categorical(jnp.asarray([0.2, -0.4])), chance.Binomial(9, logits)
    )
    entropy, mode = eqx.filter_jit(lambda d: (d.entropy(), d.mode))(d)
    p = np.exp(log_prob(d, np.arange(10)[:, None]))
    np.testing.assert_allclose(p.sum(0), 1, rtol=1e-12)
    np.testing.assert_allclose(entropy, -np.sum(p * np.log(p), 0), rtol=1e-12)
    np.testing.assert_array_equal(mode, p.argmax(0))


def test_a_component_without_weight_counts_for_nothing():
    weights = chance.Categorical(jnp.asarray([0.0, -jnp.inf]))
    d = chance.Mixture(weights, chance.StudentT(jnp.asarray([5.0, 0.5]), 0.7, 1.0))
    one = chance.StudentT(5.0, 0.7, 1.0)
    np.testing.assert_allclose(d.mean, one.mean, rtol=1e-14)
    np.testing.assert_allclose(d.variance, one.variance, rtol=1e-14)
    at_0 = chance.Mixture(weights, chance.Gamma(jnp.asarray([1.0, 0.5])))
    assert at_0.log_prob(0.0) == 0.0


@pytest.mark.parametrize(
    ("what", "way"),
    [
        ("mean", r"expect\(lambda x: x, law, key\)"),
        ("variance", "jnp.var"),
        ("mode", "Maximize `law.log_prob`"),
        ("entropy", r"expect\(lambda x: -law.log_prob\(x\)"),
    ],
)
def test_what_has_no_closed_form_names_a_way(what, way):
    d = chance.Transformed(chance.Normal(), jnp.exp, jnp.log)
    ask = d.entropy if what == "entropy" else lambda: getattr(d, what)
    with pytest.raises(NotImplementedError, match=f"`: {what} has no closed .*{way}"):
        ask()


def test_support_of_independent_bits_is_every_word():
    d = chance.Independent(chance.Bernoulli(jnp.asarray([0.3, -1.0, 2.0])))
    words = d.support()
    assert words.shape == (8, 3)
    assert len({tuple(word) for word in words.tolist()}) == 8
    np.testing.assert_allclose(jnp.exp(d.log_prob(words)).sum(), 1, rtol=1e-14)
    many = chance.Independent(chance.Bernoulli(jnp.zeros(17)))
    assert many.support() is None
    assert chance.Independent(chance.Normal(jnp.zeros(2))).support() is None


@pytest.mark.parametrize("name", ["bernoulli", "binomial", "categorical"])
def test_support_has_all_the_probability(name):
    d, x, _ = made(name)
    np.testing.assert_array_equal(d.support(), x)
    assert made("poisson")[0].support() is None


def test_mixture_of_one_and_of_vectors(key):
    one = chance.Mixture(chance.Categorical(jnp.zeros(1)), chance.Gumbel(jnp.ones(1)))
    np.testing.assert_allclose(one.log_prob(0.3), chance.Gumbel(1.0).log_prob(0.3))
    weights = chance.Categorical.from_probabilities(jnp.asarray([0.2, 0.8]))
    means = jnp.asarray([[-1.0, 0.0], [1.0, 2.0]])
    d = chance.Mixture(weights, chance.MultivariateNormal(means, jnp.eye(2)))
    x = d.sample(key, (DRAWS,))
    np.testing.assert_allclose(d.mean, [0.6, 1.6], rtol=1e-12)
    np.testing.assert_allclose(d.variance, [1.64, 1.64], rtol=1e-12)
    error = np.sqrt(np.asarray(d.variance) / DRAWS)
    assert np.all(np.abs(x.mean(0) - d.mean) < ERRORS * error)
    nodes, w = plane()
    np.testing.assert_allclose(np.sum(w * np.exp(d.log_prob(nodes))), 1, rtol=1e-8)


def test_transformed_vectors_have_the_determinant():
    """An affine map of normal vectors is a normal vector again."""
    A, b = jnp.asarray([[2.0, 0.3], [-0.4, 0.7]]), jnp.asarray([0.5, -0.2])
    base = chance.MultivariateNormal(jnp.zeros(2), jnp.eye(2))
    d = chance.Transformed(
        base, lambda z: A @ z + b, lambda x: jnp.linalg.solve(A, x - b)
    )
    exact = chance.MultivariateNormal.from_covariance(b, A @ A.T)
    x = d.sample(jr.key(2), (5,))
    np.testing.assert_allclose(d.log_prob(x), exact.log_prob(x), rtol=1e-12)
    np.testing.assert_allclose(d.fisher(), base.fisher())


def test_categorical_never_draws_what_has_no_probability(key):
    d = chance.Categorical.from_probabilities(jnp.asarray([0.5, 0.0, 0.5]))
    assert not np.any(d.sample(key, (1000,)) == 1)
    assert d.log_prob(1) == -math.inf
    np.testing.assert_allclose(d.entropy(), math.log(2), rtol=1e-14)
    slope = jax.grad(lambda a: chance.Categorical(a).entropy())(d.logits)
    assert np.all(np.isfinite(slope))
    np.testing.assert_array_equal(d.one_hot(2), [0, 0, 1])


@pytest.mark.parametrize("name", ["student_t", "binomial", "categorical", "mixture"])
def test_distributions_go_through_jit_as_arguments(name):
    d, x, _ = made(name)
    found = jax.jit(lambda d, x: d.log_prob(x))(d, x)
    np.testing.assert_allclose(found, measured(name)["log_p"], rtol=1e-12)


# --- refusals -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: chance.Laplace(0.0, -1.0), "`Laplace`: scale is not positive"),
        (lambda: chance.Cauchy(0.0, 0.0), "`Cauchy`: scale is not positive"),
        (lambda: chance.StudentT(0.0), "`StudentT`: degrees are not positive"),
        (lambda: chance.StudentT(1.0, 0.0, -1.0), "`StudentT`: scale is not"),
        (lambda: chance.Gumbel(0.0, math.nan), "`Gumbel`: scale is not positive"),
        (lambda: chance.Normal(math.nan), "`Normal`: mean is not a number"),
        (lambda: chance.Laplace(math.nan), "`Laplace`: location is not a number"),
        (
            lambda: chance.MultivariateNormal(jnp.full(2, jnp.nan), jnp.eye(2)),
            "`MultivariateNormal`: mean is not all numbers",
        ),
        (lambda: chance.Exponential(0.0), "`Exponential`: rate is not positive"),
        (lambda: chance.Gamma(-1.0, 1.0), "`Gamma`: concentration is not positive"),
        (lambda: chance.Gamma(1.0, -1.0), "`Gamma`: rate is not positive"),
        (lambda: chance.Beta(0.0, 1.0), "`Beta`: alpha is not positive"),
        (lambda: chance.Beta(1.0, 0.0), "`Beta`: beta is not positive"),
        (lambda: chance.Bernoulli(math.nan), "`Bernoulli`: logits are not numbers"),
        (lambda: chance.Binomial(-1), "`Binomial`: total is -1; expected 0 or more"),
        (lambda: chance.Binomial(1, math.inf), "`Binomial`: logits are not finite"),
        (lambda: chance.Poisson(-1.0), "`Poisson`: rate is not positive"),
        (lambda: chance.Categorical(1.0), r"`Categorical`: logits of shape \(\)"),
        (lambda: chance.Categorical(jnp.zeros(0)), "are of no choice"),
        (lambda: chance.Categorical(jnp.full(2, -jnp.inf)), "leave no choice"),
        (lambda: chance.Categorical(jnp.asarray([0.0, jnp.nan])), "logits are NaN"),
        (
            lambda: chance.Categorical.from_probabilities(jnp.asarray([1.5, -0.5])),
            "`Categorical.from_probabilities`: probabilities are not all 0 or more",
        ),
        (
            lambda: chance.Categorical.from_probabilities(jnp.full(2, 0.4)),
            "do not add up to 1; divide by their sum",
        ),
        (
            lambda: chance.Categorical.from_probabilities(jnp.zeros(0)),
            r"probabilities of shape \(0,\) are of no choice",
        ),
        (
            lambda: chance.MultivariateNormal(jnp.zeros(2), jnp.eye(3)),
            r"mean \(2,\) and scale_tril \(3, 3\) do not agree",
        ),
        (
            lambda: chance.MultivariateNormal(jnp.zeros(2), jnp.ones((2, 2))),
            "scale_tril is not lower triangular",
        ),
        (
            lambda: chance.MultivariateNormal(jnp.zeros(2), -jnp.eye(2)),
            "the diagonal of scale_tril is not positive",
        ),
        (
            lambda: chance.MultivariateNormal.from_covariance(
                jnp.zeros(2), jnp.asarray([[1.0, 0.5], [0.4, 1.0]])
            ),
            "covariance is not symmetric",
        ),
        (
            lambda: chance.MultivariateNormal.from_covariance(
                jnp.zeros(2), jnp.asarray([[1.0, 2.0], [2.0, 1.0]])
            ),
            "covariance is not positive definite",
        ),
        (lambda: chance.Dirichlet(jnp.ones(1)), r"concentration has shape \(1,\)"),
        (lambda: chance.Dirichlet(jnp.zeros(2)), "concentration is not positive"),
        (
            lambda: chance.Independent(chance.Normal(), 1),
            "`Independent`: ndim is 1; expected 0 to 0, the batch axes of Normal",
        ),
        (
            lambda: chance.Mixture(chance.Categorical(jnp.zeros(3)), chance.Normal()),
            r"`Mixture`: 3 weights, and components of batch shape \(\)",
        ),
        (
            lambda: chance.Mixture(
                chance.Categorical(jnp.zeros((4, 3))), chance.Gumbel(jnp.zeros((1, 3)))
            ),
            "would share the draws",
        ),
        (
            lambda: chance.Transformed(chance.Poisson(), jnp.exp, jnp.log),
            "`Transformed`: Poisson is of counts",
        ),
    ],
)
def test_wrong_parameters_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_total_is_a_python_number():
    with pytest.raises(TypeError, match="total is a bool; expected a Python int"):
        chance.Binomial(True)
    with pytest.raises(TypeError):
        chance.Binomial(2.0)


def test_parameters_are_real_numbers():
    with pytest.raises(TypeError, match="complex128: 1j; expected real numbers"):
        chance.Normal(1j)
