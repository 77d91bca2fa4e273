"""Blocks on the diagonal, cut out of dense matrices."""

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from curvature import PROBLEMS, dense_hessian
from osculate import curve
from osculate.core import trainable


def blocks_of(matrix, tree, merged=()):
    """The matrix with zeros between different arrays, but for the merged pairs."""
    leaves = jax.tree.leaves(tree)
    owner = np.repeat(np.arange(len(leaves)), [a.size for a in leaves])
    for a, b in merged:
        owner[owner == b] = a
    return np.where(owner[:, None] == owner[None], matrix, 0)


@pytest.mark.parametrize("name", ["gaussian", "residual"])
def test_every_array_for_itself(name):
    H = curve.hessian(*PROBLEMS[name])
    found = curve.dense(curve.block_diagonal(H))
    theta, _ = trainable(PROBLEMS[name][1])
    exact = blocks_of(dense_hessian(name), theta)
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-10)


def test_layers():
    objective, model, samples = PROBLEMS["gaussian"]
    G = curve.gauss_newton(objective, model, samples)
    layers = [lambda m, k=k: (m.weights[k], m.biases[k]) for k in (0, 1)]
    parts = curve.block_diagonal(G, *layers)
    theta, _ = trainable(model)
    index = jax.tree.unflatten(
        jax.tree.structure(theta), range(len(jax.tree.leaves(theta)))
    )
    exact = blocks_of(curve.dense(G), theta, [layer(index) for layer in layers])
    assert np.count_nonzero(exact) < exact.size
    np.testing.assert_allclose(curve.dense(parts), exact, rtol=0, atol=1e-10)
    assert lineax.is_positive_semidefinite(parts)
    assert not lineax.is_positive_semidefinite(
        curve.block_diagonal(curve.hessian(objective, model, samples))
    )
    v = jax.tree.map(jnp.sin, theta)
    one = curve.restrict(G, layers[1])
    whole = eqx.filter_jit(lambda A, v: A.mv(v))(parts, v)
    for a, b in zip(layers[1](whole), one.mv(layers[1](v)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    many = jax.vmap(parts.mv)(jax.tree.map(lambda a: jnp.stack([a, -a]), v))
    np.testing.assert_allclose(
        jax.vmap(lambda t: ravel_pytree(t)[0])(many)[1],
        -ravel_pytree(whole)[0],
        atol=1e-12,
    )


def test_one_block_is_the_whole():
    H = curve.hessian(*PROBLEMS["poisson"])
    found = curve.dense(curve.block_diagonal(H, lambda m: m))
    np.testing.assert_allclose(found, dense_hessian("poisson"), rtol=0, atol=1e-10)


def test_what_is_no_division_is_refused():
    H = curve.hessian(*PROBLEMS["gaussian"])
    first = lambda m: m.weights[0]
    with pytest.raises(ValueError, match="and none in two"):
        curve.block_diagonal(H, first, lambda m: m.weights)
    with pytest.raises(ValueError, match="one or more for each"):
        curve.block_diagonal(H, lambda m: ())
    with pytest.raises(ValueError, match="expected a square one"):
        curve.block_diagonal(curve.jacobian(*PROBLEMS["gaussian"]))
