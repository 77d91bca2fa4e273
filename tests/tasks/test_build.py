"""Standardization of inputs, outputs and derivatives together; splits and sizes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osculate import data, nets, tasks
from osculate.core import InputError, Samples
from osculate.tasks import _build
from smooth import truth


@pytest.fixture(scope="module")
def whole():
    x = np.random.default_rng(0).uniform(-1, 1, (40, 2))
    y, J, H = truth(x)
    return data.table(x, y, jacobian=J, hessian=H)


def in_other_units(table, a, b, c, d):
    """The same table with inputs a x + b and outputs c y + d."""
    c, J = c[None, :], table.y["jacobian"]
    return data.table(
        a * table.x + b,
        c * table.y["value"] + d,
        jacobian=c[..., None] * J / a,
        hessian=c[..., None, None] * table.y["hessian"] / (a[:, None] * a),
    )


def loss_of(table):
    choices = tasks.Settings(width=8, depth=2)
    scales = _build.scales_of(table, np.ones(len(table), bool))
    model = _build.network(table, scales, choices, _build.keys_of(choices)[0])
    rows = _build.split(table, _build.folds(table, choices)[0])
    objective = _build.objective((0, 1, 2), scales)
    return objective(model, rows.fitted)[1]


SCALE = st.sampled_from([1e-6, 1e-2, 3.0, 1e5])
PAIR = st.tuples(SCALE, SCALE).map(np.array)


@settings(max_examples=10)
@given(PAIR, PAIR, PAIR, PAIR)
def test_units_change_no_part_of_the_loss(whole, a, b, c, d):
    here, there = loss_of(whole), loss_of(in_other_units(whole, a, a * b, c, c * d))
    for name, part in here.items():
        # A shift of 1e5 spreads costs five digits.
        np.testing.assert_allclose(there[name], part, rtol=1e-8)


def test_the_loss_is_that_of_the_standardized_map(whole):
    """The derivative of the scaled map is the scaled derivative."""
    scales = _build.scales_of(whole, np.ones(40, bool))
    choices = tasks.Settings(width=8, depth=2)
    model = _build.network(whole, scales, choices, _build.keys_of(choices)[0])
    parts = _build.objective((0, 1), scales)(model, {"fit": whole.samples()})[1]
    scales = _build.Scales(*map(np.asarray, scales))
    net, ratio = model.net.net, scales.y_scale[:, None] / scales.x_scale
    x = (whole.x - scales.x_shift) / scales.x_scale
    value = jax.vmap(net)(x) - (whole.y["value"] - scales.y_shift) / scales.y_scale
    slope = jax.vmap(jax.jacfwd(net))(x) - whole.y["jacobian"] / ratio
    half = lambda r: 0.5 * float(jnp.sum(jnp.mean(r**2, 0)))
    assert float(parts["fit.value"]) == pytest.approx(half(value), rel=1e-12)
    assert float(parts["fit.jacobian"]) == pytest.approx(half(slope), rel=1e-12)


def test_the_three_weightings_of_the_rows(whole):
    held_out = _build.folds(whole, tasks.Settings())[0]
    rows = _build.split(whole, held_out)
    assert held_out.sum() == 8
    shapes = [jax.tree.map(jnp.shape, s) for s in rows]
    assert rows.all_rows["fit"].x.shape == (40, 2)
    assert all(found == shapes[0] for found in shapes[1:])
    for name, weight in rows.all_rows["fit"].weight.items():
        parts = rows.fitted["fit"].weight[name] + rows.held_out["fit"].weight[name]
        assert jnp.array_equal(parts, weight)
        assert weight[:40].all()
        assert not weight[40:].any()


def test_a_loss_on_fitted_rows_is_that_of_the_rows_alone(whole):
    scales, choices = (
        _build.scales_of(whole, np.ones(40, bool)),
        tasks.Settings(width=8),
    )
    model = _build.network(whole, scales, choices, _build.keys_of(choices)[0])
    held_out = _build.folds(whole, choices)[0]
    objective = _build.objective((0, 1, 2), scales)
    alone = whole.rows(~held_out).samples()
    wanted = objective(model, {"fit": Samples(alone.x, alone.y)})[0]
    padded = objective(model, _build.split(whole, held_out).fitted)[0]
    assert float(padded) == pytest.approx(float(wanted), rel=1e-12)


@given(st.integers(4, 60), st.floats(0.01, 0.99))
def test_some_rows_are_held_out_and_some_are_not(whole, n, share):
    choices = tasks.Settings(validation=share)
    held_out = _build.folds(whole.rows(np.arange(n) % 40), choices)[0]
    assert 1 <= held_out.sum() <= n - 1
    assert abs(held_out.sum() - share * n) <= 1


def test_width_follows_what_is_known(whole):
    widths = [
        _build.network_width(data.water().rows(slice(0, n)).up_to(k))
        for n, k in ((50, 0), (100, 1), (400, 1), (400, 2))
    ]
    assert widths == [8, 16, 24, 32]
    model = _build.network(
        whole,
        _build.scales_of(whole, np.ones(40, bool)),
        tasks.Settings(width=5),
        jax.random.key(0),
    )
    assert isinstance(model, nets.Named)
    assert model.net.net.weights[0].shape == (5, 2)


def test_a_column_that_varies_only_where_it_is_held_out_keeps_a_scale(whole):
    y = np.zeros((40, 2))
    y[:, 0] = whole.x[:, 0]
    y[7, 1] = 3.0
    known = {"value": np.ones((40, 2), bool)}
    table = replace(whole, y={"value": y}, known=known)
    scales = _build.scales_of(table, np.arange(40) != 7)
    np.testing.assert_allclose(scales.y_scale[1], y[:, 1].std())
    np.testing.assert_allclose(scales.y_scale[0], np.delete(y[:, 0], 7).std())


def test_rows_that_know_nothing_are_not_held_out(whole):
    known = {name: k.copy() for name, k in whole.known.items()}
    for k in known.values():
        k[10:] = False
    held_out = _build.folds(replace(whole, known=known), tasks.Settings())[0]
    assert held_out[:10].sum() == 2
    assert not held_out[10:].any()


def test_rows_with_and_without_values_are_both_held_out(whole):
    known = {name: k.copy() for name, k in whole.known.items()}
    known["value"][10:] = False
    table = replace(whole, known=known)
    held_out = _build.folds(table, tasks.Settings())[0]
    assert held_out[:10].sum() == 2
    assert held_out[10:].sum() == 6
    known["value"][2:] = False
    held_out = _build.folds(replace(table, known=known), tasks.Settings())[0]
    assert held_out[:2].sum() == 1


def test_minibatches_have_a_key_of_their_own():
    initial, batches = _build.keys_of(tasks.Settings())
    drawn = [initial, *jax.random.split(initial, 8)]
    drawn += [jax.random.fold_in(initial, i) for i in range(8)]
    bits = lambda key: tuple(jax.random.key_data(key).tolist())
    assert bits(batches) not in map(bits, drawn)


@pytest.mark.parametrize("choice", [{"width": 100_000}, {"width": 64, "depth": 10**7}])
def test_a_network_larger_than_memory_is_refused(whole, choice):
    message = r"width \d+ and depth \d+ make .* parameters; .*\nChoose a smaller"
    with pytest.raises(InputError, match=message):
        tasks.surrogate(whole, **choice)
