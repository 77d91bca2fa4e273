"""The Gram matrix of the rows of the Jacobian, against the Jacobian in full."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from osculate import curve, diff, nets
from osculate.core import Gaussian, Objective, Samples, Term
from osculate.curve import _dual_gram

KEY = jr.key(0)
MLP = nets.MLP(2, 2, width=6, depth=2, key=KEY)
VALUES = Term(lambda u, x, y: u(x), Gaussian(jnp.array([0.5, 2.0])))
EQUATION = Term(
    lambda u, x, y: {
        "laplace": diff.laplacian(lambda x: u(x)[0])(x),
        "value": u(x)[1] ** 2,
    },
    weight={"laplace": 0.3, "value": 2.0},
)
GRADIENT = Term(lambda u, x, y: jax.grad(lambda x: u(x)[0])(x))


def points(n, seed=1):
    return jr.normal(jr.key(seed), (n, 2))


SAMPLES = {
    "values": Samples(points(5), points(5, 2), jnp.array([1.0, 0.0, 2.0, 1.0, 1.0])),
    "equation": Samples(points(4, 3)),
    "gradient": Samples(points(3, 4)),
}
TERMS = {"values": VALUES, "equation": EQUATION, "gradient": GRADIENT}


class Image(eqx.Module):
    convolution: eqx.nn.Conv2d
    scale: jax.Array

    def __call__(self, x):
        return self.scale * jnp.tanh(self.convolution(x)).sum((1, 2))


@pytest.mark.parametrize("way", ["counted", "structured", "formed"])
@pytest.mark.parametrize(
    "labels",
    [["values"], ["equation"], ["gradient"], ["values", "equation", "gradient"]],
)
def test_against_the_jacobian(labels, way, monkeypatch):
    if way != "counted":
        choice = lambda terms: way == "structured"
        monkeypatch.setattr(_dual_gram, "_is_structured", choice)
    objective = Objective({label: TERMS[label] for label in labels})
    # A dictionary that is an argument of a compiled function would be sorted.
    gram = jax.jit(lambda: curve.structured_dual_gram(objective, MLP, SAMPLES))()
    J = curve.jacobian_matrix(objective, MLP, SAMPLES)
    np.testing.assert_allclose(gram, J @ J.T, rtol=0, atol=1e-12 * np.abs(gram).max())


@pytest.mark.parametrize("way", ["structured", "formed"])
def test_convolution_and_scale(way, monkeypatch):
    monkeypatch.setattr(_dual_gram, "_is_structured", lambda terms: way == "structured")
    model = Image(eqx.nn.Conv2d(2, 3, 2, key=KEY), jnp.asarray(0.7))
    objective = Objective({"": Term(lambda u, x, y: u(x))})
    samples = {"": Samples(jr.normal(KEY, (4, 2, 4, 3)))}
    gram = eqx.filter_jit(curve.structured_dual_gram)(objective, model, samples)
    theta, rest = eqx.partition(model, eqx.is_array)
    residuals = lambda t: objective.residuals(eqx.combine(t, rest), samples)[""]
    J = jax.jit(jax.jacrev(lambda t: residuals(t).reshape(-1)))(theta)
    J = np.concatenate([j.reshape(len(gram), -1) for j in jax.tree.leaves(J)], axis=1)
    np.testing.assert_allclose(gram, J @ J.T, rtol=0, atol=1e-12 * np.abs(gram).max())


def test_small_matrices_of_many_uses_are_formed():
    one = lambda n, uses: [jnp.zeros((50, uses, n)), jnp.zeros((50, 1, uses, n))]
    pair = lambda n, uses: [(_dual_gram.Pair(*one(n, uses)), None)]
    assert _dual_gram._is_structured(pair(64, 1))
    assert not _dual_gram._is_structured(pair(64, 30))
    assert not _dual_gram._is_structured(pair(2, 1))


def test_derivative_by_the_model():
    objective = Objective({"values": VALUES})
    trace = lambda gram: (
        lambda s: jnp.sum(
            gram(objective, jax.tree.map(lambda a: s * a, MLP), SAMPLES) ** 2
        )
    )
    dense = lambda *a: (lambda J: J @ J.T)(curve.jacobian_matrix(*a))
    s = jnp.asarray(1.1)
    found = jax.jit(jax.grad(trace(curve.structured_dual_gram)))(s)
    np.testing.assert_allclose(found, jax.jit(jax.grad(trace(dense)))(s), rtol=1e-10)


def test_messages():
    objective = Objective({"values": VALUES})
    with pytest.raises(ValueError, match="have no rows"):
        curve.structured_dual_gram(objective, MLP, {"values": Samples(points(0))})
    nothing = Objective({"a": Term(lambda u, x, y: u(x)[:0])})
    with pytest.raises(ValueError, match=r"make \[0\] numbers"):
        curve.structured_dual_gram(nothing, MLP, {"a": Samples(points(3))})
    loss = Term(lambda u, x, y: u(x), lambda z, y, w=1.0: jnp.sum(w * jnp.abs(z)))
    with pytest.raises(ValueError, match="is no sum of squares"):
        curve.structured_dual_gram(
            Objective({"a": loss}), MLP, {"a": Samples(points(3))}
        )
