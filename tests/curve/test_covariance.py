"""Covariances against closed forms, SciPy and the bound; where nothing can be said."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st
from jax.flatten_util import ravel_pytree
from scipy import optimize, stats

from osculate import chance, curve, nets, train
from osculate.core import Gaussian, Objective, Samples, Term

RNG = np.random.default_rng(0)
N, P = 20, 4
X = jnp.asarray(RNG.normal(size=(N, P)))
Y = jnp.asarray(RNG.normal(size=N))
C = jnp.asarray(RNG.normal(size=(2, P)))
THETA = jnp.asarray(RNG.normal(size=P))
SIGMA = 0.3
LINEAR = lambda m, x, y: x @ m
ALL = lambda m: m


def fitted(X, Y):
    return jnp.asarray(np.linalg.lstsq(X, Y)[0])


def regression(X=X, Y=Y, weight=None, loss=None):
    objective = Objective({"data": Term(LINEAR, loss or Gaussian(SIGMA))})
    return objective, {"data": Samples(X, Y, weight)}


def constrained(weight=1.0, C=C):
    data, samples = regression()
    terms = {**data.terms, "law": Term(LINEAR, weight=weight)}
    return Objective(terms), {**samples, "law": Samples(C)}


def null_space(C):
    return np.linalg.svd(C)[2][len(C) :].T


# --- closed forms ---------------------------------------------------------------------


def test_linear_regression():
    objective, samples = regression()
    theta = fitted(X, Y)
    found = curve.covariance(
        objective, theta, samples, of=ALL, observed="data", sigma=1
    )
    exact = np.linalg.inv(X.T @ X)
    np.testing.assert_allclose(found.covariance, SIGMA**2 * exact, rtol=1e-10)
    np.testing.assert_allclose(
        found.standard_error, np.sqrt(np.diag(found.covariance)), rtol=1e-15
    )
    assert found.identified.all()
    assert (found.num_free, found.rank, found.degrees_of_freedom) == (4, 4, np.inf)
    assert found.gap == (0, np.inf)
    estimated = curve.covariance(objective, theta, samples, of=ALL, observed=["data"])
    variance = np.sum((X @ theta - Y) ** 2) / (N - P)
    np.testing.assert_allclose(estimated.covariance, variance * exact, rtol=1e-10)
    assert estimated.sigma == pytest.approx(np.sqrt(variance) / SIGMA, rel=1e-12)
    assert estimated.degrees_of_freedom == pytest.approx(N - P, rel=1e-12)


def test_columns_of_any_units():
    """The condition number 1e12 is one of units alone."""
    units = np.array([1e-6, 1.0, 1e3, 1e6])
    objective, samples = regression(jnp.asarray(np.asarray(X) * units))
    model = fitted(X, Y) / units
    found = curve.covariance(objective, model, samples, of=ALL, observed="data")
    plain = curve.covariance(
        regression()[0], fitted(X, Y), regression()[1], of=ALL, observed="data"
    )
    expected = plain.covariance / np.outer(units, units)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-9)


@pytest.mark.parametrize("weight", [1e-6, 1.0, 1e8])
def test_constrained_linear_regression(weight):
    """The covariance of the Lagrange equations, whatever the weight."""
    objective, samples = constrained(weight)
    found = curve.covariance(
        objective, THETA, samples, of=ALL, observed="data", sigma=1
    )
    lagrange = np.block([[X.T @ X, C.T], [C, np.zeros((2, 2))]])
    exact = SIGMA**2 * np.linalg.inv(lagrange)[:P, :P]
    np.testing.assert_allclose(found.covariance, exact, rtol=0, atol=1e-12)
    assert found.num_free == 2
    assert found.gap[0] < 1e-13
    assert found.gap[1] > 0.1
    Z = null_space(C)
    step = Z @ np.linalg.lstsq(X @ Z, Y - X @ THETA)[0]
    np.testing.assert_allclose(found.remaining, step, rtol=0, atol=1e-12)


def test_against_curve_fit():
    t = jnp.linspace(0.0, 3.0, 25)
    law = lambda p, t: p[0] * jnp.exp(-p[1] * t) + p[2]
    y = law(jnp.asarray([2.0, 1.3, 0.5]), t) + 0.1 * jr.normal(jr.key(2), (25,))
    objective = Objective({"data": Term(lambda p, t, y: law(p, t), Gaussian(0.1))})
    samples = {"data": Samples(t, y)}
    result = train.fit(
        objective, jnp.ones(3), samples, curve.levenberg_marquardt(), steps=60
    )
    shapes = lambda t, *p: np.asarray(law(jnp.asarray(p), jnp.asarray(t)))
    slopes = lambda t, *p: np.asarray(
        jax.jacfwd(law)(jnp.asarray(p), jnp.asarray(t)),
    )
    for absolute, sigma in ((True, 1), (False, None)):
        found = curve.covariance(
            objective, result.value, samples, of=ALL, observed="data", sigma=sigma
        )
        p, expected = optimize.curve_fit(
            shapes,
            np.asarray(t),
            np.asarray(y),
            result.value,
            np.full(25, 0.1),
            absolute_sigma=absolute,
            jac=slopes,
            xtol=1e-14,
            ftol=1e-14,
        )
        # Both end where rounding leaves the minimum.
        np.testing.assert_allclose(found.value, p, rtol=1e-6)
        np.testing.assert_allclose(found.covariance, expected, rtol=1e-6)


def test_quantities_by_the_delta_method():
    """Any tree of quantities; their derivative by central differences, step 1e-6."""
    objective, samples = constrained()
    of = lambda m: {"ratio": m[0] / m[1], "curve": jnp.exp(m)[1:3]}
    ask = lambda of: curve.covariance(
        objective, THETA, samples, of=of, observed="data", sigma=1
    )
    found, plain = ask(of), ask(ALL)
    flat = lambda m: np.concatenate([of(m)["curve"], of(m)["ratio"][None]])
    h = 1e-6 * np.eye(P)
    G = np.stack([(flat(THETA + v) - flat(THETA - v)) / 2e-6 for v in h], 1)
    expected = G @ plain.covariance @ G.T
    # Central differences with this step err by 1e-10 of the values.
    np.testing.assert_allclose(found.covariance, expected, rtol=0, atol=1e-8)
    error = found.standard_error
    assert error["curve"].shape == (2,)
    np.testing.assert_allclose(error["ratio"] ** 2, found.covariance[2, 2], rtol=1e-12)
    np.testing.assert_allclose(found.value["ratio"], THETA[0] / THETA[1], rtol=1e-15)


@pytest.mark.spec("K3.4.14")
def test_attains_the_bound():
    """For normal noise it is J F^-1 J' with the Fisher information of all rows."""
    objective, samples = regression()
    law = chance.Normal(0.0, SIGMA)
    F = X.T @ X * law.fisher()[0, 0]
    of = lambda m: jnp.stack([m @ m, m[0] * m[1]])
    found = curve.covariance(objective, THETA, samples, of=of, observed="data", sigma=1)
    bound = chance.cramer_rao(F, jax.jacobian(of)(THETA))
    np.testing.assert_allclose(found.covariance, bound, rtol=1e-10)


# --- what counts how much -------------------------------------------------------------


def test_weights_are_precisions_and_zero_is_absent():
    weight = jnp.asarray(RNG.uniform(0.5, 2.0, N)).at[:5].set(0.0)
    objective, samples = regression(Y=Y.at[0].set(jnp.nan), weight=weight)
    theta = fitted(X * jnp.sqrt(weight)[:, None], Y * jnp.sqrt(weight))
    found = curve.covariance(objective, theta, samples, of=ALL, observed="data")
    exact = np.linalg.inv(X.T @ (X * weight[:, None]))
    variance = np.sum((weight * (X @ theta - Y) ** 2)[5:]) / (N - 5 - P)
    np.testing.assert_allclose(found.covariance, variance * exact, rtol=1e-10)
    assert found.degrees_of_freedom == pytest.approx(N - 5 - P, rel=1e-12)


def test_terms_that_count_unlike():
    """Of 15 and 5 rows averaged each by itself, those of the few pull more."""
    terms = {"many": Term(LINEAR, Gaussian(SIGMA)), "few": Term(LINEAR, Gaussian(1.0))}
    samples = {"many": Samples(X[:15], Y[:15]), "few": Samples(X[15:], Y[15:])}
    pull = np.r_[np.full(15, 1 / 15 / SIGMA**2), np.full(5, 1 / 5)]
    noise = np.diag(np.r_[np.full(15, SIGMA**2), np.ones(5)])
    A = np.asarray(X)
    estimate = np.linalg.solve(A.T @ (A * pull[:, None]), A.T * pull)
    theta = jnp.asarray(estimate @ Y)
    ask = lambda **options: curve.covariance(
        Objective(terms), theta, samples, of=ALL, observed={"many", "few"}, **options
    )
    exact = estimate @ noise @ estimate.T
    np.testing.assert_allclose(ask(sigma=1).covariance, exact, rtol=1e-9)
    np.testing.assert_allclose(ask(sigma=1).remaining, 0, atol=1e-12)
    # The mean of the sum of squares in units of the noise, by its own trace.
    left = np.diag(np.diag(noise) ** -0.5) @ (np.eye(N) - A @ estimate)
    mean = np.trace(left @ noise @ left.T)
    found = ask()
    assert found.degrees_of_freedom == pytest.approx(mean, rel=1e-10)
    squares = float(np.sum((A @ theta - Y) ** 2 / np.diag(noise)))
    assert found.sigma**2 == pytest.approx(squares / mean, rel=1e-10)


def test_one_probe_of_both():
    """Observations and constraints from one probe are told apart by name."""
    both = lambda m, x, y: {"law": jnp.stack([x["c"] @ m]), "u": x["x"] @ m}
    objective = Objective({"a": Term(both, {"law": Gaussian(), "u": Gaussian(SIGMA)})})
    rows = {"x": X, "c": jnp.concatenate([C, jnp.zeros((N - 2, P))])}
    samples = {"a": Samples(rows, {"law": None, "u": Y})}
    found = curve.covariance(objective, THETA, samples, of=ALL, observed="a.u", sigma=1)
    plain = curve.covariance(
        *(constrained()[0], THETA, constrained()[1]), of=ALL, observed="data", sigma=1
    )
    np.testing.assert_allclose(found.covariance, plain.covariance, atol=1e-12)


# --- laws -----------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
def test_does_not_depend_on_the_coordinates(seed):
    """`theta = A q`: the same quantities, the same covariance; none is negative."""
    rng = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(rng.normal(size=(P, P)))
    A = jnp.asarray(Q * np.exp(rng.uniform(-2, 2, P)))
    objective, samples = constrained()
    turned = {
        "data": Samples(X @ A, Y),
        "law": Samples(C @ A),
    }
    ask = lambda m, samples, of: curve.covariance(
        objective, m, samples, of=of, observed="data", sigma=1
    )
    found = ask(THETA, samples, Turned(jnp.eye(P)))
    other = ask(jnp.linalg.solve(A, THETA), turned, Turned(A))
    np.testing.assert_allclose(found.covariance, other.covariance, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(other.covariance, other.covariance.T)
    assert np.linalg.eigvalsh(other.covariance).min() > -1e-15


class Turned(eqx.Module):
    """Quantities of a model in other coordinates."""

    A: jax.Array

    def __call__(self, m):
        theta = self.A @ m
        return jnp.stack([theta[0] * theta[1], jnp.sin(theta[2])])


@given(st.floats(0.01, 0.99), st.integers(0, 2**32 - 1))
def test_interval(level, seed):
    rng = np.random.default_rng(seed)
    objective, samples = regression(Y=jnp.asarray(rng.normal(size=N)))
    for sigma, law in ((1, stats.norm), (None, stats.t(N - P))):
        found = curve.covariance(
            objective, THETA, samples, of=ALL, observed="data", sigma=sigma
        )
        low, high = found.interval(level)
        np.testing.assert_allclose((low + high) / 2, THETA, rtol=1e-12)
        times = law.ppf((1 + level) / 2)
        np.testing.assert_allclose(
            high - low, 2 * times * found.standard_error, rtol=1e-10
        )


# --- inverse problems -----------------------------------------------------------------

K, NOISE = 1.3, 0.05
T = jnp.linspace(0.0, 2.0, 31)[1:, None]


def value(model, t, y):
    return model["u"](t)


def decay(model, t, y):
    u, u_t = jax.jvp(model["u"], (t,), (jnp.ones_like(t),))
    return u_t + model["k"] * u


COEFFICIENT = lambda model: model["k"]


@pytest.fixture(scope="module")
def problem():
    """Fits of `u' = -k u`, `u(0) = 1` at rising weight, each begun at the last."""
    y = jnp.exp(-K * T) + NOISE * jr.normal(jr.key(3), T.shape)
    samples = {
        "data": Samples(T, y),
        "equation": Samples(jnp.linspace(0.0, 2.0, 60)[:, None]),
        "start": Samples(jnp.zeros((1, 1)), jnp.ones((1, 1))),
    }
    model = {
        "u": nets.MLP(1, 1, width=8, depth=1, key=jr.key(1)),
        "k": jnp.asarray(1.0),
    }
    fits = {}
    for weight in (1e2, 1e4):
        factor = jnp.asarray(weight)
        terms = {
            "data": Term(value, Gaussian(NOISE)),
            "equation": Term(decay, weight=factor),
            "start": Term(value, weight=factor),
        }
        objective = Objective(terms)
        method = curve.levenberg_marquardt()
        model = train.fit(objective, model, samples, method, steps=300, every=300).value
        fits[weight] = objective, model
    return fits, samples


def ask(problem, weight, of=COEFFICIENT, **options):
    fits, samples = problem
    options = {"sigma": 1, "observed": "data", **options}
    return curve.covariance(*fits[weight], samples, of=of, **options)


def test_unknown_of_an_equation(problem):
    """As sure as the regression with the exact solution exp(-k t)."""
    found = ask(problem, 1e4)
    k = found.value
    slope = -T * jnp.exp(-k * T) / NOISE
    exact = 1 / np.sqrt(np.sum(slope**2))
    # The net itself solves the equation to 1e-4.
    assert found.standard_error == pytest.approx(exact, rel=1e-4)
    assert found.num_free == 1
    assert found.gap[0] < 1e-5
    assert found.gap[1] > 0.1
    assert abs(found.remaining[0]) < 1e-3 * found.standard_error
    low, high = found.interval()
    assert low < K < high
    assert abs(ask(problem, 1e2).value - k) < 0.1 * found.standard_error


def test_weight_of_the_equation_does_not_count(problem):
    fits, samples = problem
    objective, model = fits[1e4]
    errors = []
    for weight in (1e-3, 1.0, 1e6):
        where = lambda o: o.terms["equation"].weight
        other = eqx.tree_at(where, objective, jnp.asarray(weight))
        errors.append(ask(({weight: (other, model)}, samples), weight).standard_error)
    np.testing.assert_allclose(errors, errors[0], rtol=1e-6)
    one = eqx.tree_at(
        lambda o: [o.terms[name].weight for name in ("equation", "start")],
        objective,
        [jnp.ones(()), jnp.ones(())],
    )
    J = curve.jacobian_matrix(one, model, samples)
    naive = np.linalg.pinv(J.T @ J, rcond=1e-12)
    at = np.flatnonzero(ravel_pytree(model)[0] == model["k"])
    assert np.sqrt(naive[at, at]) > 20 * errors[0]


def test_where_the_equation_was_asked_for(problem):
    """At the initial condition all is known, far outside of the samples nothing."""
    of = lambda model: model["u"](jnp.zeros(1))
    assert ask(problem, 1e4, of).standard_error < 1e-8
    fits, samples = problem
    apart = {**fits[1e4][1], "other": jnp.asarray(2.0)}
    found = curve.covariance(
        fits[1e4][0],
        apart,
        samples,
        of=lambda m: (m["k"], m["other"] * m["k"]),
        observed="data",
        sigma=1,
    )
    assert found.identified.tolist() == [True, False]
    assert np.isinf(found.standard_error[1])
    assert np.isnan(found.covariance[0, 1])
    assert found.unseen[1] > 1e-3
    assert found.interval()[0][1] == -np.inf
    known = ask(problem, 1e4).standard_error
    assert found.standard_error[0] == pytest.approx(known, rel=1e-8)


# --- where nothing can be said --------------------------------------------------------


def test_directions_without_observations():
    """Twice the same column: only the sum of both parameters is known."""
    twice = X.at[:, 1].set(X[:, 0])
    objective, samples = regression(twice)
    of = lambda m: jnp.stack([m[0], m[0] + m[1], m[2], 2 * m[3]])
    found = curve.covariance(objective, THETA, samples, of=of, observed="data", sigma=1)
    assert found.identified.tolist() == [False, True, True, True]
    assert found.rank == 3
    exact = SIGMA**2 * np.linalg.inv(twice[:, 1:].T @ twice[:, 1:])
    G = np.diag([1.0, 1, 2])
    np.testing.assert_allclose(found.covariance[1:, 1:], G @ exact @ G, rtol=1e-9)
    assert np.isinf(found.covariance[0, 0])
    assert np.isnan(found.covariance[0, 1:]).all()


def refused(match, model=THETA, problem=None, **options):
    objective, samples = problem or constrained()
    options = {"of": ALL, "observed": "data", **options}
    with pytest.raises(ValueError, match=match):
        curve.covariance(objective, model, samples, **options)


def test_messages():
    refused(r"'dta', which is no term; .* Did you mean 'data'", observed="dta")
    refused("observed is empty", observed=[])
    refused("are of type float32", THETA.astype(jnp.float32))
    refused("`of` returns no numbers", of=lambda m: {})
    refused("sigma is -1", sigma=-1)
    refused("tolerance is 0", tolerance=0.0)
    refused("rank_tolerance is 2", rank_tolerance=2.0)
    refused("derivatives of `of` are infinite", of=lambda m: jnp.sqrt(m - m))
    refused("20 observations with a weight", problem=regression(0 * X))
    refused("0 observations with a", problem=regression(weight=jnp.zeros(N)))
    refused(r"samples of \['data'\] have no rows", problem=regression(X[:0], Y[:0]))
    refused("4 observations for 4 free", problem=regression(X[:4], Y[:4]))
    refused("hold every direction", problem=constrained(C=jnp.eye(P)))
    loss = chance.LaplaceLoss(1.0)
    refused("'data', LaplaceLoss, is no sum of squares", problem=regression(loss=loss))
    wrong = X.at[0, 0].set(jnp.nan)
    refused(r"derivatives of \['data'\] are infinite", problem=regression(wrong))
    objective, samples = regression()
    found = curve.covariance(objective, THETA, samples, of=ALL, observed="data")
    with pytest.raises(ValueError, match="level is 95"):
        found.interval(95.0)
    big = {"a": jnp.zeros(2**20)}
    probe = lambda m, x, y: m["a"][0] * x
    wide = Objective({"data": Term(probe)}), {"data": Samples(jnp.zeros((2**20, 4)))}
    refused("`covariance`: a dense matrix of shape", big, wide, of=lambda m: m["a"][0])


def test_labels_that_begin_alike():
    terms = {"a": Term(LINEAR), "a.b": Term(LINEAR)}
    samples = {"a": Samples(X, Y), "a.b": Samples(C)}
    for order in itertools.permutations(terms):
        objective = Objective({label: terms[label] for label in order})
        found = curve.covariance(objective, THETA, samples, of=ALL, observed="a")
        assert (found.num_free, found.rank) == (2, 4)
