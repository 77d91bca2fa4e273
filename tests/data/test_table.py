from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate import data, match
from osculate.core import InputError, Objective, Samples

X = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 2.0], [3.0, 5.0]])
Y = np.array([[1.0], [2.0], [5.0], [9.0]])


def test_defaults():
    table = data.table(X, np.hstack([Y, 2 * Y]))
    assert (table.inputs, table.outputs) == (("x1", "x2"), ("y1", "y2"))
    assert (table.name, set(table.y)) == ("<arrays>", {"value"})
    one = data.table([0.0, 1.0, 2.0, 3.0], [0, 1, 4, 9], jacobian=[0, 2, 4, 6])
    assert (one.inputs, one.outputs) == (("x",), ("y",))
    assert one.y["jacobian"].shape == (4, 1, 1)
    assert repr(one) == "Table('<arrays>': 4 rows, x -> y, value and jacobian)"


@pytest.mark.spec("S0.6")
def test_what_is_missing_has_weight_zero():
    jacobian = np.ones((4, 1, 2))
    jacobian[1, 0, 1] = np.nan
    samples = data.table(X, Y, jacobian=jacobian).samples()
    assert isinstance(samples, Samples)
    assert samples.y["jacobian"][1].tolist() == [[1.0, 0.0]]
    assert samples.weight["jacobian"][1].tolist() == [[1.0, 0.0]]
    assert samples.weight["value"].tolist() == [[1.0]] * 4
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(samples))


# --- errors that are known -----------------------------------------------------------


def measured(sigma, **more):
    """A line of 9 rows, its slopes known with errors."""
    x = np.linspace(0.0, 1.0, 9)
    table = data.table(x, 2 * x, jacobian=np.full(9, 2.0), **more)
    return replace(table, sigma={"jacobian": np.reshape(sigma, (9, 1, 1))})


@given(st.floats(1e-320, 1e300), st.integers(1, 9))
def test_equal_errors_give_the_weights_of_none(sigma, count):
    table = measured(np.full(9, sigma)).rows(slice(count))
    plain = replace(table, sigma={}).samples()
    assert np.array_equal(plain.weight["jacobian"], np.ones((count, 1, 1)))
    for samples in (table.samples(), table.samples(weighted=False)):
        assert set(samples.weight) == {"value", "jacobian"}
        assert np.array_equal(samples.weight["value"], plain.weight["value"])
        assert np.array_equal(samples.weight["jacobian"], plain.weight["jacobian"])


def test_weights_are_inverse_variances_beside_the_median():
    sigma = np.array([0.2, 0.4, 0.2, 0.2, 0.1, 0.2, 0.2, 2.0, 0.2])
    found = measured(sigma).samples().weight["jacobian"].ravel()
    # A thousandth of the slopes is an error, too: 0.002, in the square (0.002 / 0.1)^2.
    np.testing.assert_allclose(found, (0.2 / sigma) ** 2, rtol=(0.002 / 0.1) ** 2)
    v = sigma**2 + 0.002**2
    np.testing.assert_allclose(found, v[0] / v, rtol=1e-12)
    assert (measured(sigma).samples(weighted=False).weight["jacobian"] == 1).all()


@given(st.permutations([0.0, np.nan, np.inf, 0.3, 0.3, 0.3, 0.6, 0.6, 1e-30]))
def test_errors_that_are_no_numbers_or_nothing_do_not_blow_up(sigma):
    table = measured(sigma)
    table.known["jacobian"][4] = False
    weight = table.samples().weight["jacobian"].ravel()
    assert np.isfinite(weight).all()
    assert weight[4] == 0
    kept = np.delete(np.arange(9), 4)
    assert (weight[kept] > 0.2).all()
    assert weight.max() <= 100 * (1 + 1e-9)
    assert (measured(np.zeros(9)).samples().weight["jacobian"] == 1).all()


def test_errors_far_below_what_a_fit_leaves_count_alike():
    """So do differences of an exact function, whose errors vary with its curvature."""
    sigma = 10.0 ** -np.arange(8, 17)
    weight = measured(sigma).samples().weight["jacobian"]
    np.testing.assert_allclose(weight, 1.0, atol=1e-9)
    x = np.random.default_rng(0).uniform(0.1, 2, (30, 2))
    table = data.from_black_box(lambda x: x[0] ** 3 * np.sin(3 * x[1]), x, order=2)
    assert np.ptp(np.log10(table.sigma["jacobian"])) > 0.5
    weight = table.samples().weight
    np.testing.assert_allclose(weight["jacobian"], 1.0, atol=1e-6)
    assert (weight["value"] == 1).all()


def test_each_partial_derivative_is_weighted_by_itself():
    sigma = np.ones((4, 2, 2)) * [[[1.0, 100.0], [1e-3, 5.0]]]
    sigma[0, 0, 1] = 200.0
    table = data.table(X, np.hstack([Y, 2 * Y]), jacobian=np.ones((4, 2, 2)))
    weight = replace(table, sigma={"jacobian": sigma}).samples().weight["jacobian"]
    np.testing.assert_allclose(weight[0, 0, 1], 0.25, rtol=1e-6)
    weight[0, 0, 1] = 1.0
    assert (weight == 1).all()


@jax.jit
def best_cubic(samples):
    """The coefficients of the cubic that fits values and slopes best."""
    cubic = lambda c: lambda x: c @ jnp.concatenate([x**k for k in range(4)])
    term = match.term(match.values(), match.jacobians())
    objective = Objective({"fit": term})
    loss = lambda c: objective(cubic(c), {"fit": samples})[0]
    start = jnp.zeros((1, 4))
    g, H = jax.grad(loss)(start), jax.hessian(loss)(start)
    return start - jnp.linalg.solve(H.reshape(4, 4), g.reshape(4)).reshape(1, 4)


def test_a_fit_believes_noisy_slopes_less():
    x = np.linspace(-1, 1, 8)
    slopes, sigma = 3 * x**2 - 1, np.full(8, 0.01)
    slopes[[2, 6]] += [2.0, -1.5]
    sigma[[2, 6]] = 1.5
    noise = 0.01 * np.random.default_rng(0).normal(size=8)
    table = data.table(x, x**3 - x + noise, jacobian=slopes)
    table = replace(table, sigma={"jacobian": sigma.reshape(8, 1, 1)})
    truth = np.array([[0.0, -1.0, 0.0, 1.0]])
    off = lambda samples: float(np.abs(best_cubic(samples) - truth).max())
    weighted, plain = off(table.samples()), off(table.samples(weighted=False))
    assert weighted < 0.05
    assert plain > 5 * weighted


def test_hessian_is_mirrored():
    hessian = np.full((4, 1, 2, 2), np.nan)
    hessian[:, 0, 1, 0] = 7.0
    table = data.table(X, Y, hessian=hessian)
    assert table.y["hessian"][0, 0].tolist() == [[0.0, 7.0], [7.0, 0.0]]
    assert table.known["hessian"][0, 0].tolist() == [[False, True], [True, False]]
    hessian[2, 0, 0, 1] = 8.0
    with pytest.raises(InputError, match=r"row 3, column 'd2y/dx1dx2': .*also given"):
        data.table(X, Y, hessian=hessian)


@given(st.lists(st.integers(0, 3), max_size=6))
def test_rows(index):
    table = data.water().rows(slice(4))
    some = table.rows(np.array(index, int))
    assert len(some) == len(index)
    assert np.array_equal(some.y["hessian"], table.y["hessian"][index])
    assert np.array_equal(some.known["value"], table.known["value"][index])


def test_rows_by_mask_and_slice():
    table = data.water()
    mask = table.x[:, 0] > 400
    assert np.array_equal(table.rows(mask).x, table.x[mask])
    assert np.array_equal(table.rows(slice(3)).x, table.x[:3])


def test_digest():
    table = data.table(X, Y, jacobian=np.zeros((4, 1, 2)))
    same = data.table(X + 0.0, Y.astype(np.float32), jacobian=-np.zeros((4, 1, 2)))
    assert table.digest == same.digest
    assert len(table.digest) == 64
    gap = np.zeros((4, 1, 2))
    gap[0, 0, 0] = np.nan
    others = [
        data.table(X, Y + 1e-12, jacobian=np.zeros((4, 1, 2))),
        data.table(X, Y),
        data.table(X, Y, jacobian=gap),
        data.table(X, Y, jacobian=np.zeros((4, 1, 2)), inputs=["a", "b"]),
        table.rows([1, 0, 2, 3]),
    ]
    assert len({t.digest for t in (table, *others)}) == 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"x": X[:3]}, r"`y` has shape \(4, 1\); expected \(3, 1\)"),
        ({"jacobian": np.ones((4, 2, 1))[:, :, :]}, None),
        ({"jacobian": np.ones((4, 3))}, r"`jacobian` has shape \(4, 3\)"),
        ({"hessian": np.ones((4, 2))}, r"`hessian` has shape \(4, 2\)"),
        ({"x": X[None]}, r"`x` has shape \(1, 4, 2\); expected \(N, D\)"),
        ({"y": np.array([["a"]] * 4)}, r"`y` cannot be read \(its type is <U1\); exp"),
        ({"x": [[1.0], [2.0, 3.0]]}, "expected an array of real numbers"),
        ({"y": Y * np.inf}, "row 1, column 'y': got inf"),
        ({"x": X * np.nan}, "row 1, column 'x1': got an empty cell or NaN"),
        ({"y": Y * np.nan}, "column 'y': every value is missing"),
        ({"y": Y * 0}, "column 'y': the output is 0 in every row"),
        ({"x": X * [0, 1]}, "column 'x1': the input is 0 in every row"),
        ({"jacobian": np.full((4, 1, 2), np.inf)}, "column 'dy/dx1': got inf"),
        ({"inputs": ["a"]}, r"got inputs \['a'\]; expected 2 different names"),
        ({"inputs": ["y", "b"]}, "'y' names an input and an output"),
    ],
)
def test_faults(change, said):
    if said is None:  # axes of length 1 may be left out, so this one fits
        assert data.table(**{"x": X, "y": Y, **change}).y["jacobian"].shape == (4, 1, 2)
        return
    with pytest.raises(InputError, match=said):
        data.table(**{"x": X, "y": Y, **change})


def test_names_may_carry_units():
    table = data.table(X, Y, inputs=["T [K]", "p"], outputs=["h [kJ/kg]"])
    assert (table.inputs, table.outputs) == (("T", "p"), ("h",))
    assert table.units == {"T": "K", "p": "", "h": "kJ/kg"}
    with pytest.raises(InputError, match="expected 2 different names"):
        data.table(X, Y, inputs=["T [K]", "T [C]"])


def test_fewer_than_four_rows():
    with pytest.raises(InputError, match="got 3 rows of data; expected at least 4"):
        data.table(X[:3], Y[:3])
    with pytest.raises(InputError, match="got 1 row of data"):
        data.check_table(data.water().rows(slice(1)))
    with pytest.raises(InputError, match="got 2 rows"):
        data.check_table(data.water().rows(slice(2)))
