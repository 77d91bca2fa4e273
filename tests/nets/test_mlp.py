import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate.nets import ACTIVATIONS, MLP

NUMPY = {
    "tanh": np.tanh,
    "sin": np.sin,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    # the usual approximation by tanh, (Hendrycks and Gimpel, 2016, section 2)
    "gelu": lambda x: x / 2 * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}
X = jnp.asarray([0.3, -1.2])


def test_every_activation_has_an_oracle():
    assert NUMPY.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("name", NUMPY)
def test_layer_by_layer(name, key):
    net = MLP(2, 3, width=5, depth=2, activation=name, key=key)
    h = np.asarray(X)
    for W, b in zip(net.weights[:-1], net.biases[:-1], strict=True):
        h = NUMPY[name](W @ h + b)
    expected = net.weights[-1] @ h + net.biases[-1]
    np.testing.assert_allclose(net(X), expected, rtol=1e-13)


def test_shapes(key):
    net = MLP(2, 3, width=5, depth=2, key=key)
    assert [W.shape for W in net.weights] == [(5, 2), (5, 5), (3, 5)]
    assert [b.shape for b in net.biases] == [(5,), (5,), (3,)]
    assert net(X).shape == (3,)
    assert net.activation == "tanh"


def test_no_hidden_layer_is_a_linear_map(key):
    net = MLP(2, 3, width=5, depth=0, key=key)
    np.testing.assert_array_equal(net(X), net.weights[0] @ X)
    np.testing.assert_array_equal(net(2 * X), 2 * net(X))


@pytest.mark.parametrize("inputs", [1, 64])
def test_statistics_of_the_random_weights(inputs, key):
    # Means and variances of n normal numbers stray by 1/sqrt(n) and sqrt(2/n).
    net = MLP(inputs, 2, width=400, depth=2, key=key)
    for W, b in zip(net.weights[:-1], net.biases[:-1], strict=True):
        for numbers, variance in ((W, 1 / W.shape[1]), (b, 1 / 4)):
            n = numbers.size
            assert abs(numbers.mean()) < 4.5 * (variance / n) ** 0.5
            assert abs(numbers.var() / variance - 1) < 4.5 * (2 / n) ** 0.5
    n = net.weights[-1].size
    assert abs(net.weights[-1].var() * 400 - 1) < 4.5 * (2 / n) ** 0.5
    np.testing.assert_array_equal(net.biases[-1], 0.0)


def test_random_weights_are_all_different_and_belong_to_the_key(key):
    net = MLP(2, 3, width=5, depth=2, key=key)
    numbers = np.concatenate([a.ravel() for a in [*net.weights, *net.biases[:-1]]])
    assert len(np.unique(numbers)) == numbers.size
    # No two arrays are one draw, scaled: for one input they have the same shape.
    W, b = (a[0].ravel() for a in _arrays(MLP(1, 1, width=400, depth=1, key=key)))
    assert abs(np.corrcoef(W, b)[0, 1]) < 4.5 / 400**0.5
    assert eqx.tree_equal(net, MLP(2, 3, width=5, depth=2, key=key))
    other = MLP(2, 3, width=5, depth=2, key=jr.fold_in(key, 1))
    assert not np.array_equal(net.weights[0], other.weights[0])


def _arrays(net):
    return net.weights, net.biases


def test_dtype_is_the_default_one(key):
    assert MLP(2, 1, width=3, depth=1, key=key).weights[0].dtype == jnp.float64


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_linear_in_the_last_layer(a, b):
    net = _NET
    scaled = eqx.tree_at(lambda n: n.weights[-1], net, replace_fn=lambda W: a * W)
    moved = eqx.tree_at(lambda n: n.biases[-1], scaled, replace_fn=lambda c: c + b)
    np.testing.assert_allclose(_CALL(moved), a * _CALL(net) + b, rtol=0, atol=1e-13)


_NET = MLP(2, 3, width=5, depth=2, key=jr.key(1))
_CALL = eqx.filter_jit(lambda net: net(X))


def test_finite_differences_jit_vmap_and_grad(key):
    net, h = MLP(2, 1, width=5, depth=2, key=key), 1e-5
    slope = jax.grad(lambda x: net(x)[0])(X)
    # Central differences: h^2 and 1e-16 / h are both about 1e-10.
    for i in range(2):
        fd = (net(X.at[i].add(h)) - net(X.at[i].add(-h))) / (2 * h)
        np.testing.assert_allclose(slope[i], fd[0], rtol=0, atol=1e-8)
    many = eqx.filter_jit(lambda n, x: jax.vmap(n)(x))(net, jnp.stack([X, -X]))
    np.testing.assert_allclose(many, jnp.stack([net(X), net(-X)]), rtol=1e-13)
    gradient = eqx.filter_grad(lambda n: n(X)[0])(net)
    np.testing.assert_array_equal(gradient.biases[-1], [1.0])
    assert all((np.abs(W) > 0).any() for W in gradient.weights)


def test_an_unknown_activation(key):
    message = r"activation 'tnah'; expected one of \['gelu'.*\]\. Did you mean 'tanh'\?"
    with pytest.raises(ValueError, match=message):
        MLP(2, 1, width=3, depth=1, activation="tnah", key=key)


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [
        ((0, 1, 3, 1), r"\[0, 3, 1\], depth 1"),
        ((2, 0, 3, 1), r"\[2, 3, 0\], depth 1"),
        ((2, 1, 0, 2), r"\[2, 0, 0, 1\], depth 2"),
        ((2, 1, 3, -1), r"\[2, 1\], depth -1"),
    ],
)
def test_sizes_that_are_not_positive(sizes, shown, key):
    inputs, outputs, width, depth = sizes
    with pytest.raises(ValueError, match=f"`MLP`: sizes {shown}; expected positive"):
        MLP(inputs, outputs, width=width, depth=depth, key=key)


@pytest.mark.spec("K1.3/c")
@pytest.mark.parametrize("layer", [0, 1])
def test_hidden_units_may_change_places(layer, key):
    """Rows of one layer and columns of the next: the same function, with its slopes."""
    net = MLP(2, 3, width=5, depth=2, key=key)
    order = jnp.asarray([3, 0, 4, 2, 1])

    def exchanged(net):
        W, b, V = net.weights[layer], net.biases[layer], net.weights[layer + 1]
        places = lambda n: (n.weights[layer], n.biases[layer], n.weights[layer + 1])
        return eqx.tree_at(places, net, (W[order], b[order], V[:, order]))

    x = jr.normal(key, (7, 2))
    found, expected = jax.vmap(exchanged(net))(x), jax.vmap(net)(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    slope = eqx.filter_grad(lambda net: jnp.sum(jnp.sin(jax.vmap(net)(x))))
    there, here = slope(exchanged(net)), exchanged(slope(net))
    for a, b in zip(jax.tree.leaves(there), jax.tree.leaves(here), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    assert not np.allclose(there.weights[layer], slope(net).weights[layer])


@pytest.mark.spec("S2.3")
def test_the_network_of_the_ordinary_equation_has_1153_weights():
    net = MLP(1, 1, width=32, depth=2, activation="sigmoid", key=jax.random.key(0))
    assert sum(a.size for a in jax.tree.leaves(net)) == 1153
