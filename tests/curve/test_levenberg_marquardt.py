"""Damped Gauss-Newton steps in three lanes against dense algebra and Optimistix."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optimistix as optx
import pytest
from jax.flatten_util import ravel_pytree

from least_squares import Vector, dense, poisson, regression, rosenbrock
from osculate import chance, curve, nets, train
from osculate.core import Objective, Samples, Status, Term, trainable
from osculate.curve import _lanes


def flat(model):
    return ravel_pytree(trainable(model)[0])[0]


@pytest.mark.slow
@pytest.mark.spec("K4.7/b")
@pytest.mark.parametrize(
    ("make", "lane", "acceleration"),
    [
        (regression, "primal", False),
        (regression, "dual", False),
        (regression, "free", True),
        (poisson, "primal", True),
        (poisson, "dual", True),
        (poisson, "free", False),
    ],
)
def test_a_step_is_the_dense_one(key, make, lane, acceleration, monkeypatch):
    tight = lambda: _lanes.Free(2000, 1e-13)
    monkeypatch.setitem(_lanes.LANES, "free", tight)
    objective, net, samples = make(key)
    r, J = dense(objective, net, samples)
    optimizer = curve.levenberg_marquardt(lane=lane, acceleration=acceleration)
    state = eqx.filter_jit(optimizer.init)(objective, net, samples)
    # Large enough to be accepted, and for the free lane to be well conditioned.
    state = state._replace(damping=jnp.asarray(1.0))
    after, following = eqx.filter_jit(optimizer.step)(objective, net, samples, state)
    A = J.T @ J + jnp.eye(J.shape[1])
    v = -jnp.linalg.solve(A, J.T @ r)
    if acceleration:
        theta, build = trainable(net)
        start, unravel = ravel_pytree(theta)
        along = lambda t: dense_residuals(
            objective, build(unravel(start + t * v)), samples
        )
        bend = jax.jvp(lambda t: jax.jvp(along, (t,), (1.0,))[1], (0.0,), (1.0,))[1]
        v = v - 0.5 * jnp.linalg.solve(A, J.T @ bend)
    assert following.growth == 2.0  # accepted
    np.testing.assert_allclose(flat(after) - flat(net), v, rtol=1e-7, atol=1e-9)


def dense_residuals(objective, model, samples):
    found = objective.residuals(model, samples)
    return jnp.concatenate([jnp.ravel(r) for r in found.values()])


@pytest.mark.spec("K4.7/b")
def test_little_damping_is_gauss_newton_and_much_is_the_gradient(key):
    objective, net, samples = poisson(key, N=6)
    r, J = dense(objective, net, samples)
    here = _lanes.local(objective, net, samples)
    ones = jnp.ones(J.shape[1])
    K = J @ J.T
    solve = lambda damping: _lanes.Dual().solver(K, here, damping, ones, ones)(r)
    newton = jnp.linalg.lstsq(J, r)[0]
    np.testing.assert_allclose(J @ solve(jnp.asarray(1e-13)), J @ newton, atol=1e-5)
    much = solve(jnp.asarray(1e12))
    np.testing.assert_allclose(much * 1e12, J.T @ r, rtol=1e-6, atol=1e-6)


@pytest.mark.spec("K4.7/b")
def test_the_optimum_of_a_curve_fit_is_that_of_optimistix():
    t = jnp.linspace(0, 3, 20)
    noise = 0.05 * jr.normal(jr.key(3), (20,))
    y = 2.0 * jnp.exp(-1.3 * t) + 0.5 + noise
    predict = lambda theta, t: theta[0] * jnp.exp(-theta[1] * t) + theta[2]
    objective = Objective({"fit": Term(lambda m, x, y: predict(m.theta, x))})
    samples = {"fit": Samples(t, y)}
    start = jnp.array([1.0, 1.0, 0.0])
    found = train.fit(
        objective, Vector(start), samples, curve.levenberg_marquardt(), steps=100
    )
    solver = optx.LevenbergMarquardt(rtol=1e-12, atol=1e-12)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        other = optx.least_squares(lambda p, _: predict(p, t) - y, solver, start)
    np.testing.assert_allclose(found.value.theta, other.value, rtol=1e-7)
    assert found.status is Status.CONVERGED


@pytest.mark.parametrize("acceleration", [False, True])
def test_minimum_of_rosenbrock(acceleration):
    objective, samples = rosenbrock()
    method = curve.levenberg_marquardt(acceleration=acceleration)
    start = Vector(jnp.array([-1.2, 1.0]))
    found = train.fit(objective, start, samples, method, steps=300)
    np.testing.assert_allclose(found.value.theta, 1.0, atol=1e-10)


def test_a_rejected_step_changes_nothing_but_the_damping():
    objective, samples = rosenbrock()
    model = Vector(jnp.array([-1.2, 1.0]))
    method = curve.levenberg_marquardt(acceleration=False, lane="primal")
    state = method.init(objective, model, samples)
    state = state._replace(damping=jnp.asarray(1e-9))
    after, following = method.step(objective, model, samples, state)
    np.testing.assert_array_equal(after.theta, model.theta)
    np.testing.assert_array_equal(following.matrix, state.matrix)
    np.testing.assert_allclose(following.damping, 2e-9)
    assert following.growth == 4.0


def test_scaled_damping_does_not_care_for_units(key):
    """theta -> a theta moves every iterate alike (Marquardt 1963)."""
    units = jnp.array([1e3, 1e-2])
    objective, samples = rosenbrock()
    probe = objective.terms["r"].probe
    other = Objective({"r": Term(lambda m, x, y: probe(Vector(m.theta / units), x, y))})
    start = jnp.array([-1.2, 1.0])
    method = curve.levenberg_marquardt(scaled=True, acceleration=False)
    one = train.fit(objective, Vector(start), samples, method, steps=15)
    two = train.fit(other, Vector(start * units), samples, method, steps=15)
    np.testing.assert_allclose(two.value.theta / units, one.value.theta, rtol=1e-8)


def test_bounds_hold_and_the_bounded_minimum_is_found():
    objective, samples = rosenbrock()
    method = curve.levenberg_marquardt(
        lower=Vector(jnp.array([-2.0, -2.0])), upper=Vector(jnp.array([0.5, 2.0]))
    )
    seen = []
    look = lambda now: seen.append(now.carry.model.theta)
    found = train.fit(
        objective,
        Vector(jnp.array([-1.2, 1.0])),
        samples,
        method,
        steps=100,
        every=1,
        watch=[look],
    )
    assert all((theta[0] <= 0.5) & (theta[0] >= -2.0) for theta in seen)
    np.testing.assert_allclose(found.value.theta, [0.5, 0.25], atol=1e-8)


@pytest.mark.slow
def test_acceleration_reaches_smaller_losses_in_as_many_steps(key):
    objective, net, samples = poisson(key, N=200, width=10)
    losses = {}
    for acceleration in (False, True):
        method = curve.levenberg_marquardt(acceleration=acceleration)
        found = train.fit(objective, net, samples, method, steps=80)
        losses[acceleration] = found.history["loss"][-1]
    assert losses[True] < 0.1 * losses[False]


def test_lanes_are_chosen_by_size():
    assert _lanes.choose_lane(500, 900) == "primal"
    assert _lanes.choose_lane(4000, 600) == "dual"
    assert _lanes.choose_lane(10**6, 10**6) == "free"


def test_the_dual_matrix_is_built_by_layers_where_J_is_large(key, monkeypatch):
    """Both ways take the same step; the number of entries of J decides."""
    objective = Objective({"fit": Term(lambda m, x, y: m(x))})
    net, x = nets.MLP(2, 1, width=6, depth=2, key=key), jr.normal(key, (10, 2))
    samples = {"fit": Samples(x, jnp.sin(x[:, :1]))}
    P, built = flat(net).size, []
    for name in ("dual_gram", "structured_dual_gram"):
        real = getattr(_lanes, name)
        note = lambda *a, name=name, real=real: built.append(name) or real(*a)
        monkeypatch.setattr(_lanes, name, note)
    method, steps = curve.levenberg_marquardt(lane="dual"), []

    def step():
        state = method.init(objective, net, samples)
        state = state._replace(damping=jnp.asarray(1.0))
        return flat(method.step(objective, net, samples, state)[0]) - flat(net)

    for small in (10 * P, 10 * P - 1):
        monkeypatch.setattr(_lanes, "SMALL", small)
        steps.append(jax.jit(lambda: step())())
    assert built[0] == "dual_gram"
    assert built[-1] == "structured_dual_gram"
    assert jnp.abs(steps[0]).max() > 1e-3
    np.testing.assert_allclose(steps[0], steps[1], rtol=0, atol=1e-8)


def decay():
    """A curve with P = 3 unknowns and R = 20 residuals."""
    t = jnp.linspace(0, 3, 20)
    predict = lambda m, t, y: m.theta[0] * jnp.exp(-m.theta[1] * t) + m.theta[2]
    objective = Objective({"fit": Term(predict)})
    samples = {"fit": Samples(t, 2.0 * jnp.exp(-1.3 * t) + 0.5)}
    return objective, Vector(jnp.array([1.0, 1.0, 0.0])), samples


def test_a_matrix_without_room_is_refused_with_another_way(monkeypatch):
    problem = decay()
    init = lambda **kw: curve.levenberg_marquardt(**kw).init(*problem)
    assert _lanes.dense_memory(1000, jnp.float64) == 5 * 8 * 1000**2
    monkeypatch.setattr(_lanes, "memory", lambda: 40 * 3**2)
    with pytest.raises(ValueError, match=r"'dual' factors a matrix of 20 x 20.*GiB"):
        init(lane="dual")
    with pytest.raises(
        ValueError, match=r"there are .*\n.*'primal' \(.*\) or lane 'free'"
    ):
        init(lane="dual")
    init(lane="primal")
    init()
    monkeypatch.setattr(_lanes, "memory", lambda: 40 * 3**2 - 1)
    with pytest.raises(ValueError, match=r"'primal' factors.*\nUse lane 'free'"):
        init(lane="primal")


def test_products_in_place_of_a_matrix_are_reported_once(monkeypatch):
    objective, start, samples = decay()
    monkeypatch.setattr(_lanes, "MAX_DENSE", 2)
    method = curve.levenberg_marquardt()
    with pytest.warns(UserWarning, match="matrix of 3 x 3 numbers would take") as seen:
        found = train.fit(objective, start, samples, method, steps=30)
    assert len(seen) == 1
    assert "lane 'free' solves by products" in str(seen[0].message)
    np.testing.assert_allclose(found.value.theta, [2.0, 1.3, 0.5], atol=1e-8)


def test_messages(key):
    objective, net, samples = regression(key)
    with pytest.raises(ValueError, match=r"lane 'dua'.*Did you mean 'dual'"):
        curve.levenberg_marquardt(lane="dua")
    both = curve.levenberg_marquardt(lane="dual", scaled=True)
    with pytest.raises(ValueError, match="no matrix by parameter"):
        train.fit(objective, net, samples, both, steps=1)
    laplace = Objective({"fit": Term(lambda m, x, y: m(x), chance.LaplaceLoss())})
    rows = {"fit": Samples(samples["fit"].x, samples["fit"].y["value"])}
    method = curve.levenberg_marquardt()
    with pytest.raises(ValueError, match="loss of 'fit', LaplaceLoss, is no sum"):
        train.fit(laplace, net, rows, method, steps=1)
    single = jax.tree.map(
        lambda a: a.astype(jnp.float32) if eqx.is_array(a) else a, net
    )
    with pytest.raises(ValueError, match="of type float32; expected float64"):
        train.fit(objective, single, samples, method, steps=1)


def test_products_have_no_scale(key):
    method = curve.levenberg_marquardt(lane="free", scaled=True)
    with pytest.raises(ValueError, match="do not show the curvature of each"):
        method.init(*regression(key))


DECAY = Objective({"d": Term(lambda m, x, y: m["a"] * jnp.exp(-m["b"] * x))})
TIMES = jnp.linspace(0.0, 1.0, 20)
SEEN = {"d": Samples(TIMES, 2 * jnp.exp(-3 * TIMES))}


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8, 1e14])
def test_units_of_the_data_do_not_matter(scale):
    probe = lambda m, x, y: (
        m["a"] * jnp.exp(-m["b"] * x) + m["c"] * jnp.exp(-m["d"] * x)
    )
    loss = chance.Gaussian(jnp.asarray(1 / scale))
    objective = Objective({"d": Term(probe, loss)})
    start = dict(zip("abcd", map(jnp.asarray, (0.1, 8.0, -1.0, 7.0)), strict=True))
    y = 2 * jnp.exp(-3 * TIMES) + jnp.exp(-20 * TIMES)
    method = curve.levenberg_marquardt()
    result = train.fit(
        objective, start, {"d": Samples(TIMES, y)}, method, steps=80, every=80
    )
    assert result.history["loss"][-1] < 1e-20 * scale**2


def test_bounds_of_another_form():
    model = {"a": jnp.asarray(1.0), "b": jnp.asarray(0.5)}
    for bound in ({"a": jnp.asarray(1.5)}, {"a": 0.0, "b": 0.0}, {"a": jnp.ones(2)}):
        method = curve.levenberg_marquardt(upper=bound)
        with pytest.raises(ValueError, match="upper is not a tree like the model's"):
            method.init(DECAY, model, SEEN)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.5), (3.0, 2.9)])
def test_a_start_outside_of_the_bounds(low, high):
    bound = lambda a: {"a": jnp.asarray(a), "b": jnp.asarray(jnp.inf)}
    lower = {"a": jnp.asarray(low), "b": jnp.asarray(-jnp.inf)}
    method = curve.levenberg_marquardt(lower=lower, upper=bound(high))
    model = {"a": jnp.asarray(2.1), "b": jnp.asarray(3.0)}
    with pytest.raises(RuntimeError, match="the model lies outside of its bounds"):
        train.fit(DECAY, model, SEEN, method, steps=2)


def test_a_start_without_residuals_has_a_damping(key):
    objective = Objective({"d": Term(lambda m, x, y: m * x)})
    samples = {"d": Samples(TIMES, 0 * TIMES)}
    for lane in ("free", "primal"):
        method = curve.levenberg_marquardt(lane=lane)
        state = method.init(objective, jnp.asarray(0.0), samples)
        assert jnp.isfinite(state.damping)
        assert state.damping > 0
