"""Counted operations against formulas, and against XLA's own count."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax import lax

from osculate import diff, nets


def xla(f, *args):
    return jax.jit(f).lower(*args).compile().cost_analysis()["flops"]


def weights(*shapes):
    keys = jr.split(jr.key(0), len(shapes))
    return [jr.normal(k, s) for k, s in zip(keys, shapes, strict=True)]


@pytest.mark.spec("K1.4.5")
@pytest.mark.parametrize(("d0", "d1", "d2"), [(3, 5, 2), (64, 256, 10)])
def test_a_network_of_two_layers(d0, d1, d2):
    W1, W2 = weights((d1, d0), (d2, d1))
    f = lambda W1, W2, x: W2 @ (W1 @ x)
    found = diff.cost(f, W1, W2, jnp.ones(d0))
    assert found.products == d2 * d1 + d1 * d0
    assert xla(f, W1, W2, jnp.ones(d0)) == pytest.approx(2 * found.products, rel=0.02)


@pytest.mark.spec("K1.4/b")
def test_backpropagation_in_products():
    """4 layers: 4 products forward, 11 with the gradient by weights, 12 by x too."""
    Ws, x = weights(*[(32, 32)] * 4), jnp.ones((64, 32))

    def loss(Ws, x):
        for W in Ws:
            x = jnp.tanh(x @ W)
        return jnp.sum(x)

    one = 64 * 32 * 32
    assert diff.cost(loss, Ws, x).products == 4 * one
    assert diff.cost(jax.grad(loss), Ws, x).products == 11 * one
    both = jax.grad(loss, argnums=(0, 1))
    assert diff.cost(both, Ws, x).products == 12 * one
    assert xla(both, Ws, x) == pytest.approx(24 * one, rel=0.05)


@pytest.mark.spec("K1.4.3-4")
@pytest.mark.parametrize(("n", "m"), [(7, 2), (2, 7)])
def test_the_order_of_the_products_is_the_mode(n, m):
    A, B = weights((6, n), (m, 6))
    f = lambda x: B @ jnp.tanh(A @ x)
    x = jnp.linspace(-1, 1, n)
    forward, reverse = jax.jacfwd(f)(x), jax.jacrev(f)(x)
    np.testing.assert_allclose(forward, reverse, rtol=1e-12)
    # Both need the value of the first layer once.
    passes = lambda jac: diff.cost(jac(f), x).products - 6 * n
    one = 6 * n + m * 6
    # One tangent per input is n passes; one cotangent per output is m.
    assert passes(jax.jacfwd) == n * one
    assert passes(jax.jacrev) == m * one


@pytest.mark.spec("K1.4.6-7")
def test_derivatives_of_a_layer():
    W, y = weights((3, 4), (4,))
    layer = lambda W, y: jnp.tanh(W @ y)
    slope = 1 - layer(W, y) ** 2
    by_W = jax.jacrev(layer)(W, y)
    expected = jnp.einsum("i,ik,j->ikj", slope, jnp.eye(3), y)
    np.testing.assert_allclose(by_W, expected, rtol=0, atol=1e-14)
    by_y = diff.jacobian(lambda y: layer(W, y))(y)
    np.testing.assert_allclose(by_y, slope[:, None] * W, rtol=0, atol=1e-14)


@pytest.mark.spec("K5.2.2")
def test_an_lstm():
    cell = eqx.nn.LSTMCell(100, 100, key=jr.key(0))
    weights_only = 4 * 100 * (100 + 100)
    assert weights_only == 80_000
    assert diff.count_parameters(cell) == weights_only + 4 * 100
    x = jnp.ones(100)
    assert diff.cost(lambda c: cell(x, c), (x, x)).products == weights_only


@pytest.mark.spec("K5.4.10", "K5.4.11-13")
def test_attention_and_feed_forward():
    d = 512
    attention = eqx.nn.MultiheadAttention(8, d, key=jr.key(0))
    assert diff.count_parameters(attention) == 4 * d**2 == 1_048_576
    feed = nets.MLP(d, d, width=4 * d, depth=1, key=jr.key(0))
    assert diff.count_parameters(feed) == 2 * 4 * d * d + 4 * d + d == 2_099_712
    assert (2 * 4 * d * d) / (4 * d**2) == 2


@pytest.mark.spec("K5.4.16")
def test_a_stack_of_layers():
    d, ff, layers = 512, 2048, 6
    shapes = [(d, d)] * 4 + [(ff, d), (d, ff)]
    stack = [jax.ShapeDtypeStruct(s, jnp.float64) for s in shapes * layers]
    counted = sum(s.size for s in stack)
    assert counted == 2 * layers * d * (ff + 2 * d) == 18_874_368


@pytest.mark.spec("K5.4.17")
@pytest.mark.parametrize("n", [64, 512, 2048])
def test_products_of_a_layer(n):
    """2 n d (d_ff + 2 d) + 2 n^2 d; the source has n^2 d in its place."""
    d, ff = 128, 512
    Q, K, V, O, W1, W2 = weights(*[(d, d)] * 4, (d, ff), (ff, d))

    def layer(x):
        mixed = jax.nn.softmax((x @ Q) @ (x @ K).T) @ (x @ V)
        return jax.nn.relu((mixed @ O) @ W1) @ W2

    x = jnp.ones((n, d))
    formula = 2 * n * d * (ff + 2 * d) + 2 * n**2 * d
    assert diff.cost(layer, x).products == formula
    # What XLA counts beyond the products is elementwise.
    assert 1 <= xla(layer, x) / 2 / formula < 1.07
    if n == 2048:
        source = 2 * n * d * (ff + 2 * d) + n**2 * d
        assert formula / source > 1.5
    assert (2 * n**2 * d > 2 * n * d * (ff + 2 * d)) == (n > 6 * d)


def test_loops_branches_and_dead_ends():
    W = jnp.ones((5, 5))
    body = lambda i, x: W @ x
    x = jnp.ones(5)
    assert diff.cost(lambda x: lax.fori_loop(0, 7, body, x), x).products == 7 * 25
    either = lambda x: lax.cond(x[0] > 0, lambda x: W @ (W @ x), lambda x: W @ x, x)
    assert diff.cost(either, x).products == 50
    dead = lambda x: (W @ x, x)[1]
    assert diff.cost(dead, x) == diff.Cost(0, 0, {})
    kernel = jnp.ones((4, 3, 2, 2))
    convolve = lambda x: lax.conv(x, kernel, (1, 1), "VALID")
    image = jnp.ones((2, 3, 6, 6))
    assert diff.cost(convolve, image).products == 2 * 4 * 5 * 5 * 3 * 2 * 2
    assert diff.cost(convolve, image).flops == pytest.approx(xla(convolve, image))


def test_explain():
    net = nets.MLP(2, 1, width=16, depth=2, key=jr.key(0))
    plan = diff.explain(lambda x: net(x)[0], "u u_t u_xx", "t x")
    assert plan.streams == ("u", "u_t", "u_x", "u_xx")
    text = str(plan)
    assert "streams    4: u, u_t, u_x, u_xx" in text
    assert "fallbacks  none" in text
    u = lambda x: jnp.sort(x)[0] * jnp.maximum(x[0], 0.0)
    with pytest.warns(diff.KinkWarning):
        ranked = diff.explain(u, "lap_u", "a b")
    assert ranked.fallbacks == {"sort": 1}
    assert ranked.kinks == ("max",)
    with pytest.raises(ValueError, match="'u_z' is not known"):
        diff.explain(lambda x: x[0], "u_z", "t x")
