"""Differences of values: their errors, and where they cancel."""

import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate import diff, nets


@pytest.mark.parametrize(
    ("method", "order", "bound"),
    [
        ("central", 1, 1e-12),
        ("central", 2, 1e-10),
        ("central", 3, 1e-8),
        ("central", 4, 1e-6),
        ("forward", 1, 1e-11),
        ("forward", 2, 1e-8),
        ("forward", 3, 1e-5),
        ("forward", 4, 1e-3),
        ("complex", 1, 1e-15),
        ("complex", 2, 1e-12),
        ("complex", 3, 1e-10),
        ("complex", 4, 1e-8),
    ],
)
@given(st.floats(-1, 1))
def test_the_error_is_small_and_known(method, order, bound, x):
    found = diff.difference(lambda x: np.exp(x[0]), order=order, method=method)([x])
    off = abs(found.value[0] - np.exp(x))
    assert off < bound * np.exp(x)
    assert off <= 20 * found.error[0]


@pytest.mark.parametrize("method", ["central", "forward"])
def test_the_error_of_a_fixed_step_covers_noise(method):
    """A difference over twice the step has half the noise: they are sqrt(5/4) apart."""
    rng = np.random.default_rng(0)
    noisy = lambda x: x[0] + 1e-3 * rng.standard_normal(4000)
    found = diff.difference(noisy, method=method, step=0.1)([0.0])
    size = lambda a: np.sqrt(np.mean(a**2))
    ratio = size(found.value - 1) / size(found.error)
    assert ratio == pytest.approx(math.sqrt(4 / 5), rel=0.05)


@pytest.mark.parametrize("order", [1, 2])
def test_the_error_of_a_ladder_covers_noise(order):
    rng = np.random.default_rng(0)
    noisy = lambda x: np.exp(x[0]) + 1e-5 * rng.standard_normal(1000)
    found = diff.difference(noisy, order=order)([0.5])
    ratio = np.abs(found.value - np.exp(0.5)) / found.error
    assert ratio.max() < 5
    assert 0.2 < np.median(ratio) < 0.7


def test_shapes_and_mixed_outputs():
    f = lambda x: np.stack([x[0] * x[1], np.sin(x[1])])
    found = diff.difference(f)([0.5, 2.0])
    np.testing.assert_allclose(
        found.value, [[2, 0.5], [0, np.cos(2)]], rtol=1e-11, atol=1e-11
    )
    assert found.error.shape == (2, 2)


@pytest.mark.spec("S2.6")
@pytest.mark.parametrize("size", [1, 3, 10])
def test_evaluations_are_counted(size):
    x = np.ones(size)
    one = diff.difference(np.sum, method="complex")(x)
    assert one.evaluations == size  # against one forward and one reverse pass
    fixed = diff.difference(np.sum, method="forward", step=1e-4)(x)
    assert fixed.evaluations == 4 * size  # h and 2 h, from which the error is known


@pytest.mark.spec("K1.4.1")
def test_truncation_and_rounding():
    slope = lambda h, method: diff.difference(np.sin, method=method, step=h)([1.0])
    off = lambda h, method: abs(slope(h, method).value[0, 0] - np.cos(1.0))
    assert off(1e-3, "forward") == pytest.approx(5e-4 * np.sin(1.0), rel=0.01)
    assert off(1e-3, "central") / off(5e-4, "central") == pytest.approx(4, rel=0.01)
    eps = np.finfo(float).eps / 2
    best = 2 * np.sqrt(eps)  # 2 sqrt(u |f| / |f''|) with f'' = -f
    assert off(best, "forward") < 5 * best * np.sin(1.0)
    assert off(1e-12, "forward") > 10 * off(best, "forward")
    assert off(1e-3, "forward") > 10 * off(best, "forward")


@pytest.mark.spec("K1.4.2")
def test_cancellation():
    f = lambda x: 1e10 + x[0] ** 2
    x = 10 / 9
    assert np.spacing(1e10) == pytest.approx(1.907e-6, rel=1e-3)
    printed = {
        1e-1: 2.32222,
        1e-2: 2.23217,
        1e-3: 2.2239685,
        1e-4: 2.23160,
        1e-5: 2.28882,
        1e-6: 1.90735,
        1e-8: 0.0,
    }
    for h, expected in printed.items():
        forward = (f([x + h]) - f([x])) / h
        found = diff.difference(f, method="forward", step=h)([x]).value[0]
        assert found == pytest.approx(expected, rel=5e-6)
        assert found == pytest.approx(forward, rel=1e-6, abs=1e-12)
    exact = diff.gradient(f)(jnp.asarray([x]))[0]
    assert exact == 2.2222222222222223
    assert diff.difference(f, method="complex")([x]).value[0] == exact


@pytest.mark.spec("S2.5")
def test_a_difference_layer_in_single_precision():
    """u(x + dx) - u(x) over dx = 1e-4: rounding, not truncation, in float32."""
    net = nets.MLP(1, 1, width=32, depth=2, activation="sigmoid", key=jr.key(0))
    u = lambda x, net: net(x[None])[0]
    x = np.linspace(-1, 1, 200)
    off = {}
    for dtype in (jnp.float32, jnp.float64):
        cast = jax.tree.map(lambda a, d=dtype: a.astype(d), net)
        at = lambda x, net=cast: jax.vmap(lambda x: u(x, net))(x)
        p, h = jnp.asarray(x, dtype), jnp.asarray(1e-4, dtype)
        slope = jax.vmap(jax.grad(lambda x, net=cast: u(x, net)))(p)
        off[dtype] = np.abs((at(p + h) - at(p)) / h - slope)
    assert off[jnp.float64].max() < 1e-4
    assert off[jnp.float32].max() > 20 * off[jnp.float64].max()


@pytest.mark.spec("S3.13")
def test_the_error_over_the_step_is_u_shaped():
    steps = 10.0 ** -np.arange(1, 15)
    fixed = lambda h: diff.difference(np.sin, method="forward", step=h)([1.0])
    off = [abs(fixed(h).value[0, 0] - np.cos(1.0)) for h in steps]
    best = int(np.argmin(off))
    assert steps[best] in (1e-7, 1e-8, 1e-9)
    assert 1e-10 < off[best] < 1e-7
    assert off[0] > 1e5 * off[best]
    assert off[-1] > 1e4 * off[best]
    assert (
        abs(diff.gradient(lambda x: jnp.sin(x[0]))(jnp.ones(1))[0] - np.cos(1)) < 1e-15
    )


@pytest.mark.parametrize(
    "options", [{"order": 5}, {"order": 0}, {"method": "backward"}, {"step": 0.0}]
)
def test_what_is_not_known(options):
    with pytest.raises(ValueError, match="`difference`: "):
        diff.difference(np.sin, **options)


# --- check ----------------------------------------------------------------------------


def test_right_derivatives_agree():
    found = diff.check(
        lambda x: jnp.stack([jnp.sin(x[0] * x[1]), x[2]]), [1.0, 2.0, 3.0]
    )
    assert found.agrees
    assert str(found) == "all 6 derivatives agree"


def test_a_stopped_gradient_is_found():
    f = lambda x: jax.lax.stop_gradient(x[0]) * x[1]
    found = diff.check(f, [2.0, 3.0])
    np.testing.assert_array_equal(found.wrong, [True, False])
    first, entry = str(found).splitlines()
    assert first == "1 of 2 derivatives disagree:"
    assert entry == "  (0,): 0 exact, 3 by differences"


def test_check_of_named_fields():
    with pytest.raises(ValueError, match="f returns dict; expected one array"):
        diff.check(lambda x: {"u": x}, [1.0])


# --- the determinant ------------------------------------------------------------------

SINGULAR = {
    "diagonal": np.diag([1.0, 2.0, 0.0, 3.0]),
    "rank 3": np.random.default_rng(0).normal(size=(4, 3))
    @ np.random.default_rng(1).normal(size=(3, 4)),
    "regular": np.random.default_rng(2).normal(size=(4, 4)),
    "rank 2": np.diag([1.0, 2.0, 0.0, 0.0]),
}


def adjugate_transposed(A):
    n = len(A)
    minor = lambda i, j: np.linalg.det(np.delete(np.delete(A, i, 0), j, 1))
    return np.array(
        [[(-1) ** (i + j) * minor(i, j) for j in range(n)] for i in range(n)]
    )


@pytest.mark.spec("K1.4/a")
@pytest.mark.parametrize("name", SINGULAR)
def test_the_derivative_of_a_determinant_is_the_adjugate(name):
    A = SINGULAR[name]
    found = jax.grad(diff.determinant)(jnp.asarray(A))
    np.testing.assert_allclose(found, adjugate_transposed(A), rtol=0, atol=1e-12)
    assert diff.determinant(jnp.asarray(A)) == jnp.linalg.det(A)


def test_second_derivatives_of_a_determinant():
    A = jnp.zeros((2, 2))
    H = jax.hessian(diff.determinant)(A)
    assert H[0, 0, 1, 1] == H[1, 1, 0, 0] == 1
    assert H[0, 1, 1, 0] == H[1, 0, 0, 1] == -1
    assert jnp.sum(jnp.abs(H)) == 4


@pytest.mark.spec("K1.4/a")
def test_a_product_with_a_zero():
    x = jnp.asarray([2.0, 0.0, 3.0])
    np.testing.assert_array_equal(diff.gradient(jnp.prod)(x), [0, 6, 0])
    H = diff.hessian(jnp.prod)(x)
    np.testing.assert_array_equal(H, [[0, 3, 0], [3, 0, 2], [0, 2, 0]])
    assert math.isclose(diff.laplacian(jnp.prod)(x), 0.0)
