"""The Jacobian of all residuals and its Gram matrices, against reverse mode in full."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from curvature import PROBLEMS, SQUARES, dense_jacobian, flat, tree, value
from osculate import chance, curve
from osculate.core import Fixed, Objective, Samples, Term
from osculate.curve import _dense, _jacobian
from osculate.curve._rows import residual_vector

close = lambda a, b, atol=1e-10: np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@pytest.mark.parametrize("entries", [2**20, 300])
@pytest.mark.parametrize("name", SQUARES)
def test_matrices_in_one_chunk_and_in_many(name, entries, monkeypatch):
    monkeypatch.setattr(_dense, "CHUNK_ENTRIES", entries)
    objective, model, samples = PROBLEMS[name]
    theta, build = flat(model)

    @jax.jit
    def all_three(t):
        args = objective, build(t), samples
        return curve.jacobian_matrix(*args), curve.gram(*args), curve.dual_gram(*args)

    J = dense_jacobian(name)
    for found, expected in zip(all_three(theta), (J, J.T @ J, J @ J.T), strict=True):
        close(found, expected, 1e-12)


@pytest.mark.parametrize("name", SQUARES)
def test_products_and_those_of_the_transpose(name):
    operator = curve.jacobian(*PROBLEMS[name])
    J = dense_jacobian(name)
    v = tree(operator)
    r = jnp.linspace(-1, 1, len(J))
    both = eqx.filter_jit(lambda J, v, r: (J.mv(v), J.T.mv(r)))
    forward, back = both(operator, v, r)
    close(forward, J @ jax.flatten_util.ravel_pytree(v)[0])
    close(jax.flatten_util.ravel_pytree(back)[0], J.T @ r)
    assert (operator.out_size(), operator.in_size()) == J.shape


@pytest.mark.parametrize("name", SQUARES)
def test_half_the_square_of_the_residuals_is_the_loss(name):
    objective, model, samples = PROBLEMS[name]
    theta, build = flat(model)
    J = dense_jacobian(name)
    r = jax.jit(lambda t: residual_vector(objective, samples)(build(t)))(theta)
    loss = jax.jit(lambda t: objective(build(t), samples)[0])
    close(0.5 * jnp.sum(r**2), loss(theta), 1e-12)
    close(curve.jacobian(objective, model, samples).out_size(), r.size)
    # The slope along v is (J^T r) v; central differences of step 1e-6.
    v = jnp.cos(jnp.arange(theta.size))
    slope = (loss(theta + 1e-6 * v) - loss(theta - 1e-6 * v)) / 2e-6
    close(slope, (J.T @ r) @ v, 1e-7)


def test_gram_never_holds_the_jacobian(monkeypatch):
    monkeypatch.setattr(_dense, "CHUNK_ENTRIES", 4000)
    model = {"a": jnp.ones(5), "b": jnp.ones(5)}
    probe = lambda m, x, y: jnp.tanh(m["a"] * x[0]) @ m["b"]
    objective = Objective({"": Term(probe)})
    samples = {"": Samples(jnp.linspace(0, 1, 1500)[:, None])}
    size = lambda call: max(
        np.prod([int(n) for n in shape.split(",")])
        for shape in re.findall(
            r"f64\[([\d,]+)\]",
            str(jax.make_jaxpr(lambda: call(objective, model, samples))()),
        )
    )
    assert size(curve.gram) <= 4000 < 1500 * 10 <= size(curve.jacobian_matrix)
    J = curve.jacobian_matrix(objective, model, samples)
    close(curve.gram(objective, model, samples), J.T @ J, 1e-12)


def test_gram_can_be_differentiated():
    objective, model, samples = PROBLEMS["gaussian"]
    theta, build = flat(model)
    v = jnp.sin(jnp.arange(theta.size))
    gram = jax.jit(lambda s: curve.gram(objective, build(theta + s * v), samples))
    slope = jax.jit(jax.jacfwd(gram))(0.0)
    # Central differences of step 1e-4: error 1e-8 times the third derivative.
    close(slope, (gram(1e-4) - gram(-1e-4)) / 2e-4, 1e-5)


def test_vmap_over_models():
    objective, model, samples = PROBLEMS["gaussian"]
    theta, build = flat(model)
    gram = lambda t: curve.gram(objective, build(t), samples)
    both = jax.jit(jax.vmap(gram))(jnp.stack([theta, 2 * theta]))
    close(both[0], dense_jacobian("gaussian").T @ dense_jacobian("gaussian"), 1e-12)
    close(both[1], gram(2 * theta), 1e-12)


def test_gauss_newton_of_squares_is_the_gram_matrix():
    problem = PROBLEMS["residual"]
    close(curve.dense(curve.gauss_newton(*problem)), curve.gram(*problem))


DOORS = (curve.jacobian, curve.jacobian_matrix, curve.gram, curve.dual_gram)


@pytest.mark.parametrize("door", DOORS)
def test_what_has_no_residuals_is_refused(door):
    with pytest.raises(ValueError, match=r"PoissonLoss\(\) is no sum of squares"):
        door(*PROBLEMS["poisson"])
    objective, model, _ = PROBLEMS["gaussian"]
    none = {"": Samples(jnp.zeros((0, 2)), jnp.zeros((0, 2)))}
    with pytest.raises(ValueError, match=r"the samples of \[''\] have no rows"):
        door(objective, model, none)
    nothing = Objective({"": Term(lambda m, x, y: {})})
    with pytest.raises(ValueError, match=r"no residuals of the terms \[''\]"):
        door(nothing, model, {"": Samples(jnp.zeros((3, 2)))})
    untrained = Objective({"": Term(lambda m, x, y: m.value(x))})
    with pytest.raises(ValueError, match="0 trained numbers"):
        door(untrained, Fixed(model), {"": Samples(jnp.zeros((3, 2)))})


def test_a_matrix_larger_than_the_memory_is_refused():
    objective = Objective({"": Term(lambda m, x, y: jnp.sum(m) * x[0])})
    samples = {"": Samples(jnp.ones((3, 1)))}
    model = jnp.zeros(5_000_000)
    with pytest.raises(ValueError, match=r"`gram`: .* needs 1.863e\+05 GiB; there are"):
        curve.gram(objective, model, samples)
    with pytest.raises(ValueError, match=r"`dense`: .*`restrict` it to a layer"):
        curve.dense(curve.gauss_newton(objective, model, samples))


def test_mixed_losses_name_the_one_without_residual():
    objective, model, samples = PROBLEMS["gaussian"]
    both = Objective({**objective.terms, "b": Term(value, chance.LaplaceLoss())})
    with pytest.raises(ValueError, match="LaplaceLoss"):
        curve.gram(both, model, {**samples, "b": samples[""]})


@pytest.mark.parametrize("columns", [1, 7, 8, 9, 37])
def test_a_square_by_blocks(columns, monkeypatch):
    monkeypatch.setattr(_jacobian, "UNDIVIDED", 8)
    A = jnp.asarray(np.random.default_rng(0).normal(size=(5, columns)))
    found = _jacobian._square(A)
    close(found, A.T @ A, 1e-13)
