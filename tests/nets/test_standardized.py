import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as npst

from osculate import diff
from osculate.core import trainable
from osculate.nets import MLP, Standardized

D, M = 2, 3
SCALES = {
    "x_shift": jnp.asarray([300.0, 2e7]),
    "x_scale": jnp.asarray([20.0, 5e6]),
    "y_shift": jnp.asarray([1e5, 0.0, -2.0]),
    "y_scale": jnp.asarray([4e4, 1e-3, 7.0]),
}
X = jnp.asarray([310.0, 1.7e7])
NET = MLP(D, M, width=5, depth=1, key=jr.key(0))
MODEL = Standardized(NET, **SCALES)


def test_closed_form():
    inside = (np.asarray(X) - SCALES["x_shift"]) / SCALES["x_scale"]
    np.testing.assert_allclose(inside, [0.5, -0.6], rtol=1e-15)
    expected = SCALES["y_shift"] + SCALES["y_scale"] * NET(jnp.asarray([0.5, -0.6]))
    np.testing.assert_allclose(MODEL(X), expected, rtol=1e-15)


def test_derivatives_are_those_of_the_net_in_natural_units():
    # D^j u = y_scale (D^j net) / x_scale^j, axis by axis
    z = (X - SCALES["x_shift"]) / SCALES["x_scale"]
    outer, inner = np.asarray(SCALES["y_scale"]), np.asarray(SCALES["x_scale"])
    for tensor, unit in zip(
        diff.jet(MODEL, 2)(X)[1:], diff.jet(NET, 2)(z)[1:], strict=True
    ):
        for entry in np.ndindex(tensor.shape):
            below = np.prod([inner[d] for d in entry[1:]])
            expected = outer[entry[0]] * unit[entry] / below
            np.testing.assert_allclose(tensor[entry], expected, rtol=1e-13)


@given(npst.arrays(float, D, elements=st.floats(-2, 2, allow_subnormal=False)))
def test_one_scale_from_the_shift_is_one_inside(z):
    x = SCALES["x_shift"] + SCALES["x_scale"] * z
    unit = (_CALL(MODEL, x) - SCALES["y_shift"]) / SCALES["y_scale"]
    # (x - shift) / scale loses digits where x is near the shift: 300 / 20 = 15 of 1e-16
    np.testing.assert_allclose(unit, _CALL(NET, jnp.asarray(z)), rtol=0, atol=1e-13)


_CALL = eqx.filter_jit(lambda net, x: net(x))


def test_the_scales_are_not_trained():
    theta, build = trainable(MODEL)
    trained = jax.tree.leaves(theta)
    assert len(trained) == len(jax.tree.leaves(NET))
    gradient = jax.grad(lambda theta: jnp.sum(build(theta)(X)))(theta)
    assert jax.tree.leaves((gradient.x_scale, gradient.y_shift)) == []
    moved = build(jax.tree.map(lambda a: a + 1, theta))
    for name, scale in SCALES.items():
        np.testing.assert_array_equal(getattr(moved, name).value, scale)
    assert not np.array_equal(moved.net.weights[0], NET.weights[0])


def test_finite_differences_jit_and_vmap():
    # Central differences of a step of 1e-5 scales.
    J = diff.jacobian(MODEL)(X)
    for d in range(D):
        step = jnp.zeros(D).at[d].set(1e-5 * SCALES["x_scale"][d])
        slope = (MODEL(X + step) - MODEL(X - step)) / (2 * step[d])
        # relative to y_scale / x_scale; the shift of 1e5 takes two digits more
        units = SCALES["y_scale"] / SCALES["x_scale"][d]
        np.testing.assert_allclose(J[:, d] / units, slope / units, rtol=0, atol=1e-8)
    points = jnp.stack([X, 1.1 * X])
    many = eqx.filter_jit(lambda m, x: jax.vmap(m)(x))(MODEL, points)
    np.testing.assert_allclose(many, jnp.stack([MODEL(p) for p in points]), rtol=1e-13)
