import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from osculate import diff
from osculate.nets import MLP, Named

FIELDS = {"w": 0, "speed": 2, "a": 1}
NET = MLP(3, 4, width=5, depth=1, key=jr.key(0))
MODEL = Named(NET, FIELDS)
X = jnp.asarray([0.3, -0.2, 1.1])


def test_order_and_sizes():
    y, named = NET(X), MODEL(X)
    assert list(named) == ["w", "speed", "a"]
    assert {k: v.shape for k, v in named.items()} == {"w": (), "speed": (2,), "a": (1,)}
    np.testing.assert_array_equal(named["w"], y[0])
    np.testing.assert_array_equal(named["speed"], y[1:3])
    np.testing.assert_array_equal(named["a"], y[3:])


def test_as_a_vector_it_is_the_network_again():
    np.testing.assert_array_equal(diff.as_vector(MODEL)(X), NET(X))


def test_jit_vmap_grad_and_differences():
    many = eqx.filter_jit(lambda m, x: jax.vmap(m)(x))(MODEL, jnp.stack([X, -X]))
    np.testing.assert_allclose(many["speed"][1], MODEL(-X)["speed"], rtol=1e-13)
    gradient = jax.grad(lambda x: MODEL(x)["a"][0])(X)
    np.testing.assert_allclose(gradient, jax.jacfwd(NET)(X)[3], rtol=1e-12)
    h = 1e-5  # central differences: h^2 and 1e-16 / h are both about 1e-10
    slope = (MODEL(X.at[1].add(h))["a"] - MODEL(X.at[1].add(-h))["a"]) / (2 * h)
    np.testing.assert_allclose(gradient[1], slope[0], rtol=0, atol=1e-8)


@pytest.mark.parametrize("fields", [{"w": 0}, {"w": 3, "a": 2}, {"w": 5}])
def test_a_network_of_another_size(fields):
    need = sum(max(n, 1) for n in fields.values())
    message = rf"`Named`: the network returns shape \(4,\); .* need \({need},\)"
    with pytest.raises(ValueError, match=message):
        Named(NET, fields)(X)
