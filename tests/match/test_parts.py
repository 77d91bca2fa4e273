"""Parts of a Term beyond the full tensors, against dense Jacobians."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osculate import chance, match, nets
from osculate.core import Gaussian, Objective, Samples

N, D, M, K = 5, 3, 4, 2
STUDENT = nets.MLP(D, M, width=6, depth=1, key=jr.key(0))
TEACHER = nets.MLP(D, M, width=7, depth=1, key=jr.key(1))
RANDOM = np.random.default_rng(0)
X = jnp.asarray(RANDOM.normal(size=(N, D)))
V = jnp.asarray(RANDOM.normal(size=(N, K, D)))
W = jnp.asarray(RANDOM.normal(size=(N, K, M)))
GIVEN = {"directions": V, "covectors": W}
dense = lambda u: jax.vmap(jax.jacrev(u))(X)
J, G = dense(STUDENT), dense(TEACHER)


@eqx.filter_jit
def parts_of(term, samples, model=STUDENT):
    return Objective({"d": term})(model, {"d": samples})[1]


def taught(*parts, given=None):
    term = match.term(*parts)
    return parts_of(term, match.taught(term, TEACHER, X, given))


half_square = lambda z: np.sum(np.square(z)) / 2 / N


@pytest.mark.spec("S1.3")
@pytest.mark.parametrize("with_jacobians", [False, True])
def test_products_with_the_jacobian(with_jacobians):
    more = [match.jacobians()] if with_jacobians else []
    found = taught(
        match.values(), match.directional(), match.adjoint(), *more, given=GIVEN
    )
    value = jax.vmap(STUDENT)(X) - jax.vmap(TEACHER)(X)
    right = jnp.einsum("nmd,nkd->nkm", J - G, V)
    left = jnp.einsum("nmd,nkm->nkd", J - G, W)
    np.testing.assert_allclose(found["d.value"], half_square(value), rtol=1e-12)
    np.testing.assert_allclose(found["d.directional"], half_square(right), rtol=1e-12)
    np.testing.assert_allclose(found["d.adjoint"], half_square(left), rtol=1e-12)
    if with_jacobians:
        np.testing.assert_allclose(found["d.jacobian"], half_square(J - G), rtol=1e-12)


def test_products_alone_are_one_pass_without_the_jacobian():
    term = match.term(match.values(), match.adjoint())
    samples = match.taught(term, TEACHER, X, GIVEN)
    look = jax.make_jaxpr(lambda x, y: term.at(STUDENT, x, y))(
        X[0], jax.tree.map(lambda a: a[0], samples.y)
    )
    # One forward pass: the activation is evaluated once, and nothing is (M, D).
    assert str(look).count("= tanh ") == 1
    assert f"f64[{M},{D}]" not in str(look)


def test_the_slope_of_a_class():
    likely = np.argmax(jax.vmap(TEACHER)(X), axis=1)
    found = taught(match.class_jacobians())
    rows = (J - G)[np.arange(N), likely]
    np.testing.assert_allclose(found["d.class_jacobian"], half_square(rows), rtol=1e-12)
    true = np.array([0, 1, 2, 3, 0])
    found = taught(match.class_jacobians(), match.values(), given={"class": true})
    rows = (J - G)[np.arange(N), true]
    np.testing.assert_allclose(found["d.class_jacobian"], half_square(rows), rtol=1e-12)


def test_normalized_jacobians():
    found = taught(match.jacobians(match.Normalized()))
    unit = lambda T: T / np.sqrt(np.sum(np.square(T), axis=(1, 2), keepdims=True))
    off = half_square(unit(J) - unit(G))
    np.testing.assert_allclose(found["d.jacobian"], off, rtol=1e-12)
    louder = lambda x: 7.0 * STUDENT(x)
    term = match.term(match.jacobians(match.Normalized()))
    same = parts_of(term, match.taught(term, STUDENT, X), louder)
    assert same["d.jacobian"] < 1e-28
    flat = lambda x: jnp.zeros(M) * x[0]
    slope = jax.grad(lambda s: term.loss["jacobian"](s * G[0], G[0]))(0.0)
    assert np.isfinite(slope)
    _, parts = Objective({"d": term})(flat, {"d": match.taught(term, TEACHER, X)})
    np.testing.assert_allclose(parts["d.jacobian"], 0.5, rtol=1e-12)


def test_normalized_has_residuals_where_its_loss_has():
    r = match.Normalized(Gaussian(2.0)).residual(J[0], G[0])
    loss = match.Normalized(Gaussian(2.0))(J[0], G[0])
    np.testing.assert_allclose(np.sum(np.square(r)) / 2, loss, rtol=1e-13)
    assert not hasattr(match.Normalized(chance.LaplaceLoss()), "residual")


@pytest.mark.spec("S1.4")
def test_slopes_in_the_norm_of_a_power():
    """A line that fits the slopes of a parabola: the largest error counts most."""
    x = jnp.linspace(0.0, 1.0, 5)[:, None] ** 2
    samples = {"fit": Samples(x, {"jacobian": 2 * x[:, :, None]})}
    line = lambda c: lambda x: c * x

    def best(p):
        term = match.term(match.jacobians(chance.PowerLoss(p)))
        loss = lambda c: Objective({"fit": term})(line(c), samples)[0]
        mean = jnp.mean(jnp.abs(0.3 - 2 * x) ** p) / p
        np.testing.assert_allclose(loss(jnp.asarray(0.3)), mean, rtol=1e-13)
        grid = jnp.linspace(0, 2, 2001)
        return float(grid[jnp.argmin(jax.vmap(loss)(grid))])

    slopes = 2 * np.asarray(x)
    np.testing.assert_allclose(best(1.0), np.median(slopes), atol=1e-9)
    np.testing.assert_allclose(best(2.0), np.mean(slopes), atol=5e-4)
    # From the middle of the extremes the rest pulls it by less than 1 / power.
    np.testing.assert_allclose(best(200.0), 1.0, atol=0.01)


def test_the_norm_of_the_jacobian():
    samples = Samples(X, {"value": jnp.zeros((N, M))})
    found = parts_of(match.term(match.values(), match.jacobian_norm(0.3)), samples)
    np.testing.assert_allclose(
        found["d.jacobian_norm"], 0.3 * half_square(J), rtol=1e-12
    )
    alone = parts_of(match.term(match.jacobian_norm()), Samples(X))
    np.testing.assert_allclose(alone["d.jacobian_norm"], half_square(J), rtol=1e-12)
    term = match.term(match.jacobian_norm(projected=True))
    left = parts_of(term, Samples(X, GIVEN))["d.jacobian_norm"]
    by_hand = half_square(jnp.einsum("nmd,nkm->nkd", J, W))
    np.testing.assert_allclose(left, by_hand, rtol=1e-12)


@given(st.floats(0.5, 20))
@settings(max_examples=10)
def test_softened_classes(t):
    found = taught(match.logits(t))
    p, q = (jax.nn.softmax(jax.vmap(u)(X) / t) for u in (TEACHER, STUDENT))
    by_hand = t**2 * np.sum(p * np.log(p / q)) / N
    np.testing.assert_allclose(found["d.logits"], by_hand, rtol=1e-9)


def test_softened_classes_at_high_temperature_are_squares_of_centred_logits():
    z, y = jax.vmap(STUDENT)(X), jax.vmap(TEACHER)(X)
    d = (z - y) - jnp.mean(z - y, axis=1, keepdims=True)
    # The next term is smaller by 1 / t.
    found = match.Softened(1e5)(z, y)
    np.testing.assert_allclose(found, np.sum(np.square(d)) / 2 / M, rtol=1e-4)


@pytest.mark.spec("S1.3")
def test_one_term_for_labels_soft_labels_and_jacobians():
    labels = jnp.array([0, 1, 2, 3, 0])
    for y in (labels, jax.nn.one_hot(labels, M)):
        found = taught(
            match.labels(), match.logits(2.0), match.jacobians(), given={"labels": y}
        )
        assert set(found) == {"d.labels", "d.logits", "d.jacobian"}
        log_q = jax.nn.log_softmax(jax.vmap(STUDENT)(X))
        by_hand = -np.mean(log_q[np.arange(N), labels])
        np.testing.assert_allclose(found["d.labels"], by_hand, rtol=1e-12)


# --- functions of a model -------------------------------------------------------------


def hidden(net):
    return lambda x: jnp.tanh(x @ net.weights[0].T + net.biases[0])


def attention(net):
    """A 'map' of one place per three hidden units: channels differ, places agree."""
    return lambda x: match.attention_map(hidden(net)(x)[:6].reshape(2, 3))


def test_attention_of_two_architectures_with_its_jacobian():
    term = match.term(
        match.values(),
        match.look_at(attention, match.values(), name="attention"),
        match.look_at(attention, match.jacobians(), name="attention"),
    )
    samples = match.taught(term, TEACHER, X)
    assert set(samples.y) == {"value", "attention.value", "attention.jacobian"}
    found = parts_of(term, samples)
    a, b = (dense(attention(net)) for net in (STUDENT, TEACHER))
    off = half_square(a - b)
    np.testing.assert_allclose(found["d.attention.jacobian"], off, rtol=1e-12)


def test_an_attention_map():
    features = RANDOM.normal(size=(3, 2, 4))
    found = match.attention_map(jnp.asarray(features))
    by_hand = np.sum(features**2, axis=0).ravel()
    np.testing.assert_allclose(found, by_hand / np.linalg.norm(by_hand), rtol=1e-13)
    assert not match.attention_map(jnp.zeros((3, 2))).any()


def test_vectors_of_a_function_have_its_name():
    part = match.look_at(hidden, match.adjoint(), name="hidden")
    w = jnp.asarray(RANDOM.normal(size=(N, K, 6)))
    term = match.term(part)
    y = {"hidden.covectors": w, "hidden.adjoint": jnp.zeros((N, K, D))}
    found = parts_of(term, Samples(X, y))
    by_hand = half_square(jnp.einsum("nmd,nkm->nkd", dense(hidden(STUDENT)), w))
    np.testing.assert_allclose(found["d.hidden.adjoint"], by_hand, rtol=1e-12)


# --- errors ---------------------------------------------------------------------------


def test_errors():
    y = {"directional": jnp.zeros((N, K, M))}
    message = r"no 'directions' in the targets, which the part 'directional' mult"
    with pytest.raises(ValueError, match=message):
        parts_of(match.term(match.directional()), Samples(X, y))
    wrong = {"directional": jnp.zeros((N, M)), "directions": V}
    with pytest.raises(ValueError, match=r"have the shape \(4,\) at a point"):
        parts_of(match.term(match.directional()), Samples(X, wrong))
    one, two = (
        match.look_at(lambda net: net, part, name="a")
        for part in (match.values(), match.jacobians())
    )
    with pytest.raises(ValueError, match="two functions of the model are called 'a'"):
        match.term(one, two)
    with pytest.raises(ValueError, match="`Softened`: temperature is 0"):
        match.logits(0.0)
    with pytest.raises(ValueError, match="expected one per row"):
        match.Softened()(jnp.zeros(3), jnp.ones(3), jnp.ones(3))
