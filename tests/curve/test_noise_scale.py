"""The noise scale, against gradients of all rows written out and by drawn batches."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from osculate import curve, nets, train
from osculate.core import Objective, Samples, Term, trainable

KEY = jr.key(0)
MODEL = nets.MLP(2, 1, width=5, depth=1, key=KEY)
OBJECTIVE = Objective({"": Term(lambda u, x, y: u(x))})
X = jr.normal(jr.key(1), (24, 2))
SAMPLES = {"": Samples(X, jnp.sin(3 * X[:, :1]))}

measure = eqx.filter_jit(curve.noise_scale)
measure_noise = eqx.filter_jit(curve.gradient_noise)


def dense(objective, model, samples):
    """By term the gradients of the rows that count, `(N, P)`, and the Hessian."""
    theta, build = trainable(model)
    flat, unravel = ravel_pytree(theta)
    loss = lambda t, s: objective(build(unravel(t)), s)[0]
    gradients = []
    for label, term in objective.terms.items():
        known = samples[label]
        w = np.ones(len(known.x)) if known.weight is None else np.asarray(known.weight)
        one = lambda t, x, y, term=term, label=label: Objective({label: term})(
            build(unravel(t)),
            {label: Samples(*jax.tree.map(lambda a: a[None], (x, y)))},
        )[0]
        slopes = jax.jit(jax.vmap(jax.grad(one), (None, 0, 0)))(flat, known.x, known.y)
        shares = w * np.count_nonzero(w) / w.sum()
        gradients.append((np.asarray(slopes) * shares[:, None])[w != 0])
    return gradients, np.asarray(jax.jit(jax.hessian(loss))(flat, samples))


def covariance(gradients):
    return np.cov(gradients.T, bias=True)


@pytest.mark.spec("K4.5.1-3", "K4.5.8", "K4.5.9")
def test_against_dense():
    (g,), H = dense(OBJECTIVE, MODEL, SAMPLES)
    G, Sigma = g.mean(0), covariance(g)
    scale = measure(OBJECTIVE, MODEL, SAMPLES)
    np.testing.assert_allclose(scale.noise.squared_norm, G @ G, rtol=1e-10)
    np.testing.assert_allclose(
        scale.noise.trace_covariance, np.trace(Sigma), rtol=1e-10
    )
    np.testing.assert_allclose(scale.simple, np.trace(Sigma) / (G @ G), rtol=1e-10)
    np.testing.assert_allclose(scale.curvature, G @ H @ G, rtol=1e-10)
    np.testing.assert_allclose(scale.trace_product, np.trace(H @ Sigma), rtol=1e-10)
    exact = np.trace(H @ Sigma) / (G @ H @ G)
    np.testing.assert_allclose(scale.critical, exact, rtol=1e-10)
    assert scale.critical_error == 0


def test_weights_and_several_terms():
    weight = jnp.where(jnp.arange(24) % 3 == 0, 0.0, 1.0 + jnp.arange(24) / 24)
    objective = Objective(
        {
            "a": Term(lambda u, x, y: u(x)),
            "b": Term(lambda u, x, y: jnp.tanh(u(x)), weight=0.7),
        }
    )
    samples = {"a": Samples(X, jnp.sin(X[:, :1]), weight), "b": Samples(X[:9])}
    each, H = dense(objective, MODEL, samples)
    N = sum(map(len, each))
    G = sum(g.mean(0) for g in each)
    Sigma = sum(N / len(g) * covariance(g) for g in each)
    scale = measure(objective, MODEL, samples)
    assert scale.noise.count == N == 25
    np.testing.assert_allclose(scale.noise.squared_norm, G @ G, rtol=1e-10)
    np.testing.assert_allclose(
        scale.noise.trace_covariance, np.trace(Sigma), rtol=1e-10
    )
    np.testing.assert_allclose(scale.trace_product, np.trace(H @ Sigma), rtol=1e-10)
    drawn = measure(objective, MODEL, samples, key=KEY, num_probes=4000)
    off = drawn.trace_product - scale.trace_product
    assert abs(off) < 4.5 * drawn.trace_product_error
    assert drawn.trace_product_error < 0.1 * abs(scale.trace_product)


@pytest.mark.spec("K4.5.8")
def test_signed_sums_agree_within_their_error():
    exact = measure(OBJECTIVE, MODEL, SAMPLES)
    drawn = measure(OBJECTIVE, MODEL, SAMPLES, key=KEY, num_probes=2000)
    assert abs(drawn.critical - exact.critical) < 4.5 * drawn.critical_error
    assert 0 < drawn.critical_error < 0.1 * exact.critical


@pytest.mark.spec("K4.5.1-3", "K4.5/fn10", "K4.5.10")
@pytest.mark.parametrize("replace", [True, False])
def test_variance_of_a_batch(replace):
    (g,), _ = dense(OBJECTIVE, MODEL, SAMPLES)
    G, B, draws = g.mean(0), 16, 20_000
    rng = np.random.default_rng(0)
    if replace:
        index = rng.integers(0, 24, (draws, B))
    else:
        index = np.argsort(rng.random((draws, 24)), axis=1)[:, :B]
    squares = ((g[index].mean(1) - G) ** 2).sum(1)
    noise = measure_noise(OBJECTIVE, MODEL, SAMPLES)
    found = noise.variance(B, replace=replace)
    error = squares.std() / draws**0.5
    assert error < 0.01 * found
    assert abs(squares.mean() - found) < 4.5 * error
    if replace:
        ratio = squares.mean() / (G @ G)
        np.testing.assert_allclose(ratio, noise.simple / B, rtol=0.02)
    else:
        S2 = np.trace(np.cov(g.T))
        np.testing.assert_allclose(found, S2 * (1 / B - 1 / 24), rtol=1e-10)
        assert noise.variance(24, replace=False) == 0


@functools.cache
def regression(n=200):
    """A linear model, whose objective is its quadratic model."""
    x = jr.normal(KEY, (n, 4)) * jnp.array([[1.0, 2.0, 0.5, 1.0]])
    y = x @ jnp.array([1.0, -1.0, 2.0, 0.5]) + 2 * jr.normal(jr.key(9), (n,))
    model = {"theta": jnp.array([0.5, 0.5, 0.5, 0.5])}
    return (
        Objective({"": Term(lambda p, x, y: p["theta"] @ x)}),
        model,
        {"": Samples(x, y)},
    )


@pytest.mark.spec("K4.5.4")
def test_best_step_without_noise():
    objective, model, samples = regression()
    scale = measure(objective, model, samples)
    theta = model["theta"]
    loss = lambda t: objective({"theta": t}, samples)[0]
    g = jax.grad(loss)(theta)
    slope = jax.grad(lambda eps: loss(theta - eps * g))(scale.largest_step)
    assert abs(slope) < 1e-12 * (g @ g)
    gain = loss(theta) - loss(theta - scale.largest_step * g)
    most = scale.largest_step * scale.noise.squared_norm / 2
    np.testing.assert_allclose(gain, most, rtol=1e-10)


@pytest.mark.spec("K4.5.5-7")
@pytest.mark.parametrize("batch", [1, 4, 16, 64])
def test_best_step_of_a_batch(batch):
    objective, model, samples = regression()
    scale = measure(objective, model, samples)
    (g,), H = dense(objective, model, samples)
    rng = np.random.default_rng(batch)
    drawn = g[rng.integers(0, len(g), (40_000, batch))].mean(1)
    # The gain eps G.g - eps^2 g.H.g / 2, whose mean is highest at a / b.
    a, b = drawn @ g.mean(0), np.einsum("np,pq,nq->n", drawn, H, drawn)
    step = a.mean() / b.mean()
    np.testing.assert_allclose(scale.optimal_step(batch), step, rtol=0.02)
    gain = a.mean() ** 2 / b.mean() / 2
    np.testing.assert_allclose(scale.progress(batch), gain, rtol=0.03)
    eps = 2 * scale.optimal_step(batch)
    per_draw = eps * a - eps**2 * b / 2
    assert abs(per_draw.mean()) < 4.5 * per_draw.std() / 200


@pytest.mark.spec("K4.5/a")
def test_regimes():
    scale = curve.NoiseScale(
        curve.GradientNoise(jnp.asarray(1.0), jnp.asarray(1e4), jnp.asarray(1e9)),
        jnp.asarray(2.0),
        jnp.asarray(2e4),
        jnp.asarray(0.0),
    )
    slope = lambda b: jax.grad(lambda s: jnp.log(scale.progress(jnp.exp(s))))(
        jnp.log(b)
    )
    np.testing.assert_allclose(slope(jnp.asarray(1.0)), 1, atol=1e-3)
    np.testing.assert_allclose(slope(jnp.asarray(1e8)), 0, atol=1e-3)
    np.testing.assert_allclose(slope(scale.critical), 0.5, rtol=1e-12)
    assert scale.suggested_batch == 1e4


@pytest.mark.spec("K4.5.9")
def test_simple_is_critical_where_the_hessian_is_isotropic():
    x = jnp.concatenate([jnp.eye(3), -jnp.eye(3)])
    y = jnp.arange(6.0)
    objective, model, _ = regression()
    model = {"theta": jnp.array([0.3, 0.2, 0.1])}
    scale = measure(objective, model, {"": Samples(x, y)})
    np.testing.assert_allclose(scale.simple, scale.critical, rtol=1e-12)


@pytest.mark.spec("K4.5.9")
def test_two_batches_are_unbiased():
    """All batches of one and of two rows of five, with replacement."""
    samples = {"": Samples(X[:5], jnp.ones((5, 1)))}
    (g,), _ = dense(OBJECTIVE, MODEL, samples)
    one = (g**2).sum(1).mean()
    two = (((g[:, None] + g[None]) / 2) ** 2).sum(-1).mean()
    found = curve.two_batch_noise(jnp.asarray(one), jnp.asarray(two), 1, 2)
    exact = measure_noise(OBJECTIVE, MODEL, samples)
    np.testing.assert_allclose(found.squared_norm, exact.squared_norm, rtol=1e-10)
    np.testing.assert_allclose(
        found.trace_covariance, exact.trace_covariance, rtol=1e-10
    )
    np.testing.assert_allclose(found.variance(10, replace=False), found.variance(10))


@pytest.mark.spec("K4.5.11-12")
def test_steps_against_examples():
    scale = measure(OBJECTIVE, MODEL, SAMPLES)
    B = jnp.array([1.0, 3.0, 24.0])
    product = (scale.steps(B) - 1) * (scale.examples(B) - 1)
    np.testing.assert_allclose(product, 1, rtol=1e-12)
    critical = scale.critical
    ratio = scale.examples(B) / scale.steps(B)
    np.testing.assert_allclose(ratio, B / critical, rtol=1e-12)
    np.testing.assert_allclose(scale.steps(critical), 2, rtol=1e-12)
    np.testing.assert_allclose(scale.examples(critical), 2, rtol=1e-12)


def test_no_lowest_point():
    hill = Objective({"": Term(lambda p, x, y: p * x, lambda z, y, w=1.0: -w * z**2)})
    scale = measure(hill, jnp.asarray(1.0), {"": Samples(jnp.array([1.0, 2.0]))})
    assert np.isfinite(scale.simple)
    for value in (scale.critical, scale.optimal_step(1), scale.progress(2)):
        assert np.isnan(value)


def test_monitor_of_a_fit():
    monitor = curve.NoiseMonitor(OBJECTIVE, SAMPLES, key=KEY, every=2, decay=0.5)
    fit = train.fit(
        OBJECTIVE,
        MODEL,
        SAMPLES,
        train.first_order(optax.sgd, 1e-2),
        steps=8,
        every=2,
        watch=[monitor],
    )
    history = monitor.history()
    np.testing.assert_array_equal(history["step"], [0, 4, 8])
    exact = [measure_noise(OBJECTIVE, m, SAMPLES) for m in (MODEL, fit.value)]
    ends = [e.simple for e in exact]
    np.testing.assert_allclose(history["simple"][[0, -1]], ends, rtol=1e-10)
    kept = [monitor.records[k].noise for k in (0, 4, 8)]
    weights = np.array([1, 2, 4]) / 7
    trace = weights @ np.array([k.trace_covariance for k in kept])
    square = weights @ np.array([k.squared_norm for k in kept])
    np.testing.assert_allclose(
        history["average_simple"][-1], trace / square, rtol=1e-10
    )
    assert monitor.average is not None
    assert monitor.average.noise.count == 24


def test_derivative_and_batches_of_models():
    s = jnp.array([0.9, 1.1])
    scaled = lambda s: jax.tree.map(lambda a: s * a, MODEL)
    simple = jax.jit(
        lambda s: curve.gradient_noise(OBJECTIVE, scaled(s), SAMPLES).simple
    )
    both = jax.jit(jax.vmap(simple))(s)
    np.testing.assert_allclose(both, [simple(a) for a in s], rtol=1e-10)
    h = 1e-5
    difference = (simple(s[0] + h) - simple(s[0] - h)) / (2 * h)
    found = jax.jit(jax.grad(simple))(s[0])
    # Central differences: an error of order h^2, and rounding of 1e-16 / h.
    np.testing.assert_allclose(found, difference, rtol=1e-7)


def test_messages():
    noise = measure_noise(OBJECTIVE, MODEL, SAMPLES)
    with pytest.raises(RuntimeError, match="`variance`: a batch of less than one row"):
        noise.variance(25)
    scale = curve.NoiseScale(noise, *[jnp.asarray(1.0)] * 3)
    for ask in (scale.optimal_step, scale.progress, scale.steps, scale.examples):
        with pytest.raises(RuntimeError, match="more rows than there are"):
            ask(jnp.array([1, 25]))
        with pytest.raises(RuntimeError, match="less than one row"):
            ask(0)
    with pytest.raises(ValueError, match="have no rows"):
        curve.gradient_noise(OBJECTIVE, MODEL, {"": Samples(X[:0])})
    none = {"": Samples(X, jnp.ones((24, 1)), jnp.zeros(24))}
    with pytest.raises(RuntimeError, match="every weight of a term is 0"):
        measure_noise(OBJECTIVE, MODEL, none)
    with pytest.raises(ValueError, match="num_probes=1; expected 2 or more"):
        curve.noise_scale(OBJECTIVE, MODEL, SAMPLES, key=KEY, num_probes=1)
    with pytest.raises(ValueError, match="batches of 4 and 2 rows"):
        curve.two_batch_noise(jnp.ones(()), jnp.ones(()), 4, 2)
    for wrong in ({"every": 0}, {"decay": 1.0}):
        with pytest.raises(ValueError, match="expected every >= 1"):
            curve.NoiseMonitor(OBJECTIVE, SAMPLES, key=KEY, **wrong)
