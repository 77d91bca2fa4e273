"""Partial derivatives by the names of print."""

import io

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as npst

from osculate import diff, nets

P = jnp.asarray([0.4, 1.5])
REAL = st.floats(-2, 2, allow_subnormal=False)


def wave(p):
    t, x = p
    return jnp.sin(2 * t) * x**3


def flow(p):
    t, x = p
    return {"v": t**2 * x, "u": jnp.exp(t) * x, "nu_t": 7 * x, "nu": t * x**2}


# --- what the names mean --------------------------------------------------------------


def test_closed_form():
    t, x = 0.4, 1.5
    d = diff.partials(wave, "u u_t u_x u_tt u_xx u_tx u_xxx u_ttx", over="t x")(P)
    expected = {
        "u": np.sin(2 * t) * x**3,
        "u_t": 2 * np.cos(2 * t) * x**3,
        "u_x": 3 * np.sin(2 * t) * x**2,
        "u_tt": -4 * np.sin(2 * t) * x**3,
        "u_xx": 6 * np.sin(2 * t) * x,
        "u_tx": 6 * np.cos(2 * t) * x**2,
        "u_xxx": 6 * np.sin(2 * t),
        "u_ttx": -12 * np.sin(2 * t) * x**2,
    }
    assert d._fields == tuple(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(d, name), value, rtol=1e-14)


def test_names_as_words_or_as_a_sequence():
    one = diff.partials(wave, "u_x u", over="t x")(P)
    two = diff.partials(wave, ["u_x", "u"], over=("t", "x"), fields=["u"])(P)
    assert one._fields == two._fields == ("u_x", "u")
    assert tuple(one) == tuple(two)


def test_one_alone_is_the_same():
    for name in ("u", "u_t", "u_xx"):
        alone = diff.partial(wave, name, over="t x")(P)
        assert alone == getattr(diff.partials(wave, [name], over="t x")(P), name)


def test_the_order_of_the_coordinates_is_that_of_the_point():
    assert diff.partial(lambda p: p[0] * 2, "u_x", over="x t")(P) == 2
    assert diff.partial(lambda p: p[0] * 2, "u_x", over="t x")(P) == 0


def test_mixed_partials_are_symmetric():
    d = diff.partials(wave, "u_tx u_xt u_xtx u_xxt", over="t x")(P)
    assert d.u_tx == d.u_xt
    assert d.u_xtx == d.u_xxt


def test_coordinates_of_several_letters():
    u = lambda p: p[0] ** 2 * p[1] ** 3
    d = diff.partials(
        u, "c_Machalpha c_alphaalpha c_alphaMach", over="Mach alpha", fields="c"
    )
    found = d(jnp.asarray([2.0, 3.0]))
    assert found == (4 * 27, 4 * 6 * 3, 4 * 27)


def test_a_tail_that_only_one_split_can_spell():
    # "aab" over a, ab: a then ab; "ab" and "a" cannot leave "b" over.
    u = lambda p: p[0] ** 2 * p[1]
    assert diff.partial(u, "u_aab", over="a ab")(jnp.asarray([3.0, 5.0])) == 6


def test_underscores_may_stand_between_coordinates():
    d = diff.partials(wave, "u_t_x u_tx u_x_t", over="t x")(P)
    assert d.u_t_x == d.u_tx == d.u_x_t


@given(
    st.lists(
        st.from_regex(r"[a-z][a-z0-9_]{0,3}", fullmatch=True),
        min_size=2,
        max_size=5,
        unique=True,
    ),
    st.lists(st.integers(0, 3), max_size=3),
)
def test_what_is_written_can_be_read(words, below):
    field, *over = words
    key = tuple(sorted(i % len(over) for i in below))
    name = diff.partial_name(field, [over[i] for i in key], over=over)
    found = diff.readings(name, fields=[field], over=over)
    assert key in [p.key for p in found]
    assert all(
        diff.partial_name(field, [over[i] for i in p.key], over=over) for p in found
    )


def test_fields_of_a_dictionary():
    d = diff.partials(flow, "u_x v_tt v u nu_x", over="t x", fields="u v nu")(P)
    t, x = P
    np.testing.assert_allclose(
        d, (np.exp(t), 2 * x, t**2 * x, np.exp(t) * x, 2 * t * x), rtol=1e-14
    )


def test_a_declared_field_wins_over_notation():
    one = diff.partials(flow, "nu_t nu_t_x", over="t x", fields="nu nu_t")(P)
    np.testing.assert_allclose(one, (7 * P[1], 7.0), rtol=1e-15)
    two = diff.partial(flow, "nu_t", over="t x", fields="nu")(P)
    np.testing.assert_allclose(two, P[1] ** 2, rtol=1e-15)


def test_the_only_field_of_a_dictionary_or_of_none():
    of_dictionary = diff.partial(
        lambda p: {"h": wave(p)}, "h_x", over="t x", fields="h"
    )
    of_array = diff.partial(wave, "h_x", over="t x", fields="h")
    assert of_dictionary(P) == of_array(P)


def test_fields_that_are_vectors():
    d = diff.partial(
        lambda p: jnp.stack([p[0] * p[1], p[1] ** 2]), "f_x", "t x", fields="f"
    )
    np.testing.assert_allclose(d(P), [0.4, 3.0], rtol=1e-15)


# --- what no name means ---------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["w", "u_z", "u_xz", "w_x", "u_", "_x", "u_X", "u_x_", "u__x", ""]
)
def test_unknown_names(name):
    message = (
        rf"`partials`: '{name}' is not known; fields are \['u'\], coordinates "
        r"\['t', 'x'\]\. Write FIELD_COORDINATES, for instance 'u_t'"
    )
    with pytest.raises(ValueError, match=message):
        diff.partials(wave, [name], over="t x")
    with pytest.raises(ValueError, match=message):
        diff.partial(wave, name, over="t x")


def test_two_readings_are_refused_and_both_are_shown():
    message = (
        r"`partials`: 'u_ab' can be read in more than one way: as d u / dab or "
        r"d2 u / da db\. Rename a coordinate"
    )
    with pytest.raises(ValueError, match=message):
        diff.partials(wave, "u_ab", over="a b ab")
    with pytest.raises(
        ValueError, match=r"as d2 u / daa2 or d3 u / da2 daa or d4 u / da4"
    ):
        diff.partials(wave, "u_aaaa", over="a aa")


def test_a_point_of_another_shape():
    message = (
        r"`partials`: a point of shape \(5, 2\) for the coordinates \['t', 'x'\]; "
        r"expected \(2,\)\. Use jax.vmap"
    )
    with pytest.raises(
        (ValueError, TypeError)
    ):  # the shape checks of the tests are first
        diff.partials(wave, "u", over="t x")(jnp.ones((5, 2)))
    with pytest.raises(ValueError, match=message.replace(r"5, 2", "3,")):
        diff.partials(wave, "u", over="t x")(jnp.ones(3))


def test_fields_that_the_function_does_not_return():
    two = diff.partials(wave, "u_x v_x", over="t x", fields="u v")
    with pytest.raises(
        ValueError, match=r"u returns one array; expected a dictionary with"
    ):
        two(P)
    other = diff.partials(flow, "w_x", over="t x", fields="w")
    with pytest.raises(
        ValueError, match=r"u returns \['v', .*expected .* with \['w'\]"
    ):
        other(P)


# --- laws -----------------------------------------------------------------------------


@given(npst.arrays(float, 2, elements=REAL), REAL, REAL)
def test_linear(p, a, b):
    together, one, two = _at_three(p, a, b)
    np.testing.assert_allclose(together, a * one + b * two, rtol=0, atol=1e-12)


@jax.jit
def _at_three(p, a, b):
    other = lambda p: jnp.tanh(p[0] * p[1])
    both = lambda p: a * wave(p) + b * other(p)
    at = lambda u: jnp.stack(diff.partials(u, "u u_t u_tx", over="t x")(p))
    return at(both), at(wave), at(other)


@given(npst.arrays(float, 2, elements=REAL))
def test_product_rule(p):
    together, d, e = _product(p)
    by_hand = d.u_xx * e.u + 2 * d.u_x * e.u_x + d.u * e.u_xx
    np.testing.assert_allclose(together, by_hand, rtol=0, atol=1e-12)


@jax.jit
def _product(p):
    other = lambda p: jnp.tanh(p[0] - p[1])
    both = diff.partial(lambda p: wave(p) * other(p), "u_xx", over="t x")(p)
    d, e = (diff.partials(u, "u u_x u_xx", over="t x")(p) for u in (wave, other))
    return both, d, e


def test_against_the_tensors_of_the_jet():
    _, J, hessian = diff.jet(wave, 2)(P)
    d = diff.partials(wave, "u_t u_x u_tt u_tx u_xx", over="t x")(P)
    np.testing.assert_allclose(
        d, [J[0], J[1], hessian[0, 0], hessian[0, 1], hessian[1, 1]], rtol=1e-14
    )


def test_finite_differences():
    # Central differences of step 1e-5: errors about 1e-10 times derivatives up to 40.
    h = 1e-5
    for name, below, axis in [
        ("u_t", "u", 0),
        ("u_xx", "u_x", 1),
        ("u_txx", "u_tx", 1),
    ]:
        lower = diff.partial(wave, below, over="t x")
        slope = (lower(P.at[axis].add(h)) - lower(P.at[axis].add(-h))) / (2 * h)
        exact = diff.partial(wave, name, over="t x")(P)
        np.testing.assert_allclose(exact, slope, rtol=0, atol=1e-8)


def test_jit_vmap_and_grad():
    d = diff.partials(wave, "u_t u_xx", over="t x")
    points = jnp.asarray(np.random.default_rng(0).normal(size=(4, 2)))
    many = jax.jit(jax.vmap(d))(points)
    assert type(many).__name__ == "Partials"
    for i, p in enumerate(points):
        np.testing.assert_allclose(many.u_xx[i], d(p).u_xx, rtol=1e-13)
        np.testing.assert_allclose(many.u_t[i], d(p).u_t, rtol=1e-13)
    above = diff.partials(wave, "u_txx u_xxx", over="t x")(P)
    np.testing.assert_allclose(jax.grad(lambda p: d(p).u_xx)(P), above, rtol=1e-13)


def test_a_partial_is_a_function_again():
    u_t = diff.partial(wave, "u_t", over="t x")
    again = diff.partial(u_t, "u_xx", over="t x")(P)
    np.testing.assert_allclose(
        again, diff.partial(wave, "u_txx", over="t x")(P), rtol=1e-14
    )
    inside = lambda p: jnp.sin(u_t(p)) * p[1]
    gradient = diff.gradient(inside)(P)
    d = diff.partials(wave, "u_t u_tt u_tx", over="t x")(P)
    np.testing.assert_allclose(
        gradient,
        [
            np.cos(d.u_t) * d.u_tt * P[1],
            np.cos(d.u_t) * d.u_tx * P[1] + np.sin(d.u_t),
        ],
        rtol=1e-13,
    )


def test_each_field_is_looked_at_once():
    calls = []

    def counted(p):
        calls.append(1)
        return wave(p)

    diff.partials(counted, "u u_t u_x u_xx u_tx u_xxx", over="t x")(P)
    assert len(calls) == 1


def test_all_fields_are_looked_at_together():
    calls = []

    def counted(p):
        calls.append(1)
        return {"u": wave(p), "w": 2.0 * wave(p)}

    d = diff.partials(counted, "u_t w_xx u w", over="t x", fields="u w")(P)
    assert len(calls) == 1
    assert d.w == 2.0 * d.u


# --- derivatives as parts of models ---------------------------------------------------


class Flux(eqx.Module):
    """A network that looks at another's derivative: -k u_x, or its own derivative's."""

    u: eqx.Module
    k: jax.Array

    def __call__(self, p):
        return -self.k * diff.partial(self.u, "u_x", over="t x")(p)


class First(eqx.Module):
    net: eqx.Module

    def __call__(self, p):
        return self.net(p)[0]


@pytest.mark.spec("S2.7")
def test_a_derivative_is_a_part_of_a_model(key):
    u = First(nets.MLP(2, 1, width=4, depth=1, key=key))
    flux = Flux(u, jnp.asarray(2.0))
    twice = Flux(flux, jnp.asarray(3.0))
    u_x, u_xx = diff.partials(u, "u_x u_xx", over="t x")(P)
    np.testing.assert_allclose(flux(P), -2 * u_x, rtol=1e-14)
    np.testing.assert_allclose(twice(P), 6 * u_xx, rtol=1e-13)
    # jit and vmap
    points = jnp.stack([P, 2 * P])
    many = eqx.filter_jit(lambda m, p: jax.vmap(m)(p))(twice, points)
    np.testing.assert_allclose(many, [twice(P), twice(2 * P)], rtol=1e-12)
    # trainable: the derivative shares the parameters of u
    gradient = eqx.filter_grad(lambda m: m(P))(flux)
    np.testing.assert_allclose(gradient.k, -u_x, rtol=1e-13)
    b, h = u.net.biases[0], 1e-5
    at = lambda s: eqx.tree_at(lambda m: m.u.net.biases[0], flux, b.at[1].add(s))(P)
    slope = (at(h) - at(-h)) / (2 * h)
    np.testing.assert_allclose(gradient.u.net.biases[0][1], slope, rtol=0, atol=1e-8)
    assert abs(slope) > 1e-3
    # serializes
    file = io.BytesIO()
    eqx.tree_serialise_leaves(file, twice)
    file.seek(0)
    blank = jax.tree.map(jnp.zeros_like, twice)
    assert eqx.tree_deserialise_leaves(file, blank)(P) == twice(P)


def test_parameters_are_reached_through_partials():
    # u = sin(a t) x^2: d/da of u_t u_xx = d/da of 2 a x^2 cos(a t) sin(a t)
    t, x = P
    u = lambda a: lambda p: jnp.sin(a * p[0]) * p[1] ** 2

    def product(a):
        d = diff.partials(u(a), "u_t u_xx", over="t x")(P)
        return d.u_t * d.u_xx

    a = 1.3
    expected = x**2 * (np.sin(2 * a * t) + 2 * a * t * np.cos(2 * a * t))
    np.testing.assert_allclose(jax.grad(product)(a), expected, rtol=1e-13)


def test_relu_has_no_second_derivative(key):
    net = nets.MLP(2, 1, width=8, depth=2, activation="relu", key=jr.fold_in(key, 1))
    with pytest.warns(diff.KinkWarning, match="'relu' has a kink"):
        d = diff.partials(First(net), "u_x u_xx u_tx u_tt", over="t x")(P)
    assert d.u_x != 0
    assert d[1:] == (0, 0, 0)
