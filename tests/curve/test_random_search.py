"""The evolution strategy: what it may not look at, and what it costs."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from least_squares import Vector, quadratic, regression
from osculate import core, curve, train
from osculate.core import Objective, Samples, Status, Term


def plain(probe):
    term = Term(lambda m, x, y: probe(m.theta), lambda z, y, w=1.0: jnp.sum(w * z))
    return Objective({"q": term}), {"q": Samples(jnp.zeros((1, 1)))}


def test_a_step_is_the_weighted_mean_of_the_best_half():
    """Draws, weights and step size written out (Hansen 2016, eqs. 43, 44, 49, 55)."""
    objective, samples = plain(lambda t: jnp.sum((t - 1) ** 2))
    start, sigma, P = jnp.array([0.3, -1.0, 2.0]), 0.2, 3
    method = curve.random_search(jr.key(5), sigma, population=6)
    state = method.init(objective, Vector(start), samples)
    after, following = method.step(objective, Vector(start), samples, state)
    z = np.asarray(jr.normal(jr.fold_in(jr.key(5), 0), (6, P)))
    best = np.argsort(np.sum((np.asarray(start) + sigma * z - 1) ** 2, 1))[:3]
    w = np.log(3.5) - np.log([1, 2, 3])
    w /= w.sum()
    mean = w @ z[best]
    np.testing.assert_allclose(after.theta, start + sigma * mean, atol=1e-14)
    effective = 1 / np.sum(w**2)
    c = (effective + 2) / (P + effective + 5)
    path = np.sqrt(c * (2 - c) * effective) * mean
    damping = 1 + 2 * max(0, np.sqrt((effective - 1) / (P + 1)) - 1) + c
    expected = np.sqrt(P) * (1 - 1 / (4 * P) + 1 / (21 * P**2))
    length = np.linalg.norm(path)
    factor = np.exp(c / damping * (length / expected - 1))
    np.testing.assert_allclose(following.path, path, atol=1e-14)
    np.testing.assert_allclose(following.step_size, sigma * factor)
    assert following.evaluations == 6


def test_only_the_order_of_losses_counts(key):
    """A rising function of the loss, with jumps and infinities, changes no bit."""
    smooth = lambda t: jnp.sum((t - 1) ** 2)
    cliff = lambda t: jnp.where(smooth(t) > 30, jnp.nan, jnp.floor(1e9 * smooth(t)))
    ends = []
    for probe in (smooth, cliff, lambda t: jnp.exp(smooth(t))):
        objective, samples = plain(probe)
        method = curve.random_search(key)
        start = Vector(jnp.linspace(-0.5, 0.5, 7))
        found = train.fit(objective, start, samples, method, steps=30)
        ends.append(found.value.theta)
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[0], ends[2])


def test_the_step_size_grows_on_a_slope_and_shrinks_at_a_minimum(key):
    sizes = {}
    for name, probe in {"slope": jnp.sum, "bowl": lambda t: jnp.sum(t**2)}.items():
        objective, samples = plain(probe)
        method = curve.random_search(key, 0.5)
        found = train.fit(objective, Vector(jnp.zeros(10)), samples, method, steps=100)
        sizes[name] = found.history["step_size"][-1]
    assert sizes["slope"] > 50
    assert sizes["bowl"] < 0.01


@pytest.mark.spec("K4.1/b")
@pytest.mark.parametrize("condition", [1.0, 30.0])
def test_it_needs_more_evaluations_than_gradient_descent(key, condition):
    """To a hundredth of the first loss, in 100 dimensions; a gradient counts as 4."""
    H = jnp.diag(jnp.linspace(1.0, condition, 100))
    objective, samples = quadratic(H, jnp.zeros(100))
    start = Vector(jr.normal(key, (100,)))
    target = 0.01 * float(objective(start, samples)[0])
    fit = functools.partial(
        train.fit, objective, start, samples, target=target, every=1, steps=5000
    )
    best = float(curve.heavy_ball(1.0, condition).largest_plain_step) / (
        1 + 1 / condition
    )
    descent = train.first_order(optax.sgd, best)
    method = curve.random_search(key, 0.1)
    straight, blind = fit(descent), fit(method)
    assert straight.status is Status.TARGET
    assert blind.status is Status.TARGET
    evaluations = blind.history["evaluations"][-1]
    assert evaluations > 5 * 4 * straight.stats["steps"]


def test_the_same_key_gives_the_same_search_resumed_or_not(key):
    objective, net, samples = regression(key)
    fit = functools.partial(train.fit, objective, net, samples, every=5)
    method, kept = curve.random_search(jr.key(3)), []
    whole = fit(method, steps=20)
    keep = lambda now: kept.append((now.carry, now.history))
    half = fit(method, steps=10, watch=[keep])
    rest = fit(method, steps=20, resume=kept[-1])
    assert half.history["loss"][-1] == whole.history["loss"][2]
    equal = lambda a, b: np.testing.assert_array_equal(a, b)
    jax.tree.map(equal, core.trainable(whole.value)[0], core.trainable(rest.value)[0])
    other = fit(curve.random_search(jr.key(4)), steps=20)
    assert other.history["loss"][-1] != whole.history["loss"][-1]
    assert whole.history["loss"][-1] < whole.history["loss"][0]


def test_the_state_holds_only_numbers_that_can_be_saved(key):
    objective, net, samples = regression(key)
    state = curve.random_search(jr.key(3)).init(objective, net, samples)
    kinds = {a.dtype.kind for a in jax.tree.leaves(state)}
    assert kinds <= set("iuf")
    assert all(eqx.is_array(a) for a in jax.tree.leaves(state))


def test_messages(key):
    with pytest.raises(ValueError, match=r"step_size=0.*expected a positive"):
        curve.random_search(key, 0.0)
    with pytest.raises(ValueError, match=r"population=2.*4 neighbours or more"):
        curve.random_search(key, population=2)


def test_any_generator_of_keys():
    objective = Objective({"q": Term(lambda m, x, y: m)})
    samples = {"q": Samples(jnp.zeros(1), jnp.zeros((1, 3)))}
    method = curve.random_search(jr.key(0, impl="rbg"))
    found = train.fit(objective, jnp.ones(3), samples, method, steps=20)
    assert found.history["loss"][-1] < found.history["loss"][0]
