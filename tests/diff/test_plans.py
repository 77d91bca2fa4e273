"""Which way is gone: the cheapest one, fewer directions, groups of them."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from osculate import diff, nets
from osculate.core import trainable


def network(size, width, depth=2):
    net = nets.MLP(size, 1, width=width, depth=depth, key=jr.key(0))
    return lambda x: net(x)[0]


def coordinates(size):
    return [f"x{i}" for i in range(size)]


def laplacian_of_hessian(u):
    return lambda x: jnp.trace(jax.hessian(u)(x))


@pytest.mark.parametrize(
    ("wanted", "size", "mode"),
    [
        ("u_a", 2, "forward"),
        ("u u_a u_b", 2, "reverse"),
        ("u_a u_b u_aa", 2, "forward"),
        ("u lap_u", 3, "forward"),
        ("grad_u", 6, "reverse"),
        ("hess_u", 6, "forward over reverse"),
        ("hess_u", 2, "forward"),
        ("u_aaa u_b", 2, "forward"),
    ],
)
def test_the_way_with_the_fewest_operations(wanted, size, mode):
    u, over = network(size, 32), list("abcdef"[:size])
    plan = diff.explain(u, wanted, over)
    assert plan.mode == mode
    x = jnp.linspace(-1, 1, size)
    found = diff.partials(u, wanted, over)(x)
    exact = {
        "u": u(x),
        **{f"u_{c}": g for c, g in zip(over, jax.grad(u)(x), strict=True)},
        "u_aa": jax.hessian(u)(x)[0, 0],
        "u_aaa": jax.jacfwd(jax.hessian(u))(x)[0, 0, 0],
        "grad_u": jax.grad(u)(x),
        "hess_u": jax.hessian(u)(x),
        "lap_u": laplacian_of_hessian(u)(x),
    }
    for name, value in found._asdict().items():
        np.testing.assert_allclose(value, exact[name], rtol=1e-11, atol=1e-13)


def test_few_rows_hold_the_entries():
    u, x = network(6, 16), jnp.linspace(-1, 1, 6)
    d = diff.partials(u, "u_aa u_ab u_ac u_ad u_ae u_af u_b u_c", "a b c d e f")
    H = jax.hessian(u)(x)
    np.testing.assert_allclose(d(x)[:6], H[0], rtol=1e-11, atol=1e-13)
    plan = diff.explain(u, "u_aa u_ab u_ac u_ad u_ae u_af u_b u_c", "a b c d e f")
    assert plan.mode == "forward over reverse"
    # A gradient, and one product with the Hessian.
    assert plan.derivative.products < 5 * plan.forward.products


@pytest.mark.parametrize(("size", "width"), [(7, 5), (30, 16), (50, 24), (45, 64)])
def test_no_more_directions_than_the_first_layer_is_wide(size, width):
    """Value, gradient and Hessian by the parameters are those of the full sum."""
    net = nets.MLP(size, 1, width=width, depth=2, key=jr.key(0))
    theta, build = trainable(net)
    x = jr.normal(jr.key(1), (size,))
    ours = lambda theta: diff.laplacian(lambda p: build(theta)(p)[0])(x)
    full = lambda theta: laplacian_of_hessian(lambda p: build(theta)(p)[0])(x)
    along = jax.tree.map(jnp.sin, theta)

    def facts(f):
        slope, curvature = jax.jvp(jax.grad(f), (theta,), (along,))
        return [f(theta), ravel_pytree(slope)[0], ravel_pytree(curvature)[0]]

    for found, exact in zip(
        jax.jit(facts, static_argnums=0)(ours),
        jax.jit(facts, static_argnums=0)(full),
        strict=True,
    ):
        np.testing.assert_allclose(
            found, exact, rtol=0, atol=1e-12 * np.abs(exact).max()
        )
    plan = diff.explain(lambda p: net(p)[0], "lap_u", coordinates(size))
    bound = 1.05 * (min(size, width) + 2)
    assert plan.derivative.products <= bound * plan.forward.products
    assert ("directions for" in plan.mode) == (width < size)


def test_neurons_that_are_equal_or_off_have_their_gradient():
    """The first layer has not full rank: its directions have no derivative, ours do."""
    net = nets.MLP(9, 1, width=6, depth=1, key=jr.key(0))
    theta, build = trainable(net)
    W = theta.weights[0]
    W = W.at[1].set(0.0).at[2].set(W[3])
    theta = jax.tree.map(lambda a: W if a is theta.weights[0] else a, theta)
    x = jr.normal(jr.key(1), (9,))
    ours = lambda theta: diff.laplacian(lambda p: build(theta)(p)[0])(x)
    full = lambda theta: laplacian_of_hessian(lambda p: build(theta)(p)[0])(x)
    found, exact = (ravel_pytree(jax.grad(f)(theta))[0] for f in (ours, full))
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "u",
    [
        lambda x: jnp.sum(jnp.sin(W @ x)) + x[0] ** 2,
        lambda x: jnp.sum(jnp.sin(W @ x**2)),
        lambda x: jnp.sum(jnp.sin(W @ (x / 2 - 1.0) + 0.3)),
        lambda x: jnp.sum(jnp.sin(W @ x[::-1] - x[:3])),
        lambda x: jnp.sum((x[:3] + 2.0 * x[3:6]) ** 2) * 2.0,
        lambda x: jnp.sum(jnp.where(x[:3] > 0, x[:3], x[3:6]) ** 3),
        lambda x: jnp.sum(jnp.sin(jnp.floor(W @ x))),
        lambda x: jnp.sum(3.0 * x),
        lambda x: {"a": jnp.sin(W @ x), "b": jnp.sum(W @ x)},
        jax.jit(lambda x: jnp.prod(jnp.cos(W @ x))),
        jax.jit(lambda x: jnp.prod(W[:1] @ x)),
    ],
)
@pytest.mark.filterwarnings("ignore::osculate.diff.KinkWarning")
def test_what_only_seems_to_begin_with_a_layer(u):
    x = jnp.linspace(-1.0, 1.0, 7)
    every = lambda f: (
        lambda x: jax.tree.map(
            lambda H: jnp.trace(H, axis1=-2, axis2=-1), jax.jacfwd(jax.jacfwd(f))(x)
        )
    )
    for ours, exact in (
        (diff.laplacian(u), every(u)),
        (diff.biharmonic(u), every(every(u))),
    ):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12),
            ours(x),
            exact(x),
        )


def test_second_derivatives_by_dependent_rows_are_not_wrong():
    f = lambda W: diff.laplacian(lambda z: jnp.sum(jnp.sin(W @ z)))(jnp.ones(6))
    W = jr.normal(jr.key(0), (3, 6))
    second = jax.jit(jax.hessian(f))
    exact = jax.hessian(lambda W: -jnp.sum(jnp.sin(W @ jnp.ones(6)) * jnp.sum(W**2, 1)))
    np.testing.assert_allclose(second(W), exact(W), rtol=1e-9, atol=1e-9)
    equal = W.at[1].set(W[0])
    np.testing.assert_allclose(
        jax.grad(f)(equal),
        jax.grad(lambda W: -jnp.sum(jnp.sin(W @ jnp.ones(6)) * jnp.sum(W**2, 1)))(
            equal
        ),
        rtol=1e-10,
        atol=1e-12,
    )
    assert np.isnan(second(equal)).any()


def test_complex_layers_and_half_precision():
    C = jax.lax.complex(*jr.normal(jr.key(0), (2, 3, 24)))
    u = lambda x: jnp.sum(jnp.abs(C @ x.astype(complex)) ** 2)
    exact = 2 * jnp.sum(jnp.abs(C) ** 2)
    np.testing.assert_allclose(diff.laplacian(u)(jnp.ones(24)), exact, rtol=1e-12)
    found = diff.laplacian(lambda x: jnp.sum(x[:3] ** 2))(jnp.ones(24, jnp.bfloat16))
    assert found.dtype == jnp.bfloat16
    assert found == 6


def test_an_axis_of_the_user_is_not_ours():
    mean = lambda x: jax.lax.psum(jnp.sum(x**2), "directions")
    over = jax.vmap(diff.laplacian(mean), axis_name="directions")
    np.testing.assert_allclose(over(jnp.ones((3, 24))), 3 * 48.0, rtol=1e-12)


W = jr.normal(jr.key(7), (3, 7))


def test_many_coordinates():
    """Above twenty, one array holds many directions."""
    net = nets.MLP(25, 25, width=30, depth=1, key=jr.key(0))
    x = jr.normal(jr.key(1), (25,))
    J, H = jax.jacfwd(net)(x), jax.jacfwd(jax.jacfwd(net))(x)
    np.testing.assert_allclose(diff.divergence(net)(x), jnp.trace(J), rtol=1e-11)
    diagonal = jnp.diagonal(H, axis1=1, axis2=2)
    np.testing.assert_allclose(diff.hessian_diagonal(net)(x), diagonal, atol=1e-12)
    np.testing.assert_allclose(diff.laplacian(net)(x), diagonal.sum(1), atol=1e-12)


def test_a_kink_is_named_whatever_the_way():
    smooth = network(6, 32)
    u = lambda x: smooth(x) * jax.nn.relu(x[0])
    with pytest.warns(diff.KinkWarning, match="'relu'"):
        plan = diff.explain(u, "hess_u", "a b c d e f")
    assert plan.mode == "forward over reverse"
    assert plan.kinks == ("relu",)
    assert diff.explain(u, "grad_u", "a b c d e f").kinks == ()


ODD = {
    "attention": lambda x: jnp.sum(jax.nn.softmax(jnp.outer(x, x[:3])) ** 2),
    "division": lambda x: jnp.prod(jnp.sin(x[:5])) / (2.0 + jnp.sum(x**2)),
    "fallback": lambda x: jnp.sum(jnp.sort(x)[:9] * jnp.cumsum(x**2)[:9]),
    "loop": lambda x: jnp.sum(
        jax.lax.scan(lambda c, _: (jnp.sin(c) * x, None), x, length=3)[0]
    ),
    "branch": lambda x: jax.lax.cond(
        x[0] > 0, jnp.sum, lambda x: jnp.prod(x[:4]), x**3
    ),
    "checkpoint": jax.checkpoint(lambda x: jnp.sum(jnp.tanh(x)) ** 3),
    "while": lambda x: jnp.sum(
        jax.lax.while_loop(lambda c: c[0] < 2, lambda c: (c[0] + 1, c[1] ** 2), (0, x))[
            1
        ]
    ),
    "power": lambda x: jnp.sum(jnp.abs(x) ** x[1]),
}


@pytest.mark.parametrize("name", ODD)
def test_groups_of_directions(name):
    """Thirty coordinates: what is shared and what is summed, in every rule."""
    x = jnp.linspace(-1.0, 1.1, 30)
    exact = jax.jit(lambda x: jnp.trace(jax.jacfwd(jax.jacfwd(ODD[name]))(x)))(x)
    ours = jax.jit(jax.vmap(diff.laplacian(ODD[name])))(jnp.stack([x, -x]))[0]
    np.testing.assert_allclose(ours, exact, rtol=1e-11, atol=1e-12)
