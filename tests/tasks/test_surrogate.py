"""The answer: accuracy, derivatives, manners at the door, x64, warnings."""

import dataclasses
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import osculate
from osculate import core, data, tasks, train
from smooth import QUICK, truth


def test_values_and_derivatives_agree_with_the_truth(quick):
    x = np.random.default_rng(1).uniform(-0.9, 0.9, (200, 2))
    y, J, _ = truth(x)
    # 600 steps on 40 points: 1 % of the spread is certain, 0.1 % typical.
    assert np.abs(quick.predict(x) - y).max() < 0.01 * y.std()
    assert np.abs(quick.gradient(x) - J).max() < 0.05 * J.std()


def test_gradient_and_hessian_are_those_of_predict(quick):
    x, h = np.random.default_rng(2).uniform(-0.9, 0.9, (5, 2)), 1e-5
    J, H = quick.gradient(x), quick.hessian(x)
    for d in range(2):
        e = h * np.eye(2)[d]
        central = (quick.predict(x + e) - quick.predict(x - e)) / (2 * h)
        np.testing.assert_allclose(J[:, :, d], central, atol=1e-8)
        central = (quick.gradient(x + e) - quick.gradient(x - e)) / (2 * h)
        np.testing.assert_allclose(H[..., d], central, atol=1e-8)
    assert np.array_equal(H, np.swapaxes(H, -1, -2))


def test_arrays_are_float64_and_the_shapes_are_named(quick):
    x = np.zeros((3, 2), np.float32)
    for array, shape in (
        (quick.predict(x), (3, 2)),
        (quick.gradient(x), (3, 2, 2)),
        (quick.hessian(x), (3, 2, 2, 2)),
    ):
        assert isinstance(array, np.ndarray)
        assert array.dtype == np.float64
        assert array.shape == shape


def test_the_callers_x64_setting_changes_nothing(quick, table):
    x = np.random.default_rng(3).uniform(-1, 1, (7, 2))
    with jax.enable_x64(True):
        on = quick.hessian(x)
        fitted_on = tasks.surrogate(table, **QUICK).predict(x)
    with jax.enable_x64(False):
        off = quick.hessian(x)
        fitted_off = tasks.surrogate(table, **QUICK).predict(x)
        assert jnp.ones(1).dtype == jnp.float32
    assert np.array_equal(on, off)
    assert np.array_equal(fitted_on, fitted_off)


def test_prediction_does_not_depend_on_the_other_rows(quick):
    x = np.random.default_rng(4).uniform(-1, 1, (9, 2))
    alone = np.concatenate([quick.predict(row[None]) for row in x])
    np.testing.assert_allclose(alone, quick.predict(x), rtol=0, atol=1e-13)


def test_the_function_of_one_point_composes_in_jax(quick):
    u = quick.result.value
    x = jnp.array([0.2, 0.3])
    grad_f = jax.jit(jax.grad(lambda p: u(p)["f"]))(x)
    np.testing.assert_allclose(grad_f, quick.gradient(x[None])[0, 0], atol=1e-12)
    assert list(u(x)) == ["f", "g"]


def test_the_same_seed_gives_the_same_bits(quick, table):
    x = np.zeros((1, 2))
    again = tasks.surrogate(table, **QUICK, compare=True)
    other = tasks.surrogate(table, **QUICK, seed=1)
    assert np.array_equal(again.predict(x), quick.predict(x))
    assert not np.array_equal(other.predict(x), quick.predict(x))


def test_columns_are_found_by_name(quick, points):
    swapped = {"note": ["x"] * 40, "b": points[:, 1], "a": points[:, 0]}
    expected = quick.gradient(points)
    frame = pd.DataFrame(swapped)
    for source in (swapped, frame, data.table(points, points**2, inputs=("a", "b"))):
        assert np.array_equal(quick.gradient(source), expected)
    with pytest.raises(core.InputError, match="no column 'b'"):
        quick.predict(frame[["a"]])


def test_no_points_give_no_rows(quick):
    x = np.zeros((0, 2))
    assert quick.predict(x).shape == (0, 2)
    assert quick.hessian(x).shape == (0, 2, 2, 2)


def test_it_is_shown_in_one_line(quick):
    assert repr(quick) == "Surrogate(f, g from a, b; 40 rows; 600steps)"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("x64", [False, True])
def test_the_function_has_the_precision_of_the_caller(quick, x64):
    with jax.enable_x64(x64):
        x = jnp.asarray([0.2, 0.3])
        u = quick.function
        found = jax.jit(jax.vmap(jax.grad(lambda p: u(p)["f"])))(x[None])
        assert found.dtype == (jnp.float64 if x64 else jnp.float32)
    tolerance = 1e-12 if x64 else 1e-5
    expected = quick.gradient(np.asarray(x)[None])[:, 0]
    np.testing.assert_allclose(found, expected, rtol=tolerance)


def test_relu_cannot_follow_slopes(table):
    with pytest.warns(tasks.DataWarning, match="relu' has piecewise constant"):
        tasks.surrogate(
            table, activation="relu", width=4, budget="10steps", model="network"
        )


def test_what_the_figures_are_not(table):
    found = tasks.surrogate(table, compare=True, **{**QUICK, "budget": "5steps"})
    assert found.page.warnings[0].startswith(("Poor:", "Useless:"))
    assert any(n.startswith("Only 8 rows were held out") for n in found.page.warnings)


def test_far_outside_the_data_it_warns(quick):
    assert quick.predict(np.array([[1.05, 0.0]])).shape == (1, 2)
    with pytest.warns(tasks.OutsideDataWarning, match="1 of 2 points .* in 'b'"):
        quick.predict(np.array([[0.0, 0.0], [0.0, 2.0]]))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (np.zeros(2), r"shape \(2,\); expected \(N, 2\), columns a, b"),
        (np.zeros((3, 3)), r"shape \(3, 3\); expected \(N, 2\)"),
        (np.array([[0.0, np.nan]]), "nan in row 0, column 'b'"),
        (np.array([["one", "two"]]), "points cannot be read as numbers"),
        ("absent.csv", "absent.csv"),
    ],
)
def test_points_that_cannot_be_used_are_named(quick, asked, message):
    with pytest.raises(core.InputError, match=message):
        quick.predict(asked)


def test_values_only_are_compared_on_the_same_rows(quick):
    assert list(quick.metrics) == ["f", "g", "f_a", "f_b", "g_a", "g_b"]
    assert list(quick.values_only) == list(quick.metrics)
    assert quick.metrics["f_a"]["rrmse"] < quick.values_only["f_a"]["rrmse"]


def test_a_test_table_measures_the_shipped_model(table):
    x = np.random.default_rng(5).uniform(-0.9, 0.9, (30, 2))
    y, J, _ = truth(x)
    test = data.table(x, y, jacobian=J, inputs=("a", "b"), outputs=("f", "g"))
    found = tasks.surrogate(table, test=test, **QUICK)
    error = np.sqrt(np.mean((found.predict(x) - y) ** 2, 0)) / y.std(0)
    np.testing.assert_allclose(
        [found.metrics["f"]["rrmse"], found.metrics["g"]["rrmse"]], error, rtol=1e-9
    )
    assert "test table" in found.page.verdict
    assert not any("separate test table" in note for note in found.page.warnings)


def test_missing_cells_do_not_count(points):
    y, J, _ = truth(points)
    J[::3, 0, 1] = np.nan
    table = data.table(points, y, jacobian=J, inputs=("a", "b"), outputs=("f", "g"))
    assert int(table.known["jacobian"].sum()) == J.size - 14
    # Whatever stands in a missing cell: the fit has the same bits.
    wrong = np.where(table.known["jacobian"], table.y["jacobian"], 1e6)
    other = dataclasses.replace(table, y=table.y | {"jacobian": wrong})
    found, same = (tasks.surrogate(t, **QUICK) for t in (table, other))
    x = np.random.default_rng(6).uniform(-0.9, 0.9, (50, 2))
    assert np.array_equal(found.gradient(x), same.gradient(x))
    assert np.abs(found.gradient(x) - truth(x)[1]).max() < 0.1


def test_rows_that_know_only_slopes(points):
    y, J, _ = truth(points)
    y[5:] = np.nan
    table = data.table(points, y, jacobian=J, inputs=("a", "b"), outputs=("f", "g"))
    found = tasks.surrogate(table, compare=True, **QUICK)
    x = np.random.default_rng(6).uniform(-0.9, 0.9, (50, 2))
    assert np.abs(found.predict(x) - truth(x)[0]).max() < 0.1
    assert found.page.history["validation"][-1] > 0
    assert found.histories["values only/validation"][-1] > 0


@pytest.mark.slow
def test_second_derivatives_are_fitted(points):
    y, J, H = truth(points)
    table = data.table(points, y, jacobian=J, hessian=H)
    found = tasks.surrogate(table, **QUICK)
    assert "fit.hessian" in found.page.history
    assert set(found.metrics) >= {"y1", "y1_x1", "y1_x1_x2"}
    assert found.metrics["y2_x1_x1"]["rrmse"] is None, "constant: no spread"
    assert found.metrics["y2_x2_x2"]["max"] < 0.1


def test_values_alone_are_fitted_too(points):
    table = data.table(points, truth(points)[0][:, :1], outputs=("f",))
    found = tasks.surrogate(table, compare=True, **QUICK)
    assert found.values_only is None
    assert list(found.metrics) == ["f"]


class Clock:
    """A clock that goes on by what a compilation and a step cost."""

    def __init__(self):
        self.now, self.compilation, self.known = 0.0, 0.1, set()
        self.step = {(0, 1): 2e-3, (0,): 1e-3}

    def perf_counter(self):
        return self.now

    def chunk(self, chunk):
        """Returns `chunk`, which takes its time."""

        def timed(*args):
            step, count = args[0], int(args[-1])
            looks = step.objective.terms["fit"].probe.looks
            orders = tuple(look.order for look in looks)
            program = orders, type(step.optimizer)
            if program not in self.known:
                self.now += self.compilation
                self.known.add(program)
            self.now += self.step[orders] * count
            return chunk(*args)

        return timed


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("osculate.tasks._journal.time", clock)
    monkeypatch.setattr("osculate.train._loop.time", clock)
    timed = clock.chunk(train._loop.take_chunk)
    monkeypatch.setattr("osculate.train._loop.take_chunk", timed)
    return clock


SECONDS = {**QUICK, "budget": "8s", "compare": True}


def test_a_budget_in_seconds_ends_in_time(table, clock):
    found = tasks.surrogate(table, **SECONDS)
    assert 0.7 * 8 < found.result.stats["seconds"] < 8.01
    # The search ends by the clock; its repetition on all rows is not cut.
    assert found.result.status is core.Status.DONE
    assert found.page.history["step"][-1] > 600
    assert found.metrics["f"]["rrmse"] < 0.1
    steps = found.histories["values only/step"][-1]
    assert steps == found.page.history["step"][-1]
    assert not any("ran out of time" in note for note in found.page.warnings)


def test_time_that_went_into_compilation_is_told(table, clock):
    clock.compilation = 3.0
    found = tasks.surrogate(table, **SECONDS)
    assert found.result.stats["steps"] >= 2
    notes = " ".join(found.page.warnings)
    assert re.search(r"Only \d+ steps were taken in 8s", notes)


def test_a_comparison_that_was_cut_is_told(table, clock):
    clock.step[(0,)] = 8e-3
    notes = " ".join(tasks.surrogate(table, **SECONDS).page.warnings)
    assert re.search(r"on values only ran out of time after \d+ of \d+ steps", notes)


def test_a_budget_in_seconds_goes_on_where_it_was(table, clock, tmp_path):
    def interrupt(leg, progress):
        if leg == "values only/search/descent":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tasks.surrogate(table, out=tmp_path / "run", watch=interrupt, **SECONDS)
    assert 4.0 < clock.now < 5.5
    found = tasks.surrogate(table, out=tmp_path / "run", resume=True, **SECONDS)
    assert 0.7 * 8 < found.result.stats["seconds"] < 8.01
    assert not any("ran out of time" in note for note in found.page.warnings)


@pytest.mark.slow
def test_four_rows_are_fitted_and_not_judged(points):
    y, J, _ = truth(points[:4])
    table = data.table(points[:4], y, jacobian=J)
    found = tasks.surrogate(table, compare=True, **QUICK)
    assert found.page.verdict.startswith("Too few rows to judge by")
    assert found.metrics["y1"]["rrmse"] is None
    assert np.isfinite(found.metrics["y1"]["max"])


def test_many_rows_take_minibatches_first(monkeypatch, table):
    monkeypatch.setattr("osculate.tasks._auto.FULL_BATCH", 32)
    monkeypatch.setattr("osculate.tasks._auto.BATCH", 16)
    found = tasks.surrogate(table, **QUICK)
    assert found.metrics["f"]["rrmse"] < 0.1


def test_report_is_one_page(quick, tmp_path):
    page = quick.report(tmp_path / "f.html").read_text(encoding="utf-8")
    assert quick.page.verdict.split(".")[0] in page
    assert "<script" not in page


def test_a_fresh_process_loads_a_run_with_one_call(quick, tmp_path):
    quick.save(tmp_path / "run")
    code = (
        "import sys, numpy as np, osculate\n"
        "s = osculate.load(sys.argv[1])\n"
        "print(repr(s.gradient(np.array([[0.1, 0.2]])).tolist()))\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "run"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert np.array_equal(
        np.array(eval(printed)),
        quick.gradient(np.array([[0.1, 0.2]])),
    )


def test_loading_gives_back_what_was_saved(quick, tmp_path):
    loaded = osculate.load(quick.save(tmp_path / "run"))
    assert loaded.metrics == quick.metrics
    assert list(loaded.metrics) == list(quick.metrics)
    assert loaded.values_only == quick.values_only
    assert loaded.settings == quick.settings
    assert loaded.result.status is quick.result.status
    assert np.array_equal(loaded.low, quick.low)
    for name, column in quick.result.history.items():
        np.testing.assert_array_equal(loaded.result.history[name], column)
    samples = {
        "fit": core.Samples(
            jnp.zeros((1, 2)),
            {"value": jnp.zeros((1, 2)), "jacobian": jnp.zeros((1, 2, 2))},
        )
    }
    both = [r.objective(r.value, samples)[0] for r in (loaded.result, quick.result)]
    assert both[0] == both[1]
    (tmp_path / "a.html").write_text(osculate.report.html(loaded.page))
    assert (tmp_path / "a.html").read_bytes() == quick.report(
        tmp_path / "b.html"
    ).read_bytes()
