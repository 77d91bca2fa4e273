"""Other layouts of derivatives: found, named, and turned; JENN's and SMT's."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate import data
from osculate.core import InputError

from .test_from_function import truth

X = np.random.default_rng(0).uniform(-1, 1, (9, 3))
Y, J, H = truth(X)


@pytest.mark.parametrize(
    ("jacobian", "said"),
    [
        (np.swapaxes(J, 1, 2), r"\(N, D, M\).*`jacobian.transpose\(0, 2, 1\)`"),
        (np.moveaxis(J, 0, 2), r"\(M, D, N\), the layout of JENN.*\(2, 0, 1\)`"),
        (J.T, r"\(D, M, N\).*`jacobian.transpose\(2, 1, 0\)`"),
        (J[:5], r"expected \(9, 2, 3\): \(N, M, D\)"),
    ],
)
def test_another_layout_is_named(jacobian, said):
    with pytest.raises(InputError, match=r"(?s)expected \(9, 2, 3\): \(N, M, D\).*"):
        data.table(X, Y, jacobian=jacobian)
    with pytest.raises(InputError, match=said):
        data.table(X, Y, jacobian=jacobian)
    if "transpose" in said:  # what the message says is right
        with pytest.raises(InputError) as error:
            data.table(X, Y, jacobian=jacobian)
        axes = str(error.value).split("transpose(")[1].split(")")[0]
        turned = jacobian.transpose(*map(int, axes.split(",")))
        assert np.array_equal(turned, J)


def test_hessians_with_outputs_last():
    with pytest.raises(InputError, match=r"hessian.transpose\(0, 3, 2, 1\)"):
        data.table(X, Y, hessian=np.moveaxis(H, 1, 3))


def test_points_in_columns():
    with pytest.raises(InputError, match=r"use `data.from_jenn\(x, y, dydx\)`"):
        data.table(X.T, Y.T, jacobian=np.moveaxis(J, 0, 2))
    with pytest.raises(InputError, match="layout of JENN"):
        data.table(X.T, Y.T)
    with pytest.raises(InputError, match="layout of JENN"):
        data.table(X[:, :2].T, Y.T, jacobian=np.moveaxis(J, 0, 2)[:, :2])


@pytest.mark.spec("S0.6")
@pytest.mark.parametrize("rows", [50, 400])
@pytest.mark.parametrize("D", [2, 3])
def test_where_shapes_cannot_tell_values_do(rows, D):
    """As many outputs as inputs: only the values show a transposed matrix."""
    x = np.random.default_rng(0).uniform(-1, 1, (rows, D))
    A = np.random.default_rng(1).standard_normal((D, D))
    y = np.sin(x @ A.T)
    right = np.cos(x @ A.T)[:, :, None] * A
    names = {"inputs": list("abc")[:D], "outputs": list("uvw")[:D]}
    assert data.check_derivatives(data.table(x, y, jacobian=right, **names)) == []
    wrong = data.table(x, y, jacobian=np.swapaxes(right, 1, 2), **names)
    (found,) = data.check_derivatives(wrong)
    assert found.kind == "transposed"
    assert len(found.columns) == D * D
    assert found.misfit_before > 10 * found.misfit_after
    assert "look transposed, inputs before outputs" in str(found)


@pytest.mark.spec("S0.6")
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3))
def test_there_and_back(seed, D, M):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((6, D)), rng.standard_normal((6, M))
    jacobian = rng.standard_normal((6, M, D))
    names = {"inputs": list("abc")[:D], "outputs": list("uvw")[:M]}
    table = data.table(x, y, jacobian=jacobian, **names)
    jenn, smt = data.to_jenn(table), data.to_smt(table)
    assert [a.shape for a in jenn] == [(D, 6), (M, 6), (M, D, 6)]
    assert jenn[2][M - 1, D - 1, 4] == jacobian[4, M - 1, D - 1]
    assert smt[0].shape == (6, D)
    assert np.array_equal(smt[2][D - 1], jacobian[:, :, D - 1])
    assert data.from_jenn(*jenn, **names).digest == table.digest
    assert data.from_smt(*smt, **names).digest == table.digest
    assert data.from_smt(x, y, list(smt[2].values()), **names).digest == table.digest
    values = table.up_to(0)
    assert data.from_jenn(*data.to_jenn(values), **names).digest == values.digest
    assert data.from_smt(x, y, **names).digest == values.digest
    assert data.to_smt(values)[2] == {}


def test_smt_may_know_some_inputs_only():
    table = data.from_smt(X, Y, {1: J[:, :, 1]})
    assert table.known["jacobian"].any((0, 1)).tolist() == [False, True, False]
    xt, yt, slopes = data.to_smt(table)
    assert list(slopes) == [1]
    assert data.from_smt(xt, yt, slopes).digest == table.digest
    with pytest.raises(InputError, match="`to_jenn`: 'dy1/dx1' is unknown in row 1"):
        data.to_jenn(table)


def test_unknown_numbers_have_no_place_there():
    y = Y.copy()
    y[2, 1] = np.nan
    table = data.table(X, y, jacobian=J)
    for to in (data.to_jenn, data.to_smt):
        with pytest.raises(InputError, match=r"'y2' is unknown in row 3; 8 of 9 rows"):
            to(table)
        whole = table.rows(table.known["value"].all((1,)))  # as the message says
        assert len(to(whole)[0]) in (3, 8)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: data.from_jenn(X, Y), "Points in rows go to `data.table`"),
        (lambda: data.from_jenn(X.T, Y.T, J), r"expected \(2, 3, 9\): \(n_y, n_x, m\)"),
        (lambda: data.from_smt(X, Y, {3: Y}), "kx = 3; expected kx from 0 to 2"),
        (lambda: data.from_smt(X, Y, {0.0: Y}), "kx = 0.0; expected .* an integer"),
        (lambda: data.from_smt(X, Y, {"0": Y}), "kx = '0'; expected .* an integer"),
        (lambda: data.from_smt(X, Y, {0: J[:, 0]}), r"expected \(9, 2\), \(nt, ny\)"),
    ],
)
def test_faults(call, said):
    with pytest.raises(InputError, match=said):
        call()
