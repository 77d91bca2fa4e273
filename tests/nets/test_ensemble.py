"""Ensembles: means of their members, in every form that a member answers in."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate import diff, nets, store
from osculate.core import Fixed, trainable

E = 4
X = jnp.asarray([0.3, -1.2])
SCALES = {
    "x_shift": jnp.asarray([1.0, 2.0]),
    "x_scale": jnp.asarray([0.5, 3.0]),
    "y_shift": jnp.asarray([10.0, 0.0, -1.0]),
    "y_scale": jnp.asarray([1.0, 2.0, 3.0]),
}


def make(key):
    net = nets.MLP(2, 3, width=5, depth=2, key=key)
    return nets.Standardized(net, **SCALES)


def named(key):
    return nets.Named(make(key), {"z": 0, "a": 2})


ENSEMBLE = nets.ensemble(make, E, key=jr.key(0))


def apart(make):
    return [make(key) for key in jr.split(jr.key(0), E)]


def test_members_are_those_made_one_by_one():
    expected = jnp.stack([net(X) for net in apart(make)])
    assert ENSEMBLE.num_members == E
    np.testing.assert_allclose(ENSEMBLE.each(X), expected, rtol=1e-13)
    np.testing.assert_allclose(ENSEMBLE(X), expected.mean(axis=0), rtol=1e-13)
    assert len(np.unique(ENSEMBLE.each(X)[:, 0])) == E


def test_named_fields_stay_named_and_in_order():
    ensemble = nets.ensemble(named, E, key=jr.key(0))
    one, mean = apart(named)[0](X), ensemble(X)
    assert list(mean) == list(one) == list(ensemble.each(X)) == ["z", "a"]
    assert {k: v.shape for k, v in mean.items()} == {"z": (), "a": (2,)}
    for name in one:
        expected = jnp.stack([net(X)[name] for net in apart(named)])
        np.testing.assert_allclose(ensemble.each(X)[name], expected, rtol=1e-13)
        np.testing.assert_allclose(mean[name], expected.mean(axis=0), rtol=1e-13)
    vector = diff.as_vector(ensemble)(X)
    np.testing.assert_allclose(vector, ENSEMBLE(X), rtol=1e-13)


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_derivatives_are_means_of_derivatives(a, b):
    found = JACOBIANS(jnp.asarray([a, b]))
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-13)


@jax.jit
def JACOBIANS(x):
    return jax.jacfwd(ENSEMBLE)(x), jax.jacrev(ENSEMBLE.each)(x).mean(axis=0)


def test_finite_differences_jit_vmap_and_grad():
    h, many = 1e-5, jnp.stack([X, -X])
    slope = jax.grad(lambda x: ENSEMBLE(x)[1])(X)
    for i in range(2):  # central: h^2 and 1e-16 / h are both about 1e-10
        fd = (ENSEMBLE(X.at[i].add(h)) - ENSEMBLE(X.at[i].add(-h)))[1] / (2 * h)
        np.testing.assert_allclose(slope[i], fd, rtol=0, atol=1e-8)
    found = eqx.filter_jit(lambda net, x: jax.vmap(net)(x))(ENSEMBLE, many)
    expected = jnp.stack([ENSEMBLE(X), ENSEMBLE(-X)])
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_what_is_fixed_stays_fixed():
    theta, build = trainable(ENSEMBLE)
    shapes = sorted(a.shape for a in jax.tree.leaves(theta))
    assert shapes == sorted([(E, 5, 2), (E, 5, 5), (E, 3, 5), (E, 5), (E, 5), (E, 3)])
    assert eqx.tree_equal(build(theta), ENSEMBLE)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    classes = (nets.Ensemble, nets.MLP, nets.Standardized, Fixed)
    recipe, arrays = store.encode(ENSEMBLE, classes)
    again = store.decode(recipe, arrays, classes, tmp_path)
    assert eqx.tree_equal(again, ENSEMBLE)


@pytest.mark.parametrize(
    "members",
    [{"a": jnp.ones(())}, {"a": jnp.ones((2, 3)), "b": jnp.ones(3)}, {}],
    ids=["no axis", "two", "none"],
)
def test_arrays_without_a_common_axis(members):
    with pytest.raises(ValueError, match=r"`Ensemble`: arrays of the shapes \["):
        nets.Ensemble(members)


def test_no_members():
    with pytest.raises(ValueError, match="`ensemble`: 0 members; expected 1 or more"):
        nets.ensemble(make, 0, key=jr.key(0))
