"""Noise expansions against quadrature of the expectation they expand.

Gauss-Hermite quadrature, 40 nodes in each of two dimensions, is exact to rounding.
"""

import functools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate import diff, match

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
GRID = jnp.asarray(
    np.stack(np.meshgrid(NODES, NODES, indexing="ij"), -1).reshape(-1, 2)
)
WEIGHT = jnp.asarray(np.outer(WEIGHTS, WEIGHTS).ravel() / WEIGHTS.sum() ** 2)
X = jnp.array([0.3, -0.4])
Y = jnp.array([0.0, 1.0, 0.0])
SIGMAS = (0.02, 0.01)


def net(seed, width, activation):
    """A fixed network without symmetries, 2 - width - 3."""
    key, layers = jr.split(jr.key(seed), 4), []
    for n, (a, b) in enumerate([(2, width), (width, 3)]):
        W = jr.normal(key[2 * n], (b, a)) / np.sqrt(a) * 1.5
        layers.append((W, 0.3 * jr.normal(key[2 * n + 1], (b,))))
    (V, v), (W, w) = layers
    return lambda x: W @ activation(V @ x + v) + w


T, S = net(1, 16, jnp.tanh), net(2, 16, jnp.tanh)
softmax = lambda logits: lambda x: jax.nn.softmax(logits(x))
constant = lambda x: Y
P, Q = softmax(T), softmax(S)

# What is expanded, what it is expanded with, and the coefficient as it is printed in
# the literature: Jacobians only.
grad = lambda u: jax.jacobian(u)(X)
CASES = {
    "squares, teacher": (
        match.noise_squares,
        (T, S),
        lambda x: match.squares(T(x), S(x)),
        lambda: jnp.sum((grad(T) - grad(S)) ** 2),
    ),
    "squares of probabilities, teacher": (
        match.noise_squares,
        (P, Q),
        lambda x: match.squares(P(x), Q(x)),
        lambda: jnp.sum((grad(P) - grad(Q)) ** 2),
    ),
    "squares of probabilities, labels": (
        match.noise_squares,
        (Y, Q),
        lambda x: match.squares(Y, Q(x)),
        lambda: jnp.sum(grad(Q) ** 2),
    ),
    "cross-entropy, teacher": (
        match.noise_cross_entropy,
        (T, S),
        lambda x: match.cross_entropy(P(x), Q(x)),
        lambda: -jnp.sum(grad(P) * grad(Q) / Q(X)[:, None]),
    ),
    "cross-entropy, labels": (
        match.noise_cross_entropy,
        (Y, S),
        lambda x: match.cross_entropy(Y, Q(x)),
        lambda: jnp.sum(Y[:, None] * grad(Q) ** 2 / Q(X)[:, None] ** 2),
    ),
    "divergence, teacher": (
        match.noise_kl,
        (T, S),
        lambda x: match.kl(P(x), Q(x)),
        lambda: (
            jnp.sum(
                P(X)[:, None] * (grad(P) / P(X)[:, None] - grad(Q) / Q(X)[:, None]) ** 2
            )
            / 2
        ),
    ),
    "divergence, labels": (
        match.noise_kl,
        (Y, S),
        lambda x: match.kl(Y, Q(x)),
        lambda: jnp.sum(Y[:, None] * (grad(Q) / Q(X)[:, None]) ** 2) / 2,
    ),
}


@functools.partial(jax.jit, static_argnums=0)
def expected(g, sigma, x=X):
    """The expectation of g at x with noise, less g there.

    The difference is formed before the sum, where it does not cancel.
    """
    at = jax.vmap(lambda e: g(x + sigma * e) - g(x))
    return jnp.sum(WEIGHT * at(GRID))


def ratio(g, terms, sigmas=SIGMAS, x=X):
    """How many times smaller the error is at the smaller noise."""
    errors = [
        expected(g, s, x) - sum(c * s ** (2 * n) for n, c in enumerate(terms, start=1))
        for s in sigmas
    ]
    return abs(errors[0] / errors[1])


@pytest.mark.spec("S1.P1", "S1.P1c", "S1.P2", "S1.P2c")
@pytest.mark.parametrize("case", CASES)
def test_the_error_falls_with_the_fourth_power(case):
    expand, (target, student), g, printed = CASES[case]
    c0, c2 = jax.jit(expand(target, student))(X)
    np.testing.assert_allclose(c0, g(X), rtol=1e-13)
    assert ratio(g, [c2]) == pytest.approx(16, abs=1)
    assert ratio(g, [printed()]) == pytest.approx(4, abs=0.25)
    oracle = jnp.trace(jax.hessian(g)(X)) / 2
    np.testing.assert_allclose(c2, oracle, rtol=1e-12)


@pytest.mark.parametrize("case", [*CASES][0:1] + [*CASES][4:6])
def test_one_more_coefficient(case):
    expand, (target, student), g, _ = CASES[case]
    _, c2, c4 = jax.jit(expand(target, student, order=4))(X)
    # At 0.04 the rest is a millionth of the loss: rounding does not show.
    assert ratio(g, [c2, c4], (0.04, 0.02)) == pytest.approx(64, abs=6)


# --- where nothing is left out --------------------------------------------------------

affine = lambda W, b: lambda x: W @ x + b
numbers = st.floats(-2, 2).map(lambda v: round(v, 3))
matrices = st.lists(numbers, min_size=9, max_size=9).map(
    lambda v: (jnp.array(v[:6]).reshape(3, 2), jnp.array(v[6:]))
)


@pytest.mark.spec("S1.P1", "S1.P2")
@given(matrices, matrices, st.sampled_from([0.01, 0.3, 2.0]))
def test_affine_maps_are_exact_at_every_noise(one, two, sigma):
    for labels in (False, True):
        c0, c2, c4 = _expand_affine(one, two, labels)
        V, v = (jnp.zeros((3, 2)), Y) if labels else one
        W, w = two
        g = _affine_squares(V - W, v - w, sigma)
        np.testing.assert_allclose(c0 + c2 * sigma**2, g, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(c4, 0, atol=1e-12)


@functools.partial(jax.jit, static_argnames="labels")
def _expand_affine(one, two, labels):
    target = Y if labels else affine(*one)
    return match.noise_squares(target, affine(*two), order=4)(X)


@jax.jit
def _affine_squares(W, b, sigma):
    at = jax.vmap(lambda e: jnp.sum((W @ (X + sigma * e) + b) ** 2))
    return jnp.sum(WEIGHT * at(GRID))


# Affine probabilities, positive around X: the Laplacians vanish.
AFFINE_T = affine(
    jnp.array([[0.5, 0.2], [-0.3, 0.4], [-0.2, -0.6]]), jnp.full(3, 1 / 3)
)
AFFINE_S = affine(
    jnp.array([[-0.1, 0.3], [0.5, -0.2], [-0.4, -0.1]]), jnp.full(3, 1 / 3)
)
AT = jnp.array([0.05, -0.1])


@pytest.mark.spec("S1.P1c", "S1.P2c")
@pytest.mark.parametrize("teacher", [True, False])
def test_affine_probabilities(teacher):
    log = lambda p: lambda x: jnp.log(p(x))
    target = log(AFFINE_T) if teacher else Y
    p, q = (AFFINE_T(AT) if teacher else Y), AFFINE_S(AT)
    J = jax.jacobian(AFFINE_T)(AT) if teacher else jnp.zeros((3, 2))
    K = jax.jacobian(AFFINE_S)(AT)
    _, c2 = jax.jit(match.noise_cross_entropy(target, log(AFFINE_S)))(AT)
    square = jnp.sum(p[:, None] * K**2 / q[:, None] ** 2) / 2
    crossed = jnp.sum(J * K / q[:, None])
    np.testing.assert_allclose(c2, square - crossed, rtol=1e-12)
    g = lambda x: -jnp.sum((AFFINE_T(x) if teacher else Y) * jnp.log(AFFINE_S(x)))
    sigma = 0.002
    found = expected(g, sigma, AT) / sigma**2
    np.testing.assert_allclose(found, c2, rtol=1e-4)
    # What the source leaves out, and the factor it has wrong, are of the same order.
    printed = -crossed if teacher else 2 * square
    assert abs(printed - found) > 0.4 * abs(square)


@pytest.mark.spec("S1.P2c")
def test_affine_logits_give_the_variance_of_their_slopes():
    W, b = (
        jnp.array([[0.4, -1.0], [0.3, 0.2], [-0.9, 0.5]]),
        jnp.array([0.1, 0.0, -0.2]),
    )
    logits = affine(W, b)
    q = jax.nn.softmax(logits(X))
    variance = jnp.sum(q[:, None] * (W - (q @ W)[None]) ** 2)
    for piecewise_linear in (False, True):
        expand = lambda y, flag=piecewise_linear: match.noise_cross_entropy(
            y, logits, piecewise_linear=flag
        )(X)[1]
        for c2 in jax.jit(jax.vmap(expand))(jnp.eye(3)):
            np.testing.assert_allclose(c2, variance / 2, rtol=1e-12)
    g = lambda x: match.cross_entropy(Y, jax.nn.softmax(logits(x)))
    np.testing.assert_allclose(expected(g, 0.01) / 1e-4, variance / 2, rtol=1e-4)


# --- ReLU -----------------------------------------------------------------------------

RELU_T, RELU_S = net(3, 8, jax.nn.relu), net(5, 8, jax.nn.relu)
RELU_X = jnp.array([0.9, -1.0])  # 0.48 from the next kink


@pytest.mark.spec("S1.P1c", "S1.P2c")
@pytest.mark.parametrize("expand", [match.noise_cross_entropy, match.noise_kl])
@pytest.mark.parametrize("target", [RELU_T, Y], ids=["teacher", "labels"])
def test_jacobians_alone_off_the_kinks(expand, target):
    c0, c2 = jax.jit(expand(target, RELU_S, piecewise_linear=True))(RELU_X)
    loss = match.kl if expand is match.noise_kl else match.cross_entropy
    p = softmax(target) if callable(target) else constant
    g = lambda x: loss(p(x), jax.nn.softmax(RELU_S(x)))
    np.testing.assert_allclose(c0, g(RELU_X), rtol=1e-13)
    assert ratio(g, [c2], x=RELU_X) == pytest.approx(16, abs=1)
    oracle = jnp.trace(jax.hessian(g)(RELU_X)) / 2
    np.testing.assert_allclose(c2, oracle, rtol=1e-10)


def test_squares_of_piecewise_linear_maps_are_exact_off_the_kinks():
    _, c2 = match.noise_squares(RELU_T, RELU_S, piecewise_linear=True)(RELU_X)
    g = lambda x: match.squares(RELU_T(x), RELU_S(x))
    np.testing.assert_allclose(expected(g, 0.002, RELU_X), c2 * 0.002**2, rtol=1e-9)


@pytest.mark.spec("S1.P2c")
def test_the_piecewise_linear_form_knows_no_labels():
    found = jax.vmap(
        lambda y: match.noise_cross_entropy(y, RELU_S, piecewise_linear=True)(RELU_X)[1]
    )(jnp.eye(3))
    np.testing.assert_allclose(found, found[0], rtol=1e-13)


@pytest.mark.spec("S1.P1")
def test_kinks_count_on_average_over_points():
    """The kink of d = 1 + 1.7 relu(x - 0.2) - 0.3 x adds p d [d'] of order 2.

    Points are drawn from p = N(0, 1). Noise widens that to N(0, 1 + sigma^2).
    """
    x = np.linspace(-12, 12, 480_001)  # the kink is a node: trapezoids, error 1e-9
    d = 1 + 1.7 * np.maximum(x - 0.2, 0) - 0.3 * x
    square = np.where(x > 0.2, 1.4**2, 0.3**2)
    square[np.argmin(np.abs(x - 0.2))] = (1.4**2 + 0.3**2) / 2
    law = lambda v: np.exp(-(x**2) / 2 / v) / np.sqrt(2 * np.pi * v)
    mean = lambda f, v=1.0: np.trapezoid(f * law(v), x)
    kink = np.exp(-(0.2**2) / 2) / np.sqrt(2 * np.pi) * 1.7 * (1 - 0.3 * 0.2)
    left = [
        (mean(d**2, 1 + s**2) - mean(d**2) - s**2 * mean(square)) / s**2
        for s in (0.05, 0.025)
    ]
    off = np.abs(np.array(left) - kink)
    assert off[1] < 1e-3
    assert off[0] / off[1] == pytest.approx(4, abs=0.3)


# --- the sampling counterpart ---------------------------------------------------------


@pytest.mark.spec("S1.7")
@pytest.mark.parametrize("target", [T, Y], ids=["teacher", "labels"])
def test_the_mean_over_draws_is_the_expectation(target, key):
    estimate = match.noisy(match.squares, target, S, sigma=0.1, draws=20_000)
    found = jax.jit(estimate)(X, key)
    t = target if callable(target) else constant
    g = lambda x: match.squares(t(x), S(x))
    exact = g(X) + expected(g, 0.1)
    assert abs(found.value - exact) < 4.5 * found.standard_error
    assert found.standard_error < 0.02 * abs(exact)


def test_the_standard_error_is_that_of_the_draws():
    errors = [
        jax.jit(match.noisy(match.squares, T, S, sigma=0.1, draws=n))(
            X, jr.key(1)
        ).standard_error
        for n in (400, 6400)
    ]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.15)


# --- transformations and errors -------------------------------------------------------


def test_vmap_and_grad():
    c2 = jax.jit(lambda x: match.noise_squares(T, S)(x)[1])
    points = jnp.stack([X, 2 * X])
    np.testing.assert_allclose(jax.vmap(c2)(points), [*map(c2, points)], rtol=1e-12)
    h, e = 1e-5, jnp.array([1.0, 0.0])  # central differences
    slope = (c2(X + h * e) - c2(X - h * e)) / (2 * h)
    np.testing.assert_allclose(jax.jit(jax.grad(c2))(X)[0], slope, rtol=1e-7)


def test_an_unlikely_class_does_not_underflow():
    steep = lambda x: jnp.array([800.0, 0.0, -800.0]) * x[0]
    x = jnp.ones(2)
    for expand in (match.noise_cross_entropy, match.noise_kl):
        for target in (Y, T, steep):
            found = jax.jit(expand(target, steep))(x)
            assert np.isfinite(found).all()


def test_errors():
    with pytest.raises(ValueError, match="order 3; expected 2 or 4"):
        match.noise_squares(T, S, order=3)
    with pytest.raises(ValueError, match="`noisy`: draws is 1; expected 2 or more"):
        match.noisy(match.squares, T, S, sigma=0.1, draws=1)
    for expand in (match.noise_squares, match.noise_cross_entropy, match.noise_kl):
        for labels in (jnp.asarray(2), jnp.zeros(1)):
            with pytest.raises(ValueError, match=r"the student returns \(3,\)"):
                expand(labels, S)(X)


def test_a_dictionary_is_its_vector():
    named = lambda x: {"a": S(x)[0], "b": S(x)[1:]}
    one, two = (match.noise_squares(T, u)(X) for u in (named, S))
    np.testing.assert_allclose(one, two, rtol=1e-13)
    assert diff.as_vector(named)(X).shape == (3,)
