"""Fits against the optimizers run by hand, their ends, and their resumption."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from osculate import curve, match, nets
from osculate.core import (
    FitError,
    FitWarning,
    Fixed,
    Objective,
    Samples,
    Status,
    Term,
    trainable,
)
from osculate.train import (
    Minibatch,
    Recipe,
    Snapshot,
    first_order,
    fit,
    lbfgs,
    pad,
    start,
)

N, D, P = 9, 2, 4
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(N, D)))
NET = {
    "net": nets.MLP(D, 1, width=4, depth=1, key=jr.key(0)),
    "shift": Fixed(jnp.ones(1)),
}
ADAM = first_order(optax.adam, 1e-2)
LBFGS = lbfgs(memory=4)


def relaxed():
    return jax.numpy_dtype_promotion("standard")


class Value(eqx.Module):
    def __call__(self, model, x, y):
        return model["net"](x) + model["shift"].value


OBJECTIVE = Objective({"d": Term(Value())})
SAMPLES = {"d": Samples(X, jnp.sin(X[:, :1] * X[:, 1:]))}


def same_bits(one, two):
    leaves = [jax.tree.leaves(eqx.filter(t, eqx.is_array)) for t in (one, two)]
    return len(leaves[0]) == len(leaves[1]) and all(
        np.array_equal(np.asarray(a).view(np.uint8), np.asarray(b).view(np.uint8))
        for a, b in zip(*leaves, strict=True)
    )


# --- against Optax by hand ----------------------------------------------------------

SCHEDULE = (optax.linear_schedule, 1e-2, 1e-3, 20)
METHODS = {
    "adam": (ADAM, lambda: optax.adam(1e-2)),
    "momentum": (
        first_order(optax.sgd, 1e-2, momentum=0.9, nesterov=True),
        lambda: optax.sgd(1e-2, momentum=0.9, nesterov=True),
    ),
    "schedule": (
        first_order(optax.adam, Recipe(*SCHEDULE), b1=0.8),
        lambda: optax.adam(SCHEDULE[0](*SCHEDULE[1:]), b1=0.8),
    ),
    "chain": (
        first_order(
            optax.chain,
            Recipe(optax.clip_by_global_norm, 0.1),
            Recipe(optax.adam, 1e-2),
        ),
        lambda: optax.chain(optax.clip_by_global_norm(0.1), optax.adam(1e-2)),
    ),
    "weight decay": (
        first_order(optax.adamw, 1e-2, weight_decay=0.1),
        lambda: optax.adamw(1e-2, weight_decay=0.1),
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_first_order_methods_are_those_of_optax(name):
    optimizer, make = METHODS[name]
    result = fit(OBJECTIVE, NET, SAMPLES, optimizer, steps=40, every=15)

    def loss(net):
        z = jax.vmap(net)(X) + 1.0
        return jnp.sum((z - SAMPLES["d"].y) ** 2) / 2 / N

    net, method, loss = NET["net"], make(), jax.jit(loss)
    state, losses = method.init(net), [loss(net)]
    with relaxed():
        step = jax.jit(lambda g, s, n: method.update(g, s, n))
        gradient = jax.jit(jax.grad(loss))
        for _ in range(40):
            updates, state = step(gradient(net), state, net)
            net = optax.apply_updates(net, updates)
            losses.append(loss(net))
    for one, two in zip(*map(jax.tree.leaves, (result.value["net"], net)), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(result.history["step"], [0, 15, 30, 40])
    by_hand = [float(losses[k]) for k in (0, 15, 30, 40)]
    np.testing.assert_allclose(result.history["loss"], by_hand, rtol=1e-12)
    assert result.history["loss"][-1] < result.history["loss"][0]


A = jnp.asarray(RNG.normal(size=(N, P)))
B = jnp.asarray(RNG.normal(size=N))
LEAST_SQUARES = Objective(
    {"d": Term(lambda m, x, y: x @ jnp.concatenate([m["a"], m["b"]]))}
)
ROWS = {"d": Samples(A, B)}
ZERO = {"a": jnp.zeros(1), "b": jnp.zeros(P - 1)}


def test_lbfgs_reaches_the_minimum_of_a_quadratic():
    result = fit(LEAST_SQUARES, ZERO, ROWS, LBFGS, steps=40, every=20)
    exact, *_ = np.linalg.lstsq(A, B, rcond=None)
    found = np.concatenate([result.value["a"], result.value["b"]])
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-8)
    least = np.sum((A @ exact - B) ** 2) / 2 / N
    np.testing.assert_allclose(result.history["loss"][-1], least, rtol=1e-12)
    assert (np.diff(result.history["loss"]) <= 1e-15).all()


def test_lbfgs_is_that_of_optax():
    def rosenbrock(model, x, y):
        m = jnp.concatenate([model["a"], model["b"]])
        return jnp.concatenate([10 * (m[1:] - m[:-1] ** 2), 1 - m[:-1]])

    objective, samples = Objective({"d": Term(rosenbrock)}), {"d": Samples(jnp.ones(1))}
    model = {"a": jnp.asarray([-1.2]), "b": jnp.asarray([1.0, 0.5, -0.3])}
    result = fit(objective, model, samples, LBFGS, steps=12, every=4)

    flat, _ = ravel_pytree(model)
    search = optax.scale_by_zoom_linesearch(
        max_linesearch_steps=20, initial_guess_strategy="one"
    )
    method = optax.lbfgs(memory_size=4, linesearch=search)
    unflat = lambda m: {"a": m[:1], "b": m[1:]}
    loss = lambda m: jnp.sum(rosenbrock(unflat(m), None, None) ** 2) / 2

    @jax.jit
    def step(flat, state):
        value, gradient = optax.value_and_grad_from_state(loss)(flat, state=state)
        updates, state = method.update(
            gradient, state, flat, value=value, grad=gradient, value_fn=loss
        )
        return flat + updates, state

    with relaxed(), jax.numpy_rank_promotion("allow"):
        state, losses = method.init(flat), [loss(flat)]
        for _ in range(12):
            flat, state = step(flat, state)
            losses.append(loss(flat))
    # Two programs round differently, and a valley of condition 1e3 magnifies it.
    by_hand = [float(losses[k]) for k in (0, 4, 8, 12)]
    np.testing.assert_allclose(result.history["loss"], by_hand, rtol=1e-8)
    np.testing.assert_allclose(ravel_pytree(result.value)[0], flat, rtol=0, atol=1e-9)
    assert by_hand[-1] < 0.1 * by_hand[0]


def test_float32_parameters_stay_float32():
    # Sampled in float64 mode: numbers of the recipe must not widen the state.
    narrow = lambda t: jax.tree.map(lambda a: a.astype(jnp.float32), t)
    optimizer = first_order(optax.sgd, 0.1, momentum=0.9)
    result = fit(LEAST_SQUARES, narrow(ZERO), narrow(ROWS), optimizer, steps=4, every=2)
    assert {leaf.dtype for leaf in jax.tree.leaves(result.value)} == {
        np.dtype("float32")
    }
    wide = fit(LEAST_SQUARES, ZERO, ROWS, optimizer, steps=4, every=2)
    np.testing.assert_allclose(result.history["loss"], wide.history["loss"], rtol=1e-5)


def test_fixed_arrays_stay_and_the_rest_moves():
    for optimizer, steps in ((ADAM, 5), (LBFGS, 2)):
        result = fit(OBJECTIVE, NET, SAMPLES, optimizer, steps=steps)
        assert jax.tree.structure(result.value) == jax.tree.structure(NET)
        np.testing.assert_array_equal(result.value["shift"].value, 1.0)
        for before, after in zip(
            *map(jax.tree.leaves, (NET["net"], result.value["net"])), strict=True
        ):
            assert (before != after).all()


def test_models_that_hold_functions():
    """Equinox's own networks keep their activation among the leaves."""
    model = {"net": eqx.nn.MLP(D, 1, 3, 1, key=jr.key(0)), "shift": Fixed(jnp.ones(1))}
    sampler = Minibatch(SAMPLES, 4)
    result = fit(
        OBJECTIVE, model, sampler.first(), ADAM, steps=5, sampler=sampler, key=jr.key(0)
    )
    assert result.status is Status.DONE
    assert result.value["net"].activation is model["net"].activation


# --- what a result holds --------------------------------------------------------------


def test_history_and_stats():
    objective = Objective({"d": OBJECTIVE.terms["d"], "m": match.term(match.values())})
    samples = SAMPLES | {"m": Samples(X, {"value": jnp.zeros((N, 1))})}
    # The second term looks at the same model as a function.
    model = Both(NET["net"], Fixed(jnp.ones(1)))
    result = fit(objective, model, samples, ADAM, steps=7, every=3)
    assert result.history.keys() == {"step", "loss", "d", "m.value"}
    assert {len(column) for column in result.history.values()} == {4}
    total = result.history["d"] + result.history["m.value"]
    np.testing.assert_allclose(result.history["loss"], total, rtol=1e-14)
    np.testing.assert_allclose(
        result.history["loss"][-1], objective(result.value, samples)[0], rtol=1e-13
    )
    assert result.stats["steps"] == result.stats["best_step"] == 7
    assert result.stats["seconds"] > 0
    assert result.status is Status.DONE
    assert result.objective is objective
    assert same_bits(result.samples, samples)


class Both(eqx.Module):
    net: nets.MLP
    shift: Fixed

    def __call__(self, x):
        return self.net(x) + self.shift.value

    def __getitem__(self, name):
        return {"net": self.net, "shift": self.shift}[name]


# --- how fits end ---------------------------------------------------------------------

TO_TWO = Objective({"d": Term(lambda m, x, y: m)})
AT = lambda y: {"d": Samples(jnp.zeros(1), jnp.full(1, y))}
DESCENT = first_order(optax.sgd, 0.1)


def test_validation_keeps_the_best_iterate():
    options = {"steps": 30, "every": 1, "validation": AT(1.0)}
    result = fit(TO_TWO, jnp.asarray(0.0), AT(2.0), DESCENT, **options)
    # m_k = 2 - 2 * 0.9^k is nearest to 1 at k = 7: 0.9^7 = 0.478
    assert result.stats["best_step"] == 7
    np.testing.assert_allclose(result.value, 2 - 2 * 0.9**7, rtol=1e-13)
    held_out = result.history["validation"]
    assert np.argmin(held_out) == 7
    np.testing.assert_allclose(held_out[7], (result.value - 1) ** 2 / 2, rtol=1e-12)
    assert result.stats["steps"] == 30
    without = fit(TO_TWO, jnp.asarray(0.0), AT(2.0), DESCENT, steps=30, every=1)
    np.testing.assert_allclose(without.value, 2 - 2 * 0.9**30, rtol=1e-13)
    assert "validation" not in without.history


def test_patience_ends_a_fit_that_no_longer_improves():
    options = {"steps": 100, "every": 1, "validation": AT(1.0), "patience": 5}
    result = fit(TO_TWO, jnp.asarray(0.0), AT(2.0), DESCENT, **options)
    assert result.status is Status.STOPPED
    assert result.stats["best_step"] == 7
    assert result.stats["steps"] == 12


def test_equal_validation_losses_are_no_improvement():
    flat = Objective({"d": Term(lambda m, x, y: 0.0 * m)})
    options = {"steps": 50, "every": 1, "validation": AT(1.0), "patience": 3}
    result = fit(flat, jnp.asarray(0.0), AT(2.0), DESCENT, **options)
    assert (result.stats["best_step"], result.stats["steps"]) == (0, 3)


def test_a_validation_loss_of_nan_is_never_the_best():
    # Beyond 1 the held-out point is outside the domain of the logarithm.
    edge = Objective(
        {"d": Term(lambda m, x, y: jnp.where(x > 0, jnp.log(1 - m), m) - y)}
    )
    held_out = {"d": Samples(jnp.ones(1), jnp.full(1, -0.5))}
    options = {"steps": 30, "every": 1, "validation": held_out}
    result = fit(edge, jnp.asarray(0.0), AT(2.0), DESCENT, **options)
    losses = result.history["validation"]
    assert np.isnan(losses[-1])
    assert result.stats["best_step"] == np.nanargmin(losses)
    np.testing.assert_allclose(
        edge(result.value, held_out)[0], np.nanmin(losses), rtol=1e-12
    )


def test_the_target_ends_it():
    result = fit(
        TO_TWO, jnp.asarray(0.0), AT(2.0), DESCENT, steps=99, every=1, target=0.5
    )
    assert result.status is Status.TARGET
    # 2 * 0.81^k <= 0.5 first at k = 7
    assert result.stats["steps"] == 7
    at_once = fit(TO_TWO, jnp.asarray(2.0), AT(2.0), DESCENT, steps=99, target=0.5)
    assert at_once.stats["steps"] == 0


def test_out_of_time():
    result = fit(TO_TWO, jnp.asarray(0.0), AT(2.0), DESCENT, seconds=0.0)
    assert result.status is Status.OUT_OF_TIME
    assert result.stats["steps"] == 1


def test_a_watcher_sees_the_snapshot():
    seen = []
    look = lambda now: seen.append(now.carry)
    fit(TO_TWO, jnp.asarray(0.0), AT(2.0), DESCENT, steps=4, every=2, watch=[look])
    assert all(isinstance(snapshot, Snapshot) for snapshot in seen)
    moved = [2 - 2 * 0.9**k for k in (0, 2, 4)]
    np.testing.assert_allclose([s.model for s in seen], moved, rtol=1e-13)


# --- losses that are not finite -------------------------------------------------------

WILD = Objective({"d": Term(lambda m, x, y: m**2)})
STEEP = first_order(optax.sgd, 1.0)  # m -> m - 2 m^3: from 2 to 1e308 in 6 steps


class Stubborn(eqx.Module):
    """A method without `shorter`."""

    method: eqx.Module

    def init(self, *args):
        return self.method.init(*args)

    def step(self, *args):
        return self.method.step(*args)

    def notes(self, state):
        return self.method.notes(state)

    def moved(self, *args):
        return self.method.moved(*args)


def test_the_last_finite_iterate_is_kept():
    with pytest.warns(FitWarning, match="after step 5"):
        result = fit(
            WILD, jnp.asarray(2.0), AT(0.0), Stubborn(STEEP), steps=50, every=1
        )
    assert result.status is Status.NOT_FINITE
    assert not np.isfinite(result.history["loss"][-1])
    assert np.isfinite(result.history["loss"][:-1]).all()
    assert len(result.history["loss"]) > 3
    np.testing.assert_allclose(
        WILD(result.value, AT(0.0))[0], result.history["loss"][-2], rtol=1e-13
    )
    assert result.stats["best_step"] == result.stats["steps"] - 1
    assert result.stats["retries"] == 0


def test_a_fit_resumed_where_it_failed_fails_again():
    seen = []
    options = {"steps": 50, "every": 1}
    method = Stubborn(STEEP)
    with pytest.warns(FitWarning):
        fit(WILD, jnp.asarray(2.0), AT(0.0), method, watch=[seen.append], **options)
    resume = seen[-1].carry, seen[-1].history
    with pytest.warns(FitWarning, match="term 'd', row 0"):
        again = fit(WILD, jnp.asarray(2.0), AT(0.0), method, resume=resume, **options)
    assert again.status is Status.NOT_FINITE


def test_steps_are_shortened_until_the_loss_stays_finite():
    result = fit(WILD, jnp.asarray(2.0), AT(0.0), STEEP, steps=1000, every=100)
    assert result.status is Status.DONE
    assert 1 <= result.stats["retries"] <= 5
    shortened = first_order(optax.sgd, 0.5 ** result.stats["retries"])
    same = fit(WILD, jnp.asarray(2.0), AT(0.0), shortened, steps=1000, every=100)
    assert same.value == result.value
    np.testing.assert_array_equal(result.history["loss"], same.history["loss"])
    assert result.diagnosis == ""


def test_retries_are_used_up():
    begun = jnp.asarray(1e60)
    with pytest.warns(FitWarning, match="5 retries with shorter steps did not help"):
        result = fit(WILD, begun, AT(0.0), STEEP, steps=50, every=10)
    assert result.stats["retries"] == 5
    assert result.value == begun


def test_a_resumed_fit_keeps_its_shorter_steps():
    seen = []
    options = {"steps": 40, "every": 10}
    whole = fit(WILD, jnp.asarray(2.0), AT(0.0), STEEP, watch=[seen.append], **options)
    assert whole.stats["retries"] > 0
    middle = seen[2]
    again = fit(
        WILD,
        jnp.asarray(2.0),
        AT(0.0),
        STEEP,
        resume=(middle.carry, middle.history),
        **options,
    )
    assert again.value == whole.value
    np.testing.assert_array_equal(again.history["loss"], whole.history["loss"])


@pytest.mark.parametrize(("every", "bad"), [(1, 7), (3, 7), (100, 7)])
def test_the_step_is_named(every, bad):
    """From 1 down by 0.15 a step: below 0 after the seventh."""
    slope = Objective({"a": Term(lambda m, x, y: m, loss=lambda z, y, w: w * z)})
    both = Objective({**slope.terms, "b": Term(lambda m, x, y: 1e-9 * jnp.log(m))})
    down = first_order(optax.sgd, 0.15)
    with pytest.warns(FitWarning) as caught:
        result = fit(
            both,
            jnp.asarray(1.0),
            AT(0.0) | {"a": AT(0.0)["d"], "b": AT(0.0)["d"]},
            Stubborn(down),
            steps=50,
            every=every,
        )
    assert f"after step {bad}: term 'b', row 0" in str(caught[0].message)
    assert result.diagnosis == str(caught[0].message)
    kept = (bad - 1) // every * every  # the end of the last chunk before
    np.testing.assert_allclose(result.value, 1.0 - 0.15 * kept, rtol=1e-6)


def test_the_term_and_the_row_of_a_value_are_named():
    rows = jnp.arange(6.0)[:, None]
    known = jnp.zeros((6, 1))
    terms = {"a": Term(lambda m, x, y: m * x), "b": Term(lambda m, x, y: m + x)}
    samples = {
        "a": Samples(rows, known),
        "b": Samples(rows, known.at[4].set(jnp.nan)),
    }
    message = (
        r"`fit`: the loss became infinite or NaN before the first step: term 'b', row "
        r"4 \(x = \[4\]\): the loss is not finite"
    )
    objective = Objective(terms)
    with pytest.warns(FitWarning, match=message):
        fit(objective, jnp.asarray(1.0), samples, DESCENT, steps=5)
    with pytest.raises(FitError, match=message):
        fit(objective, jnp.asarray(1.0), samples, DESCENT, steps=5, throw=True)


def test_the_row_of_a_derivative_is_named():
    """The root of 0 has a value but no derivative."""
    rows = jnp.asarray([[1.0], [2.0], [0.0], [3.0]])
    roots = Objective({"r": Term(lambda m, x, y: {"root": jnp.sqrt(m["a"] * x)})})
    model = {"a": jnp.asarray(1.0), "f": jnp.tanh}
    samples = {"r": Samples(rows, {"root": jnp.ones((4, 1))})}
    with pytest.warns(
        FitWarning, match=r"after step 1: term 'r\.root', row 2"
    ) as found:
        result = fit(roots, model, samples, DESCENT, steps=5, every=2)
    assert "its derivative by the parameters is not finite" in str(found[0].message)
    assert result.value["a"] == 1.0


def test_a_start_that_is_not_finite():
    with pytest.warns(FitWarning, match="before the first step"):
        result = fit(TO_TWO, jnp.asarray(jnp.nan), AT(2.0), DESCENT, steps=50)
    assert result.status is Status.NOT_FINITE
    assert result.stats["steps"] == 0
    good = fit(TO_TWO, jnp.asarray(0.0), AT(2.0), DESCENT, steps=5, throw=True)
    assert good.status is Status.DONE


SECOND_ORDER = {
    "ssbroyden": curve.ssbroyden(),
    "newton_cg": curve.newton_cg(),
    "conjugate gradients": curve.nonlinear_conjugate_gradients(),
    "levenberg_marquardt": curve.levenberg_marquardt(),
    "kfac_descent": curve.kfac_descent(),
}


@pytest.mark.parametrize("method", SECOND_ORDER.values(), ids=SECOND_ORDER)
def test_a_loss_without_derivative_is_no_convergence(method):
    """The root of b squared has none at 0."""
    probe = lambda m, x, y: m["a"] * x + jnp.sqrt(m["b"] ** 2)
    roots = Objective({"r": Term(probe)})
    model = {"a": jnp.asarray(1.0), "b": jnp.asarray(0.0)}
    samples = {"r": Samples(jnp.arange(4.0), jnp.ones(4))}
    message = r"no step could be taken: the loss is finite, but term 'r', row 0"
    with pytest.warns(FitWarning, match=message):
        result = fit(roots, model, samples, method, steps=4, every=2)
    assert result.status is Status.NOT_FINITE
    with pytest.raises(FitError, match=message):
        fit(roots, model, samples, method, steps=4, every=2, throw=True)


def test_a_gradient_without_a_square_is_no_convergence():
    tiny = Objective({"t": Term(lambda m, x, y: 1e-12 * m * x)})
    rows = {"t": Samples(jnp.ones(3, "float32"), jnp.zeros(3, "float32"))}
    start, method = jnp.asarray(1.0, "float32"), curve.ssbroyden(dtype="float32")
    with pytest.warns(FitWarning, match="leaves the range of float32"):
        result = fit(tiny, start, rows, method, steps=4)
    assert result.status is Status.NOT_FINITE
    perfect = fit(TO_TWO, jnp.asarray(0.0), AT(2.0), curve.ssbroyden(), steps=50)
    assert perfect.status is Status.CONVERGED
    assert perfect.diagnosis == ""


def test_a_validation_loss_that_is_never_finite():
    held_out = AT(jnp.nan)
    with pytest.warns(FitWarning, match="validation loss was never finite"):
        result = fit(
            TO_TWO, jnp.asarray(0.0), AT(2.0), DESCENT, steps=20, validation=held_out
        )
    assert result.stats["best_step"] == 20
    assert float(result.value) != 0.0


def test_retries_that_helped_are_not_told():
    """Down by 1, 1/2, then 1/4 a step to the edge of the wall, and no further."""
    probe = lambda m, x, y: jnp.where(m < 0.5, jnp.nan, m)
    wall = Objective({"d": Term(probe, loss=lambda z, y, w: w * z)})
    sgd = first_order(optax.sgd, 1.0)
    with pytest.warns(FitWarning) as told:
        result = fit(wall, jnp.asarray(2.0), AT(0.0), sgd, steps=60, every=2)
    assert "\n5 retries" in str(told[0].message)
    assert result.stats["retries"] == 7
    assert result.value == 0.5


def test_watching_over_a_fit_costs_nothing():
    """Compared with a step written by hand: the factor of the steps is all."""
    optimizer, by_hand = first_order(optax.adam, 1e-3), optax.adam(1e-3)
    net = NET["net"]
    rows = {"d": Samples(jnp.ones((256, 2)), jnp.ones((256, 1)))}
    objective = Objective({"d": Term(lambda m, x, y: m(x))})
    theta, build = trainable(net)

    def plain(theta, state):
        loss = lambda t: objective(build(t), rows)[0]
        with jax.numpy_dtype_promotion("standard"):
            updates, state = by_hand.update(jax.grad(loss)(theta), state)
            return optax.apply_updates(theta, updates), state

    def ours(theta, state):
        model, state = optimizer.step(objective, build(theta), rows, state)
        return trainable(model)[0], state

    cost = lambda f, state: jax.jit(f).lower(theta, state).compile().cost_analysis()
    expected = cost(plain, by_hand.init(theta))
    found = cost(ours, optimizer.init(objective, net, rows))
    for what in ("flops", "bytes accessed"):
        assert found[what] <= 1.02 * expected[what]


# --- resumption -----------------------------------------------------------------------

HELD_OUT = {"d": Samples(-X, jnp.zeros((N, 1)))}
FIRST = {"d": Samples(X, jax.vmap(NET["net"])(X) + 1.0)}  # no later iterate is better
RESUMED = {
    "adam": (ADAM, {}, [10, 20]),
    "lbfgs": (LBFGS, {}, [10]),
    "sampler": (ADAM, {"sampler": Minibatch(SAMPLES, 4), "sample_every": 3}, [10, 20]),
    "lbfgs sampler": (
        LBFGS,
        {"sampler": Minibatch(SAMPLES, 5), "sample_every": 10},
        [10],
    ),
    "validation": (ADAM, {"validation": HELD_OUT}, [10, 20]),
    "patience": (ADAM, {"validation": FIRST, "patience": 20}, [10, 20]),
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_fit_ends_with_the_same_bits(name):
    optimizer, options, cuts = RESUMED[name]
    sampler = options.get("sampler")
    samples = SAMPLES if sampler is None else sampler.first()
    options = options | {"steps": 25, "every": 10}
    options |= {} if sampler is None else {"key": jr.key(3)}
    seen = {}
    keep = lambda now: seen.update({now.step: (now.carry, now.history)})
    whole = fit(OBJECTIVE, NET, samples, optimizer, **options, watch=[keep])
    assert whole.status is (Status.STOPPED if name == "patience" else Status.DONE)
    assert list(seen) == ([0, 10, 20] if name == "patience" else [0, 10, 20, 25])
    template = start(OBJECTIVE, NET, samples, optimizer, sampler=sampler)
    for cut in cuts:
        snapshot, history = seen[cut]
        # Through NumPy and back, into the tree that `start` makes.
        arrays = [np.asarray(leaf) for leaf in jax.tree.leaves(snapshot)]
        tree = jax.tree.structure(template)
        again = jax.tree.unflatten(tree, map(jnp.asarray, arrays))
        resumed = fit(
            OBJECTIVE, NET, samples, optimizer, **options, resume=(again, history)
        )
        assert same_bits(resumed.value, whole.value)
        assert same_bits(resumed.samples, whole.samples)
        assert resumed.history.keys() == whole.history.keys()
        for column in whole.history:
            np.testing.assert_array_equal(
                resumed.history[column], whole.history[column]
            )
        assert resumed.stats["best_step"] == whole.stats["best_step"]
        assert resumed.status is whole.status


def test_start_is_the_snapshot_before_the_first_step():
    now = start(OBJECTIVE, NET, SAMPLES, ADAM)
    assert same_bits(now.model, NET)
    assert same_bits(now.best, NET)
    assert now.samples is None
    assert np.isnan(now.best_loss)
    assert now.best_step == 0
    resumed = fit(OBJECTIVE, NET, SAMPLES, ADAM, steps=5, resume=(now, {}))
    assert same_bits(resumed.value, fit(OBJECTIVE, NET, SAMPLES, ADAM, steps=5).value)


# --- samplers -------------------------------------------------------------------------


class Numbered(eqx.Module):
    """A sampler whose targets count how often it was asked, beside its draw."""

    def __call__(self, objective, model, samples, key):
        old = samples["d"]
        y = {"asked": old.y["asked"] + 1, "draw": jr.uniform(key, (1,))}
        return {"d": Samples(old.x, y)}


@pytest.mark.parametrize(("sample_every", "asked"), [(1, 10), (3, 4), (5, 2), (99, 1)])
def test_how_often_a_sampler_is_asked(sample_every, asked):
    objective = Objective({"d": Term(lambda m, x, y: m - y["draw"])})
    y = {"asked": jnp.zeros(1, jnp.int32), "draw": jnp.zeros(1)}
    result = fit(
        objective,
        jnp.asarray(0.0),
        {"d": Samples(jnp.zeros(1), y)},
        DESCENT,
        steps=10,
        every=4,
        sampler=Numbered(),
        sample_every=sample_every,
        key=jr.key(0),
    )
    assert result.samples["d"].y["asked"] == asked
    last = range(0, 10, sample_every)[-1]
    draw = jr.uniform(jr.fold_in(jr.key(0), last), (1,))
    np.testing.assert_array_equal(result.samples["d"].y["draw"], draw)


class Telling(eqx.Module):
    """An optimizer that stands still and counts how often samples were new."""

    def init(self, objective, model, samples):
        return {"told": jnp.zeros((), jnp.int32), "sum": jnp.zeros(())}

    def step(self, objective, model, samples, state):
        return model, state

    def notes(self, state):
        return {"moved": state["told"]}

    def moved(self, objective, model, samples, state):
        return {"told": state["told"] + 1, "sum": state["sum"] + samples["d"].x[0]}


def test_the_optimizer_is_told_of_new_samples():
    source = {"d": Samples(jnp.arange(1.0, 9.0), jnp.zeros(8))}
    sampler, seen = Minibatch(source, 1), []
    result = fit(
        TO_TWO,
        jnp.asarray(0.0),
        sampler.first(),
        Telling(),
        steps=7,
        sampler=sampler,
        sample_every=3,
        key=jr.key(0),
        watch=[lambda now: seen.append(now.carry.state)],
    )
    draw = lambda k: sampler(TO_TWO, None, source, jr.fold_in(jr.key(0), k))["d"].x[0]
    np.testing.assert_array_equal(result.history["moved"], [0, 3])
    assert seen[-1]["told"] == 3
    assert seen[-1]["sum"] == draw(0) + draw(3) + draw(6)
    assert result.value == 0.0


def test_keys_decide_the_draws():
    sampler = Minibatch(SAMPLES, 3)
    run = lambda key: fit(
        OBJECTIVE,
        NET,
        sampler.first(),
        ADAM,
        steps=6,
        every=3,
        sampler=sampler,
        key=key,
    )
    assert same_bits(run(jr.key(0)).value, run(jr.key(0)).value)
    assert not same_bits(run(jr.key(0)).value, run(jr.key(1)).value)


def test_lbfgs_forgets_values_of_samples_that_have_gone():
    objective, state = TO_TWO, LBFGS.init(TO_TWO, jnp.asarray(0.0), AT(2.0))
    step = jax.jit(lambda m, s: LBFGS.step(objective, m, AT(2.0), s))
    model, state = step(jnp.asarray(0.5), state)
    moved = jax.jit(lambda m, s: LBFGS.moved(objective, m, AT(5.0), s))(model, state)
    value, gradient = (optax.tree.get(moved, name) for name in ("value", "grad"))
    np.testing.assert_allclose(value, (model - 5) ** 2 / 2, rtol=1e-14)
    np.testing.assert_allclose(gradient, [model - 5], rtol=1e-14)
    for name in ("diff_params_memory", "diff_updates_memory", "weights_memory"):
        kept = optax.tree.get(state, name), optax.tree.get(moved, name)
        np.testing.assert_array_equal(*kept)


# --- compilations ---------------------------------------------------------------------


class Tally:
    """Counts traces; part of the compiled program by identity."""

    traces = 0


class Counted(eqx.Module):
    tally: Tally = eqx.field(static=True)
    offset: Array

    def __call__(self, model, x, y):
        self.tally.traces += 1
        return model @ x + self.offset


@functools.cache
def table(n):
    x = jnp.asarray(RNG.normal(size=(n, D)))
    return {"d": pad(Samples(x, x[:, 0]))}


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda rate: first_order(optax.adam, rate, b1=1 - rate),
        lambda rate: first_order(optax.adam, Recipe(*SCHEDULE[:1], rate, rate / 2, 20)),
        lambda rate: lbfgs(memory=4),
    ],
    ids=["adam", "schedule", "lbfgs"],
)
def test_fits_that_differ_in_numbers_share_one_compilation(optimizer):
    tally = Tally()

    def run(n, rate, steps=4):
        # Fresh objects of the same form each time.
        objective = Objective({"d": Term(Counted(tally, jnp.asarray(rate)))})
        options = {"steps": steps, "every": n % 3 + 1, "validation": table(n)}
        return fit(objective, rate * jnp.ones(D), table(n), optimizer(rate), **options)

    # Measuring step 0 compiles the program of every later chunk.
    run(70, 0.1, steps=0)
    once = tally.traces
    assert once > 0
    one = run(70, 0.1)
    losses = {run(n, 0.01 * n).history["loss"][-1] for n in range(71, 80)}
    assert len(losses) == 9  # ten tables of 70 to 79 rows, all padded to 80
    assert tally.traces == once
    assert one.status is Status.DONE
    run(81, 0.1)
    assert tally.traces > once  # the count does see another size


def test_two_learning_rates_make_two_fits():
    slow, fast = (
        fit(TO_TWO, jnp.asarray(0.0), AT(2.0), first_order(optax.sgd, rate), steps=1)
        for rate in (0.1, 0.5)
    )
    np.testing.assert_allclose([slow.value, fast.value], [0.2, 1.0], rtol=1e-14)


# --- recipes --------------------------------------------------------------------------


def test_recipes_call_what_they_are_given():
    make = lambda *args, **kwargs: (args, kwargs)
    inner = Recipe(lambda a: a + 1, 2)
    args, kwargs = Recipe(
        make, 0.5, 3, "word", inner, rate=0.25, count=4, f=inner
    ).build()
    assert args == (0.5, 3, "word", 3)
    assert kwargs == {"rate": 0.25, "count": 4, "f": 3}
    assert isinstance(args[0], jax.Array)
    assert [type(a) for a in args[1:3]] == [int, str]


def test_a_function_that_decides_by_a_number():
    schedule = Recipe(optax.exponential_decay, 1e-2, 10, 0.5)
    message = (
        "`Recipe`: exponential_decay decides by the value of a floating-point number, "
        r"which is data here\.\nPass a function of your own"
    )
    with pytest.raises(TypeError, match=message):
        fit(
            TO_TWO, jnp.asarray(0.0), AT(2.0), first_order(optax.sgd, schedule), steps=2
        )
    mine = lambda: optax.exponential_decay(0.1, 1, 0.5)
    optimizer = first_order(optax.sgd, Recipe(mine))
    result = fit(TO_TWO, jnp.asarray(0.0), AT(2.0), optimizer, steps=2)
    # Optax computes the power in float32, for a step that is an int32.
    np.testing.assert_allclose(result.value, 2 - 2 * 0.9 * 0.95, rtol=1e-6)


# --- errors ---------------------------------------------------------------------------


def test_a_sampler_without_a_key():
    sampler = Minibatch(SAMPLES, 4)
    with pytest.raises(
        ValueError, match=r"`fit`: a sampler needs randomness\. Pass key="
    ):
        fit(OBJECTIVE, NET, sampler.first(), ADAM, steps=1, sampler=sampler)


def test_patience_without_validation():
    with pytest.raises(ValueError, match="`fit`: patience needs a validation loss"):
        fit(OBJECTIVE, NET, SAMPLES, ADAM, steps=1, patience=5)


def test_validation_that_weighs_nothing():
    nothing = {"d": Samples(X, SAMPLES["d"].y, jnp.zeros(N))}
    with pytest.raises(ValueError, match="every weight of the validation samples is 0"):
        fit(OBJECTIVE, NET, SAMPLES, ADAM, steps=1, validation=nothing)


def test_validation_of_two_terms_of_which_one_counts():
    both = Objective({"d": Term(lambda m, x, y: m), "e": Term(lambda m, x, y: m)})
    rows = AT(2.0)["d"]
    none = Samples(rows.x, rows.y, jnp.zeros(len(rows.x)))
    samples = {"d": rows, "e": rows}
    held_out = {"d": none, "e": rows}
    fit(both, jnp.asarray(0.0), samples, DESCENT, steps=2, validation=held_out)


@pytest.mark.parametrize("wrong", [{"sample_every": 0}, {"patience": 0}])
def test_numbers_of_steps_that_are_none(wrong):
    options = {"steps": 5, "validation": AT(1.0), **wrong}
    with pytest.raises(ValueError, match=f"`fit`: .*{next(iter(wrong))}=0"):
        fit(TO_TWO, jnp.asarray(0.0), AT(2.0), DESCENT, **options)


@pytest.mark.parametrize("model", [Fixed(jnp.ones(2)), jnp.arange(3), {"a": 1.0}])
def test_a_model_without_anything_to_train(model):
    for method in (ADAM, LBFGS, curve.ssbroyden()):
        with pytest.raises(ValueError, match="`fit`: nothing of the model is trained"):
            fit(TO_TWO, model, AT(2.0), method, steps=5)


def test_a_term_without_rows():
    empty = {"d": Samples(jnp.zeros((0,)), jnp.zeros((0,)))}
    with pytest.raises(ValueError, match="`fit`: the samples of 'd' have no rows"):
        fit(TO_TWO, jnp.asarray(0.0), empty, DESCENT, steps=5)


def test_a_fit_resumed_with_another_column():
    seen = []
    options = {"steps": 20, "every": 10}
    fit(TO_TWO, jnp.asarray(0.0), AT(2.0), DESCENT, watch=[seen.append], **options)
    resume = seen[1].carry, seen[1].history
    with pytest.raises(ValueError, match=r"do not both record \['validation'\]"):
        fit(
            TO_TWO,
            jnp.asarray(0.0),
            AT(2.0),
            DESCENT,
            validation=AT(1.0),
            resume=resume,
            **options,
        )


def test_a_fit_without_end():
    with pytest.raises(ValueError, match=r"no limit\. Pass steps= or seconds="):
        fit(OBJECTIVE, NET, SAMPLES, ADAM)


def test_a_term_without_samples():
    with pytest.raises(ValueError, match=r"no samples for the terms \['d'\]"):
        fit(OBJECTIVE, NET, {}, ADAM, steps=1)


@pytest.mark.parametrize("label", ["loss", "step", "validation"])
def test_a_term_called_like_a_column_of_the_history(label):
    objective, samples = Objective({label: TO_TWO.terms["d"]}), {label: AT(2.0)["d"]}
    with pytest.raises(
        ValueError, match=f"`fit`: a term is called '{label}', as is a col"
    ):
        fit(objective, jnp.asarray(0.0), samples, DESCENT, steps=1)
