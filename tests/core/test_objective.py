"""The one form of every training problem, against sums written out by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as npst
from jaxtyping import Array

from osculate.core import Gaussian, Objective, Samples, Term

N, D, M = 5, 3, 2
RNG = np.random.default_rng(0)
MODEL = {
    "A": jnp.asarray(RNG.normal(size=(M, D))),
    "b": jnp.asarray(RNG.normal(size=M)),
}
X = jnp.asarray(RNG.normal(size=(N, D)))
Y = {
    "value": jnp.asarray(RNG.normal(size=(N, M))),
    "slope": jnp.asarray(RNG.normal(size=(N, M, D))),
}
SMALL = st.floats(-2, 2, allow_subnormal=False)
SHARES = npst.arrays(float, (N, M), elements=st.sampled_from([0.0, 0.3, 1.0, 2.0]))


def value(model, x):
    return jnp.tanh(model["A"] @ x) + model["b"]


def probe(model, x, y):
    return {"value": value(model, x), "slope": jax.jacfwd(lambda x: value(model, x))(x)}


def lone_probe(model, x, y):
    return value(model, x)


def by_hand(z, y, w, factor=1.0, sigma=1.0):
    """Every column averaged over the rows that have it, one entry at a time."""
    z, y, w = np.asarray(z), np.asarray(y), np.asarray(w)
    total = 0.0
    for entry in np.ndindex(z.shape[1:]):
        column = (slice(None), *entry)
        share = w if w.ndim == 1 else w[column]
        for i in range(len(z)):
            if share.sum() > 0:
                square = ((z[column][i] - y[column][i]) / sigma) ** 2
                total += factor * share[i] / share.sum() * square / 2
    return total


def looked(model=MODEL):
    return jax.vmap(lambda x: probe(model, x, None))(X)


WEIGHTS = {
    "none": None,
    "row": RNG.uniform(size=N),
    "row_with_zero": np.array([0.0, 1.0, 0.0, 2.0, 0.5]),
    "entry": RNG.uniform(size=(N, M)),
    "mask": np.array([[1, 0], [0, 0], [1, 1], [0, 1], [1, 1]], bool),
}


@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
def test_parts_are_the_sums_written_out(weight):
    term = Term(probe, weight={"value": 3.0, "slope": 0.5})
    given_weight = None if weight is None else {"value": weight, "slope": None}
    total, parts = Objective({"d": term})(MODEL, {"d": Samples(X, Y, given_weight)})
    z = looked()
    w = np.ones(N) if weight is None else weight.astype(float)
    expected = {
        "d.value": by_hand(z["value"], Y["value"], w, 3.0),
        "d.slope": by_hand(z["slope"], Y["slope"], np.ones(N), 0.5),
    }
    assert parts.keys() == expected.keys()
    for name in parts:
        np.testing.assert_allclose(parts[name], expected[name], rtol=1e-13)
    np.testing.assert_allclose(total, sum(expected.values()), rtol=1e-13)


@jax.jit
def _masked_part(w, y):
    term = Term(lone_probe)
    loss = lambda m: Objective({"d": term})(m, {"d": Samples(X, y, w)})[0]
    return jax.value_and_grad(loss)(MODEL)


@given(SHARES, npst.arrays(float, (N, M), elements=SMALL))
def test_any_entry_weights(w, y):
    part, gradient = _masked_part(w, y)
    expected = by_hand(jax.vmap(lambda x: value(MODEL, x))(X), y, w)
    np.testing.assert_allclose(part, expected, rtol=1e-12, atol=1e-14)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@given(SHARES, st.floats(0.1, 10))
def test_only_ratios_of_weights_matter_within_a_column(w, factor):
    one, slope = _masked_part(w, Y["value"])
    two, same = _masked_part(w * np.array([factor, 1.0]), Y["value"])
    np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(slope["A"], same["A"], rtol=1e-12, atol=1e-14)


def test_absent_entries_do_not_matter():
    w = WEIGHTS["mask"].astype(float)
    there = jnp.where(w > 0, Y["value"], 1e6)
    part, gradient = _masked_part(w, Y["value"])
    same, same_gradient = _masked_part(w, there)
    assert part == same
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, gradient, same_gradient)))


def test_a_missing_column_is_a_dropped_column():
    w = np.ones((N, M))
    w[:, 1] = 0.0
    part, gradient = _masked_part(w, Y["value"])
    term = Term(lambda m, x, y: value(m, x)[:1])
    dropped = lambda m: Objective({"d": term})(m, {"d": Samples(X, Y["value"][:, :1])})[
        0
    ]
    np.testing.assert_allclose(part, dropped(MODEL), rtol=1e-14)
    expected = jax.grad(dropped)(MODEL)
    for name in MODEL:
        np.testing.assert_allclose(gradient[name], expected[name], rtol=0, atol=1e-15)
    assert np.all(np.asarray(gradient["A"])[1] == 0)


def test_nothing_known_is_zero():
    part, gradient = _masked_part(np.zeros((N, M)), Y["value"])
    assert part == 0
    assert all((np.asarray(g) == 0).all() for g in jax.tree.leaves(gradient))


@pytest.mark.parametrize("name", ["row", "entry", "none"])
def test_rows_of_weight_zero_change_nothing(name):
    w = np.ones(N) if WEIGHTS[name] is None else WEIGHTS[name]
    far = (
        jnp.full((4, D), 7.0),
        {k: jnp.full((4, *y.shape[1:]), -9.0) for k, y in Y.items()},
    )
    x = jnp.concatenate([X, far[0]])
    y = {k: jnp.concatenate([Y[k], far[1][k]]) for k in Y}
    weight = {
        "value": np.r_[w, np.zeros((4, *w.shape[1:]))],
        "slope": np.r_[[1.0] * N, [0.0] * 4],
    }
    objective = Objective({"d": Term(probe)})
    short = {
        "d": Samples(
            X, Y, None if WEIGHTS[name] is None else {"value": w, "slope": None}
        )
    }
    both = [
        jax.jit(jax.value_and_grad(lambda m, s: objective(m, s)[0]))(MODEL, s)
        for s in (short, {"d": Samples(x, y, weight)})
    ]
    np.testing.assert_allclose(both[0][0], both[1][0], rtol=1e-12)
    for key in MODEL:
        np.testing.assert_allclose(both[0][1][key], both[1][1][key], rtol=0, atol=1e-12)


@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
def test_half_the_squares_of_the_residuals_is_the_loss(weight):
    sigma = jnp.asarray([0.5, 2.0])
    term = Term(
        probe,
        {"value": Gaussian(sigma), "slope": Gaussian(3.0)},
        {"value": 2.0, "slope": 0.7},
    )
    given_weight = None if weight is None else {"value": weight, "slope": None}
    samples = {"d": Samples(X, Y, given_weight), "e": Samples(X, Y["value"])}
    objective = Objective({"d": term, "e": Term(lone_probe)})
    loss, parts = jax.jit(lambda m: objective(m, samples))(MODEL)
    residuals = jax.jit(lambda m: objective.residuals(m, samples))(MODEL)
    assert residuals.keys() == parts.keys()
    squares = sum(np.sum(np.square(r)) for r in residuals.values())
    np.testing.assert_allclose(squares / 2, loss, rtol=1e-13)
    for name, part in parts.items():
        np.testing.assert_allclose(jnp.sum(residuals[name] ** 2) / 2, part, rtol=1e-13)
    assert residuals["d.slope"].shape == (N, M, D)
    # The gradient of the loss is J' r: the residuals are the loss, not only its value.
    stacked = lambda m: jnp.concatenate(
        [jnp.ravel(r) for r in objective.residuals(m, samples).values()]
    )
    pull = lambda m: jax.vjp(stacked, m)[1](stacked(m))[0]
    gradient = jax.jit(jax.grad(lambda m: objective(m, samples)[0]))(MODEL)
    pulled = jax.jit(pull)(MODEL)
    for key in MODEL:
        np.testing.assert_allclose(pulled[key], gradient[key], rtol=0, atol=1e-13)


def test_labels_and_names():
    objective = Objective({"wall": Term(lone_probe), "inside": Term(probe)})
    samples = {
        "wall": Samples(X, Y["value"]),
        "inside": Samples(X, Y),
        "unused": Samples(X),
    }
    total, parts = objective(MODEL, samples)
    assert parts.keys() == {"wall", "inside.value", "inside.slope"}
    assert total.shape == ()
    np.testing.assert_allclose(total, sum(parts.values()), rtol=1e-15)
    np.testing.assert_allclose(parts["wall"], parts["inside.value"], rtol=1e-14)


@given(SMALL, SMALL)
def test_linear_in_the_weights_of_the_terms(a, b):
    samples = {"d": Samples(X, Y)}
    of = lambda weight: _of_weights(weight, samples)
    np.testing.assert_allclose(
        of({"value": a, "slope": b}),
        a * of({"value": 1.0, "slope": 0.0}) + b * of({"value": 0.0, "slope": 1.0}),
        rtol=0,
        atol=1e-13,
    )


@jax.jit
def _of_weights(weight, samples):
    return Objective({"d": Term(probe, weight=weight)})(MODEL, samples)[0]


def test_a_loss_by_name():
    absolute = lambda z, y, w=1.0: jnp.sum(w * jnp.abs(z - y))
    term = Term(probe, loss={"value": absolute, "slope": Gaussian()})
    _, parts = Objective({"d": term})(MODEL, {"d": Samples(X, Y)})
    z = looked()
    np.testing.assert_allclose(
        parts["d.value"], np.abs(z["value"] - Y["value"]).sum() / N, rtol=1e-13
    )
    np.testing.assert_allclose(
        parts["d.slope"], by_hand(z["slope"], Y["slope"], np.ones(N)), rtol=1e-13
    )


def test_no_target_is_zero():
    equation = Term(lambda m, x, y: {"residual": jnp.sum(value(m, x))})
    total, _ = Objective({"pde": equation})(MODEL, {"pde": Samples(X)})
    r = jax.vmap(lambda x: jnp.sum(value(MODEL, x)))(X)
    np.testing.assert_allclose(total, np.mean(np.square(r)) / 2, rtol=1e-13)


def test_the_probe_sees_its_own_row_of_x_and_y():
    term = Term(lambda m, x, y: m * x["p"] + y["q"])
    x, y = {"p": jnp.arange(4.0)}, {"q": jnp.arange(4.0) ** 2}
    total, _ = Objective({"d": term})(jnp.asarray(2.0), {"d": Samples(x, y)})
    i = np.arange(4.0)
    np.testing.assert_allclose(total, np.mean((2 * i + i**2) ** 2) / 2, rtol=1e-15)


def test_gradient_agrees_with_finite_differences():
    # Central differences of step 1e-5: h^2 from truncation, 1e-16 / h from rounding,
    # both about 1e-10; the bound leaves a factor of 100.
    samples = {"d": Samples(X, Y, {"value": WEIGHTS["entry"], "slope": None})}
    loss = jax.jit(lambda m: Objective({"d": Term(probe)})(m, samples)[0])
    gradient, h = jax.grad(loss)(MODEL), 1e-5
    for entry in np.ndindex(M, D):
        move = lambda s, e=entry: MODEL | {"A": MODEL["A"].at[e].add(s)}
        slope = (loss(move(h)) - loss(move(-h))) / (2 * h)
        np.testing.assert_allclose(gradient["A"][entry], slope, rtol=0, atol=1e-8)


def test_vmap_over_models():
    samples = {"d": Samples(X, Y)}
    objective = Objective({"d": Term(probe)})
    many = jax.tree.map(lambda a: jnp.stack([a, 2 * a]), MODEL)
    total, parts = jax.vmap(lambda m: objective(m, samples))(many)
    twice = jax.tree.map(lambda a: 2 * a, MODEL)
    np.testing.assert_allclose(total[0], objective(MODEL, samples)[0], rtol=1e-13)
    np.testing.assert_allclose(total[1], objective(twice, samples)[0], rtol=1e-13)
    assert parts["d.slope"].shape == (2,)


class Tally:
    """Counts how often a probe is traced; part of the compiled program by identity."""

    traces = 0


class Scaled(eqx.Module):
    factor: Array
    tally: Tally = eqx.field(static=True)

    def __call__(self, model, x, y):
        self.tally.traces += 1
        return {"value": self.factor * value(model, x)}


def test_one_compilation_when_only_arrays_change():
    tally = Tally()
    compiled = eqx.filter_jit(lambda o, m, s: o(m, s))
    for i in range(1, 4):
        weight = jnp.asarray(float(i))
        term = Term(
            Scaled(jnp.asarray(0.5 * i), tally), Gaussian(weight), {"value": weight}
        )
        objective = Objective({"d": term})
        samples = {"d": Samples(i * X, Y, {"value": i * jnp.ones(N)})}
        model = jax.tree.map(lambda a, i=i: i * a, MODEL)
        total, parts = compiled(objective, model, samples)
        assert tally.traces == 1
    before = tally.traces
    np.testing.assert_allclose(total, objective(model, samples)[0], rtol=1e-13)
    assert parts.keys() == {"d.value"}
    assert tally.traces > before  # the count does see a trace


def test_missing_samples():
    objective = Objective({"wall": Term(lone_probe), "inside": Term(lone_probe)})
    message = (
        r"no samples for the terms \['inside'\]; got samples for \['other', 'wall'\]"
    )
    given_samples = {"wall": Samples(X, Y["value"]), "other": Samples(X)}
    for ask in (objective, objective.residuals):
        with pytest.raises(ValueError, match=message):
            ask(MODEL, given_samples)


def test_a_weight_of_another_shape():
    objective = Objective({"d": Term(probe)})
    for weight in (
        np.ones(N - 1),
        np.ones((N, M + 1)),
        np.ones((N, 1)),
        np.float64(1.0),
    ):
        message = (
            rf"weight of 'value' has shape \({', '.join(map(str, weight.shape))},?\); "
            rf"expected one number per row \({N},\) or per entry \({N}, {M}\)"
        )
        with pytest.raises(ValueError, match=message):
            objective(MODEL, {"d": Samples(X, Y, {"value": weight, "slope": None})})


@pytest.mark.parametrize("field", ["loss", "weight"])
def test_a_name_that_has_no_loss_or_weight(field):
    choice = {"value": Gaussian() if field == "loss" else 1.0}
    objective = Objective({"d": Term(probe, **{field: choice})})
    message = r"no loss or weight for 'slope', which the probe returns; got \['value'\]"
    with pytest.raises(ValueError, match=message):
        objective(MODEL, {"d": Samples(X, Y)})


def test_a_name_that_has_no_weight_in_the_samples():
    message = r"no weight for 'slope', which .*; got weights for \['slop', 'value'\]"
    weight = {"value": np.ones(N), "slop": np.ones(N)}
    with pytest.raises(ValueError, match=message):
        Objective({"d": Term(probe)})(MODEL, {"d": Samples(X, Y, weight)})


def test_residuals_of_a_loss_that_is_no_sum_of_squares():
    term = Term(probe, loss=lambda z, y, w: jnp.sum(w * jnp.abs(z - y)))
    with pytest.raises(ValueError, match="no sum of squares: it has no `residual`"):
        Objective({"d": term}).residuals(MODEL, {"d": Samples(X, Y)})


def test_an_objective_without_terms():
    with pytest.raises(ValueError, match="`Objective`: no terms"):
        Objective({})
