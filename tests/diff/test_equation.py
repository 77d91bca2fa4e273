"""Names of operators, and functions whose argument names are the request."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from osculate import diff

P = np.array([0.3, -0.7, 1.1])


def scalar(p):
    return jnp.sin(p[0]) * p[1] ** 3 * jnp.exp(p[2] / 2)


def fields(p):
    return {"u": scalar(p), "w": jnp.stack([p[1] * p[2], jnp.cos(p[1]) * p[0]])}


def test_operators_leave_time_out():
    """sin(t) x^3 exp(y/2): the Laplacian in x and y alone, wherever time stands."""
    for over, order in (("t x y", [0, 1, 2]), ("x t y", [1, 0, 2])):
        u = lambda p, order=order: scalar(p[np.argsort(np.argsort(order))])
        x = jnp.asarray(P[order])
        d = diff.partials(u, "u_t lap_u bilap_u grad_u hess_u", over, time="t")(x)
        t, a, b = P
        e = np.exp(b / 2)
        np.testing.assert_allclose(d.u_t, np.cos(t) * a**3 * e, rtol=1e-13)
        lap = np.sin(t) * (6 * a + a**3 / 4) * e
        np.testing.assert_allclose(d.lap_u, lap, rtol=1e-13)
        bilap = np.sin(t) * (2 * 6 * a / 4 + a**3 / 16) * e
        np.testing.assert_allclose(d.bilap_u, bilap, rtol=1e-12)
        slopes = np.sin(t) * e * np.array([3 * a**2, a**3 / 2])
        np.testing.assert_allclose(d.grad_u, slopes, rtol=1e-13)
        mixed = 3 * a**2 / 2
        H = np.sin(t) * e * np.array([[6 * a, mixed], [mixed, a**3 / 4]])
        np.testing.assert_allclose(d.hess_u, H, rtol=1e-13)


def test_operators_of_vector_fields():
    d = diff.partials(
        fields, "u_x div_w curl_w grad_w lap_w", "t x y", fields="u w", time="t"
    )(jnp.asarray(P))
    t, a, b = P
    np.testing.assert_allclose(d.div_w, b, rtol=1e-13)
    np.testing.assert_allclose(d.curl_w, -np.sin(a) * t - a, rtol=1e-13)
    np.testing.assert_allclose(
        d.grad_w, [[b, a], [-np.sin(a) * t, 0]], rtol=1e-13, atol=1e-16
    )
    np.testing.assert_allclose(d.lap_w, [0, -np.cos(a) * t], rtol=1e-13, atol=1e-16)


def test_a_declared_field_wins_over_an_operator():
    u = lambda p: {"u": p[0] ** 2, "lap_u": p[1]}
    found = diff.partials(u, "lap_u lap_u_y", "x y", fields="u lap_u")(jnp.ones(2))
    assert found == (1.0, 1.0)


def test_an_operator_that_is_also_a_partial_is_refused():
    u = lambda p: {"lap": p[0], "u": p[1]}
    with pytest.raises(ValueError, match="as d lap / du or lap of u"):
        diff.partials(u, "lap_u", "u v", fields="lap u")


@pytest.mark.parametrize(
    ("wanted", "options", "message"),
    [
        ("u_x u_x", {}, "'u_x' is wanted twice"),
        ("u_x", {"time": "s"}, "time='s' is not among the coordinates"),
        ("rot_u", {}, "'rot_u' is not known; .* or one of grad, hess, lap"),
        ("lap_v", {}, "'lap_v' is not known"),
    ],
)
def test_requests_that_are_refused(wanted, options, message):
    with pytest.raises(ValueError, match=message):
        diff.partials(scalar, wanted, "t x y", **options)


def test_a_coordinate_twice():
    with pytest.raises(ValueError, match="repeat a name"):
        diff.partials(scalar, "u_x", "x x y")


def test_operators_need_components():
    with pytest.raises(ValueError, match=r"`divergence`: a field of shape \(\) in 3"):
        diff.partial(scalar, "div_u", "t x y")(jnp.asarray(P))
    with pytest.raises(ValueError, match="`curl`: 1 coordinates; expected 2 or 3"):
        diff.partial(scalar, "curl_u", "t x y", time="t x")(jnp.asarray(P))


def test_the_signature_is_the_request():
    """Burgers' equation as it is printed, of x / (1 + t), which solves it at nu = 0."""
    burgers = diff.equation(
        lambda u, u_t, u_x, u_xx, nu: u_t + u * u_x - nu * u_xx, "t x", others="nu"
    )
    assert burgers.derivatives == ("u", "u_t", "u_x", "u_xx")
    u = lambda p: p[1] / (1 + p[0])
    point = jnp.array([1.0, 3.0])
    np.testing.assert_allclose(burgers(u, point, nu=0.1), 0, atol=1e-15)
    slope = jax.grad(lambda nu: burgers(lambda p: p[1] ** 3, point, nu=nu))(0.1)
    np.testing.assert_allclose(slope, -18.0, rtol=1e-14)


def test_coordinates_fields_and_own_arguments():
    residual = diff.equation(
        lambda x, lap_u, div_w, w, *, k=2.0: {"a": lap_u - k * x, "b": div_w + w[0]},
        "t x y",
        fields="u w",
        time="t",
    )
    found = residual(fields, jnp.asarray(P))
    lap = diff.partial(scalar, "lap_u", "t x y", time="t")(jnp.asarray(P))
    np.testing.assert_allclose(found["a"], lap - 2 * P[1], rtol=1e-13)
    np.testing.assert_allclose(found["b"], P[2] + P[1] * P[2], rtol=1e-13)


def test_a_declared_name_wins_over_the_notation():
    """u_t is a coefficient here, and is not differentiated."""
    found = diff.equation(lambda u_t, u_x: u_t * u_x, "t x", others="u_t")
    assert found.derivatives == ("u_x",)
    assert found(lambda p: 3 * p[0] * p[1], jnp.array([2.0, 5.0]), u_t=7.0) == 42.0


def test_what_goes_through_an_equation():
    residual = diff.equation(lambda u_xx, x: u_xx * x, "x y")
    u = lambda a: lambda p: a * jnp.sin(p[0]) * p[1]
    loss = jax.jit(lambda a, X: jnp.mean(jax.vmap(lambda p: residual(u(a), p))(X) ** 2))
    X = jnp.linspace(0.1, 1.0, 10).reshape(5, 2)
    exact = jnp.mean((-2.0 * jnp.sin(X[:, 0]) * X[:, 1] * X[:, 0]) ** 2)
    np.testing.assert_allclose(loss(2.0, X), exact, rtol=1e-13)
    np.testing.assert_allclose(jax.grad(loss)(2.0, X), exact, rtol=1e-13)


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (lambda u, uxx: 0, {}, "'uxx' is not known; .* Write a derivative as u_t"),
        (lambda u, nu: 0, {"others": "mu"}, "'nu' is not known; .*others ..mu"),
        (lambda u, nuu: 0, {"others": "nu"}, "Did you mean 'nu'"),
        (lambda *args: 0, {}, r"the function takes \*args"),
        (lambda u, **rest: 0, {}, r"the function takes \*\*rest"),
        (lambda u, /: 0, {}, "'u' cannot be given by name"),
        (lambda u: 0, {"others": "x"}, "'x' is declared twice"),
        (lambda u_aa: 0, {"over": "a aa"}, "more than one way"),
    ],
)
def test_equations_that_are_refused(function, options, message):
    with pytest.raises(ValueError, match=message):
        diff.equation(function, **({"over": "t x"} | options))


def test_constants_that_are_missing():
    heat = diff.equation(lambda u_t, k: u_t * k, "t x", others="k")
    with pytest.raises(
        TypeError, match=r"called with \[\]; expected values for \['k'\]"
    ):
        heat(scalar, jnp.ones(2))
