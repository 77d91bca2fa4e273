import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate.core import Objective, Samples, Term
from osculate.train import Minibatch, pad, padded_size

N, D = 11, 2
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(N, D)))
Y = {
    "value": jnp.asarray(RNG.normal(size=N)),
    "slope": jnp.asarray(RNG.normal(size=(N, D))),
}
MODEL = jnp.asarray([0.7, -0.4])


def probe(model, x, y):
    u = lambda x: jnp.sin(model @ x)
    return {"value": u(x), "slope": jax.grad(u)(x)}


OBJECTIVE = Objective({"d": Term(probe)})
LOSS = lambda model, samples: OBJECTIVE(model, {"d": samples})[0]
VALUE_AND_GRAD = jax.jit(jax.value_and_grad(LOSS))


# --- padding --------------------------------------------------------------------------


@given(st.integers(0, 10**12))
def test_padded_sizes(n):
    size = padded_size(n)
    assert size >= n
    assert size <= 1.25 * n + 8
    assert size <= 1.25 * n or n <= 8
    assert size <= padded_size(n + 1)
    assert padded_size(size) == size
    assert isinstance(size, int)


def test_there_are_four_sizes_per_doubling():
    sizes = sorted({padded_size(n) for n in range(1, 129)})
    assert sizes == [
        8,
        10,
        12,
        14,
        16,
        20,
        24,
        28,
        32,
        40,
        48,
        56,
        64,
        80,
        96,
        112,
        128,
    ]


WEIGHTS = {
    "none": None,
    "row": RNG.uniform(size=N),
    "some names": {"slope": RNG.uniform(size=(N, D)), "value": None},
    "all names": {"slope": RNG.uniform(size=(N, D)), "value": RNG.uniform(size=N)},
    "float32": jnp.ones(N, jnp.float32),
    "integers": np.arange(N),
    "booleans": np.arange(N) % 2 == 0,
}


@pytest.mark.parametrize(
    ("name", "size", "rows"),
    [(n, None, 12) for n in WEIGHTS] + [("row", N, N), ("row", 30, 30)],
)
def test_padding_keeps_loss_and_gradient(name, size, rows):
    samples = Samples(X, Y, WEIGHTS[name])
    padded = pad(samples, size)
    assert {len(leaf) for leaf in jax.tree.leaves(padded)} == {rows}
    for leaf in jax.tree.leaves(padded.weight):
        np.testing.assert_array_equal(leaf[N:], 0)
    one, two = (VALUE_AND_GRAD(MODEL, s) for s in (samples, padded))
    np.testing.assert_allclose(one[0], two[0], rtol=1e-12)
    np.testing.assert_allclose(one[1], two[1], rtol=0, atol=1e-12)


def test_padding_keeps_the_rows():
    samples = Samples({"p": X, "q": np.arange(N)}, Y, WEIGHTS["all names"])
    padded = pad(samples)
    for one, two in zip(*map(jax.tree.leaves, (samples, padded)), strict=True):
        np.testing.assert_array_equal(one, two[:N])
        assert np.asarray(one).dtype == two.dtype
    np.testing.assert_array_equal(padded.x["q"][N:], 0)


def test_too_small_a_size():
    with pytest.raises(
        ValueError, match=r"`pad`: 11 rows into 10\. Pass a size of at least 11"
    ):
        pad(Samples(X), 10)


# --- minibatches ----------------------------------------------------------------------


def test_shapes_rows_and_keys():
    other = Samples(jnp.arange(3.0))
    source = {"d": Samples(X, Y, np.arange(N)), "e": other}
    batch = Minibatch(source, 4)
    one = batch(OBJECTIVE, MODEL, batch.first(), jr.key(0))
    assert jax.tree.structure(one) == jax.tree.structure(source)
    assert jax.tree.map(jnp.shape, one) == jax.tree.map(jnp.shape, batch.first())
    assert one["d"].x.shape == (4, D)
    # x, y and weight are of the same row, here the one that the weight numbers.
    index = np.asarray(one["d"].weight)
    np.testing.assert_array_equal(one["d"].x, X[index])
    np.testing.assert_array_equal(one["d"].y["slope"], Y["slope"][index])
    again = batch(OBJECTIVE, None, one, jr.key(0))
    assert all(map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(again)))
    different = batch(OBJECTIVE, MODEL, one, jr.key(1))
    assert not np.array_equal(index, different["d"].weight)
    compiled = jax.jit(lambda k: batch(OBJECTIVE, None, one, k))(jr.key(0))
    np.testing.assert_array_equal(compiled["d"].x, one["d"].x)


def test_labels_draw_rows_of_their_own():
    source = {label: Samples(jnp.arange(1000.0)) for label in "ab"}
    one = Minibatch(source, 20)(OBJECTIVE, None, source, jr.key(0))
    assert not np.array_equal(one["a"].x, one["b"].x)


@pytest.mark.filterwarnings("ignore:`Minibatch`. size is")
@pytest.mark.parametrize("size", [4, N, 25])
def test_the_first_batch_has_the_shapes_of_all(size):
    batch = Minibatch({"d": Samples(X, Y)}, size)
    first = batch.first()
    np.testing.assert_array_equal(first["d"].x, X[np.arange(size) % N])
    later = batch(OBJECTIVE, MODEL, first, jr.key(0))
    assert jax.tree.map(jnp.shape, later) == jax.tree.map(jnp.shape, first)


@pytest.mark.filterwarnings("ignore:`Minibatch`. size is")
@pytest.mark.parametrize("by_name", [False, True])
def test_rows_without_weight_are_not_drawn(by_name):
    row = (np.arange(N) % 3 == 0).astype(float)
    entry = np.zeros((N, D))
    entry[5, 1] = 1.0
    weight = {"value": row, "slope": entry} if by_name else row
    known = {*np.flatnonzero(row)} | ({5} if by_name else set())
    source = {"d": Samples(jnp.arange(N), Y, weight)}
    sampler = Minibatch(source, 300)
    for batch in (sampler.first(), sampler(OBJECTIVE, None, source, jr.key(0))):
        assert {*np.asarray(batch["d"].x)} == known


def test_weights_change_no_shape_of_a_sampler():
    shapes = [
        jax.tree.map(jnp.shape, Minibatch({"d": Samples(X, Y, w)}, 4))
        for w in (np.ones(N), np.arange(N) > 6)
    ]
    assert jax.tree.leaves(shapes[0]) == jax.tree.leaves(shapes[1])


def test_a_batch_of_more_rows_than_there_are():
    message = r"`Minibatch`: size is 12, and no label has more than 11 rows"
    with pytest.warns(UserWarning, match=message):
        Minibatch({"d": Samples(X), "few": Samples(X[:2])}, 12)
    Minibatch({"d": Samples(X), "few": Samples(X[:2])}, 11)


def test_batches_that_cannot_be_drawn():
    with pytest.raises(ValueError, match=r"`Minibatch`: size is 0"):
        Minibatch({"d": Samples(X)}, 0)
    with pytest.raises(ValueError, match=r"`Minibatch`: every weight of 'd' is 0"):
        Minibatch({"d": Samples(X, Y, np.zeros(N))}, 4)


@pytest.mark.filterwarnings("ignore:`Minibatch`. size is")
def test_every_row_is_as_likely():
    source = {"d": Samples(jnp.arange(N))}
    batch = Minibatch(source, 20_000)(OBJECTIVE, None, source, jr.key(0))
    draws = np.asarray(batch["d"].x)
    p = 1 / N
    # Counts of a binomial law, within 4.5 standard errors.
    stray = np.bincount(draws, minlength=N) / 20_000 - p
    assert np.abs(stray).max() < 4.5 * (p * (1 - p) / 20_000) ** 0.5


def test_the_mean_gradient_is_that_of_all_samples():
    samples = Samples(X, Y)
    batch = Minibatch({"d": samples}, 4)
    draw = lambda k: jax.grad(LOSS)(
        MODEL, batch(OBJECTIVE, MODEL, batch.first(), k)["d"]
    )
    gradients = np.asarray(jax.jit(jax.vmap(draw))(jr.split(jr.key(0), 4000)))
    exact = jax.grad(LOSS)(MODEL, samples)
    error = gradients.std(axis=0) / 4000**0.5
    assert (np.abs(gradients.mean(axis=0) - exact) < 4.5 * error).all()
    assert (error < 0.02 * np.abs(exact).max()).all()  # the bound is not an empty one
