"""Inputs and derivatives at every use of a weight, against derivatives in full."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from osculate import diff, nets
from osculate.core import Fixed, Objective, Samples, Term, trainable
from osculate.curve._ghost import ghost_norms
from osculate.curve._rows import Rows
from osculate.curve._taps import tap_rows

KEY = jr.key(0)
X = jr.normal(jr.key(1), (4, 2))
X3 = jr.normal(jr.key(2), (4, 3))
IMAGES = jr.normal(jr.key(3), (3, 2, 5, 6))


class Convolutional(eqx.Module):
    first: eqx.nn.Conv2d
    second: eqx.nn.Conv2d
    last: eqx.nn.Linear

    def __init__(self):
        self.first = eqx.nn.Conv2d(2, 3, 3, padding=1, stride=2, key=KEY)
        self.second = eqx.nn.Conv2d(3, 2, 2, dilation=2, key=jr.key(5))
        self.last = eqx.nn.Linear(2, 2, key=jr.key(6))

    def __call__(self, x):
        return self.last(jnp.ravel(self.second(jnp.tanh(self.first(x)))))


def scalar(u):
    return lambda x: u(x)[0]


def partials(u, x, y):
    return jnp.stack(diff.partials(scalar(u), "u u_x u_xy u_yy", over="x y")(x))


def loop(p, x, y):
    step = lambda c, _: (jnp.tanh(p["W"] @ c + p["b"]), None)
    return jax.lax.scan(step, x, None, length=2)[0]


def tied(p, x, y):
    return p["s"] * (p["W"] @ jnp.tanh(p["W"] @ x + p["b"]) + p["b"])


def other_layout(p, x, y):
    dims = ("NHWC", "HWIO", "HWNC")
    image = jnp.moveaxis(x, 0, -1)[None]
    out = jax.lax.conv_general_dilated(
        image, p["K"], (1, 1), ((1, 0), (0, 1)), dimension_numbers=dims
    )
    return jnp.tanh(out + p["c"][None, None, None]).sum((0, 1, 2))


MLP = nets.MLP(2, 3, width=4, depth=2, key=KEY)
SQUARE = {
    "W": jr.normal(KEY, (3, 3)),
    "b": jr.normal(jr.key(7), (3,)),
    "s": jnp.ones(()),
}
KERNEL = {"K": jr.normal(KEY, (2, 3, 2, 2)), "c": jnp.ones(2)}
# Model, probe, points, how many layers with a bias, without one, and other arrays.
CASES = {
    "MLP": (MLP, lambda u, x, y: u(x), X, 3, 0, 0),
    "laplacian": (MLP, lambda u, x, y: diff.laplacian(scalar(u))(x), X, 2, 1, 1),
    "partials": (MLP, partials, X, 3, 0, 0),
    "gradient": (MLP, lambda u, x, y: jax.grad(scalar(u))(x), X, 2, 1, 1),
    "rule": (
        MLP,
        lambda u, x, y: jax.vmap(u)(x).sum(0),
        jnp.stack([X, 2 * X]),
        3,
        0,
        0,
    ),
    "equinox": (
        eqx.nn.MLP(2, "scalar", 4, 1, activation=jax.nn.relu, key=KEY),
        lambda u, x, y: u(x),
        X,
        2,
        0,
        0,
    ),
    "convolutions": (Convolutional(), lambda u, x, y: u(x), IMAGES, 3, 0, 0),
    "groups": (
        eqx.nn.Conv2d(2, 4, 3, groups=2, key=KEY),
        lambda u, x, y: jnp.tanh(u(x)).sum((1, 2)),
        IMAGES,
        0,
        0,
        2,
    ),
    "transposed convolution": (
        eqx.nn.ConvTranspose2d(2, 3, 3, key=KEY),
        lambda u, x, y: jnp.tanh(u(x)).sum((1, 2)),
        IMAGES,
        1,
        0,
        0,
    ),
    "other layout": (KERNEL, other_layout, IMAGES, 1, 0, 0),
    "tied": (SQUARE, tied, X3, 1, 0, 1),
    "tied transposed": (
        SQUARE,
        lambda p, x, y: p["s"] * (p["W"].T @ jnp.tanh(p["W"] @ x + p["b"])),
        X3,
        1,
        0,
        1,
    ),
    "itself": (SQUARE, lambda p, x, y: p["W"] @ p["W"] @ x, X3, 0, 1, 2),
    "bias not alone": (
        SQUARE,
        lambda p, x, y: (lambda z: z * (z + p["b"]))(p["W"] @ x),
        X3,
        0,
        1,
        2,
    ),
    "power": (SQUARE, lambda p, x, y: p["W"] ** 2 @ x, X3, 0, 0, 3),
    "product and power": (
        SQUARE,
        lambda p, x, y: p["W"] ** 2 @ (p["W"] @ x),
        X3,
        0,
        0,
        3,
    ),
    "loop": (SQUARE, loop, X3, 0, 0, 3),
    "vector": (SQUARE, lambda p, x, y: p["b"] @ x + p["s"] * x[0], X3, 0, 1, 2),
    "stopped": (
        SQUARE,
        lambda p, x, y: p["W"] @ (jax.lax.stop_gradient(p["W"]) @ x),
        X3,
        0,
        0,
        3,
    ),
    "fixed": (
        {"W": SQUARE["W"], "A": Fixed(SQUARE["W"])},
        lambda p, x, y: jnp.tanh(p["W"] @ (p["A"].value @ x)),
        X3,
        0,
        1,
        0,
    ),
}


def formed(taps, slopes):
    """The derivatives of every number by the trained tree, as vectors."""

    def one(q):
        matrices = []
        for layer, (plain, swapped) in zip(taps.layers, slopes.layers, strict=True):
            M = jnp.zeros((layer.height, layer.width))
            if plain is not None:
                M += plain.left.T @ plain.right[q]
            if swapped is not None:
                M += swapped.left[q].T @ swapped.right
            matrices.append(M)
        return ravel_pytree(taps.gradient(matrices, [d[q] for d in slopes.direct]))[0]

    return jnp.stack([one(q) for q in range(len(slopes.values))])


def jacobian(rows, build, theta, row):
    flat, unravel = ravel_pytree(theta)
    return jax.jacrev(lambda t: rows.residual(build(unravel(t)), row))(flat)


@pytest.mark.spec("K4.1.1")
@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_rows(name):
    model, probe, x, *layers = CASES[name]
    objective, samples = Objective({"": Term(probe)}), {"": Samples(x)}
    theta, build = trainable(model)

    @jax.jit
    def both(theta):
        model = build(theta)
        taps, (rows,) = tap_rows("", objective, model, samples, Rows.residual)
        with_bias = sum(layer.bias is not None for layer in taps.layers)
        kinds = [with_bias, len(taps.layers) - with_bias, len(taps.direct)]
        assert kinds == layers
        found = jax.vmap(lambda row: formed(taps, taps.slopes(0, row)))(rows.data)
        taps, (rows,) = tap_rows("", objective, model, samples, Rows.loss)
        norms = ghost_norms(taps, 0, rows)
        of_loss = jax.grad(lambda t: objective(build(t), samples)[0])(theta)
        J = jax.vmap(lambda row: jacobian(rows, build, theta, row))(rows.data)
        r = objective.residuals(model, samples)[""].reshape(len(found), -1)
        return found, norms, J, r, ravel_pytree(of_loss)[0]

    found, norms, J, r, gradient = both(theta)
    np.testing.assert_allclose(found, J, rtol=0, atol=1e-12 * np.abs(J).max())
    rows = np.einsum("nm,nmp->np", r, J)
    np.testing.assert_allclose(norms.squares, (rows**2).sum(1), rtol=1e-10)
    total = ravel_pytree(norms.total)[0]
    size = np.abs(gradient).max()
    np.testing.assert_allclose(total, rows.sum(0), rtol=0, atol=1e-12 * size)
    np.testing.assert_allclose(total, gradient, rtol=0, atol=1e-12 * size)


def test_chunks_and_rows_that_only_fill(monkeypatch):
    monkeypatch.setattr("osculate.curve._dense.CHUNK_ENTRIES", 200)
    x = jr.normal(KEY, (11, 2))
    objective, samples = Objective({"": Term(lambda u, x, y: u(x))}), {"": Samples(x)}
    taps, (rows,) = tap_rows("", objective, MLP, samples, Rows.loss)
    norms = jax.jit(lambda: ghost_norms(taps, 0, rows))()
    theta, build = trainable(MLP)
    J = jax.jit(jax.vmap(lambda row: jacobian(rows, build, theta, row)))(rows.data)
    r = objective.residuals(MLP, samples)[""]
    g = np.einsum("nm,nmp->np", r, J)
    np.testing.assert_allclose(norms.squares, (g**2).sum(1), rtol=1e-10)
    total = ravel_pytree(norms.total)[0]
    np.testing.assert_allclose(total, g.sum(0), rtol=0, atol=1e-14)


def test_terms_must_agree_on_the_layers():
    terms = {
        "plain": Term(lambda p, x, y: p["W"] @ x + p["b"]),
        "power": Term(lambda p, x, y: p["W"] ** 2 @ x),
    }
    samples = {"plain": Samples(X3), "power": Samples(X3)}
    taps, _ = tap_rows("", Objective(terms), SQUARE, samples, Rows.residual)
    assert not taps.layers
    taps, _ = tap_rows(
        "", Objective({"plain": terms["plain"]}), SQUARE, samples, Rows.residual
    )
    assert len(taps.layers) == 1


def test_messages():
    objective = Objective({"a": Term(lambda u, x, y: u(x))})
    with pytest.raises(ValueError, match=r"`me`: the samples of \['a'\] have no rows"):
        tap_rows("me", objective, MLP, {"a": Samples(X[:0])}, Rows.loss)
    nothing = Objective({"a": Term(lambda u, x, y: u(x)[:0])})
    with pytest.raises(ValueError, match=r"`me`: rows of \['a'\] make \[0\] numbers"):
        tap_rows("me", nothing, MLP, {"a": Samples(X)}, Rows.residual)
    fixed = Objective({"a": Term(lambda u, x, y: u.value(x))})
    with pytest.raises(ValueError, match="of 0 trained arrays"):
        tap_rows("me", fixed, Fixed(MLP), {"a": Samples(X)}, Rows.residual)
