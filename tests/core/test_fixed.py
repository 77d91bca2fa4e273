import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from osculate.core import Fixed, trainable


def tree(key):
    return {
        "net": eqx.nn.MLP(2, 1, 3, 1, key=key),
        "scale": Fixed(jnp.ones(2)),
        "deep": [Fixed({"a": Fixed(jnp.zeros(3)), "b": jnp.ones(1)}), jnp.asarray(2.0)],
        "numpy": np.ones(2),
        "count": jnp.arange(3),
        "mask": np.zeros(2, bool),
        "key": key,
        "number": 1.5,
        "name": "water",
        "nothing": None,
    }


def leaves(theta):
    return [
        jax.tree_util.keystr(k) for k, _ in jax.tree_util.tree_leaves_with_path(theta)
    ]


def test_what_is_trained(key):
    theta, _ = trainable(tree(key))
    found = leaves(theta)
    assert [p for p in found if "net" not in p] == ["['deep'][1]", "['numpy']"]
    net = [p for p in found if "net" in p]
    assert len(net) == 4
    assert all("weight" in p or "bias" in p for p in net)


def test_build_gives_the_same_tree_back(key):
    model = tree(key)
    theta, build = trainable(model)
    again = build(theta)
    assert jax.tree.structure(again) == jax.tree.structure(model)
    assert eqx.tree_equal(again, model)


def test_build_places_new_values_and_keeps_the_fixed(key):
    model = tree(key)
    theta, build = trainable(model)
    moved = build(jax.tree.map(lambda a: a + 1, theta))
    assert float(moved["deep"][1]) == 3.0
    np.testing.assert_array_equal(moved["numpy"], 2.0)
    np.testing.assert_array_equal(
        moved["net"].layers[0].weight, model["net"].layers[0].weight + 1
    )
    for untouched in ("scale", "count", "mask", "number", "name"):
        assert eqx.tree_equal(moved[untouched], model[untouched])
    assert eqx.tree_equal(moved["deep"][0], model["deep"][0])


def test_a_fixed_model_has_nothing_to_train():
    model = Fixed({"a": jnp.ones(2)})
    theta, build = trainable(model)
    assert jax.tree.leaves(theta) == []
    assert eqx.tree_equal(build(theta), model)


def test_a_lone_array_is_trained():
    theta, build = trainable(jnp.ones(2))
    np.testing.assert_array_equal(build(2 * theta), [2.0, 2.0])


def test_gradient_jit_and_vmap(key):
    model = {"a": jr.normal(key, (3,)), "s": Fixed(jnp.asarray(2.0))}
    square = lambda m: m["s"].value * jnp.sum(m["a"] ** 2)
    theta, build = trainable(model)
    gradient = jax.jit(jax.grad(lambda theta: square(build(theta))))(theta)
    np.testing.assert_allclose(gradient["a"], 4 * model["a"], rtol=1e-14)
    assert gradient["s"] is None
    many = jax.tree.map(lambda a: jnp.stack([a, 3 * a]), theta)
    both = jax.vmap(lambda theta: square(build(theta)))(many)
    np.testing.assert_allclose(both[1], 9 * both[0], rtol=1e-14)
