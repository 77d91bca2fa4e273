"""Trees come back as they were, from JSON and arrays alone."""

import collections
import json
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as npst
from jaxtyping import Array

from osculate import store


class Layer(eqx.Module):
    weight: Array
    activation: str = eqx.field(static=True)


class Net(eqx.Module):
    layers: tuple
    scale: float
    sizes: tuple = eqx.field(static=True)

    def __init__(self, *, key):
        self.layers = tuple(Layer(jr.normal(k, (2, 2)), "tanh") for k in jr.split(key))
        self.scale = math.inf
        self.sizes = (2, 2)

    def __call__(self, x):
        for layer in self.layers:
            x = jnp.tanh(layer.weight @ x)
        return x


ALLOWED = (Net, Layer)
ARRAYS = npst.arrays(
    st.sampled_from([np.float64, np.float32, np.int32, np.bool_, np.complex128]),
    npst.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=2),
)
TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | ARRAYS
    | ARRAYS.map(jnp.array),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.builds(lambda w: build(Layer, weight=w, activation="sin"), inner)
    ),
    max_leaves=8,
)


def build(kind, **fields):
    module = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(module, name, value)
    return module


def identical(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray | jax.Array):
        a, b = np.asarray(a), np.asarray(b)
        same = a.dtype == b.dtype and a.shape == b.shape
        return same and a.tobytes() == b.tobytes()
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(identical, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(identical(a[k], b[k]) for k in a)
    if isinstance(a, eqx.Module):
        return identical(vars(a), vars(b))
    if isinstance(a, float):
        same_sign = math.copysign(1, a) == math.copysign(1, b) or math.isnan(a)
        return same_sign and (a == b or (math.isnan(a) and math.isnan(b)))
    return a == b


def through_a_file(tree):
    recipe, arrays = store.encode(tree, ALLOWED)
    data = store.pack(arrays, {"recipe": recipe})
    arrays, header = store.unpack(data, "f")
    return store.decode(header["recipe"], arrays, ALLOWED, "f")


@given(tree=TREES)
def test_round_trip(tree):
    assert identical(through_a_file(tree), tree)


def test_arrays_are_named_by_their_place():
    tree = {"a/b": [np.zeros(1)], "a": {"b": (jnp.ones(2),)}}
    recipe, arrays = store.encode(tree, ())
    assert list(arrays) == ["tree['a/b'][0]", "tree['a']['b'][0]"]
    assert json.loads(json.dumps(recipe)) == recipe


def test_a_module_works_again(key):
    net = Net(key=key)
    again = through_a_file(net)
    x = jnp.array([0.3, -0.4])
    assert jnp.array_equal(eqx.filter_jit(again)(x), eqx.filter_jit(net)(x))
    assert jax.tree.structure(again) == jax.tree.structure(net)
    with pytest.raises(AttributeError):
        again.scale = 1.0  # frozen, as it was


class Child(Layer):
    """A subclass: not the class that is allowed."""


Pair = collections.namedtuple("Pair", "a")


@pytest.mark.parametrize(
    ("leaf", "came"),
    [
        (jnp.tanh, "function|PjitFunction"),
        (np.float64(1), "numpy.float64"),
        (1j, "builtins.complex"),
        (b"x", "builtins.bytes"),
        ({1: 2}, "builtins.dict with keys"),
        (Pair(1), "Pair"),
        (collections.OrderedDict(), "OrderedDict"),
        (Child(jnp.ones(1), "sin"), "Child"),
        (np.array([None]), "ndarray of dtype object"),
        (np.ma.array([1.0]), "MaskedArray"),
        (jnp.ones(1, jnp.bfloat16), "dtype bfloat16"),
        (jr.key(0), "dtype key<fry>"),
        (float, "builtins.type"),
    ],
)
def test_what_cannot_be_named_is_refused(leaf, came):
    with pytest.raises(TypeError) as caught:
        store.encode({"net": (0, leaf)}, ALLOWED)
    first, last = str(caught.value).splitlines()
    assert first.startswith("`encode`: tree['net'][1] is a ")
    assert any(word in first for word in came.split("|"))
    assert first.endswith("modules ['Layer', 'Net'].")
    assert last.startswith("Take it out")


def test_two_classes_of_one_name():
    other = type("Layer", (eqx.Module,), {})
    with pytest.raises(ValueError, match="two classes of one name"):
        store.encode(1, (Layer, other))


@pytest.mark.parametrize(
    ("recipe", "what"),
    [
        ({"module": "Evil", "fields": {}}, "unknown module 'Evil', known are"),
        ({"module": "Layer", "fields": {"weight": 1}}, "Layer has fields"),
        (
            {"module": "Layer", "fields": {"weight": 1, "activation": "", "x": 1}},
            "Layer has fields",
        ),
        ({"jax": "nowhere"}, "array 'nowhere' is missing"),
        ({"numpy": "nowhere"}, "array 'nowhere' is missing"),
        ({"numpy": []}, "is missing"),
        ({"jax": "text"}, "not a part of a recipe"),
        ({"jax": "long"}, "not a part of a recipe"),
        ({"float": "1e5"}, "not a part of a recipe"),
        ({"tuple": 5}, "not a part of a recipe"),
        ({"keys": ["a"], "values": []}, "not a part of a recipe"),
        ({"keys": ["a", "a"], "values": [1, 2]}, "not a part of a recipe"),
        ({"keys": [[]], "values": [1]}, "not a part of a recipe"),
        ({"module": "Layer", "fields": []}, "not a part of a recipe"),
        ({"module": 1, "fields": {}}, "not a part of a recipe"),
        ({}, "not a part of a recipe"),
    ],
)
def test_damaged_recipe(recipe, what):
    arrays = {"text": np.array("é"), "long": np.ones(1, np.longdouble)}
    with pytest.raises(store.CorruptFileError, match=r"run.json: tree\[1\]") as caught:
        store.decode([0, recipe], arrays, ALLOWED, "run.json")
    assert what in str(caught.value)


def test_recipe_nested_too_deeply():
    recipe = []
    for _ in range(100_000):
        recipe = [recipe]
    with pytest.raises(store.CorruptFileError, match="nested too deeply"):
        store.decode(recipe, {}, (), "run.json")
    while recipe:  # taken apart here, so that no destructor has to recurse
        recipe = recipe[0]


def test_sixty_four_bits_are_never_cut():
    recipe, arrays = store.encode({"x": jnp.ones(2)}, ())
    with (
        jax.enable_x64(False),
        pytest.raises(ValueError, match=r"tree\['x'\] was saved as float64"),
    ):
        store.decode(recipe, arrays, (), "f")


def test_decoded_arrays_share_no_memory():
    arrays = {"x": np.arange(4096.0)}
    x = store.decode({"jax": "x"}, arrays, (), "f")
    arrays["x"][:] = 0
    assert x[1] == 1


def optimizer_state(key):
    with jax.numpy_dtype_promotion("standard"):
        state = optax.adam(1e-3).init({"w": jr.normal(key, (3, 2))})
    return {
        "optax": state,
        "numpy": np.arange(2),
        "scalar": np.float32(0.5),
        "keys": jr.split(key, 2),
        "rbg": jr.key(3, impl="rbg"),
        "name": "adam",
        "tanh": jnp.tanh,
    }


def test_leaves_of_foreign_classes(key):
    state = optimizer_state(key)
    found = store.leaves(state)
    assert list(found) == [f"leaf/{i:03d}" for i in range(len(found))]
    arrays, _ = store.unpack(store.pack(found, {}), "f")
    again = store.with_leaves(optimizer_state(jr.key(1)), arrays, "f")
    assert jax.tree.structure(again) == jax.tree.structure(state)
    for a, b in zip(jax.tree.leaves(again), jax.tree.leaves(state), strict=True):
        assert type(a) is type(b)
    assert all(np.array_equal(a, found[k]) for k, a in store.leaves(again).items())
    assert jnp.array_equal(jr.normal(again["keys"][1]), jr.normal(state["keys"][1]))
    assert jr.key_impl(again["rbg"]) == "rbg"
    assert again["tanh"] is jnp.tanh


@given(arrays=st.lists(ARRAYS, max_size=4))
def test_leaves_round_trip(arrays):
    tree = [jnp.array(a) if i % 2 else a for i, a in enumerate(arrays)]
    zeros = lambda a: (jnp if isinstance(a, jax.Array) else np).zeros_like(a)
    again = store.with_leaves(jax.tree.map(zeros, tree), store.leaves(tree), "f")
    assert identical(store.leaves(again), store.leaves(tree))


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ([jnp.zeros(2)], "1 arrays expected, 2 found"),
        ([jnp.zeros(2), jnp.zeros(3), jnp.zeros(1)], "3 arrays expected, 2 found"),
        (
            [jnp.zeros(2), jnp.zeros(4)],
            r"leaf/001: float64\[4\] expected, float64\[3\]",
        ),
        ([jnp.zeros(2, jnp.float32), jnp.zeros(3)], "leaf/000: float32"),
        ([jnp.zeros(2), jr.key(0)], r"leaf/001: uint32\[2\] expected"),
    ],
)
def test_leaves_of_another_configuration(template, what):
    arrays = store.leaves([jnp.zeros(2), jnp.zeros(3)])
    with pytest.raises(store.CorruptFileError, match=what) as caught:
        store.with_leaves(template, arrays, "state.npz")
    assert "does not belong to this configuration" in str(caught.value)
    assert str(caught.value).endswith("or start anew.")
