"""Random directions: unbiased, and as far off as they say."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from osculate import diff, nets

D = 6
NET = nets.MLP(D, D, width=10, depth=2, key=jr.key(0))
X = jnp.linspace(-0.5, 0.6, D)
CASES = {
    "laplacian": (diff.estimate_laplacian, lambda x: NET(x)[0], diff.laplacian),
    "biharmonic": (diff.estimate_biharmonic, lambda x: NET(x)[0], diff.biharmonic),
    "divergence": (diff.estimate_divergence, NET, diff.divergence),
}


@pytest.mark.parametrize("name", CASES)
def test_unbiased_with_the_error_it_tells(name):
    estimator, u, exact = CASES[name]
    found = jax.vmap(lambda k: estimator(u, directions=8)(X, k))
    value, error = jax.jit(found)(jr.split(jr.key(1), 4000))
    off = np.mean(value) - jax.jit(exact(u))(X)
    assert abs(off) < 4.5 * np.std(value) / 4000**0.5
    # The mean of the squared standard error is the variance of the estimate.
    np.testing.assert_allclose(np.mean(error**2), np.var(value), rtol=0.15)


def test_signs_are_exact_where_nothing_is_mixed():
    u = lambda x: jnp.sum(jnp.sin(x))
    found = diff.estimate_laplacian(u, directions=2)(X, jr.key(0))
    np.testing.assert_allclose(found.value, -jnp.sum(jnp.sin(X)), rtol=1e-12)
    assert found.standard_error < 1e-12


@pytest.mark.parametrize("name", CASES)
def test_one_direction_has_no_error(name):
    with pytest.raises(ValueError, match="1 directions; a standard error needs 2"):
        CASES[name][0](CASES[name][1], directions=1)
