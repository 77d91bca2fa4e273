"""Distillation: teachers of every kind, students as they came, and what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from osculate import data, nets, tasks
from osculate.core import Fixed, InputError
from osculate.tasks._distill import scales_of
from osculate.tasks._teacher import ask

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 2))
FRESH = RANDOM.uniform(-1, 1, size=(200, 2))


def teacher(x):
    return jnp.stack([jnp.sin(2 * x[0]) * x[1], x[0] ** 2 - jnp.tanh(x[1])])


def student(dtype=np.float64, activation="tanh", key=0, outputs=2):
    net = nets.MLP(
        2, outputs, width=10, depth=2, activation=activation, key=jr.key(key)
    )
    return jax.tree.map(lambda a: a.astype(dtype), net)


RELU = student(activation="relu")  # is left to Adam: half of the compilation


def error(found, truth=teacher):
    off = jax.vmap(found)(FRESH) - jax.vmap(truth)(FRESH)
    return float(np.sqrt(np.mean(np.square(off))))


def slope_error(found):
    off = jax.vmap(jax.jacrev(found))(FRESH) - jax.vmap(jax.jacrev(teacher))(FRESH)
    return float(np.sqrt(np.mean(np.square(off))))


@pytest.fixture(scope="module")
def taught():
    return tasks.distill(teacher, student(), X, budget="400steps")


@pytest.mark.slow
@pytest.mark.spec("S1.3", "S0.4")
def test_slopes_teach_more_than_values(taught):
    values = tasks.distill(teacher, student(), X, jacobian=0.0, budget="400steps").value
    assert error(taught.value) < 0.5 * error(values)
    assert slope_error(taught.value) < 0.5 * slope_error(values)
    assert {"distill.value", "distill.jacobian"} < set(taught.history)
    assert taught.stats["optimizer"].startswith("adam 80 steps, ssbroyden ")
    assert taught.objective is not None


def test_a_function_its_table_and_its_arrays_teach_the_same(taught):
    y, J = jax.vmap(teacher)(X), jax.vmap(jax.jacfwd(teacher))(X)
    table = data.table(X, y, jacobian=J)
    for told in (
        tasks.distill(table, RELU, budget="20steps"),
        tasks.distill((y, J), RELU, X, budget="20steps"),
    ):
        one = tasks.distill(teacher, RELU, X, budget="20steps")
        np.testing.assert_allclose(
            told.value.weights[0], one.value.weights[0], rtol=1e-6
        )


def test_products_with_unknown_slopes_do_not_count():
    y, J = (np.array(jax.vmap(f)(X)) for f in (teacher, jax.jacfwd(teacher)))
    J[10:] = np.nan
    table = data.table(X, y, jacobian=J)
    found = tasks.distill(table, teacher_as_student(), projections=1, budget="1steps")
    assert found.history["distill.adjoint"][0] < 1e-20
    for one in range(2):
        J[:, one, one] = np.nan
    none = data.table(X, y, jacobian=J)
    with pytest.raises(InputError, match="no row or column of the slopes"):
        tasks.distill(none, student(), projections=1, budget="1steps")


class Exact(eqx.Module):
    """The teacher, with one number to train."""

    one: jax.Array

    def __call__(self, x):
        return self.one * teacher(x)


def teacher_as_student():
    return Exact(jnp.ones(()))


def test_missing_cells_do_not_count():
    y, J = (np.array(jax.vmap(f)(X)) for f in (teacher, jax.jacfwd(teacher)))
    y[0, 1], J[3, 0, 1] = np.nan, np.nan
    found = tasks.distill(data.table(X, y, jacobian=J), student(), budget="300steps")
    assert error(found.value) < 0.2


class Net(eqx.Module):
    """A student with everything that a tree may hold."""

    net: nets.MLP
    bias: np.ndarray
    scale: Fixed
    count: int
    steps: jax.Array

    def __call__(self, x):
        y = self.net((x / self.scale.value).astype(x.dtype)) + self.bias
        return {"a": y[0], "b": y[1:]}


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_student_comes_back_as_it_went(dtype):
    net = Net(
        student(dtype, "relu"),
        np.zeros(2, dtype),
        Fixed(jnp.ones(2, dtype)),
        3,
        jnp.arange(2),
    )
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"):
        found = tasks.distill(
            teacher, net, X[:10].astype(dtype), budget="30steps"
        ).value
        out = jax.vmap(found)(jnp.asarray(FRESH, dtype))
        assert out["a"].dtype == dtype
    assert jax.tree.structure(found) == jax.tree.structure(net)
    for new, old in zip(*map(jax.tree.leaves, (found, net)), strict=True):
        assert type(new) is type(old)
        assert getattr(new, "dtype", None) == getattr(old, "dtype", None)
    assert (found.bias != 0).all()
    assert (found.scale.value == 1).all()
    assert (found.steps == net.steps).all()


def test_teachers_are_asked_in_their_own_precision():
    half = student(np.float16, key=1)
    rows = X.astype(np.float16)
    with jax.enable_x64(False):
        lesson = ask(half, rows, slopes=True)
        expected = np.asarray(jax.vmap(half)(rows), np.float64)
    np.testing.assert_array_equal(lesson.y["value"], expected)
    assert lesson.y["jacobian"].dtype == np.float64
    found = tasks.distill(half, RELU, rows, budget="50steps")
    assert np.isfinite(found.history["loss"]).all()


def test_points_of_any_shape():
    seen = []

    def image(x):
        seen.append(x.shape)
        return jnp.stack([jnp.sum(x**2), jnp.sum(x[0] * x[1])])

    class Flat(eqx.Module):
        net: nets.MLP

        def __call__(self, x):
            assert x.shape == (2, 3)
            return self.net(x.ravel())

    net = Flat(nets.MLP(6, 2, width=8, depth=1, activation="relu", key=jr.key(0)))
    found = tasks.distill(image, net, RANDOM.normal(size=(12, 2, 3)), budget="20steps")
    assert set(seen) == {(2, 3)}
    assert found.history["loss"][-1] < found.history["loss"][0]


@pytest.mark.parametrize("inputs", [2, 6])
def test_projections_and_noise(inputs):
    """More outputs than inputs are multiplied from the right, fewer from the left."""
    rise = lambda u: (
        (lambda x: jnp.concatenate([u(x), jnp.sin(u(x))])) if inputs < 4 else u
    )
    many = rise(teacher)
    net = student(outputs=4) if inputs < 4 else student()
    found = tasks.distill(many, net, X, projections=1, budget="300steps")
    assert error(found.value, many) < 0.5 * error(net, many)
    assert found.stats["optimizer"] == "adam 300 steps"
    (look,) = [k for k in found.objective.terms["distill"].loss if k != "value"]
    assert look == ("directional" if inputs < 4 else "adjoint")
    noisy = tasks.distill(teacher, student(), X, noise=0.2, budget="300steps")
    assert error(noisy.value) < 0.5 * error(student())


@pytest.mark.spec("S1.3")
def test_labels_and_temperature_in_the_same_call():
    classes = np.argmax(jax.vmap(teacher)(X), axis=1)
    for labels in (classes, np.eye(2)[classes]):
        found = tasks.distill(
            teacher, RELU, X, labels=labels, temperature=3.0, budget="60steps"
        )
        parts = {"distill.logits", "distill.jacobian", "distill.labels"}
        assert parts < set(found.history)
        assert found.history["loss"][-1] < found.history["loss"][0]


def test_a_relu_student_is_left_to_adam():
    found = tasks.distill(teacher, RELU, X, budget="60steps")
    assert found.stats["optimizer"] == "adam 60 steps"


def test_a_budget_in_seconds():
    found = tasks.distill(teacher, student(), X, budget="2s")
    assert found.stats["steps"] >= 1
    assert found.stats["seconds"] < 12  # a chunk may be compiling when the time is up


@pytest.mark.slow
def test_one_point():
    found = tasks.distill(teacher, RELU, X[:1], budget="300steps").value
    np.testing.assert_allclose(found(jnp.asarray(X[0])), teacher(X[0]), atol=0.05)


def test_scales():
    x = np.array([[0.0, 5.0, 1.0], [2.0, 5.0, 3.0], [4.0, 5.0, 8.0]])
    lesson = ask((x[:, :2], np.ones((3, 2, 3))), x, slopes=True)
    scales = scales_of(lesson)
    np.testing.assert_allclose(scales.x, [x[:, 0].std(), scales.x[1], x[:, 2].std()])
    np.testing.assert_allclose(scales.x[1], np.median(scales.x[[0, 2]]))
    np.testing.assert_allclose(scales.y[0], x[:, 0].std())
    # An output that does not vary: by what its slopes say that it would.
    np.testing.assert_allclose(scales.y[1], np.sqrt(np.sum(scales.x**2)))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_student():
    one, two = (
        tasks.distill(teacher, student(), X, projections=1, budget="20steps", seed=3)
        for _ in range(2)
    )
    assert eqx.tree_equal(one.value, two.value)


def test_a_teacher_without_jax_teaches_values():
    plain = lambda x: np.array([np.sin(x[0]), float(x[1]) ** 2])
    found = tasks.distill(plain, student(), X, jacobian=0.0, budget="300steps").value
    assert error(found, lambda x: jnp.stack([jnp.sin(x[0]), x[1] ** 2])) < 0.2


@pytest.mark.slow
def test_a_surrogate_teaches_at_its_own_points(tmp_path):
    x = np.linspace(-1, 1, 24)
    table = data.table(x, np.sin(3 * x), jacobian=3 * np.cos(3 * x))
    surrogate = tasks.surrogate(table, model="network", budget="20steps")
    net = nets.MLP(1, 1, width=6, depth=1, activation="relu", key=jr.key(0))
    found = tasks.distill(surrogate, net, budget="20steps")
    path = surrogate.save(tmp_path / "run")
    again = tasks.distill(path, net, x[:, None], budget="20steps")
    np.testing.assert_array_equal(found.value.weights[0], again.value.weights[0])


# --- errors ---------------------------------------------------------------------------


def hard(x):
    return jnp.round(x)


def callback(x):
    shape = jax.ShapeDtypeStruct((2,), x.dtype)
    return jax.pure_callback(np.sin, shape, x, vmap_method="sequential")


WAY_OUT = r"\nPass jacobian=0 to match its values only, or a `data\.Table`"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tasks.distill(teacher, student()), "no points; .*\nPass X, an array"),
        (
            lambda: tasks.distill(teacher, student(), X[:0]),
            r"no points: X has shape \(0, 2\)",
        ),
        (lambda: tasks.distill(teacher, student(), X[0]), r"X\[None\] for one point"),
        (
            lambda: tasks.distill(teacher, student(), np.where(X < -1, np.nan, X)),
            r"X is nan in row \d+, entry \[\d\]",
        ),
        (
            lambda: tasks.distill(lambda x: jnp.sqrt(x), student(), X),
            r"the teacher's value is nan in row \d+, entry \[\d\]; .*\nLeave the row",
        ),
        (
            lambda: tasks.distill(lambda x: jnp.sqrt(jnp.abs(x)), student(), 0 * X),
            r"the teacher's jacobian is (nan|inf) in row 0",
        ),
        (
            lambda: tasks.distill(teacher, student(outputs=3), X),
            "the student returns 3 numbers, the teacher 2",
        ),
        (
            lambda: tasks.distill(lambda x: x[:2], student(), np.ones((4, 3))),
            r"the student cannot be called with a point of shape \(3,\)",
        ),
        (
            lambda: tasks.distill(hard, student(), X),
            "slopes are 0 at all points, though its values differ: .*" + WAY_OUT,
        ),
        (
            lambda: tasks.distill(callback, student(), X),
            "the teacher cannot be differentiated: .*" + WAY_OUT,
        ),
        (
            lambda: tasks.distill(lambda x: np.sin(x), student(), X),
            "the teacher is no function of JAX, .*" + WAY_OUT,
        ),
        (
            lambda: tasks.distill((X, None), student(), X),
            "values without slopes.\nPass its slopes too, or jacobian=0",
        ),
        (lambda: tasks.distill((X,), student(), X), "the teacher is 1 arrays"),
        (
            lambda: tasks.distill((X[:3], None), student(), X),
            r"value has shape \(3, 2\); expected \(40, 2\) for 40 points",
        ),
        (
            lambda: tasks.distill(3, student(), X),
            "the teacher is of type int; expected",
        ),
        (
            lambda: tasks.distill((X, None), student(), X, jacobian=0.0, noise=0.1),
            "noise needs a teacher that can be asked",
        ),
        (
            lambda: tasks.distill(teacher, student(), X, labels=np.zeros(3, int)),
            r"labels of shape \(3,\) and type int64; expected whole numbers \(40,\)",
        ),
        (
            lambda: tasks.distill(teacher, student(), X, labels=np.full(40, 2)),
            "label 2 in row 0; expected 0 to 1",
        ),
        (lambda: tasks.distill(teacher, student(), X, jacobian=-1.0), "jacobian is -1"),
        (
            lambda: tasks.distill(teacher, student(), X, temperature=0.0),
            "temperature is 0",
        ),
        (
            lambda: tasks.distill(teacher, student(), X, projections=0),
            "projections is 0",
        ),
        (lambda: tasks.distill(teacher, student(), X, noise=-1.0), "noise is -1"),
        (lambda: tasks.distill(teacher, student(), X, budget="fast"), "budget 'fast'"),
        (
            lambda: tasks.distill(data.table(X, X, jacobian=None), student(), X),
            "got points beside a table",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(call, message):
    with pytest.raises(InputError, match="(?s)" + message):
        call()


def test_slopes_of_another_layout_are_not_scrambled():
    three = lambda x: jnp.stack([x[0], x[1] ** 2, x[0] * x[1]])
    y, J = (np.array(jax.vmap(f)(X)) for f in (three, jax.jacfwd(three)))
    with pytest.raises(InputError, match="axes are points, outputs, inputs"):
        tasks.distill((y, np.swapaxes(J, 1, 2)), student(outputs=3), X)


@pytest.mark.parametrize(
    "plain",
    [
        lambda x: np.array([np.sin(2 * float(x[0])) * x[1], x[0] ** 2]),
        lambda x: np.array([x[0] if x[0] > 0 else 0.0, x[1]]),
        lambda x: {"a": np.sin(x[0]), "b": np.array([x[1]])},
    ],
    ids=["float", "if", "dictionary"],
)
def test_functions_of_numpy_teach_their_values(plain):
    values = tasks.distill(plain, RELU, X, jacobian=0.0, budget="20steps")
    assert np.isfinite(values.history["loss"]).all()
    with pytest.raises(InputError, match="no function of JAX"):
        tasks.distill(plain, RELU, X)
    with pytest.raises(InputError, match="values without slopes"):
        tasks.distill(plain, RELU, X, projections=1)
    with pytest.raises(InputError, match="noise needs a teacher that can be asked"):
        tasks.distill(plain, RELU, X, jacobian=0.0, noise=0.1)


def test_noise_and_projections_together():
    found = tasks.distill(teacher, RELU, X, projections=1, noise=0.1, budget="60steps")
    loss = found.history["loss"]
    assert loss[-1] < loss[0]


@pytest.mark.slow
def test_one_hot_labels_are_probabilities():
    logits = lambda x: jnp.stack([x[0], x[1], x[0] - x[1]])
    labels = np.eye(3, dtype=int)[np.arange(40) % 3]
    found = tasks.distill(
        logits, student(outputs=3), X, labels=labels, budget="10steps"
    )
    assert "distill.labels" in found.history
