"""Tables from functions of JAX: exact derivatives, and errors that show a way out."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate import data
from osculate.core import InputError

X = np.random.default_rng(0).uniform(-1, 1, (7, 3))


def f(x):
    return {"z": jnp.exp(x[0]) * x[1] ** 2, "a": jnp.sin(x[2] * x[0])}


def truth(x):
    """Values, Jacobians and Hessians of f, by hand."""
    x0, x1, x2 = x.T
    e, s, c, o = np.exp(x0), np.sin(x0 * x2), np.cos(x0 * x2), 0 * x0
    y = np.stack([e * x1**2, s], 1)
    J = np.stack([[e * x1**2, 2 * e * x1, o], [x2 * c, o, x0 * c]])
    z = [[e * x1**2, 2 * e * x1, o], [2 * e * x1, 2 * e, o], [o, o, o]]
    mixed = c - x0 * x2 * s
    a = [[-(x2**2) * s, o, mixed], [o, o, o], [mixed, o, -(x0**2) * s]]
    return y, np.moveaxis(J, -1, 0), np.moveaxis(np.array([z, a]), -1, 0)


def close(table, x, order, atol=1e-12):
    for label, exact in zip(("value", "jacobian", "hessian"), truth(x), strict=True):
        if label in table.y:
            np.testing.assert_allclose(table.y[label], exact, rtol=atol, atol=atol)
    assert len(table.y) == order + 1


@pytest.mark.spec("S0.4")
@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("chunk", [None, 1, 3])
def test_derivatives_are_those_by_hand(order, chunk):
    table = data.from_function(f, X, order=order, chunk=chunk, inputs=["p [m]", *"qr"])
    close(table, X, order)
    assert (table.inputs, table.outputs) == (("p", "q", "r"), ("z", "a"))
    assert table.units["p"] == "m"
    assert all(known.all() for known in table.known.values())
    assert table.name == "<function>"


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_it_is_linear(seed, factor):
    x = np.random.default_rng(seed).uniform(-1, 1, (4, 2))
    g, h = (lambda x: jnp.sin(x[0] * x[1])), (lambda x: x[0] ** 2 - jnp.exp(x[1]))
    both = lambda x: factor * g(x) + h(x)
    one, two, sum_ = (data.from_function(u, x).y["jacobian"] for u in (g, h, both))
    np.testing.assert_allclose(sum_, factor * one + two, rtol=0, atol=1e-13)


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_teachers_in_low_precision_are_cast_up(precision):
    network = eqx.nn.MLP(3, 2, 8, 2, jnp.tanh, key=jax.random.key(0))
    low = jax.tree.map(lambda a: a.astype(precision) if eqx.is_array(a) else a, network)
    wide = jax.tree.map(lambda a: a.astype(float) if eqx.is_array(a) else a, low)
    table = data.from_function(low, X, order=2)
    exact = [jax.vmap(g)(X) for g in (wide, jax.jacfwd(wide), jax.hessian(wide))]
    for label, tensor in zip(("value", "jacobian", "hessian"), exact, strict=True):
        np.testing.assert_allclose(table.y[label], tensor, rtol=0, atol=1e-13)


def test_a_closure_over_low_precision_is_promoted():
    w = jnp.ones(3, "float32")
    table = data.from_function(lambda x: jnp.sin(w @ x), X)
    np.testing.assert_allclose(table.y["value"][:, 0], np.sin(X.sum(1)), atol=1e-15)


def test_double_precision_where_it_is_off():
    with jax.enable_x64(False):
        table = data.from_function(f, X, order=2)
    close(table, X, 2)


def test_names_of_arrays_in_a_dictionary():
    g = lambda x: {"q": jnp.stack([x[0], x[1]]), "p": x[2]}
    assert data.from_function(g, X).outputs == ("q1", "q2", "p")
    assert data.from_function(lambda x: x, X).outputs == ("y1", "y2", "y3")
    assert data.from_function(g, X, outputs=["u [K]", "v", "w"]).units["u"] == "K"
    assert data.from_function(lambda x: x**2, [1.0, 2.0]).outputs == ("y",)


@pytest.mark.parametrize(
    ("g", "said"),
    [
        (lambda x: np.sin(x), "it leaves JAX"),
        (lambda x: float(x[0]), "it leaves JAX"),
        (lambda x: x[0] if x[0] > 0 else x[1], "it leaves JAX"),
        (
            lambda x: jax.pure_callback(np.sin, jax.ShapeDtypeStruct((3,), float), x),
            "it calls back to the host",
        ),
        (lambda x: x.astype(int), r"returns an array of int64, shape \(3,\)"),
        (lambda x: None, "returns NoneType"),
        (lambda x: {"a": "text"}, "returns str for 'a'"),
    ],
)
def test_what_cannot_be_differentiated_names_the_way_out(g, said):
    with pytest.raises(InputError, match=said) as error:
        data.from_function(g, X)
    assert "from_black_box" in str(error.value)


def test_faults_of_the_function_itself_come_through():
    with pytest.raises(ZeroDivisionError):
        data.from_function(lambda x: x / (1 // 0), X)


def test_nan_names_row_and_point():
    x = np.array([[1.0], [2.0], [-4.0], [-1.0]])
    with pytest.raises(InputError, match=r"row 3: 'y' is nan at T = -4; .* 2 of 4 row"):
        data.from_function(lambda x: jnp.sqrt(x[0]), x, inputs=["T [K]"])
    x[2:] = 0
    with pytest.raises(InputError, match=r"row 3: 'dy/dT' is inf at T = 0"):
        data.from_function(lambda x: jnp.sqrt(x[0]), x, inputs="T")


def test_derivatives_that_are_all_zero_raise_a_warning():
    with pytest.warns(data.DerivativeWarning, match="'y' varies .* exactly 0"):
        data.from_function(lambda x: jnp.round(10 * x[0]), X)
    data.from_function(lambda x: jnp.ones(2), X)  # a constant has that derivative


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"order": 3}, r"order=3; expected 0 to 2"),
        ({"chunk": 0}, r"chunk=0; expected 1 row at a time or more"),
        ({"chunk": -1}, r"chunk=-1; expected 1 row at a time or more"),
        ({"x": [[np.nan, 1, 2]]}, r"row 1, column 'x1': got an empty cell or NaN"),
        ({"inputs": ["a"]}, r"got inputs \['a'\]; expected 3 names"),
        ({"x": np.ones((2, 2, 2))}, r"shape \(2, 2, 2\); expected \(N, D\)"),
    ],
)
def test_settings(change, said):
    with pytest.raises(InputError, match=said):
        data.from_function(**{"f": f, "x": X, **change})


@pytest.mark.parametrize("chunk", [0, -1])
def test_rows_at_a_time_of_a_module(chunk):
    with pytest.raises(InputError, match=f"`from_torch`: chunk={chunk}; expected 1"):
        data.from_torch(lambda x: x, X, chunk=chunk)
