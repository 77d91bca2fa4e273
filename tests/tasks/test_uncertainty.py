"""How sure a surrogate is, and where it wants to be measured next."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given, strategies as st

import osculate
from osculate import core, data, match, nets, tasks
from osculate.tasks import (
    _build,
    _calibration,
    _journal,
    _networks,
    _next_points,
    _plan,
    _process,
)
from osculate.tasks._predict import predict_jet
from smooth import QUICK, truth

SOME = QUICK | {"members": 3, "budget": "150steps"}


@pytest.fixture(scope="module")
def ensemble(table):
    return tasks.surrogate(table, **SOME)


@pytest.fixture(scope="module")
def alone(table):
    return tasks.surrogate(table, **SOME | {"members": 1})


@pytest.fixture(scope="module")
def one_kind():
    """Searches for processes of one kind: the others take as long to compile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_process, "KINDS", [("squared_exponential", False)])
        yield


@pytest.fixture(scope="module")
def process(points, one_kind):
    y, J, _ = truth(points[:10])
    known = data.table(points[:10], y, jacobian=J, outputs=("f", "g"))
    return tasks.surrogate(known, model="process")


@pytest.fixture(scope="module")
def of_values(points, one_kind):
    table = data.table(points[:8], truth(points[:8])[0])
    return tasks.surrogate(table, model="process")


@pytest.fixture
def x():
    return np.random.default_rng(7).uniform(-0.9, 0.9, (6, 2))


# --- members --------------------------------------------------------------------------


def members_of(found):
    net = found.result.value.net
    take = lambda k: jax.tree.map(lambda a: a[k], net.members)
    return [take(k) for k in range(net.num_members)]


def test_the_mean_of_the_members_ships(ensemble, alone, x):
    assert isinstance(ensemble.result.value.net, nets.Ensemble)
    each = [predict_jet(member, x, 1) for member in members_of(ensemble)]
    assert len(each) == 3
    for found, tensors in zip(ensemble.jet(x, 1), zip(*each, strict=True), strict=True):
        np.testing.assert_allclose(found, np.mean(tensors, 0), atol=1e-12)
    assert np.ptp([value for value, _ in each], axis=0).min() > 1e-9
    np.testing.assert_allclose(each[0][0], alone.predict(x), atol=1e-12)


def test_what_is_said_of_members(ensemble):
    assert ensemble.page.facts["Configuration"]["model"] == (
        "mean of 3 networks 2-8-8-2 tanh, 342 parameters"
    )
    deviations = ensemble.page.facts["Configuration"]["deviations"]
    assert re.fullmatch(
        r"spread times: values [\d.e-]+, [\d.e-]+ from 16 rows; "
        r"first derivatives [\d.e-]+, [\d.e-]+ from 16 rows",
        deviations,
    )
    names = {name.rpartition("/")[0] for name in ensemble.histories}
    assert names >= {"search", "final", "member 2/search", "member 3/final"}


@pytest.mark.parametrize(
    ("leg", "step"),
    [
        ("derivatives/member 2/search/descent", 0),
        ("derivatives/member 3/all rows/adam", 0),
        ("derivatives/member 1/fold 2/descent", 0),
    ],
)
def test_an_interrupted_run_goes_on_with_its_member(
    tmp_path, table, ensemble, x, leg, step
):
    out, seen = tmp_path / "run", []

    def interrupt(name, progress):
        if (name, progress.step) == (leg, step):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tasks.surrogate(table, out=out, watch=interrupt, **SOME)
    watch = lambda name, progress: seen.append(name)
    found = tasks.surrogate(table, out=out, resume=True, watch=watch, **SOME)
    assert seen[0] == leg
    assert np.array_equal(found.predict(x), ensemble.predict(x))
    assert found.calibration == ensemble.calibration


@pytest.mark.parametrize("kind", ["ensemble", "process"])
def test_a_saved_run_is_as_sure_as_before(tmp_path, request, kind, x):
    before = request.getfixturevalue(kind)
    found = osculate.load(before.save(tmp_path / "run"))
    assert found.calibration == before.calibration
    for order in (0, 1):
        assert np.array_equal(found.deviation(x, order), before.deviation(x, order))
    assert np.array_equal(found.propose(2), before.propose(2))
    rows = {"value": jnp.zeros((1, 2)), "jacobian": jnp.zeros((1, 2, 2))}
    samples = {"fit": core.Samples(jnp.zeros((1, 2)), rows)}
    same = [r.objective(r.value, samples)[0] for r in (found.result, before.result)]
    assert same[0] == same[1]


def test_members_share_seconds():
    plan = _plan.main_plan(_plan.Budget(None, 60.0), compare=False)
    assert plan.first_of(5).window == (0.0, 12.0)
    steps = _plan.main_plan(_plan.Budget(60, None), compare=False)
    assert steps.first_of(5) == steps


def test_a_run_of_members_or_of_a_process_teaches(tmp_path, ensemble, process):
    table, choices = tasks.lesson(ensemble.save(tmp_path / "one"))
    assert choices == {"width": 4, "depth": 2}
    assert "jacobian" in table.y
    assert tasks.lesson(process.save(tmp_path / "other"))[1] == {}


@pytest.mark.slow
def test_a_network_on_values_has_as_many_members(table):
    legs = []
    watch = lambda name, progress: legs.append(name)
    choices = SOME | {"members": 2, "budget": "20steps", "compare": True}
    found = tasks.surrogate(table, watch=watch, **choices)
    assert "values only/member 2/all rows/descent" in legs
    assert list(found.values_only) == list(found.metrics)


# --- deviations -----------------------------------------------------------------------


def test_deviations_are_the_spread_times_the_factor(ensemble, x):
    each = [predict_jet(member, x, 1) for member in members_of(ensemble)]
    for order, tensors in enumerate(zip(*each, strict=True)):
        factor = np.reshape(ensemble.calibration.factor[order], (1, 2) + (1,) * order)
        expected = factor * np.std(tensors, axis=0, ddof=1)
        np.testing.assert_allclose(
            ensemble.deviation(x, order), expected, rtol=1e-8, atol=1e-12
        )


def test_deviations_of_a_process_are_its_posterior_s(process, x):
    net = jax.tree.map(jnp.asarray, process.result.value.net)
    # Variances are differences of numbers as large as the prior's, and are rounded so.
    rounding = 1e-13 * np.max(net.hyperparameters.amplitude) ** 2
    for order in (0, 1):
        factor = np.reshape(process.calibration.factor[order], (1, 2) + (1,) * order)
        variance = jax.jit(jax.vmap(lambda p, k=order: net.variance(p, k)))
        expected = factor**2 * np.asarray(variance(jnp.asarray(x)))
        square = process.deviation(x, order) ** 2
        np.testing.assert_allclose(square, expected, rtol=1e-9, atol=rounding)
        assert (expected > rounding).any()
        assert process.deviation(x, order).dtype == np.float64


def test_a_process_is_judged_by_leaving_out(process, points):
    y = truth(points[:10])[0]
    net = process.result.value.net
    mean, variance = net.leave_one_out()
    square = ((y - mean["value"]) ** 2 / variance["value"]).mean(1)
    together = (2 + square.sum()) / 12
    for m in range(2):
        own = (y[:, m] - mean["value"][:, m]) ** 2 / variance["value"][:, m]
        expected = np.sqrt((2 * together + own.sum()) / 12)
        assert process.calibration.factor[0][m] == pytest.approx(expected, rel=1e-9)
    assert process.calibration.freedom[0] == [12.0, 12.0]
    assert process.calibration.rows == [[10, 10], [10, 10]]


def test_intervals_are_students(ensemble, x):
    for order in (0, 1):
        low, high = ensemble.interval(x, order, 0.9)
        middle = ensemble.jet(x, order)[order]
        times = scipy.stats.t.ppf(0.95, ensemble.calibration.freedom[order])
        half = np.reshape(times, (1, 2) + (1,) * order) * ensemble.deviation(x, order)
        np.testing.assert_allclose(high, middle + half, rtol=1e-10)
        np.testing.assert_allclose(low, middle - half, rtol=1e-10)
    wide, narrow = ensemble.interval(x), ensemble.interval(x, level=0.5)
    assert (wide[0] < narrow[0]).all()
    assert (narrow[1] < wide[1]).all()


def test_values_alone_lend_their_factor_to_slopes(of_values, points):
    first, second = of_values.calibration.factor
    assert of_values.calibration.rows == [[8, 8], [0, 0]]
    assert second[0] == second[1]
    assert min(first) <= second[0] <= max(first)
    assert of_values.deviation(points[:3], 1).shape == (3, 2, 2)


def test_the_callers_x64_setting_changes_nothing(ensemble, process, x):
    for found in (ensemble, process):
        on = found.deviation(x, 1)
        with jax.enable_x64(False):
            assert np.array_equal(found.deviation(x, 1), on)
            found.propose(1)


def test_no_points_give_no_deviations(ensemble, process):
    for found in (ensemble, process):
        assert found.deviation(np.zeros((0, 2))).shape == (0, 2)
        assert found.interval(np.zeros((0, 2)), 1)[0].shape == (0, 2, 2)


def test_far_outside_the_data_it_warns(ensemble):
    far = np.array([[0.0, 3.0]])
    for call in (ensemble.deviation, ensemble.interval, ensemble.predict):
        with pytest.warns(tasks.OutsideDataWarning, match="1 of 1 points .* in 'b'"):
            call(far)


# --- calibration ----------------------------------------------------------------------


@pytest.mark.parametrize("freedom", [1.0, 4.0])
def test_the_factor_is_the_most_probable_scale(freedom):
    ratios = np.random.default_rng(0).standard_t(freedom, (30, 1)) * 3
    prior = 2.0

    def surprise(log_scale):
        scale = np.exp(log_scale)
        own = scipy.stats.t.logpdf(ratios / scale, freedom).sum() - 30 * log_scale
        # Scaled inverse chi square with 2 degrees of freedom, as density of the log.
        return -(own - 2 * log_scale - 2 * prior / (2 * scale**2))

    best = scipy.optimize.minimize_scalar(surprise, (0, 1), tol=1e-12).x
    square, count = _calibration._scale(ratios, freedom, prior)
    assert np.sqrt(square) == pytest.approx(np.exp(best), rel=1e-6)  # a flat minimum
    assert count == 30


@given(st.floats(0.01, 100), st.sampled_from([2.0, 4.0, np.inf]))
def test_the_factor_scales_with_the_errors(times, freedom):
    ratios = np.random.default_rng(1).normal(size=(12, 3))
    one, _ = _calibration._scale(ratios, freedom, 1.0)
    other, _ = _calibration._scale(times * ratios, freedom, times**2)
    assert other == pytest.approx(times**2 * one, rel=1e-8)


def test_what_is_not_known_does_not_count():
    ratios = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, 3.0], [np.inf, 2.0]])
    square, count = _calibration._scale(ratios, np.inf, 1.0)
    assert (square, count) == ((2 + 1 + 9 + 4) / 5, 3)
    assert _calibration._scale(np.full((2, 1), np.nan), 4.0, 0.5) == (0.5, 0)


# --- the next points ------------------------------------------------------------------


def test_proposed_points_are_the_best_candidates(process):
    found = process.propose(3)
    box = (process.low, process.high)
    assert found.shape == (3, 2)
    assert ((found >= box[0]) & (found <= box[1])).all()
    unit = scipy.stats.qmc.Sobol(2, seed=0).random_base2(10)
    best = match.propose(process.result.value.net, box[0] + (box[1] - box[0]) * unit, 3)
    assert np.array_equal(found, best.x)


def test_points_are_proposed_for_what_the_table_knows(process, of_values, monkeypatch):
    asked = []
    real = match.propose
    spy = lambda *a, order: asked.append(order) or real(*a, order=order)
    monkeypatch.setattr(_next_points.match, "propose", spy)
    process.propose(1)
    process.propose(1, order=0)
    of_values.propose(1)
    assert asked == [1, 0, 0]


def test_points_are_proposed_in_another_box(ensemble):
    found = ensemble.propose(4, low=[0.0, -3.0], high=[0.5, -3.0])
    assert ((found[:, 0] >= 0) & (found[:, 0] <= 0.5)).all()
    assert (found[:, 1] == -3).all()
    assert np.array_equal(found, ensemble.propose(4, low=[0.0, -3.0], high=[0.5, -3.0]))


# --- at the door ----------------------------------------------------------------------


def test_one_network_does_not_know_how_sure_it_is(alone, x):
    assert alone.calibration is None
    for call in (alone.deviation, alone.interval, lambda x: alone.propose(1)):
        with pytest.raises(core.InputError, match="Fit again with members=5, or model"):
            call(x)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda s: s.deviation(np.zeros((1, 2)), 2), "order is 2; expected 0 .* or 1"),
        (
            lambda s: s.interval(np.zeros((1, 2)), level=95.0),
            "level is 95.0; expected a pr",
        ),
        (lambda s: s.deviation(np.zeros(2)), r"shape \(2,\); expected \(N, 2\)"),
        (lambda s: s.propose(0), "count is 0; expected 1 to 1024"),
        (lambda s: s.propose(1, order=2), "order is 2"),
        (lambda s: s.propose(1, low=[0.0, 3.0]), r"the box is from \[0. 3.\]"),
        (lambda s: s.propose(1, low=[0.0]), "one for each of a, b"),
    ],
)
def test_what_cannot_be_asked(ensemble, ask, message):
    with pytest.raises(core.InputError, match=message):
        ask(ensemble)


def test_a_number_of_members_is_positive():
    with pytest.raises(core.InputError, match="members is 0"):
        tasks.Settings(members=0)


def test_starts_differ(table):
    with jax.enable_x64(True):
        scales = _build.Scales(*(jnp.ones(2),) * 4)
        family = _networks.Networks(
            _journal.Journal(), tasks.Settings(**QUICK), table, scales
        )
        first, again, other = (family._start(k)[0].net.net for k in (0, 0, 1))
    assert np.array_equal(first.weights[0], again.weights[0])
    assert not np.array_equal(first.weights[0], other.weights[0])
