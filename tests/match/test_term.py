"""The Sobolev objective against its formula, order by order and entry by entry."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as npst
from jax.flatten_util import ravel_pytree

from osculate import diff, match, nets
from osculate.core import Gaussian, Objective, Samples, Term

N, D, M = 4, 2, 3
NAMES = ["value", "jacobian", "hessian", "derivative3"]
MODEL = nets.MLP(D, M, width=5, depth=1, key=jr.key(0))
X = jnp.asarray(np.random.default_rng(0).normal(size=(N, D)))


def target(x):
    return jnp.stack([jnp.sin(x[0]) * x[1], x[0] ** 2 * x[1], jnp.exp(x[0] - x[1])])


def nested(u, order):
    return functools.reduce(lambda f, _: jax.jacfwd(f), range(order), u)


def tensors(u, orders):
    return _tensors(u, tuple(orders))


@eqx.filter_jit
def _tensors(u, orders):
    return {NAMES[j]: jax.vmap(nested(u, j))(X) for j in orders}


def objective(orders, **options):
    return Objective(
        {"d": match.term(*(match.derivatives(j, **options) for j in orders))}
    )


def samples(orders, weight=None):
    return {"d": Samples(X, tensors(target, orders), weight)}


look = eqx.filter_jit(lambda objective, model, samples: objective(model, samples))


@eqx.filter_jit
def value_and_grad(objective, samples):
    return eqx.filter_value_and_grad(lambda m: objective(m, samples)[0])(MODEL)


@pytest.mark.spec("S0.1")
@pytest.mark.parametrize("loss", ["squares", "cross-entropy"])
def test_order_zero_is_the_ordinary_objective(loss):
    entropy = lambda z, y, w=1.0: -w * jnp.sum(y * jax.nn.log_softmax(z))
    score = Gaussian() if loss == "squares" else entropy
    y = jax.nn.softmax(jax.vmap(target)(X))
    sobolev = Objective({"d": match.term(match.values(score))})
    ordinary = Objective({"d": Term(lambda m, x, y: m(x), score)})
    one, slope = value_and_grad(sobolev, {"d": Samples(X, {"value": y})})
    two, same = value_and_grad(ordinary, {"d": Samples(X, y)})
    assert one == two
    assert eqx.tree_equal(slope, same)
    z = np.asarray(jax.vmap(MODEL)(X))
    by_hand = (
        np.sum((z - y) ** 2) / 2
        if loss == "squares"
        else -np.sum(y * (z - np.log(np.exp(z).sum(1, keepdims=True))))
    )
    np.testing.assert_allclose(one, by_hand / N, rtol=1e-13)


@pytest.mark.spec("S0.2")
@pytest.mark.parametrize("K", [0, 1, 2, 3])
def test_the_sobolev_objective(K):
    orders = range(K + 1)
    total, parts = look(objective(orders), MODEL, samples(orders))
    z, y = tensors(MODEL, orders), tensors(target, orders)
    assert parts.keys() == {f"d.{NAMES[j]}" for j in orders}
    by_hand = 0.0
    for j in orders:
        assert z[NAMES[j]].shape == (N, M) + (D,) * j
        part = np.sum(np.square(z[NAMES[j]] - y[NAMES[j]])) / 2 / N
        np.testing.assert_allclose(parts[f"d.{NAMES[j]}"], part, rtol=1e-12)
        by_hand += part
    np.testing.assert_allclose(total, by_hand, rtol=1e-12)


@pytest.mark.spec("S0.2")
def test_a_model_equal_to_the_target_gives_zero_at_every_order():
    orders = range(4)
    exact = dict(zip(NAMES, jax.vmap(diff.jet(target, 3))(X), strict=True))
    _, parts = objective(orders)(target, {"d": Samples(X, exact)})
    assert list(parts.values()) == [0, 0, 0, 0]
    # Derivatives by another route are the same up to rounding, squared here.
    _, parts = look(objective(orders), target, samples(orders))
    assert max(parts.values()) < 1e-26


def test_orders_may_be_given_alone_and_in_any_order():
    both = samples(range(3))
    whole = look(objective(range(3)), MODEL, both)[1]
    for orders in ([2], [2, 0], [1]):
        total, parts = look(objective(orders), MODEL, both)
        assert parts.keys() == {f"d.{NAMES[j]}" for j in orders}
        for name, part in parts.items():
            np.testing.assert_allclose(part, whole[name], rtol=1e-12)
        np.testing.assert_allclose(total, sum(parts.values()), rtol=1e-14)


def test_the_named_parts():
    one = match.term(match.values(), match.jacobians(), match.hessians())
    two = match.term(*(match.derivatives(j) for j in range(3)))
    assert [match.derivatives(j).order for j in range(5)] == list(range(5))
    both = samples(range(3))
    one, two = (look(Objective({"d": term}), MODEL, both)[1] for term in (one, two))
    assert one == two


def test_named_fields_are_one_vector_in_their_order():
    named = lambda x: dict(zip(("w", "b", "a"), MODEL(x), strict=True))
    both = samples(range(2))
    one, two = (objective(range(2))(m, both)[0] for m in (named, MODEL))
    np.testing.assert_allclose(one, two, rtol=1e-14)


# --- missing entries ------------------------------------------------------------------

CELLS = npst.arrays(
    float, (N, M, 1 + D), elements=st.sampled_from([0.0, 1.0]), fill=st.nothing()
)


@pytest.mark.spec("S0.6")
@given(CELLS)
def test_missing_cells_are_dropped_terms(known):
    weight = {"value": known[..., 0], "jacobian": known[..., 1:]}
    loss, gradient = _masked(weight)
    errors, slopes = _ERRORS
    by_hand, slope = 0.0, np.zeros(slopes["value"].shape[-1])
    for name, w in weight.items():
        for entry in np.ndindex(w.shape[1:]):
            rows = [i for i in range(N) if w[(i, *entry)]]
            for i in rows:
                error = errors[name][(i, *entry)]
                by_hand += error**2 / 2 / len(rows)
                slope += error * slopes[name][(i, *entry)] / len(rows)
    np.testing.assert_allclose(loss, by_hand, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(gradient, slope, rtol=0, atol=1e-12)


def _flat():
    theta, build = ravel_pytree(MODEL)
    return theta, build


@jax.jit
def _masked(weight):
    theta, build = _flat()
    loss = lambda t: objective(range(2))(build(t), samples(range(2), weight))[0]
    return jax.value_and_grad(loss)(theta)


def _errors():
    """Each cell's error and its derivative in the flat parameters."""
    theta, build = _flat()

    def errors(t):
        return {n: z - _Y[n] for n, z in tensors(build(t), range(2)).items()}

    return jax.tree.map(np.asarray, (errors(theta), jax.jacfwd(errors)(theta)))


@pytest.mark.spec("S0.6")
@pytest.mark.parametrize("missing", [0, 1, 2])
def test_missing_blocks_are_dropped_parts(missing):
    orders = [j for j in range(3) if j != missing]
    y = tensors(target, range(3))
    weight = {name: np.ones(t.shape) for name, t in y.items()}
    weight[NAMES[missing]][:] = 0.0
    y[NAMES[missing]] = jnp.zeros_like(
        y[NAMES[missing]]
    )  # what is absent is stored as 0
    masked = value_and_grad(objective(range(3)), {"d": Samples(X, y, weight)})
    dropped = value_and_grad(objective(orders), samples(orders))
    np.testing.assert_allclose(masked[0], dropped[0], rtol=1e-12)
    for one, two in zip(*map(jax.tree.leaves, (masked[1], dropped[1])), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-12)


@pytest.mark.spec("S0.6")
def test_missing_rows_of_one_block_are_averaged_over_the_others():
    weight = {"value": np.ones(N), "jacobian": np.array([1.0, 0.0, 0.0, 1.0])}
    _, parts = objective(range(2))(MODEL, samples(range(2), weight))
    z, y = tensors(MODEL, range(2)), tensors(target, range(2))
    known = np.square(z["jacobian"] - y["jacobian"])[np.array([0, 3])]
    np.testing.assert_allclose(parts["d.jacobian"], known.sum() / 2 / 2, rtol=1e-12)
    whole = objective(range(2))(MODEL, samples(range(2)))[1]
    np.testing.assert_allclose(parts["d.value"], whole["d.value"], rtol=1e-14)


# --- weights and losses by order ------------------------------------------------------


def test_weights_and_losses_by_order():
    sigma = jnp.asarray([0.5, 1.0, 4.0])
    term = match.term(
        match.values(Gaussian(sigma), weight=3.0),
        match.jacobians(lambda z, y, w=1.0: jnp.sum(w * jnp.abs(z - y)), weight=0.25),
    )
    _, parts = Objective({"d": term})(MODEL, samples(range(2)))
    z, y = tensors(MODEL, range(2)), tensors(target, range(2))
    value = 3 * np.sum(((z["value"] - y["value"]) / sigma[None]) ** 2) / 2 / N
    slope = 0.25 * np.sum(np.abs(z["jacobian"] - y["jacobian"])) / N
    np.testing.assert_allclose(parts["d.value"], value, rtol=1e-12)
    np.testing.assert_allclose(parts["d.jacobian"], slope, rtol=1e-12)


def test_half_the_squares_of_the_residuals_is_the_loss():
    total, _ = look(objective(range(3)), MODEL, samples(range(3)))
    residuals = eqx.filter_jit(objective(range(3)).residuals)(MODEL, samples(range(3)))
    assert residuals["d.hessian"].shape == (N, M, D, D)
    squares = sum(np.sum(np.square(r)) for r in residuals.values())
    np.testing.assert_allclose(squares / 2, total, rtol=1e-13)


def test_gradient_agrees_with_finite_differences():
    # Central differences of step 1e-5; the loss is about 10, hence 1e-8.
    _, gradient = value_and_grad(objective(range(3)), samples(range(3)))
    h, at = 1e-5, lambda m: m.weights[0]
    move = lambda s: eqx.tree_at(at, MODEL, at(MODEL).at[1, 0].add(s))
    both = samples(range(3))
    loss = lambda m: look(objective(range(3)), m, both)[0]
    slope = (loss(move(h)) - loss(move(-h))) / (2 * h)
    np.testing.assert_allclose(at(gradient)[1, 0], slope, rtol=0, atol=1e-8)


def test_vmap_over_models():
    many = jax.tree.map(lambda a: jnp.stack([a, 0.5 * a]), MODEL)
    both = samples(range(2))
    loss = eqx.filter_jit(lambda m: objective(range(2))(m, both)[0])
    totals = jax.vmap(loss)(many)
    half = jax.tree.map(lambda a: 0.5 * a, MODEL)
    expected = [loss(m) for m in (MODEL, half)]
    np.testing.assert_allclose(totals, expected, rtol=1e-12)


# --- errors ---------------------------------------------------------------------------


def test_parts_that_make_no_term():
    message = r"`match.term`: got the parts \[\]; expected at least one"
    with pytest.raises(ValueError, match=message):
        match.term()
    with pytest.raises(ValueError, match=r"'value', 'jacobian'\]; .* each name once"):
        match.term(match.jacobians(), match.values(), match.derivatives(1))


def test_a_negative_order():
    with pytest.raises(
        ValueError, match="`derivatives`: order is -1; expected 0 or more"
    ):
        match.derivatives(-1)


def test_targets_of_another_name():
    message = r"no targets for the parts \['hessian'\]; got \['hesian', 'value'\]"
    y = {"value": jnp.zeros((N, M)), "hesian": jnp.zeros((N, M, D, D))}
    with pytest.raises(ValueError, match=message):
        objective([0, 2])(MODEL, {"d": Samples(X, y)})


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (jnp.zeros((N, M)), "the targets are .*; expected a dictionary by part"),
        (None, "the targets are NoneType; expected a dictionary by part"),
        (
            {"value": jnp.zeros((N, 1))},
            r"targets for 'value' have the shape \(1,\) at a point, the model's are "
            rf"\({M},\)\. Pass an array of shape \(N, {M}\)",
        ),
        ({"value": jnp.zeros(N)}, r"have the shape \(\) at a point"),
    ],
)
def test_targets_that_do_not_fit(y, message):
    with pytest.raises(ValueError, match=message):
        objective([0])(MODEL, {"d": Samples(X, y)})


_Y = tensors(target, range(2))
_ERRORS = _errors()
