"""Neighbour embedding: probabilities, both losses, and clusters that stay apart."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osculate import chance

X = jr.normal(jr.key(0), (12, 4))
Y = jr.normal(jr.key(1), (12, 2))


def close(found, expected, atol=1e-12):
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@pytest.mark.spec("K2.6.4")
@pytest.mark.parametrize("n", [1, 3, 8])
def test_perplexity_counts_equal_probabilities(n):
    close(chance.perplexity(jnp.zeros(8).at[:n].set(1 / n)), n, 1e-13)


@pytest.mark.spec("K2.6.1", "K2.6.4")
@settings(max_examples=10)
@given(st.floats(1.5, 10.0), st.floats(-6, 6))
def test_neighbours_have_the_perplexity_at_any_scale(perplexity, log_scale):
    x = 10.0**log_scale * X
    p = chance.neighbour_probabilities(x, perplexity)
    close(jnp.sum(p, 1), jnp.ones(12))
    close(jnp.diagonal(p), jnp.zeros(12), 0)
    close(chance.perplexity(p), jnp.full(12, perplexity), 1e-9)
    close(p, chance.neighbour_probabilities(X, perplexity), 1e-9)


@pytest.mark.spec("K2.6.1")
def test_neighbours_are_normal():
    p = chance.neighbour_probabilities(X, 4.0)
    apart = chance.squared_distances(X, X)
    # log p_ij = -|x_i - x_j|^2 / (2 sigma_i^2) + constant_i.
    for i in range(12):
        others = np.arange(12) != i
        line = np.polyfit(apart[i, others], np.log(p[i, others]), 1)
        assert line[0] < 0
        close(np.polyval(line, apart[i, others]), np.log(p[i, others]), 1e-10)


def test_neighbours_are_differentiable_with_their_widths():
    v = jr.normal(jr.key(2), X.shape)
    probabilities = jax.jit(lambda x: chance.neighbour_probabilities(x, 4.0))
    ends = [probabilities(X + s * v) for s in (1e-5, -1e-5)]
    found = jax.jvp(probabilities, (X,), (v,))[1]
    close(found, (ends[0] - ends[1]) / 2e-5, 1e-8)
    alike = jax.vmap(probabilities)(jnp.stack([X, 2 * X]))
    close(alike[0], alike[1], 1e-9)


def test_derivatives_of_neighbours_at_every_order():
    v = jr.normal(jr.key(2), X.shape)
    mean = lambda t: jnp.sum(chance.neighbour_probabilities(X + t * v, 4.0) ** 3)
    orders = [mean]
    for _ in range(3):
        orders.append(jax.grad(orders[-1]))
    found = jax.jit(jax.vmap(lambda t: jnp.stack([f(t) for f in orders])))
    ends = found(jnp.array([0.2, 0.2 + 1e-5, 0.2 - 1e-5]))
    slopes = (ends[1, :3] - ends[2, :3]) / 2e-5
    np.testing.assert_allclose(ends[0, 1:], slopes, rtol=1e-6)


def test_neighbours_of_degenerate_points():
    copies = jnp.ones((6, 2))
    sum_of = lambda x: jnp.sum(chance.neighbour_probabilities(x, 2.5)[:, 0] ** 2)
    with jax.debug_nans(True):
        p = chance.neighbour_probabilities(copies, 2.5)
        slope = jax.jit(jax.grad(sum_of))(copies)
    close(p, (1 - jnp.eye(6)) / 5)
    close(slope, jnp.zeros((6, 2)), 0)
    # Six copies far from six points have five neighbours each; those have as asked.
    some = X.at[:6].set(100.0)
    found = chance.perplexity(chance.neighbour_probabilities(some, 2.5))
    close(found, jnp.array([5.0] * 6 + [2.5] * 6), 1e-9)
    # One point far out leaves the neighbours of the others as they are.
    far = X.at[0].set(1e8)
    found = chance.perplexity(chance.neighbour_probabilities(far, 2.5))
    close(found[1:], jnp.full(11, 2.5), 1e-6)


def test_whole_numbers_are_numbers(key):
    x = jnp.arange(24).reshape(12, 2) ** 2
    found = [chance.tsne(a, key, perplexity=3.0, steps=2) for a in (x, x.astype(float))]
    np.testing.assert_array_equal(found[0].points, found[1].points)


def test_pictures_of_as_many_points_compile_once(key, caplog):
    run = lambda shift: chance.tsne(X + shift, key, perplexity=4.0, steps=7)
    run(0.0)
    with jax.log_compiles():
        jax.jit(lambda: jnp.zeros(3))()
        told = len(caplog.records)
        run(1.0)
    assert 0 < told == len(caplog.records)


def test_neighbours_in_float32():
    x = jr.normal(jr.key(3), (300, 20), jnp.float32)
    p = chance.neighbour_probabilities(x.at[:3].multiply(1e3), 30.0)
    assert p.dtype == jnp.float32
    close(chance.perplexity(p)[3:], jnp.full(297, 30.0), 1e-3)


@pytest.mark.spec("K2.6.2-3")
def test_gradient_of_sne():
    p = chance.neighbour_probabilities(X, 4.0)
    apart = chance.squared_distances(Y, Y)
    w = jnp.exp(-apart) * (1 - jnp.eye(12))
    q = w / jnp.sum(w, 1, keepdims=True)
    rows = [chance.kl_divergence(p[i], q[i]) for i in range(12)]
    close(chance.sne_loss(Y, p), sum(rows), 1e-13)
    pull = p - q + p.T - q.T
    expected = 2 * jnp.sum(pull[:, :, None] * (Y[:, None] - Y[None]), 1)
    close(jax.jit(jax.grad(chance.sne_loss))(Y, p), expected, 1e-13)


@pytest.mark.spec("K2.6/a")
def test_gradient_of_tsne():
    p = chance.neighbour_probabilities(X, 4.0)
    pairs = (p + p.T) / 24
    w = (1 - jnp.eye(12)) / (1 + chance.squared_distances(Y, Y))
    q = w / jnp.sum(w)
    close(chance.tsne_loss(Y, p), chance.kl_divergence(pairs, q), 1e-14)
    pull = (pairs - q) * w
    expected = 4 * jnp.sum(pull[:, :, None] * (Y[:, None] - Y[None]), 1)
    close(jax.jit(jax.grad(chance.tsne_loss))(Y, p), expected, 1e-15)


@pytest.mark.spec("K2.6/a")
def test_clusters_stay_apart(key):
    labels = jnp.repeat(jnp.arange(3), 20)
    centres = 10 * jr.normal(jr.key(5), (3, 8))
    x = centres[labels] + jr.normal(jr.key(6), (60, 8))
    embed = jax.jit(lambda k: chance.tsne(x, k, perplexity=10.0, steps=400))
    found = embed(key)
    means = jnp.stack([jnp.mean(found.points[labels == c], 0) for c in range(3)])
    nearest = jnp.argmin(chance.squared_distances(found.points, means), 1)
    assert jnp.all(nearest == labels)
    inside = jnp.max(jnp.sum((found.points - means[labels]) ** 2, 1))
    between = chance.squared_distances(means, means)[jnp.triu_indices(3, 1)]
    assert jnp.min(between) > 4 * inside
    assert found.losses[-1] < 0.3 * found.losses[0]
    np.testing.assert_array_equal(embed(key).points, found.points)


def test_losses_are_those_of_the_points(key):
    run = lambda steps: chance.tsne(X, key, perplexity=4.0, steps=steps)
    p = chance.neighbour_probabilities(X, 4.0)
    close(chance.tsne_loss(run(3).points, p), run(4).losses[3], 1e-12)


def test_a_picture_starts_where_told(key):
    start = jr.normal(jr.key(7), (12, 2))
    p = chance.neighbour_probabilities(X, 4.0)
    run = lambda k, initial: chance.tsne(
        X, k, perplexity=4.0, steps=3, learning_rate=1.0, initial=initial
    )
    found = run(key, start)
    close(found.losses[0], chance.tsne_loss(start, p))
    np.testing.assert_array_equal(run(jr.key(8), start).points, found.points)
    assert run(key, start.astype(jnp.float32)).points.dtype == X.dtype
    drawn = run(key, 1e-4 * jr.normal(key, (12, 2)))
    np.testing.assert_array_equal(run(key, None).points, drawn.points)


def test_refusals():
    with pytest.raises(ValueError, match=r"perplexity is 11\.0 with 12 points"):
        chance.neighbour_probabilities(X, 11.0)
    with pytest.raises(ValueError, match=r"\(12, 2\) with 12 points; .* \(12, 3\)"):
        chance.tsne(X, jr.key(0), num_components=3, perplexity=4.0, initial=Y)
    for loss in (chance.sne_loss, chance.tsne_loss):
        with pytest.raises(ValueError, match=r"p has shape \(3, 3\) with 12 points"):
            loss(Y, jnp.eye(3))
