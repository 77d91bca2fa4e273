import jax
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate import data
from osculate.core import InputError, Samples

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
