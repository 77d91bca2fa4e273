"""Likelihood losses: closed forms, Fisher weights, scales, priors and refusals."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osculate import chance
from osculate.core import Objective, Samples, Term

RNG = np.random.default_rng(0)
Z, Y = (jnp.asarray(RNG.normal(size=(4, 3))) for _ in range(2))
LABELS = jnp.array([2, 0, 1, 2])
COUNTS = jnp.asarray(RNG.integers(0, 9, (4, 3)))
THRESHOLDS = jnp.array([-1.0, 0.3, 2.0])
# Each loss with predictions, targets, and the shape of its weights.
LOSSES = {
    "laplace": (chance.LaplaceLoss(0.7), Z, Y, (4, 3)),
    "cauchy": (chance.CauchyLoss(0.7), Z, Y, (4, 3)),
    "student": (chance.StudentTLoss(3.0, 0.7), Z, Y, (4, 3)),
    "huber": (chance.HuberLoss(1.2, 0.7), Z, Y, (4, 3)),
    "power": (chance.PowerLoss(3.5, 0.7), Z, Y, (4, 3)),
    "poisson": (chance.PoissonLoss(), Z, COUNTS, (4, 3)),
    "bernoulli": (chance.BernoulliLoss(), Z, (COUNTS > 4).astype(int), (4, 3)),
    "categorical": (chance.CategoricalLoss(0.1), Z, LABELS, (4,)),
    "ordinal": (chance.OrdinalLoss(THRESHOLDS), Z, COUNTS % 4, (4, 3)),
    "heteroscedastic": (chance.HeteroscedasticLoss(), Z[:, :2], Y[:, 0], (4,)),
}
EACH = pytest.mark.parametrize("name", LOSSES)


def newton(loss, start, steps=30):
    """The zero of the gradient, by Newton's method."""

    def step(theta, _):
        H, g = jax.hessian(loss)(theta), jax.grad(loss)(theta)
        return theta - (jnp.linalg.solve(H, g) if theta.ndim else g / H), None

    return jax.jit(lambda theta: jax.lax.scan(step, theta, None, steps)[0])(start)


# --- laws of every loss --------------------------------------------------------------


@EACH
@settings(max_examples=5)
@given(a=st.floats(-3, 3), b=st.floats(-3, 3))
def test_a_loss_is_linear_in_the_weights(name, a, b):
    loss, z, y, shape = LOSSES[name]
    u, v = (jnp.asarray(w) for w in np.random.default_rng(1).uniform(0, 2, (2, *shape)))
    both = loss(z, y, a * u + b * v)
    np.testing.assert_allclose(both, a * loss(z, y, u) + b * loss(z, y, v), atol=1e-11)
    np.testing.assert_allclose(loss(z, y, 2.0), jnp.sum(2 * loss.each(z, y)))


@EACH
def test_none_is_zero(name):
    loss, z, y, _ = LOSSES[name]
    assert loss(z, None) == loss(z, jnp.zeros_like(y))


@EACH
def test_jit_vmap_and_finite_differences(name):
    loss, z, y, _ = LOSSES[name]
    np.testing.assert_allclose(
        jax.jit(lambda z, y: loss(z, y))(z, y), loss(z, y), rtol=1e-12
    )
    rows = jax.vmap(loss)(z, y)
    np.testing.assert_allclose(jnp.sum(rows), loss(z, y), rtol=1e-12)
    gradient, h = jax.grad(loss)(z, y), 1e-6
    for i in (0, 3):
        step = jnp.zeros_like(z).at[i, 1].set(h)
        central = (loss(z + step, y) - loss(z - step, y)) / (2 * h)
        np.testing.assert_allclose(gradient[i, 1], central, atol=1e-8)


@EACH
def test_weights_are_of_the_shape_of_z_and_not_negative(name):
    loss, z, y, _ = LOSSES[name]
    weight = jax.jit(lambda z, y: loss.weight(z, y))(z, y)
    assert weight.shape == z.shape
    assert (weight > 0).all()
    assert not hasattr(loss, "residual")


@EACH
def test_half_precision_numbers_stay_finite_far_out(name):
    loss, _, _, shape = LOSSES[name]
    loss = jax.tree.map(
        lambda leaf: leaf.astype(jnp.float32) if isinstance(leaf, jax.Array) else leaf,
        loss,
    )
    far = 80.0 if name in ("poisson", "heteroscedastic", "power") else 1e30
    width = {"categorical": (3,), "heteroscedastic": (2,)}.get(name, ())
    z = jnp.full((*shape[:1], *width), far, jnp.float32).at[0].set(-far)
    if name == "heteroscedastic":
        z = z.at[:, 1].set(jnp.array([-20.0, 0.0, 1.0, 20.0], jnp.float32))
    value, gradient = jax.value_and_grad(loss)(z, None)
    assert value.dtype == gradient.dtype == jnp.float32
    assert jnp.isfinite(value)
    assert jnp.isfinite(gradient).all()


# --- Fisher weights are the variance of the score ------------------------------------


def by_quadrature(loss, z):
    """E[(d loss / d z)^2] under the density exp(-loss), by the trapezoid rule.

    y = z + sinh(s): the tails of Cauchy and Student are followed to 1e8.
    """
    s = jnp.linspace(-19, 19, 40_001)
    y = z + jnp.sinh(s)
    each = lambda z: loss.each(jnp.broadcast_to(z, y.shape), y)
    density = jnp.exp(-each(z)) * jnp.cosh(s)
    _, score = jax.jvp(each, (z,), (jnp.ones(()),))
    return jnp.sum(density * score**2) / jnp.sum(density)


@pytest.mark.parametrize("name", ["laplace", "cauchy", "student", "huber", "power"])
def test_weights_of_differences_are_fisher_information(name):
    loss, z = LOSSES[name][0], jnp.asarray(0.0)
    # Kinks of Laplace and Huber cost the trapezoid rule its last digits; the tails of
    # Cauchy beyond 1e8 hold 1e-8 of its probability.
    np.testing.assert_allclose(loss.weight(z, z), by_quadrature(loss, z), rtol=1e-6)


@pytest.mark.parametrize("name", ["poisson", "bernoulli", "ordinal", "categorical"])
def test_weights_of_counts_and_classes_are_fisher_information(name):
    loss = chance.CategoricalLoss() if name == "categorical" else LOSSES[name][0]
    many = {"poisson": 60, "bernoulli": 2, "ordinal": 4, "categorical": 3}[name]
    z = Z[0] if name == "categorical" else Z[0, 0]
    support = jnp.arange(many)
    gamma = (
        jax.scipy.special.gammaln(support.astype(float) + 1)
        if name == "poisson"
        else 0.0
    )
    p = jnp.exp(-jax.vmap(lambda y: loss(z, y))(support) - gamma)
    np.testing.assert_allclose(jnp.sum(p), 1.0, rtol=1e-12)
    scores = jax.vmap(lambda y: jax.grad(loss)(z, y))(support)
    fisher = jnp.tensordot(p, scores**2, 1)
    np.testing.assert_allclose(loss.weight(z, support[0]), fisher, rtol=1e-10)


def test_the_weight_of_a_predicted_scale():
    """E of the second derivatives, with E(m - y) = 0 and E(m - y)^2 = exp(2 s)."""
    loss, z = chance.HeteroscedasticLoss(), jnp.array([0.3, -0.4])
    s = jnp.exp(z[1])
    mean = [
        0.5 * sum(jax.hessian(loss)(z, z[0] + sign * s)[i, i] for sign in (1, -1))
        for i in range(2)
    ]
    np.testing.assert_allclose(loss.weight(z, z[0]), jnp.stack(mean), rtol=1e-12)


# --- Gaussian and least squares ------------------------------------------------------


@pytest.mark.spec("K1.2.1")
def test_a_line_by_least_squares_solves_the_normal_equations():
    x = jnp.asarray(RNG.uniform(-1, 1, 30))
    y = 2 * x - 1 + 0.1 * jnp.asarray(RNG.normal(size=30))
    A = jnp.stack([x, jnp.ones(30)], 1)
    loss = lambda theta: chance.Gaussian()(A @ theta, y)
    found = newton(loss, jnp.zeros(2), steps=1)
    expected = jnp.linalg.solve(A.T @ A, A.T @ y)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.spec("K3.4.1-3")
def test_maximum_likelihood_of_a_gaussian_is_mean_and_naive_variance():
    y = jnp.asarray(RNG.normal(3.0, 2.0, 50))
    row = lambda theta: jnp.broadcast_to(theta, (50, 2))
    loss = lambda theta: chance.HeteroscedasticLoss()(row(theta), y) / 50
    mean, log_scale = newton(loss, jnp.array([2.5, 0.5]))
    np.testing.assert_allclose(mean, jnp.mean(y), rtol=1e-10)
    np.testing.assert_allclose(jnp.exp(2 * log_scale), jnp.var(y), rtol=1e-10)


@pytest.mark.spec("K3.4.15-17")
def test_the_gaussian_likelihood_has_plus_log_sigma():
    """Its best sigma is the root mean square residual, near the true 2."""
    r = jnp.asarray(np.random.default_rng(2).normal(0, 2.0, 20_000))
    sigma = chance.update_scale(chance.Gaussian(), r).sigma
    np.testing.assert_allclose(sigma, jnp.sqrt(jnp.mean(r**2)), rtol=1e-12)
    # The standard error of a standard deviation is sigma / sqrt(2 N) = 0.01.
    assert abs(float(sigma) - 2.0) < 4.5 * 0.01
    z = lambda s: jnp.stack([jnp.zeros_like(r), jnp.full_like(r, s)], -1)
    loss = lambda s: chance.HeteroscedasticLoss()(z(s), r) / r.size
    np.testing.assert_allclose(jax.grad(loss)(jnp.log(sigma)), 0.0, atol=1e-12)
    density = jax.scipy.stats.norm.logpdf(r[:5], 0.5, 1.7)
    z = jnp.broadcast_to(jnp.array([0.5, math.log(1.7)]), (5, 2))
    each = chance.HeteroscedasticLoss().each(z, r[:5]) + 0.5 * math.log(2 * math.pi)
    np.testing.assert_allclose(each, -density, rtol=1e-12)


# --- robust losses -------------------------------------------------------------------


@pytest.mark.spec("K3.4.18")
def test_the_best_constant_of_laplace_is_the_median():
    y = jnp.asarray(np.random.default_rng(3).standard_cauchy(51))
    median = jnp.sort(y)[25]
    loss = lambda z: chance.LaplaceLoss(0.5)(jnp.full(51, z), y)
    assert jax.grad(loss)(median) == 0.0
    assert loss(median) < min(loss(median + 1e-6), loss(median - 1e-6))
    each = chance.LaplaceLoss(0.5).each(y, None) + jnp.log(2 * 0.5)
    np.testing.assert_allclose(each, -jax.scipy.stats.laplace.logpdf(y, 0, 0.5))


@pytest.mark.spec("K3.4.19")
def test_the_pull_of_a_gross_error_on_cauchy_tends_to_nothing():
    loss = chance.CauchyLoss(2.0)
    pull = jax.vmap(jax.grad(lambda z: loss(z, None)))(jnp.array([2.0, 1e3, 1e9]))
    np.testing.assert_allclose(pull, [0.5, 2e-3 / (1 + 4e-6), 2e-9], rtol=1e-12)
    each = loss.each(Y, None) + math.log(2 * math.pi)
    np.testing.assert_allclose(each, -jax.scipy.stats.cauchy.logpdf(Y, 0, 2.0))


def test_student_lies_between_cauchy_and_gauss():
    student, t = chance.StudentTLoss, jax.scipy.stats.t.logpdf
    np.testing.assert_allclose(student(1.0)(Z, Y), chance.CauchyLoss()(Z, Y))
    np.testing.assert_allclose(student(1e9)(Z, Y), chance.Gaussian()(Z, Y), rtol=1e-7)
    found = student(3.0, 0.7).each(Z, Y)
    expected = t(jnp.zeros(()), 3.0, 0, 0.7) - t(Z, 3.0, Y, 0.7)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.spec("K3.4/b")
def test_huber_is_a_square_and_then_a_line():
    t = 1.3
    loss = lambda z: chance.HuberLoss(t)(z, None)
    r = jnp.linspace(-4, 4, 801)
    expected = jnp.where(jnp.abs(r) <= t, r**2 / 2, t * (jnp.abs(r) - t / 2))
    np.testing.assert_allclose(jax.vmap(loss)(r), expected, atol=1e-14)
    sides = jnp.array([t - 1e-9, t, t + 1e-9])
    np.testing.assert_allclose(jax.vmap(jax.grad(loss))(sides), t, atol=1e-8)
    wide, narrow = chance.HuberLoss(jnp.inf), chance.HuberLoss(1e-9)
    np.testing.assert_allclose(wide(Z, Y), chance.Gaussian()(Z, Y), rtol=1e-14)
    straight = 1e-9 * chance.LaplaceLoss()(Z, Y)
    np.testing.assert_allclose(narrow(Z, Y), straight, rtol=1e-7)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0, 4.0])
def test_a_power_is_the_sum_of_powers_and_its_derivatives_are_those(p):
    loss = chance.PowerLoss(p, 0.7)
    w = jnp.asarray(np.random.default_rng(9).uniform(size=(4, 3)))
    r = (np.asarray(Z) - np.asarray(Y)) / 0.7
    expected = np.sum(np.asarray(w) * np.abs(r) ** p / p)
    np.testing.assert_allclose(loss(Z, Y, w), expected, rtol=1e-13)
    each = np.asarray(w) * np.sign(r) * np.abs(r) ** (p - 1) / 0.7
    np.testing.assert_allclose(jax.grad(loss)(Z, Y, w), each, rtol=1e-12)
    one = lambda z: loss(z, None)
    z = jnp.asarray([-1.3, 0.4, 2.0])
    second = (p - 1) * np.abs(np.asarray(z) / 0.7) ** (p - 2) / 0.49
    found = jax.vmap(jax.grad(jax.grad(one)))(z)
    np.testing.assert_allclose(found, second, rtol=1e-12)
    by_power = jax.grad(lambda p: chance.PowerLoss(p, 0.7)(Z, Y))
    h = 1e-5
    plus, minus = (chance.PowerLoss(p + 2 * h + s, 0.7)(Z, Y) for s in (h, -h))
    central = (plus - minus) / (2 * h)
    np.testing.assert_allclose(by_power(p + 2 * h), central, rtol=1e-8)


@pytest.mark.parametrize(
    ("p", "wanted"),
    [
        (1.0, (0, 0, 0, 0, 0)),  # the first has no limit
        (1.5, (0, 0, 0, 0, 0)),  # the second is infinite
        (2.0, (0, 0, 1, 0, 0)),
        (3.0, (0, 0, 0, 0, 0)),  # the third has no limit
        (4.0, (0, 0, 0, 0, 6)),
    ],
)
def test_derivatives_of_a_power_where_the_difference_is_zero(p, wanted):
    f = lambda z: chance.PowerLoss(p)(z, None)
    for order in range(5):
        derivative = f
        for _ in range(order):
            derivative = jax.grad(derivative)
        assert derivative(jnp.asarray(0.0)) == wanted[order]


def test_powers_of_one_and_two_are_laplace_and_gauss():
    for power, other in ((1.0, chance.LaplaceLoss(0.7)), (2.0, chance.Gaussian(0.7))):
        loss = chance.PowerLoss(power, 0.7)
        np.testing.assert_allclose(loss(Z, Y), other(Z, Y), rtol=1e-14)
        one, two = (jax.grad(f)(Z, Y) for f in (loss, other))
        np.testing.assert_allclose(one, two, rtol=1e-13)
        scales = [jax.tree.leaves(chance.update_scale(f, Z)) for f in (loss, other)]
        np.testing.assert_allclose(scales[0][-1], scales[1][-1], rtol=1e-13)
    both = chance.PowerLoss(jnp.array([[1.0, 2.0, 4.0]]))
    apart = [chance.PowerLoss(p)(Z[:, i], Y[:, i]) for i, p in enumerate((1, 2.0, 4))]
    np.testing.assert_allclose(both(Z, Y), sum(apart), rtol=1e-14)


def test_the_root_of_a_large_power_is_the_largest_difference():
    largest = float(jnp.max(jnp.abs(Z - Y)))
    for p in (8.0, 64.0, 512.0):
        norm = (p * chance.PowerLoss(p)(Z, Y)) ** (1 / p)
        assert largest <= norm <= largest * 12 ** (1 / p)  # of 12 entries


def test_the_best_constant_goes_from_the_median_to_the_middle_of_the_extremes():
    y = jnp.array([0.0, 0.1, 0.3, 0.4, 2.0])
    grid = jnp.linspace(0, 2, 2001)

    def best(p):
        losses = jax.vmap(lambda z: chance.PowerLoss(p)(jnp.full(5, z), y))(grid)
        return float(grid[jnp.argmin(losses)])

    found = [best(p) for p in (1.0, 2.0, 4.0, 200.0)]
    np.testing.assert_allclose(found[:2], [0.3, 0.56], atol=1e-9)
    assert found == sorted(found)
    # Where the two extremes balance, the others pull by less than 1 / power.
    assert abs(found[-1] - 1.0) < 0.01
    slope = jax.grad(lambda z: chance.PowerLoss(4.0)(jnp.full(5, z), y))
    # Within half a step of the grid of the root of the slope.
    assert slope(found[2] - 5e-4) < 0 < slope(found[2] + 5e-4)


def test_the_scale_of_a_power_is_the_most_likely_one():
    r = jnp.asarray(np.random.default_rng(8).normal(size=300))
    scale = chance.update_scale(chance.PowerLoss(3.0), r).scale
    full = lambda s: chance.PowerLoss(3.0, s)(r, None) + r.size * jnp.log(s)
    np.testing.assert_allclose(jax.grad(full)(scale), 0.0, atol=1e-10)
    rows = chance.update_scale(chance.PowerLoss(3.0, jnp.ones(3)), Z).scale
    expected = np.mean(np.abs(np.asarray(Z)) ** 3, axis=0) ** (1 / 3)
    np.testing.assert_allclose(rows, expected, rtol=1e-13)


@pytest.mark.parametrize("r", [0.0, 1e-4, 0.999, 1.0, 1.001, 1e6])
def test_cauchy_and_its_derivatives_on_both_sides_of_its_branches(r):
    loss = lambda z: chance.CauchyLoss()(z, None)
    r = jnp.asarray(r)
    np.testing.assert_allclose(loss(r), jnp.log1p(r**2), rtol=1e-14)
    np.testing.assert_allclose(jax.grad(loss)(r), 2 * r / (1 + r**2), rtol=1e-13)
    second = 2 * (1 - r**2) / (1 + r**2) ** 2
    found = jax.grad(jax.grad(loss))(r)
    np.testing.assert_allclose(found, second, rtol=1e-12, atol=1e-14)


# --- counts and classes --------------------------------------------------------------


def test_the_best_constant_of_poisson_is_the_log_of_the_mean():
    y = COUNTS.ravel()
    loss = lambda z: chance.PoissonLoss()(jnp.full(y.shape, z), y) / y.size
    np.testing.assert_allclose(
        newton(loss, jnp.asarray(1.0)), jnp.log(jnp.mean(y)), rtol=1e-12
    )
    each = chance.PoissonLoss().each(Z, COUNTS)
    factorial = jax.scipy.special.gammaln(COUNTS.astype(float) + 1)
    logpmf = jax.scipy.stats.poisson.logpmf(COUNTS.astype(float), jnp.exp(Z))
    np.testing.assert_allclose(each + factorial, -logpmf, rtol=1e-12)


def test_bernoulli_keeps_tiny_losses_and_its_curvature_at_zero():
    loss = chance.BernoulliLoss()
    z = jnp.array([0.0, 5.0, 700.0])
    expected = jnp.log1p(jnp.exp(-z))
    np.testing.assert_allclose(loss.each(z, jnp.ones(3)), expected, rtol=1e-13)
    np.testing.assert_allclose(loss.each(-z, jnp.zeros(3)), expected, rtol=1e-13)
    second = jax.grad(jax.grad(lambda z: loss(z, jnp.asarray(1))))
    assert second(jnp.asarray(0.0)) == 0.25


def test_what_never_comes_costs_nothing():
    """A logit of minus infinity masks a class; 0 times infinity is 0."""
    z = jnp.array([0.0, -jnp.inf, 1.0])
    wanted = math.log1p(math.e)
    for y in (jnp.array(0), jnp.array([1.0, 0.0, 0.0])):
        value, slope = jax.value_and_grad(chance.CategoricalLoss())(z, y)
        np.testing.assert_allclose(value, wanted, rtol=1e-14)
        assert jnp.isfinite(slope).all()
    assert chance.PoissonLoss()(jnp.asarray(-jnp.inf), jnp.array(0)) == 0
    assert chance.BernoulliLoss()(jnp.asarray(jnp.inf), jnp.array(1)) == 0
    small = chance.HeteroscedasticLoss()
    assert small(jnp.array([1.0, -100.0], jnp.float32), jnp.float32(1.0)) == -100
    H = jax.hessian(small)(jnp.array([1.0, -1.0]), jnp.array(1.0))
    np.testing.assert_allclose(H[0, 0], math.exp(2), rtol=1e-12)
    by_target = jax.grad(chance.PoissonLoss(), 1)(jnp.asarray(2.0), jnp.asarray(0.0))
    assert by_target == -2


@pytest.mark.spec("K3.4.20")
def test_cross_entropy_is_least_at_the_frequency():
    for f in (0.1, 0.5, 0.93):
        loss = lambda z, f=f: chance.BernoulliLoss()(z, jnp.asarray(f))
        p = jax.nn.sigmoid(newton(loss, jnp.asarray(0.0)))
        np.testing.assert_allclose(p, f, rtol=0, atol=1e-8)


@pytest.mark.spec("K1.8.2")
def test_cross_entropy_of_a_uniform_guess_and_its_gradient():
    loss, y = chance.CategoricalLoss(), jnp.array(3)
    np.testing.assert_allclose(loss(jnp.zeros(10), y), 2.302585, atol=5e-7)
    z = jnp.asarray(RNG.normal(size=10))
    one_hot = jnp.zeros(10).at[3].set(1.0)
    np.testing.assert_allclose(loss(z, one_hot), loss(z, y), rtol=1e-14)
    expected = jax.nn.softmax(z) - one_hot
    np.testing.assert_allclose(jax.grad(loss)(z, y), expected, atol=1e-15)


@pytest.mark.spec("K3.4.5")
def test_a_batch_is_the_mean_of_its_examples():
    term = Term(lambda model, x, y: model["W"] @ x, chance.CategoricalLoss())
    objective = Objective({"label": term})
    x = jnp.asarray(RNG.normal(size=(4, 2)))
    model = {"W": jnp.asarray(RNG.normal(size=(3, 2)))}
    loss = lambda model: objective(model, {"label": Samples(x, LABELS)})[0]
    z = x @ model["W"].T
    log_p = jax.nn.log_softmax(z)
    by_hand = -sum(log_p[i, LABELS[i]] for i in range(4)) / 4
    np.testing.assert_allclose(loss(model), by_hand, rtol=1e-12)
    error = jax.nn.softmax(z) - jax.nn.one_hot(LABELS, 3)
    np.testing.assert_allclose(jax.grad(loss)(model)["W"], error.T @ x / 4, atol=1e-14)


def test_smoothing_mixes_the_label_with_the_even_guess():
    smooth, plain = chance.CategoricalLoss(0.3), chance.CategoricalLoss()
    p = 0.7 * jax.nn.one_hot(LABELS, 3) + 0.1
    np.testing.assert_allclose(smooth(Z, LABELS), plain(Z, p), rtol=1e-13)


def test_ordinal_probabilities_add_up_and_follow_the_thresholds():
    loss, support = chance.OrdinalLoss(THRESHOLDS), jnp.arange(4)
    p = lambda z: jnp.exp(-jax.vmap(lambda y: loss(z, y))(support))
    z = jnp.asarray(0.4)
    np.testing.assert_allclose(
        jnp.cumsum(p(z))[:3], jax.nn.sigmoid(THRESHOLDS - z), rtol=1e-13
    )
    # A middle class far out: the difference of two sigmoids would be exactly 0.
    gap = math.log(1 - math.exp(-1.7))
    far = chance.OrdinalLoss(THRESHOLDS)(jnp.asarray(800.0), jnp.array(2))
    np.testing.assert_allclose(far, 800.0 - 2.0 - gap, rtol=1e-14)
    by_thresholds = jax.grad(lambda t: chance.OrdinalLoss(t)(Z, COUNTS % 4))(THRESHOLDS)
    assert jnp.isfinite(by_thresholds).all()


# --- scales --------------------------------------------------------------------------


def test_the_scale_of_laplace_is_the_mean_absolute_residual():
    r = jnp.asarray(np.random.default_rng(4).laplace(0, 3.0, 1000))
    scale = chance.update_scale(chance.LaplaceLoss(), r).scale
    np.testing.assert_allclose(scale, jnp.mean(jnp.abs(r)), rtol=1e-12)
    # The standard error is scale / sqrt(N).
    assert abs(float(scale) - 3.0) < 4.5 * 3.0 / 1000**0.5


@pytest.mark.parametrize("degrees", [1.0, 4.0])
def test_steps_of_student_never_lower_the_likelihood_and_find_its_maximum(degrees):
    r = jnp.asarray(np.random.default_rng(5).standard_t(degrees, 400)) * 0.3
    full = lambda s: chance.StudentTLoss(degrees, s)(r, None) + r.size * jnp.log(s)
    loss = chance.StudentTLoss(degrees, jnp.asarray(5.0))
    if degrees == 1:
        loss = chance.CauchyLoss(jnp.asarray(5.0))
    step = jax.jit(lambda loss: chance.update_scale(loss, r))
    before = full(loss.scale)
    for _ in range(60):
        loss = step(loss)
        assert full(loss.scale) <= before + 1e-9
        before = full(loss.scale)
    np.testing.assert_allclose(jax.grad(full)(loss.scale), 0.0, atol=1e-6 * r.size)


def test_scales_entry_by_entry_and_weights():
    r = jnp.asarray(RNG.normal(size=(50, 3))) * jnp.array([[1.0, 10.0, 0.1]])
    w = jnp.arange(50.0)
    each = chance.update_scale(chance.Gaussian(jnp.ones(3)), r, w).sigma
    expected = np.sqrt(np.average(np.asarray(r) ** 2, axis=0, weights=np.arange(50)))
    np.testing.assert_allclose(each, expected, rtol=1e-12)
    # One step from scale s is of first order homogeneous in residuals and scale.
    student = lambda c: chance.StudentTLoss(2.0, jnp.full(3, c))
    one = chance.update_scale(student(1.0), r, w).scale
    ten = chance.update_scale(student(10.0), 10 * r, w).scale
    np.testing.assert_allclose(ten, 10 * one, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_scales_whose_squares_have_no_number(size):
    r = jnp.asarray([1.0, -3.0], jnp.float32)
    gaussian = chance.update_scale(chance.Gaussian(), size * r).sigma
    np.testing.assert_allclose(gaussian, size * math.sqrt(5), rtol=1e-6)
    student = chance.update_scale(chance.StudentTLoss(3.0), 1e25 * r).scale
    np.testing.assert_allclose(student, 2.0, rtol=1e-6)  # sqrt(degrees + 1)
    far = chance.CauchyLoss(jnp.float32(1e-20))(jnp.float32(1e30), None)
    np.testing.assert_allclose(far, 100 * math.log(10), rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["gaussian", "laplace", "cauchy", "student", "huber", "power"]
)
def test_a_unit_changes_the_numbers_but_not_the_loss(name):
    loss = LOSSES.get(name, [chance.Gaussian(0.7)])[0]
    unit = jnp.array([[3.0, 0.1, 1e4]])
    there = chance.rescale(loss, unit)(Z * unit, Y * unit)
    np.testing.assert_allclose(there, loss(Z, Y), rtol=1e-13)


# --- priors --------------------------------------------------------------------------


def linear_fit(examples):
    x = jnp.asarray(np.random.default_rng(6).normal(size=(examples, 3)))
    noise = 0.5 * jnp.asarray(np.random.default_rng(7).normal(size=examples))
    return x, x @ jnp.array([1.0, -2.0, 0.5]) + noise


@pytest.mark.spec("K3.4.6-7")
def test_a_normal_prior_gives_ridge_regression():
    x, y = linear_fit(20)
    sigma, tau, where = 0.5, 0.3, lambda model: model
    fit = Term(lambda w, x, y: x @ w, chance.Gaussian(sigma))
    objective = lambda scale: Objective(
        {"fit": fit, "prior": chance.NormalPrior(scale, where).term(20)}
    )
    samples = {"fit": Samples(x, y), "prior": Samples(jnp.zeros((1, 1)))}
    best = lambda scale: newton(
        lambda w: objective(scale)(w, samples)[0], jnp.zeros(3), steps=1
    )
    ridge = jnp.linalg.solve(x.T @ x + (sigma / tau) ** 2 * jnp.eye(3), x.T @ y)
    np.testing.assert_allclose(best(tau), ridge, rtol=0, atol=1e-10)
    flat = jnp.linalg.lstsq(x, y)[0]
    np.testing.assert_allclose(best(1e9), flat, rtol=0, atol=1e-10)
    residuals = objective(tau).residuals(ridge, samples)
    half = 0.5 * sum(jnp.sum(r**2) for r in residuals.values())
    np.testing.assert_allclose(half, objective(tau)(ridge, samples)[0], rtol=1e-12)


@pytest.mark.spec("K3.4.6-7")
def test_the_effect_of_a_prior_falls_as_one_over_the_examples():
    x, y = linear_fit(25)
    shift = []
    for copies in (4, 40, 400):
        X, Y = jnp.tile(x, (copies, 1)), jnp.tile(y, copies)
        prior = chance.NormalPrior(1.0, lambda w: w)
        loss = lambda w, X=X, Y=Y, p=prior: chance.Gaussian()(X @ w, Y) + p(w)
        mle = jnp.linalg.lstsq(X, Y)[0]
        best = newton(loss, jnp.zeros(3), steps=1)
        shift.append(float(jnp.linalg.norm(best - mle)))
    ratios = np.divide(shift[:-1], shift[1:])
    np.testing.assert_allclose(ratios, 10, rtol=0.2)
    np.testing.assert_allclose(ratios[1], 10, rtol=0.02)


@pytest.mark.spec("K3.4.21")
def test_penalties_are_priors_and_leave_biases_alone():
    model = {"W": Z, "b": jnp.full(3, 100.0), "name": "net"}
    square, absolute = jnp.sum(Z**2), jnp.sum(jnp.abs(Z))
    np.testing.assert_allclose(chance.penalty(model, 0.3), 0.3 * square)
    np.testing.assert_allclose(chance.penalty(model, 0.3, power=1), 0.3 * absolute)
    np.testing.assert_allclose(
        chance.NormalPrior(2.0)(model), chance.penalty(model, 1 / 8), rtol=1e-13
    )
    np.testing.assert_allclose(
        chance.LaplacePrior(2.0)(model), chance.penalty(model, 0.5, power=1), rtol=1e-13
    )
    biases = chance.penalty(model, 1.0, where=lambda model: model["b"])
    np.testing.assert_allclose(biases, 30_000.0)
    for power in (1, 1.5, 2):
        slope = jax.grad(lambda W, p=power: chance.penalty({"W": W}, 0.5, p))
        assert (slope(jnp.zeros((2, 2))) == 0).all()


@pytest.mark.spec("K3.4.21")
def test_the_laplace_prior_gives_exact_zeros_and_the_normal_one_does_not():
    x, y = linear_fit(40)
    x = jnp.concatenate([x, jnp.asarray(RNG.normal(size=(40, 5)))], 1)
    step, alpha = 1 / jnp.linalg.norm(x, 2) ** 2, 15.0
    gradient = lambda w: x.T @ (x @ w - y)

    def move(w, _):
        return chance.soft_threshold(w - step * gradient(w), step * alpha), None

    sparse = jax.lax.scan(move, jnp.zeros(8), None, 500)[0]
    zero = sparse == 0
    assert zero[3:].all()
    assert not zero[:2].any()
    # Optimal: the slope of the loss balances the penalty, or stays below it at 0.
    slope = gradient(sparse)
    np.testing.assert_allclose(
        slope[~zero], -alpha * jnp.sign(sparse[~zero]), atol=1e-9
    )
    assert (jnp.abs(slope[zero]) <= alpha).all()
    ridge = jnp.linalg.solve(x.T @ x + alpha * jnp.eye(8), x.T @ y)
    assert (ridge != 0).all()


@given(st.floats(-5, 5), st.floats(0, 3))
def test_soft_threshold_is_the_proximal_map(theta, t):
    """It minimizes (u - theta)^2 / 2 + t |u|."""
    u = chance.soft_threshold(jnp.asarray(theta), t)
    cost = lambda u: (u - theta) ** 2 / 2 + t * jnp.abs(u)
    grid = jnp.linspace(-6, 6, 121)
    assert cost(u) <= jnp.min(cost(grid)) + 1e-12


# --- what cannot be used -------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: chance.LaplaceLoss(0.0), "`LaplaceLoss`: scale is not positive"),
        (lambda: chance.CauchyLoss(-1.0), "`CauchyLoss`: scale is not positive"),
        (lambda: chance.StudentTLoss(0.0), "`StudentTLoss`: degrees is not positive"),
        (lambda: chance.HuberLoss(0.0), "`HuberLoss`: threshold is not positive"),
        (lambda: chance.PowerLoss(0.5), "`PowerLoss`: power is not 1 or more"),
        (lambda: chance.PowerLoss(math.inf), "`PowerLoss`: power is not 1 or more"),
        (lambda: chance.PowerLoss(2.0, 0.0), "`PowerLoss`: scale is not positive"),
        (
            lambda: chance.update_scale(chance.PowerLoss(jnp.array([2.0, 3.0])), Z),
            r"power of the loss has shape \(2,\); expected a number",
        ),
        (lambda: chance.CategoricalLoss(2.0), "smoothing is 2.0; expected 0 to 1"),
        (lambda: chance.OrdinalLoss(jnp.ones(2)), "thresholds do not increase"),
        (lambda: chance.OrdinalLoss(jnp.ones((2, 2))), r"shape \(2, 2\); expected"),
        (lambda: chance.NormalPrior(0.0), "`NormalPrior`: scale is not positive"),
        (lambda: chance.NormalPrior()({"b": jnp.ones(3)}), "no array of the model"),
        (lambda: chance.NormalPrior().term(0), "examples is 0; expected 1 or more"),
        (lambda: chance.penalty({"W": Z}, -1.0), "alpha is -1.0; expected 0 or more"),
        (lambda: chance.penalty({"W": Z}, 1.0, 0.5), "power is 0.5; expected 1"),
        (lambda: chance.soft_threshold(Z, -1.0), "threshold is negative"),
        (
            lambda: chance.update_scale(chance.Gaussian(), jnp.zeros(3)),
            "`update_scale`: residuals are all 0",
        ),
        (
            lambda: chance.update_scale(chance.Gaussian(jnp.ones(2)), Z),
            r"residuals has shape \(4, 3\); expected \(N, 2\)",
        ),
        (
            lambda: chance.update_scale(chance.Gaussian(), Z.at[0, 0].set(jnp.nan)),
            "`update_scale`: residuals holds nan; expected finite numbers",
        ),
        (
            lambda: chance.update_scale(chance.Gaussian(), Z, -jnp.ones(4)),
            "`update_scale`: weights holds -1.0; expected 0 or more",
        ),
        (
            lambda: chance.rescale(chance.Gaussian(), 0.0),
            "`rescale`: unit is not positive",
        ),
        (
            lambda: chance.update_scale(chance.Gaussian(), Z, jnp.ones(3)),
            r"weights has shape \(3,\); expected \(4,\) or \(4, 3\)",
        ),
    ],
)
def test_parameters_that_cannot_be_used(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@EACH
def test_targets_and_weights_of_another_shape_are_refused(name):
    loss, z, y, _ = LOSSES[name]
    owner = type(loss).__name__
    with pytest.raises(ValueError, match=f"`{owner}`: y has shape .* expected"):
        loss(z, y[:2])
    with pytest.raises(ValueError, match=f"`{owner}`: w has shape .* expected"):
        loss(z, y, jnp.ones(7))
    with pytest.raises(TypeError, match=f"`{owner}`: z is of type int64"):
        loss(z.astype(int), y)


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        (chance.CategoricalLoss(), LABELS + 1, "y holds 3; expected 0 to 2"),
        (chance.OrdinalLoss(THRESHOLDS), COUNTS - 20, "y holds -.*; expected 0 to 3"),
        (chance.PoissonLoss(), -COUNTS - 1, "y holds -.*; expected counts, 0 or more"),
        (chance.BernoulliLoss(), COUNTS + 2, "y holds .*; expected 0 to 1"),
        (chance.CategoricalLoss(), 2 + 0 * Z, "y holds 2.0; expected 0 to 1"),
        (chance.CategoricalLoss(), Z / Z / 4, "y has a row with sum 0.75; expected"),
        (chance.LaplaceLoss(jnp.ones((2, 4, 3))), Y, "scale has shape"),
        (chance.StudentTLoss(jnp.ones(3)), Y, "degrees has shape"),
        (chance.HuberLoss(jnp.ones(3)), Y, "threshold has shape"),
    ],
)
def test_targets_out_of_range_are_refused(loss, y, message):
    with pytest.raises(ValueError, match=f"`{type(loss).__name__}`: {message}"):
        loss(Z, y)


def test_what_has_no_index_no_logits_or_no_scale():
    with pytest.raises(TypeError, match="`OrdinalLoss`: y is of type float64"):
        chance.OrdinalLoss(THRESHOLDS)(Z, Y)
    with pytest.raises(ValueError, match=r"`CategoricalLoss`: z has shape \(\)"):
        chance.CategoricalLoss()(jnp.asarray(1.0), jnp.array(0))
    with pytest.raises(
        ValueError, match=r"`HeteroscedasticLoss`: z has shape \(4, 3\)"
    ):
        chance.HeteroscedasticLoss()(Z, Y[:, 0])
    with pytest.raises(TypeError, match="`update_scale`: loss is a HuberLoss"):
        chance.update_scale(chance.HuberLoss(), Z)
    with pytest.raises(TypeError, match="`update_scale`: residuals is of type int64"):
        chance.update_scale(chance.StudentTLoss(3.0, 0.5), COUNTS)
    with pytest.raises(TypeError, match="`rescale`: loss is PoissonLoss"):
        chance.rescale(chance.PoissonLoss(), 2.0)
