"""All members of an ensemble in one fit, against fits of each by itself."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from osculate import curve, match, nets, store
from osculate.core import FitWarning, Objective, Optimizer, Samples, Status, Term
from osculate.train import Minibatch, first_order, fit, lbfgs, members, start

E = 3
X = jnp.linspace(-1, 1, 12)[:, None]
SAMPLES = {
    "d": Samples(
        X, {"value": jnp.sin(3 * X), "jacobian": 3 * jnp.cos(3 * X)[..., None]}
    )
}
HELD_OUT = {"d": jax.tree.map(lambda a: a[::3] + 0.01, SAMPLES["d"])}
JETS = Objective({"d": match.term(match.values(), match.jacobians())})
OBJECTIVE = Objective({"d": match.term(match.values())})


def make(key):
    net = nets.MLP(1, 1, width=5, depth=1, key=key)
    one, zero = jnp.ones(1), jnp.zeros(1)
    return nets.Standardized(net, x_shift=zero, x_scale=one, y_shift=one, y_scale=one)


ENSEMBLE = nets.ensemble(make, E, key=jr.key(0))
NETS = [make(key) for key in jr.split(jr.key(0), E)]
METHODS = {
    "adam": (first_order(optax.adam, 1e-2), 40),
    "ssbroyden": (curve.ssbroyden(), 40),
    "lbfgs": (lbfgs(memory=5), 20),
    "levenberg_marquardt": (curve.levenberg_marquardt(), 12),
}


SLOW = ("lbfgs", "levenberg_marquardt")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in METHODS],
)
def test_equal_to_fits_of_each_member(name):
    optimizer, steps = METHODS[name]
    assert isinstance(members(optimizer), Optimizer)
    options: dict[str, Any] = {"steps": steps, "every": 10}
    found = fit(OBJECTIVE, ENSEMBLE, SAMPLES, members(optimizer), **options)
    alone = [fit(OBJECTIVE, net, SAMPLES, optimizer, **options) for net in NETS]
    assert found.history.keys() == alone[0].history.keys()
    # Sums in another order: an error of 1e-16 grows with the steps.
    for column in found.history:
        expected = np.mean([one.history[column] for one in alone], axis=0)
        np.testing.assert_allclose(found.history[column], expected, rtol=1e-8)
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *(one.value for one in alone))
    for a, b in zip(
        jax.tree.leaves(found.value.members), jax.tree.leaves(stacked), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)
    assert found.history["loss"][-1] < 0.5 * found.history["loss"][0]
    assert len(np.unique(found.value.each(X[0]))) == E


def test_history_and_the_best_iterate_are_those_of_the_mean_loss():
    adam = METHODS["adam"][0]
    options: dict[str, Any] = {"steps": 30, "every": 10, "validation": HELD_OUT}
    found = fit(JETS, ENSEMBLE, SAMPLES, members(adam), **options)
    alone = [fit(JETS, net, SAMPLES, adam, **options) for net in NETS]
    for column in ("loss", "d.value", "d.jacobian", "validation"):
        expected = np.mean([one.history[column] for one in alone], axis=0)
        np.testing.assert_allclose(found.history[column], expected, rtol=1e-10)
    best = found.history["step"][np.argmin(found.history["validation"])]
    assert found.stats["best_step"] == best


def test_resumed_from_a_file_it_ends_with_the_same_bits(tmp_path):
    seen, method = [], members(curve.ssbroyden())
    options: dict[str, Any] = {"steps": 8, "every": 4}
    whole = fit(OBJECTIVE, ENSEMBLE, SAMPLES, method, watch=[seen.append], **options)
    path = tmp_path / "snapshot"
    path.write_bytes(store.pack(store.leaves(seen[1].carry), {}))
    arrays, _ = store.unpack(path.read_bytes(), path)
    template = start(OBJECTIVE, ENSEMBLE, SAMPLES, method)
    resume = store.with_leaves(template, arrays, path), seen[1].history
    again = fit(OBJECTIVE, ENSEMBLE, SAMPLES, method, resume=resume, **options)
    for one, other in zip(
        jax.tree.leaves(whole.value), jax.tree.leaves(again.value), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(again.history["loss"], whole.history["loss"])


def test_the_fit_ends_when_the_last_member_has_converged():
    """Straight lines: one member begins at the answer and stays there, to the bit."""
    line = Objective({"d": Term(lambda net, x, y: net(x))})
    samples = {"d": Samples(X, 2 * X)}
    two = nets.ensemble(
        lambda key: nets.MLP(1, 1, width=1, depth=0, key=key), 2, key=jr.key(0)
    )
    weight = jnp.asarray([[[2.0]], [[-5.0]]])
    two = nets.Ensemble(
        jax.tree.map(lambda a: weight if a.ndim == 3 else a, two.members)
    )
    found = fit(line, two, samples, members(curve.ssbroyden()), steps=200, every=50)
    assert found.status is Status.CONVERGED
    assert 1 < found.stats["steps"] < 200
    np.testing.assert_array_equal(found.value.members.weights[0][0], [[2.0]])
    np.testing.assert_allclose(found.value.members.weights[0], 2.0, rtol=1e-12)


def test_a_sampler_gives_all_members_the_same_rows():
    adam = first_order(optax.adam, 1e-2)
    batches = Minibatch(SAMPLES, 4)
    options: dict[str, Any] = {
        "steps": 6,
        "every": 3,
        "sampler": batches,
        "key": jr.key(3),
    }
    found = fit(OBJECTIVE, ENSEMBLE, batches.first(), members(adam), **options)
    for i, net in enumerate(NETS):
        alone = fit(OBJECTIVE, net, batches.first(), adam, **options)
        np.testing.assert_allclose(
            found.value.each(X[0])[i], alone.value(X[0]), rtol=1e-10
        )


def test_steps_that_are_too_long_are_shortened():
    steep = members(first_order(optax.sgd, 30.0))
    found = fit(OBJECTIVE, ENSEMBLE, SAMPLES, steep, steps=400, every=200)
    assert found.stats["retries"] > 0
    assert np.isfinite(found.history["loss"]).all()
    assert members(lbfgs()).shorter is None


def test_a_member_that_is_not_finite_is_told():
    spoiled = jax.tree.map(
        lambda a: a.at[1].set(jnp.nan) if a.shape == (E, 5, 1) else a, ENSEMBLE
    )
    with pytest.warns(FitWarning, match="before the first step: term 'd.value', row 0"):
        fit(OBJECTIVE, spoiled, SAMPLES, members(lbfgs()), steps=3)


def test_a_model_that_is_no_ensemble():
    with pytest.raises(TypeError, match="`members`: the model is a Standardized; exp"):
        fit(OBJECTIVE, NETS[0], SAMPLES, members(lbfgs()), steps=3)
