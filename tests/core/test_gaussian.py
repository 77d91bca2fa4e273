import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as npst
from jax.scipy.stats import norm

from osculate import chance
from osculate.core import Gaussian

Z = jnp.asarray([[0.3, -1.0, 2.0], [0.0, 4.0, -0.5]])
Y = jnp.asarray([[0.1, -2.0, 2.5], [1.0, 3.0, 0.5]])
REAL = st.floats(-5, 5, allow_subnormal=False)


def test_is_the_one_that_chance_offers():
    assert chance.Gaussian is Gaussian


def test_closed_form():
    assert Gaussian()(jnp.asarray(5.0), jnp.asarray(2.0)) == 4.5
    assert Gaussian(3.0)(jnp.asarray(5.0), jnp.asarray(2.0)) == 0.5
    assert Gaussian(2.0)(jnp.asarray([1.0, 3.0]), None) == 1.25
    np.testing.assert_array_equal(Gaussian(2.0).residual(Z, Y), (Z - Y) / 2)


def test_is_the_negative_log_likelihood_without_its_constants():
    for sigma in (0.7, jnp.asarray([[0.5, 1.0, 2.0], [3.0, 0.1, 1.5]])):
        likelihood = norm.logpdf(Z, Y, sigma) - norm.logpdf(Y, Y, sigma)
        np.testing.assert_allclose(
            Gaussian(sigma)(Z, Y), -jnp.sum(likelihood), rtol=1e-13
        )


def test_sigma_by_column_in_the_units_of_z():
    sigma = jnp.asarray([[0.5, 1.0, 2.0]])
    in_units = Gaussian()(Z / sigma, Y / sigma)
    np.testing.assert_allclose(Gaussian(sigma)(Z, Y), in_units, rtol=1e-14)


def test_weights_of_rows_and_entries():
    square = np.asarray(Z - Y) ** 2 / 2
    w = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(Gaussian()(Z, Y, jnp.asarray(w)), (w * square).sum())
    np.testing.assert_allclose(Gaussian()(Z, Y, 3.0), 3 * square.sum(), rtol=1e-14)


@given(
    npst.arrays(float, (2, 2, 3), elements=st.floats(0, 4, allow_subnormal=False)),
    REAL,
    REAL,
)
def test_linear_in_the_weights(w, a, b):
    loss = lambda w: Gaussian(1.7)(Z, Y, jnp.asarray(w))
    np.testing.assert_allclose(
        loss(a * w[0] + b * w[1]), a * loss(w[0]) + b * loss(w[1]), rtol=0, atol=1e-11
    )


def test_gradient_jit_and_vmap():
    sigma, w = jnp.asarray([[0.5, 1.0, 2.0]]), jnp.asarray(np.arange(6.0).reshape(2, 3))
    gradient = jax.grad(lambda z: Gaussian(sigma)(z, Y, w))(Z)
    np.testing.assert_allclose(gradient, w * (Z - Y) / sigma**2, rtol=1e-14)
    # Central differences are exact for a square up to rounding, 1e-16 / h.
    h = 1e-4
    move = lambda s: Gaussian(sigma)(Z.at[0, 1].add(s), Y, w)
    np.testing.assert_allclose(
        gradient[0, 1], (move(h) - move(-h)) / (2 * h), rtol=0, atol=1e-10
    )
    rows = jax.vmap(lambda z, y: Gaussian(sigma[0])(z, y))(Z, Y)
    assert rows.shape == (2,)
    np.testing.assert_allclose(jnp.sum(rows), Gaussian(sigma)(Z, Y), rtol=1e-14)
    compiled = jax.jit(lambda s: Gaussian(s)(Z, Y))
    np.testing.assert_allclose(compiled(sigma), Gaussian(sigma)(Z, Y), rtol=1e-14)
