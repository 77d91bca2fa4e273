"""The engine against nested differentiation: networks, and what is written in them."""

import functools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax import lax

from osculate import diff
from osculate.diff import _streams
from osculate.diff._keys import LAPLACE

X = np.array([0.3, -0.7, 1.1])
REQUESTS = {
    "first and second": [(0,), (1,), (1, 1)],
    "mixed fourth": [(0, 0, 1, 1)],
    "laplacian": [(LAPLACE,)],
    "biharmonic": [(LAPLACE, LAPLACE)],
    "gradient of the laplacian": [(LAPLACE, 0), (LAPLACE, 2)],
}


def nested(u, key):
    """The same derivative by nested `jvp`, one operator after another."""

    def step(f, operator):
        if operator == LAPLACE:
            second = lambda e: lambda x: along(lambda y: along(f, y, e), x, e)
            return lambda x: sum(second(e)(x) for e in np.eye(X.size))
        return lambda x: along(f, x, np.eye(X.size)[operator])

    return functools.reduce(step, key, u)


def along(f, x, v):
    return jax.jvp(f, (x,), (jnp.asarray(v),))[1]


def agree(u, wanted, rtol):
    found = jax.jit(_streams.streams(u, wanted))(jnp.asarray(X))
    exact = jax.jit(lambda x: {key: nested(u, key)(x) for key in [(), *wanted]})
    for key, expected in exact(jnp.asarray(X)).items():
        size = np.abs(expected).max()
        np.testing.assert_allclose(found[key], expected, rtol=0, atol=rtol * (1 + size))


# --- networks -------------------------------------------------------------------------

W = [jr.normal(jr.key(i), s) / 2 for i, s in enumerate([(6, 3), (6, 6), (2, 6)])]


def mlp(act, x):
    return W[2] @ act(W[1] @ act(W[0] @ x + 0.1) - 0.2)


def layer_norm(x):
    centred = x - jnp.mean(x, -1, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred**2, -1, keepdims=True) + 1e-5)


def attention(x):
    tokens = jnp.outer(jnp.arange(1.0, 5.0), x) + jnp.sin(jnp.outer(jnp.ones(4), x))
    q, k, v = (tokens @ W[0].T[:, 2 * i : 2 * i + 2] for i in range(3))
    mixed = jax.nn.softmax(q @ k.T / 2**0.5, axis=-1) @ v
    tokens = layer_norm(tokens @ W[0].T[:, :2] + mixed)
    return jnp.sum(jax.nn.gelu(tokens @ W[2]), axis=0)


def convolution(x):
    image = jnp.outer(x, jnp.sin(x))[None, None]
    kernel = W[1][:2, :4].reshape(2, 1, 2, 2)
    dims = ("NCHW", "OIHW", "NCHW")
    first = lax.conv_general_dilated(
        image, kernel, (1, 1), "SAME", dimension_numbers=dims
    )
    pooled = lax.reduce_window(
        jnp.tanh(first), 0.0, lax.add, (1, 1, 2, 2), (1, 1, 1, 1), "VALID"
    )
    return jnp.tanh(pooled).sum((0, 2, 3))


NETWORKS = {
    "tanh": functools.partial(mlp, jnp.tanh),
    "sin": functools.partial(mlp, jnp.sin),
    "softplus": functools.partial(mlp, jax.nn.softplus),
    "silu": functools.partial(mlp, jax.nn.silu),
    "gelu": functools.partial(mlp, jax.nn.gelu),
    "exact gelu": functools.partial(
        mlp, functools.partial(jax.nn.gelu, approximate=False)
    ),
    "siren": lambda x: W[2] @ jnp.sin(3.0 * (W[1] @ jnp.sin(3.0 * (W[0] @ x)))),
    "fourier": lambda x: mlp(
        jnp.tanh, jnp.concatenate([jnp.sin(x), jnp.cos(2.0 * x)])[1:4]
    ),
    "convolution": convolution,
    "attention": attention,
}


LARGE = pytest.mark.slow
DEEP = {"attention", "convolution", "exact gelu", "gelu", "softplus"}


ASKED = [
    pytest.param(name, request_, marks=LARGE if name in DEEP else ())
    for name in NETWORKS
    for request_ in REQUESTS
    if (name, request_) != ("attention", "gradient of the laplacian")  # minutes
]


@pytest.mark.parametrize(("name", "request_"), ASKED)
def test_networks(name, request_):
    agree(NETWORKS[name], REQUESTS[request_], 1e-12)


# --- primitives -----------------------------------------------------------------------

A = jr.normal(jr.key(5), (3, 3))
PRIMITIVES = {
    "abs": lambda x: jnp.abs(x) * x,
    "arcs": lambda x: jnp.arcsin(x / 2) + jnp.arccos(x / 3) + jnp.arctan(x),
    "arctan2": lambda x: jnp.arctan2(x[0], x[1] + 2.0),
    "area": lambda x: jnp.arcsinh(x) + jnp.arctanh(x / 2) + jnp.arccosh(x + 3.0),
    "at": lambda x: jnp.zeros(4).at[1].set(x[0]).at[2].add(x[1] ** 2) * x[2],
    "checkpoint": jax.checkpoint(lambda x: jnp.sin(x) * jnp.sum(x)),
    "cholesky": lambda x: jnp.linalg.cholesky(A @ A.T + jnp.diag(x**2)),
    "clip": lambda x: jnp.clip(x, -0.5, 0.5) * x,
    "complex": lambda x: jnp.real(jnp.exp(lax.complex(x[0], x[1]))) * x[2],
    "cond": lambda x: lax.cond(x[0] > 0, jnp.sin, lambda x: x**3, x),
    "cumulative": lambda x: jnp.cumsum(x**2) + jnp.cumprod(x) + lax.cummax(x),
    "det": lambda x: jnp.linalg.det(A + jnp.outer(x, x)),
    "eigenvalues": lambda x: jnp.linalg.eigvalsh(A + A.T + jnp.outer(x, x)),
    "einsum": lambda x: jnp.einsum("i,ij,j->", x, A, jnp.sin(x)),
    "elu": lambda x: jax.nn.elu(x) + jax.nn.leaky_relu(x) * x,
    "erf": lambda x: jax.scipy.special.erf(x) + jax.scipy.special.erfc(2 * x),
    "exps": lambda x: jnp.exp(x) + jnp.exp2(x) + jnp.expm1(x),
    "fft": lambda x: jnp.abs(jnp.fft.fft(x)) ** 2,
    "fori": lambda x: lax.fori_loop(0, 3, lambda i, c: jnp.sin(c) * x, x),
    "gamma": lambda x: jax.scipy.special.gammaln(x + 3.0) * x[0],
    "gather": lambda x: x[jnp.array([0, 2])] * x[::-1][:2],
    "hyperbolic": lambda x: jnp.sinh(x) * jnp.cosh(x) + jnp.tan(x / 2),
    "interpolation": lambda x: jnp.interp(x[0], jnp.arange(3.0), X) * x[1],
    "inverse erf": lambda x: jax.scipy.special.erfinv(x / 2),
    "log sum exp": lambda x: jax.nn.logsumexp(x) * x[0],
    "logs": lambda x: jnp.log(x + 2.0) * jnp.log1p(x**2),
    "mish": lambda x: x * jnp.tanh(jax.nn.softplus(x)),
    "nested jit": lambda x: jax.jit(jax.jit(jnp.tanh))(x) * x[1],
    "norm": lambda x: jnp.linalg.norm(x),
    "power": lambda x: (x**2 + 1.0) ** x[1],
    "powers": lambda x: x**3 + (x**2 + 1.0) ** 2.5 + (x + 2.0) ** -2,
    "product": lambda x: jnp.prod(x),
    "quotient": lambda x: x / (x[::-1] ** 2 + 1.0),
    "reciprocal": lambda x: 1.0 / (x + 2.0),
    "relu": lambda x: jax.nn.relu(x) ** 3,
    "roll": lambda x: jnp.roll(x, 1) * jnp.pad(x, 1)[:3],
    "roots": lambda x: jnp.sqrt(x + 2.0) + lax.rsqrt(x + 3.0) + jnp.cbrt(x + 4.0),
    "scan": lambda x: lax.scan(lambda c, t: (c * jnp.cos(t), c * t), x[0], x)[1],
    "scan of a constant": lambda x: lax.scan(
        lambda c, t: (jnp.sin(c) + x[1], None), 0.0, None, length=3
    )[0],
    "slogdet": lambda x: jnp.linalg.slogdet(A + jnp.diag(x))[1],
    "softmax": lambda x: jax.nn.softmax(x) * x,
    "solve": lambda x: jnp.linalg.solve(A + jnp.diag(x), jnp.sin(x)),
    "sort": lambda x: jnp.sort(x) ** 2 * x,
    "stack": lambda x: jnp.stack([x[0] * x[1], jnp.ones(())]).reshape(2, 1),
    "stop gradient": lambda x: lax.stop_gradient(jnp.sin(x)) * x**2,
    "triangular": lambda x: jax.scipy.linalg.solve_triangular(
        jnp.tril(A) + jnp.diag(x + 3.0), x
    ),
    "vmap": lambda x: jax.vmap(lambda a: jnp.sin(a * x))(x),
    "where": lambda x: jnp.where(x > 0, x**2, jnp.sin(x)),
    "while": lambda x: lax.while_loop(
        lambda c: c[0] < 3, lambda c: (c[0] + 1, jnp.sin(c[1]) * x[0]), (0, x[1])
    )[1],
    "switch": lambda x: lax.switch(1, [jnp.sin, jnp.cos, jnp.tanh], x),
    "top k": lambda x: lax.top_k(x, 2)[0] ** 2,
    "extrema": lambda x: jnp.max(x) ** 2 * jnp.min(x) + jnp.maximum(x, x[::-1] ** 2),
}


TO_FOURTH_ORDER = {
    "arctan2",
    "at",
    "complex",
    "cond",
    "cumulative",
    "det",
    "erf",
    "exps",
    "logs",
    "power",
    "powers",
    "quotient",
    "relu",
    "roots",
    "scan",
    "softmax",
    "while",
}


@pytest.mark.filterwarnings("ignore::osculate.diff.KinkWarning")
@pytest.mark.parametrize("request_", ["first and second", "laplacian"])
@pytest.mark.parametrize("name", PRIMITIVES)
def test_primitives(name, request_):
    agree(PRIMITIVES[name], REQUESTS[request_], 1e-11)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::osculate.diff.KinkWarning")
@pytest.mark.parametrize("name", sorted(TO_FOURTH_ORDER))
def test_primitives_at_fourth_order(name):
    agree(PRIMITIVES[name], REQUESTS["mixed fourth"], 1e-11)


@pytest.mark.filterwarnings("ignore::osculate.diff.KinkWarning")
@pytest.mark.parametrize(
    "name", ["tanh", "softplus", pytest.param("attention", marks=pytest.mark.slow)]
)
def test_derivatives_by_parameters_flow_through(name):
    shape = lambda f: jax.jit(jax.grad(lambda s: jnp.sum(f(s)(jnp.asarray(X)))))
    scaled = lambda s: lambda x: NETWORKS[name](s * x) * s
    found = shape(lambda s: diff.laplacian(scaled(s)))(1.1)
    exact = shape(lambda s: nested(scaled(s), (LAPLACE,)))(1.1)
    np.testing.assert_allclose(found, exact, rtol=1e-11)
    # And a second time: the derivative by the parameter of the derivative.
    twice = lambda operator: jax.jit(
        jax.hessian(lambda s: jnp.sum(operator(scaled(s))(jnp.asarray(X))))
    )
    one = twice(diff.laplacian)(1.1)
    two = twice(lambda u: nested(u, (LAPLACE,)))(1.1)
    np.testing.assert_allclose(one, two, rtol=1e-10)


def test_operators_compose():
    u = lambda x: mlp(jnp.tanh, x)[0]
    once = jax.jit(diff.laplacian(diff.laplacian(u)))(jnp.asarray(X))
    both = jax.jit(diff.biharmonic(u))(jnp.asarray(X))
    np.testing.assert_allclose(once, both, rtol=1e-11)
    batched = jax.vmap(diff.laplacian(u))(jnp.asarray([X, 2 * X]))
    np.testing.assert_allclose(
        batched[0], diff.laplacian(u)(jnp.asarray(X)), rtol=1e-12
    )


def test_custom_rules_are_respected():
    @jax.custom_jvp
    def f(x):
        return jnp.sin(x)

    f.defjvp(lambda primals, tangents: (f(*primals), 3.0 * tangents[0] * primals[0]))
    found = _streams.streams(lambda x: f(x[0]), [(0,), (0, 0)])(jnp.asarray(X))
    assert found[(0,)] == 3 * 0.3
    assert found[0, 0] == 3.0


def test_a_function_with_a_reverse_rule_only_is_refused():
    @jax.custom_vjp
    def mine(x):
        return x

    mine.defvjp(lambda x: (x, None), lambda _, g: (g,))
    with pytest.raises(ValueError, match="'mine' has a custom reverse rule"):
        diff.laplacian(lambda x: mine(x[0]))(jnp.asarray(X))
    assert diff.gradient(lambda x: mine(x[0]))(jnp.asarray(X))[0] == 1


@pytest.mark.parametrize(
    ("u", "name"),
    [
        (jax.nn.relu, "relu"),
        (lambda x: jnp.maximum(x, 0.0), "max"),
        (jnp.floor, "floor"),
    ],
)
def test_a_kink_in_a_second_order_operator_is_named(u, name):
    with pytest.warns(diff.KinkWarning, match=f"'{name}' has a kink"):
        diff.laplacian(lambda x: jnp.sum(u(x)))(jnp.asarray(X))


def test_products_of_a_network():
    """As many matrix products as there are streams; the first layer has no second."""
    u = lambda x: mlp(jnp.tanh, x)[0]
    plan = diff.explain(u, "lap_u", "x y z")
    assert plan.streams == ("u", "u_x", "u_y", "u_z", "Δu")
    forward = 6 * 3 + 6 * 6 + 2 * 6
    assert plan.forward.products == forward
    # Of the last layer, nobody needs the value and the first derivatives; those of the
    # first layer are its weights, the same at every point.
    assert plan.derivative.products == forward + 4 * 6 * 6
    fourth = diff.explain(u, "bilap_u", "x y z")
    assert len(fourth.streams) == 2 + 2 * 3 + 3 * 4 // 2


# --- what is easily got wrong ---------------------------------------------------------


def test_entries_outside_have_no_derivatives():
    for mode, value in (("fill", 3.0), ("clip", None), ("fill", None)):
        taken = lambda x, m=mode, v=value: jnp.nan_to_num(
            jnp.take(x, jnp.array([0, 5, -1]), mode=m, fill_value=v), nan=0.0
        )
        agree(lambda x, f=taken: f(x) ** 2, REQUESTS["first and second"], 1e-13)


def test_a_rule_of_the_same_name_is_not_taken_for_that_of_jax():
    @jax.custom_jvp
    @jax.jit
    def relu(x):
        return jnp.maximum(x, 0)

    relu.defjvps(lambda g, ans, x: g * (1.0 + x))
    found = _streams.streams(lambda x: relu(x[2]), [(2,), (2, 2)])(jnp.asarray(X))
    np.testing.assert_allclose([found[(2,)], found[2, 2]], [2.1, 1.0], rtol=1e-14)


@pytest.mark.parametrize("f", [jnp.sqrt, jnp.cbrt, jnp.abs])
@pytest.mark.parametrize("at", [0.0, 1e-40, jnp.inf])
def test_ends_of_the_domain(f, at):
    x = jnp.asarray([at])
    exact = jax.jacfwd(f)(x)
    np.testing.assert_allclose(diff.jet(f, 1)(x)[1], exact, rtol=1e-12)


def test_log_add_exp_at_infinity():
    x = jnp.asarray([jnp.inf])
    slope = diff.jet(lambda x: jnp.logaddexp(x, jnp.inf), 1)(x)[1]
    assert slope[0, 0] == jax.jacfwd(lambda x: jnp.logaddexp(x, jnp.inf))(x)[0, 0]


def test_quotients_do_not_overflow():
    x = jnp.asarray([31.0], jnp.float32)
    third = diff.jet(lambda x: 1 / jnp.cosh(x[0]), 3)(x)[3]
    np.testing.assert_allclose(third.ravel(), [-2 * np.exp(-31.0)], rtol=1e-4)


@pytest.mark.parametrize("x", [jnp.arange(2), jnp.ones((2, 2)), jnp.ones(())])
def test_points_that_are_none(x):
    with pytest.raises(ValueError, match=r"expected real numbers of shape \(D,\)"):
        _streams._refuse(x, None)


def test_directions_and_coordinates_that_do_not_exist():
    u, x = (lambda x: jnp.sum(x**3)), jnp.asarray(X)
    with pytest.raises(ValueError, match="there is no coordinate 5"):
        diff.laplacian(u, over=[5])(x)
    with pytest.raises(ValueError, match=r"a direction of shape \(2,\) at a point"):
        _streams._refuse(x, jnp.ones((1, 2)))
    assert diff.laplacian(u, over=[])(x) == 0
    whole = diff.directional(u, jnp.array([1.0, 0.0, 0.0]), 2)(x)
    np.testing.assert_allclose(whole, 6 * X[0])


def test_exponents_that_are_learned():
    """u_xx = p (p - 1) x^(p - 2): its slope by p at p = 1 is 1 / x."""
    second = lambda p: diff.partial(lambda z: z[0] ** p, "u_xx", "x")(jnp.array([3.0]))
    np.testing.assert_allclose(jax.grad(second)(1.0), 1 / 3, rtol=1e-13)
    first = lambda p: diff.partial(lambda z: z[0] ** p, "u_x", "x")(jnp.array([3.0]))
    np.testing.assert_allclose(jax.grad(first)(0.0), 1 / 3, rtol=1e-13)
    at_zero = diff.partial(lambda z: z[0] ** jnp.array(2.0), "u_xxx", "x")
    np.testing.assert_array_equal(at_zero(jnp.zeros(1)), 0.0)
