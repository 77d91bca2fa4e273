"""Gaussian processes of jets against dense algebra with covariances written by hand."""

import math
import re
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.polynomial import hermite_e

from osculate import data, diff, match, store
from osculate.core import FitWarning, InputError, Samples
from osculate.match import _condition, _evidence, _hyperparameters, _jet_rows
from osculate.match._known_entries import known_entries

RNG = np.random.default_rng(0)
N, D = 7, 2
X = RNG.uniform(-1, 2, (N, D)) * [1.0, 30.0]
ENDS = [X[:, d].min() for d in range(D)], [X[:, d].max() for d in range(D)]
PLACES = RNG.uniform(*ENDS, (5, D))
NAMES = ["value", "jacobian", "hessian"]


def smooth(x):
    return jnp.stack([jnp.sin(2 * x[0]) + x[1] / 20, jnp.exp(x[0] / 3) * x[1] / 30 - 7])


def one_output(x):
    return smooth(x)[:1]


@eqx.filter_jit
def jets(u, x, order=0):
    return jax.vmap(diff.jet(u, order))(x)


def tensors(x, orders=(0, 1), u=smooth):
    found = jets(u, jnp.asarray(x), max(orders))
    return {NAMES[k]: np.array(found[k]) for k in orders}


def hyperparameters(M=2, noise=None):
    scales = np.array([[0.8, 40.0], [1.1, 25.0]])[np.arange(M) % 2]
    amplitude = np.array([1.3, 0.6])[np.arange(M) % 2]
    return match.Hyperparameters(
        jnp.asarray(scales), jnp.asarray(amplitude), noise or {}
    )


@eqx.filter_jit
def predict(process, x, order):
    mean = jax.vmap(diff.jet(process, order))(x)
    return mean, jax.vmap(lambda x: process.covariance(x, order))(x)


@eqx.filter_jit
def variances(process, x, order):
    return jax.vmap(lambda x: process.variance(x, order))(x)


# The oracle: products of one-dimensional derivatives by Hermite polynomials.


def derivative_1d(order, difference, scale):
    t = difference / scale
    he = hermite_e.hermeval(t, [0.0] * order + [1.0])
    return (-1 / scale) ** order * he * math.exp(-t * t / 2)


def covariance(x, a, y, b, scale, amplitude):
    """Of d^a f(x) and d^b f(y), with a and b how often by each coordinate."""
    parts = [
        (-1) ** b[d] * derivative_1d(a[d] + b[d], x[d] - y[d], scale[d])
        for d in range(len(x))
    ]
    return amplitude**2 * math.prod(parts)


def trend_row(x, a, trend):
    full = [
        math.prod(float(k == 0) for k in a),
        *(
            x[d] if sum(a) == 0 else float(sum(a) == 1 and a[d] == 1)
            for d in range(len(x))
        ),
    ]
    return full[: {"none": 0, "constant": 1, "linear": 1 + len(x)}[trend]]


def matrix(left, right, scale, amplitude):
    return np.array(
        [[covariance(*p, *q, scale, amplitude) for q in right] for p in left]
    )


def powers(size, order):
    every = np.ndindex(*(size,) * order)
    return [tuple(np.bincount(i, minlength=size)) for i in map(list, every)]


def known_rows(x, y, m, weight=None):
    """Rows `(x, powers)`, and their targets, of the distinct known entries."""
    rows, targets = [], []
    for name, tensor in y.items():
        order = NAMES.index(name)
        for i in range(len(x)):
            for place in np.ndindex(*(x.shape[1],) * order):
                at = (i, m, *place)
                if list(place) == sorted(place) and (
                    weight is None or weight[name][at]
                ):
                    a = tuple(np.bincount(place, minlength=x.shape[1]).astype(int))
                    rows.append((x[i], a))
                    targets.append(float(tensor[at]))
    return rows, np.array(targets)


def kriging(rows, targets, asked, trend, scale, amplitude, noise=0.0):
    """Mean, covariance and log evidence by the bordered matrix of universal kriging."""
    K = matrix(rows, rows, scale, amplitude) + np.diag(np.full(len(rows), noise**2))
    H = np.array([trend_row(*r, trend) for r in rows])
    q = H.shape[1]
    whole = np.block([[K, H], [H.T, np.zeros((q, q))]])
    across = np.hstack(
        [
            matrix(asked, rows, scale, amplitude),
            np.array([trend_row(*r, trend) for r in asked]),
        ]
    )
    padded = np.concatenate([targets, np.zeros(q)])
    mean = across @ np.linalg.solve(whole, padded)
    spread = matrix(asked, asked, scale, amplitude)
    spread = spread - across @ np.linalg.solve(whole, across.T)
    square = padded @ np.linalg.solve(whole, padded)
    log = np.linalg.slogdet(whole)[1] + (len(rows) - q) * math.log(2 * math.pi)
    return mean, spread, -0.5 * (log + square)


@pytest.mark.parametrize("trend", ["none", "constant", "linear"])
def test_posterior_is_that_of_dense_algebra(trend):
    y = tensors(X)
    weight = {k: np.ones(v.shape) for k, v in y.items()}
    weight["value"][2, 0] = weight["jacobian"][1, 0, 1] = weight["jacobian"][4] = 0
    # the level of `none` is the average of the values: here 0
    for m in range(2):
        y["value"][:, m] -= np.average(y["value"][:, m], weights=weight["value"][:, m])
    sigma = {"value": 0.1, "jacobian": 0.1}
    process = match.gaussian_process(
        Samples(X, y, weight),
        trend=trend,
        sigma=sigma,
        hyperparameters=hyperparameters(),
    )
    means, spreads = predict(process, PLACES, 2)
    h = jax.tree.map(np.asarray, process.hyperparameters)
    for m in range(2):
        rows, targets = known_rows(X, y, m, weight)
        for i, x in enumerate(PLACES):
            asked = [(x, a) for k in range(3) for a in powers(D, k)]
            mean, spread, evidence = kriging(
                rows, targets, asked, trend, h.length_scale[m], h.amplitude[m], 0.1
            )
            found = np.concatenate([np.ravel(t[i, m]) for t in means])
            np.testing.assert_allclose(found, mean, rtol=1e-8, atol=1e-10)
            np.testing.assert_allclose(spreads[i, m], spread, rtol=1e-8, atol=1e-10)
        # a flat prior on coefficients in the trend's own coordinates
        unit = np.log(np.asarray(process.spread)).sum() * (trend == "linear")
        np.testing.assert_allclose(process.log_evidence[m] - unit, evidence, rtol=1e-9)
    for order, at in ((0, slice(0, 1)), (1, slice(1, 3)), (2, slice(3, 7))):
        diagonal = np.diagonal(spreads, axis1=2, axis2=3)[..., at]
        found = variances(process, PLACES, order)
        assert found.shape == (len(PLACES), 2) + (D,) * order
        np.testing.assert_allclose(
            found.reshape(diagonal.shape), diagonal, rtol=1e-8, atol=1e-10
        )


@pytest.mark.parametrize("trend", ["none", "linear"])
def test_covariance_of_two_jets_is_that_of_dense_algebra(trend):
    y = tensors(X, (0, 1), one_output)
    process = match.gaussian_process(
        Samples(X, y), trend=trend, sigma=SOME, hyperparameters=hyperparameters(1)
    )
    x, other = PLACES[:2]
    found = process.covariance(jnp.asarray(x), 2, jnp.asarray(other))
    rows, targets = known_rows(X, y, 0)
    jets = [[(p, a) for k in range(3) for a in powers(D, k)] for p in (x, other)]
    _, spread, _ = kriging(
        rows, targets, jets[0] + jets[1], trend, [0.8, 40.0], 1.3, 0.1
    )
    J = len(jets[0])
    np.testing.assert_allclose(found[0], spread[:J, J:], rtol=1e-8, atol=1e-10)
    back = process.covariance(jnp.asarray(other), 2, jnp.asarray(x))
    np.testing.assert_allclose(back[0].T, found[0], rtol=1e-9, atol=1e-12)


SOME = {"value": 0.1, "jacobian": 0.1}


def test_hessians_are_conditioned_on():
    y = tensors(X[:4], (0, 2), one_output)
    process = match.gaussian_process(
        Samples(X[:4], y),
        sigma={"value": 0.01, "hessian": 0.01},
        hyperparameters=hyperparameters(1),
    )
    rows, targets = known_rows(X[:4], y, 0)
    means, spreads = predict(process, PLACES, 1)
    for i, x in enumerate(PLACES):
        asked = [(x, a) for k in range(2) for a in powers(D, k)]
        mean, spread, _ = kriging(
            rows, targets, asked, "constant", [0.8, 40.0], 1.3, 0.01
        )
        found = np.concatenate([np.ravel(t[i, 0]) for t in means])
        np.testing.assert_allclose(found, mean, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(spreads[i, 0], spread, rtol=1e-7, atol=1e-9)


def test_of_equal_mixed_derivatives_the_mean_counts():
    y = tensors(X[:4], (0, 2), one_output)
    skew = np.array([[0.0, 0.1], [-0.1, 0.0]])
    options = {"hyperparameters": hyperparameters(1)}
    one = match.gaussian_process(Samples(X[:4], y), **options)
    true = y["hessian"]
    y["hessian"] = true + 1e-7 * np.abs(true).max() * skew
    two = match.gaussian_process(Samples(X[:4], y), **options)
    np.testing.assert_allclose(one.targets, two.targets, rtol=1e-12, atol=1e-14)
    y["hessian"] = true + skew
    noisy = match.gaussian_process(Samples(X[:4], y), sigma={"hessian": 0.1}, **options)
    np.testing.assert_allclose(one.targets, noisy.targets, rtol=1e-12, atol=1e-14)


def test_mixed_derivatives_that_contradict_each_other_are_named():
    y = tensors(X, (0, 2))
    size = np.abs(y["hessian"][:, 1]).max()
    y["hessian"][3, 1, 0, 1] += 1e-5 * size
    one, two = sorted(y["hessian"][3, 1, [0, 1], [1, 0]])
    told = f"row 3: hessian of output 1 by inputs 0 and 1 is {one:.8g} and {two:.8g}"
    h = hyperparameters()
    with pytest.raises(InputError, match=re.escape(told)):
        match.gaussian_process(Samples(X, y), hyperparameters=h)
    known = np.ones((N, 2, 2, 2))
    known[3, 1, 0, 1] = 0
    weight = {"value": np.ones((N, 2)), "hessian": known}
    samples = Samples(X, y, weight)
    process = match.gaussian_process(samples, hyperparameters=h)
    assert process.known.all()
    levels = hyperparameters(noise={"hessian": jnp.full((2, 2, 2), 0.1)})
    match.gaussian_process(Samples(X, y), hyperparameters=levels)


def test_the_errors_of_a_table_are_its_noise_and_are_not_taken_twice():
    table = data.table(X, tensors(X)["value"], jacobian=tensors(X)["jacobian"])
    sigma = np.random.default_rng(0).uniform(0.1, 1.0, (N, 2, 2))
    table = replace(table, sigma={"jacobian": sigma})
    assert np.ptp(table.samples().weight["jacobian"]) > 1
    both = [
        known_entries("here", table.samples(weighted=weighted), table.sigma)
        for weighted in (True, False)
    ]
    for one, two in zip(*both, strict=True):
        np.testing.assert_array_equal(one, two)
    slopes = both[0].sigma[:, both[0].order == 1]
    np.testing.assert_allclose(slopes.reshape(2, N, 2), np.swapaxes(sigma, 0, 1))


@given(st.floats(-3, 3), st.floats(0.2, 4))
def test_matern_covariances_in_one_dimension(z, scale):
    prior = _jet_rows.JetPrior("matern52", "none", 1, (0, 1))
    found = _matern(prior, np.array([z / scale]))
    t = math.sqrt(5) * abs(z) / scale
    e = math.exp(-t)
    slope = -5 / 3 * (z / scale) * (1 + t) * e
    curvature = -5 / 3 * (1 + t - t * t) * e
    expected = [[(1 + t + t * t / 3) * e, -slope], [slope, -curvature]]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@eqx.filter_jit
def _matern(prior, z):
    return prior.covariance(z, prior)


def test_matern_is_twice_differentiable_in_the_mean_square_at_no_distance():
    look = _jet_rows.JetPrior("matern52", "none", 2, (0, 1, 2))
    found = look.covariance(jnp.zeros(2), look)
    # value, x, y, xx, xy, yy: k = 1 - 5/6 |z|² + 25/24 |z|⁴ - ...
    a, b, c = 5 / 3, 25.0, 25 / 3
    expected = np.diag([1, a, a, b, c, b])
    expected[0, [3, 5]] = expected[[3, 5], 0] = -a
    expected[3, 5] = expected[5, 3] = c
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-14)


@pytest.fixture(scope="module", params=["squared_exponential", "matern52"])
def conditioned(request):
    return match.gaussian_process(
        Samples(X, tensors(X)), kernel=request.param, hyperparameters=hyperparameters()
    )


def test_interpolates_values_and_gradients(conditioned):
    y = tensors(X)
    (value, jacobian), _ = predict(conditioned, X, 1)
    np.testing.assert_allclose(value, y["value"], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(jacobian, y["jacobian"], rtol=1e-7, atol=1e-7)
    for order in (0, 1):
        left = variances(conditioned, X, order)
        far = variances(conditioned, X + np.array([1e2, 1e4]), order)
        assert np.all(left >= 0)
        assert np.all(left <= 1e-10 * far)
        assert np.all(variances(conditioned, PLACES, order) > 0)


def test_is_a_function_to_build_on(conditioned):
    x = PLACES[0]
    step = np.array([1e-5, 1e-4])
    around = np.concatenate([PLACES[:1], x + np.diag(step), x - np.diag(step)])
    value, jacobian, hessian = jets(conditioned, around, 2)
    np.testing.assert_allclose(conditioned(jnp.asarray(x)), value[0], rtol=1e-10)
    for d in range(D):
        slope = (value[1 + d] - value[3 + d]) / (2 * step[d])
        np.testing.assert_allclose(jacobian[0, :, d], slope, rtol=1e-6, atol=1e-8)
        bend = (jacobian[1 + d] - jacobian[3 + d]) / (2 * step[d])
        np.testing.assert_allclose(hessian[0, :, :, d], bend, rtol=1e-5, atol=1e-8)


def test_is_saved_and_restored(conditioned, tmp_path):
    classes = (match.GaussianProcess, match.Hyperparameters)
    recipe, arrays = store.encode(conditioned, classes)
    again = store.decode(recipe, arrays, classes, tmp_path)
    assert eqx.tree_equal(again, conditioned)
    assert np.array_equal(again(jnp.asarray(X[0])), conditioned(jnp.asarray(X[0])))


@pytest.mark.slow
def test_missing_entries_are_as_if_removed():
    y = tensors(X)
    weight = {k: np.ones(v.shape) for k, v in y.items()}
    weight["value"][:2, 0] = weight["jacobian"][3, 0] = weight["jacobian"][5, 1, 0] = 0
    weight["value"][6] = weight["jacobian"][6] = 0
    for k in y:
        y[k][weight[k] == 0] = np.nan
    both = match.gaussian_process(
        Samples(X, y, weight), hyperparameters=hyperparameters()
    )
    means, spreads = predict(both, PLACES, 1)
    for m in range(2):
        part = lambda a, m=m: a[:6, m : m + 1]
        h = hyperparameters()
        one = match.gaussian_process(
            Samples(X[:6], jax.tree.map(part, y), jax.tree.map(part, weight)),
            hyperparameters=match.Hyperparameters(
                h.length_scale[m : m + 1], h.amplitude[m : m + 1], {}
            ),
        )
        mean, spread = predict(one, PLACES, 1)
        for found, expected in zip(means, mean, strict=True):
            np.testing.assert_allclose(
                found[:, m], expected[:, 0], rtol=1e-12, atol=1e-12
            )
        np.testing.assert_allclose(spreads[:, m], spread[:, 0], atol=1e-12)
        np.testing.assert_allclose(
            both.log_evidence[m], one.log_evidence[0], rtol=1e-12
        )


def test_gradients_alone_give_the_function_up_to_its_level():
    x = np.random.default_rng(1).uniform(-1, 1, (20, 2))
    u = lambda x: jnp.sin(x[:1]) * x[1] + x[1] ** 2
    process = match.gaussian_process(Samples(x, tensors(x, (1,), u)))
    at = np.random.default_rng(2).uniform(-1, 1, (50, 2))
    wrong = jets(process, at)[0] - jets(u, at)[0]
    assert np.ptp(wrong) < 1e-4


def test_beats_kriging_without_gradients_on_rosenbrock():
    rng = np.random.default_rng(7)
    u = lambda x: (100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2)[None]
    cells = np.stack([rng.permutation(40) for _ in range(2)], 1)
    x = -2 + (cells + rng.uniform(size=cells.shape)) / 10
    process = match.gaussian_process(Samples(x, tensors(x, u=u)))
    at = rng.uniform(-2, 2, (500, 2))
    true, found = tensors(at, u=u), jets(process, at, 1)
    for k, most in ((0, 7.9e-5), (1, 2.6e-4)):  # of SMT's KRG with the values only
        wrong = found[k] - true[NAMES[k]]
        assert np.std(wrong) < most * np.std(true[NAMES[k]])


def draws(x, M, trend=0.0):
    """Jets of M draws of one process at points, and at one more."""
    rows = [(p, a) for p in x for k in range(2) for a in powers(D, k)]
    K = matrix(rows, rows, [0.8, 40.0], 1.3)
    root = np.linalg.cholesky(K + 1e-10 * np.diag(np.diag(K)))
    f = root @ np.random.default_rng(3).normal(size=(len(rows), M))
    jets = np.moveaxis(f.reshape(len(x), 1 + D, M), 2, 1)
    return jets[..., 0] + trend, jets[..., 1:]


def test_intervals_cover_draws_of_the_process():
    M = 400
    value, jacobian = draws(np.concatenate([X, PLACES]), M, trend=5.0)
    h = match.Hyperparameters(
        jnp.broadcast_to(jnp.array([0.8, 40.0]), (M, D)), jnp.full(M, 1.3), {}
    )
    process = match.gaussian_process(
        Samples(X, {"value": value[:N], "jacobian": jacobian[:N]}), hyperparameters=h
    )
    means, spreads = predict(process, PLACES, 1)
    true = (value[N:, :, None], jacobian[N:])
    wrong = np.concatenate(
        [np.asarray(m).reshape(t.shape) - t for m, t in zip(means, true, strict=True)],
        2,
    )
    z = wrong / np.sqrt(np.diagonal(spreads, axis1=2, axis2=3))
    # draws are independent at each place and entry, 15 such: 400 of each
    covered = np.mean(np.abs(z) < 1.959964, axis=1)
    assert np.all(np.abs(covered - 0.95) < 4.5 * math.sqrt(0.95 * 0.05 / M))
    assert np.all(np.abs(np.mean(z**2, axis=1) - 1) < 4.5 * math.sqrt(2 / M))


@pytest.mark.slow
@pytest.mark.parametrize("trend", ["constant", "linear"])
def test_leaving_one_out_is_refitting_without_it(trend):
    y = tensors(X)
    weight = {k: np.ones(v.shape) for k, v in y.items()}
    weight["value"][2, 0] = weight["jacobian"][1, 0, 1] = weight["jacobian"][4] = 0
    options = {
        "trend": trend,
        "sigma": {"value": 0.05, "jacobian": 0.1},
        "hyperparameters": hyperparameters(),
    }
    found = match.gaussian_process(Samples(X, y, weight), **options).leave_one_out()
    for k in y:
        assert found.mean[k].shape == y[k].shape
        assert np.array_equal(np.isnan(found.mean[k]), weight[k] == 0)
    for i in (0, 2, 4):  # of which all, some and few entries are known
        rest = {k: np.array(w) for k, w in weight.items()}
        for k in rest:
            rest[k][i] = 0
        process = match.gaussian_process(Samples(X, y, rest), **options)
        means = jets(process, X[i : i + 1], 1)
        noise = (0.05, 0.1)
        for order, k in enumerate(("value", "jacobian")):
            known = weight[k][i] > 0
            spread = variances(process, X[i : i + 1], order)[0] + noise[order] ** 2
            np.testing.assert_allclose(
                found.mean[k][i][known], means[order][0][known], rtol=1e-8, atol=1e-9
            )
            np.testing.assert_allclose(
                found.variance[k][i][known], spread[known], rtol=1e-8
            )


def test_leaving_out_the_only_level_says_so():
    y = tensors(X)
    weight = {"value": np.zeros((N, 2)), "jacobian": np.ones((N, 2, D))}
    weight["value"][3] = 1
    found = match.gaussian_process(
        Samples(X, y, weight), hyperparameters=hyperparameters()
    ).leave_one_out()
    assert np.all(np.isnan(found.mean["value"]))
    assert np.all(np.isinf(found.variance["value"][3]))
    assert np.all(np.isfinite(found.mean["jacobian"][:3]))


@pytest.mark.parametrize("profiled", [True, False])
def test_slope_of_the_evidence_is_that_of_differences(profiled):
    prior = _jet_rows.JetPrior("squared_exponential", "constant", D, (0, 1))
    y = tensors(X)
    targets = np.concatenate([y["value"][:, :1], y["jacobian"][:, 0]], 1) * [1, 1, 30]
    n = 3 * N
    entries = _evidence.Entries(
        X / [1, 30],
        np.arange(n),
        targets.reshape(-1),
        np.ones(n),
        np.full(n, 0.0 if profiled else 0.05),
        np.zeros(D),
        np.ones(D),
    )
    kinds = np.tile([[1.0, 0], [0, 1], [0, 1]], (N, 1))
    search = _hyperparameters.Search(prior, 2, profiled)
    theta = np.log([0.7, 1.2, 0.03, 0.1, *([] if profiled else [1.4])])
    data = (entries, kinds, np.asarray(1e-13))
    found = lambda theta: _hyperparameters._loss_and_slope(search, theta, *data)
    at = lambda theta: found(theta)[0][0]
    slope = found(theta)[1]
    h = 1e-5
    units = np.eye(len(theta))
    steps = [(at(theta + h * e) - at(theta - h * e)) / (2 * h) for e in units]
    np.testing.assert_allclose(slope, steps, rtol=1e-6, atol=1e-6)


def test_finds_the_noise_of_each_order():
    x = np.random.default_rng(4).uniform(0, 1, (60, 1))
    rng = np.random.default_rng(5)
    y = np.sin(6 * x) + 0.05 * rng.normal(size=x.shape)
    slope = (6 * np.cos(6 * x) + 0.5 * rng.normal(size=x.shape))[..., None]
    process = match.gaussian_process(
        Samples(x, {"value": y, "jacobian": slope}), noise=("value", "jacobian")
    )
    found = process.hyperparameters.noise
    # the standard error of a deviation of 60 numbers is its 11th part
    assert abs(found["value"][0] / 0.05 - 1) < 4.5 / math.sqrt(120)
    assert abs(found["jacobian"][0, 0] / 0.5 - 1) < 4.5 / math.sqrt(120)
    assert found["jacobian"].shape == (1, 1)


def test_is_the_same_in_other_units():
    y = tensors(X)
    a, b = np.array([2.0**10, 2.0**-13]), np.array([2.0**20, 2.0**-21])
    scaled = {"value": y["value"] * b, "jacobian": y["jacobian"] * b[:, None] / a}
    one = match.gaussian_process(Samples(X, y))
    two = match.gaussian_process(Samples(X * a, scaled))
    found, expected = two.hyperparameters, one.hyperparameters
    np.testing.assert_allclose(found.length_scale / a[None], expected.length_scale)
    np.testing.assert_allclose(found.amplitude / b, expected.amplitude)
    h = hyperparameters()
    one = match.gaussian_process(Samples(X, y), hyperparameters=h)
    h = match.Hyperparameters(h.length_scale * a[None], h.amplitude * b, {})
    two = match.gaussian_process(Samples(X * a, scaled), hyperparameters=h)
    found, expected = np.asarray(jets(two, PLACES * a)[0]), jets(one, PLACES)[0]
    np.testing.assert_allclose(found / b, expected, rtol=1e-8, atol=1e-8)
    found = np.asarray(variances(two, PLACES * a, 1)) * (a / b[:, None]) ** 2
    np.testing.assert_allclose(found, variances(one, PLACES, 1), rtol=1e-8)


def test_repeated_points_count_once_and_contradictions_are_named():
    y = tensors(X)
    twice = np.concatenate([X, X[2:3]])
    y2 = {k: np.concatenate([v, v[2:3]]) for k, v in y.items()}
    options = {"hyperparameters": hyperparameters()}
    one = match.gaussian_process(Samples(X, y), **options)
    two = match.gaussian_process(Samples(twice, y2), **options)
    np.testing.assert_allclose(
        jets(two, PLACES)[0], jets(one, PLACES)[0], rtol=1e-8, atol=1e-8
    )
    y2["jacobian"][7, 1, 0] += 1
    with pytest.raises(InputError, match="rows 2 and 7 are one point, but jacobian of"):
        match.gaussian_process(Samples(twice, y2), **options)
    noisy = match.gaussian_process(
        Samples(twice, y2), sigma={"jacobian": 0.1}, **options
    )
    assert noisy.known.sum() == 2 * (3 * N + 2)


def test_says_when_the_jitter_grows(monkeypatch):
    monkeypatch.setattr(_condition, "JITTERS", (0.0, 1e-12))
    x = np.concatenate([X, X[:1] + 1e-9])
    h = hyperparameters(1)
    with pytest.warns(FitWarning, match="output 0 needed a jitter of 1e-12"):
        match.gaussian_process(Samples(x, tensors(x, u=one_output)), hyperparameters=h)


BAD = [
    ({"y": {"value": np.ones((7, 2, 1))}}, "targets for 'value' of shape"),
    ({"y": {"jacobian": np.ones((7, 2))}}, r"expected \(7, M, 2\)"),
    ({"y": {"values": np.ones((7, 2))}}, "Did you mean 'value'"),
    ({"y": np.ones((7, 2))}, "expected a dictionary by tensor"),
    ({"y": {"value": np.full((7, 2), np.nan)}}, "nan in row 0 of the targets of"),
    ({"y": {"value": np.ones((7, 2))}}, "output 0 does not vary"),
    ({"x": np.where(X > 1e9, X, np.inf)}, "inf in row 0 of the points"),
    ({"x": X[:, 0]}, "points of shape"),
    ({"x": X[:1], "y": tensors(X[:1])}, "1 different points; expected 2 or more"),
    ({"x": np.abs(X) * [1, 0]}, "input 1 is 0 in every row"),
    ({"weight": {"value": np.zeros(7), "jacobian": np.zeros(7)}}, "no entry is known"),
    ({"weight": {"value": np.ones(6)}}, "the weight of 'value' has shape"),
    ({"kernel": "matern"}, "no kernel 'matern'.*\n?.*Did you mean 'matern52'"),
    ({"trend": "quadratic"}, "no trend 'quadratic'"),
    ({"noise": ("slope",)}, "no tensor 'slope'"),
    ({"noise": ("hessian",)}, "noise of 'hessian'.*nothing is known"),
    ({"sigma": {"value": -1.0}}, "-1.0 in row 0 of the sigma"),
    ({"sigma": {"value": np.ones(3)}}, "sigma of 'value' has shape"),
    ({"kernel": "matern52", "orders": (0, 2)}, "have a hessian; the kernel 'matern52'"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_refuses_what_it_cannot_use(change, message):
    given = {"x": X, "y": tensors(X, change.get("orders", (0, 1))), "weight": None}
    samples = Samples(*(change.get(name, given[name]) for name in given))
    options = {k: v for k, v in change.items() if k not in (*given, "orders")}
    with pytest.raises(InputError, match=message):
        match.gaussian_process(samples, **options)


def test_refuses_a_trend_that_the_data_do_not_determine():
    y = tensors(X[:3], (0,))
    with pytest.raises(InputError, match="leave nothing beyond the 3 coefficients"):
        match.gaussian_process(Samples(X[:3], y), trend="linear")


def test_refuses_what_does_not_fit(monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: 10)
    with pytest.raises(InputError, match="21 known entries make a dense matrix"):
        match.gaussian_process(Samples(X, tensors(X)))


def test_refuses_single_precision(conditioned):
    with jax.enable_x64(False), pytest.raises(ValueError, match="jax_enable_x64"):
        match.gaussian_process(Samples(X, tensors(X)))
    low = jax.tree.map(lambda a: a.astype(jnp.float32), conditioned)
    with pytest.raises(ValueError, match="expected float64"):
        low(jnp.zeros(2, jnp.float32))


@pytest.mark.parametrize("kind", [jnp.asarray, np.asarray])
def test_refuses_to_compute_in_single_precision_what_was_made_in_double(
    conditioned, kind
):
    process = jax.tree.map(kind, conditioned)
    with jax.enable_x64(False):
        x = jnp.zeros(2)
        for ask in (process, jax.jit(lambda x: process(x)), process.variance):
            with pytest.raises(ValueError, match="of type float32; expected float64"):
                ask(x)


def test_repeated_zeros_may_round():
    x = np.concatenate([X, X[:1]])
    y = tensors(x, (0,))
    y["value"][0], y["value"][-1] = 0.0, 1e-18
    match.gaussian_process(Samples(x, y), hyperparameters=hyperparameters())


def test_refuses_orders_without_finite_variance():
    process = match.gaussian_process(
        Samples(X, tensors(X)), kernel="matern52", hyperparameters=hyperparameters()
    )
    with pytest.raises(ValueError, match="order is 3; expected 0 to 2"):
        process.variance(jnp.asarray(X[0]), 3)
