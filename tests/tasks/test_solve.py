"""The job of solving, in memory and on disk."""

import json
import threading
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import meshio
import numpy as np
import pytest

import osculate
from osculate import solve, tasks, train
from osculate.core import InputError, Status
from osculate.tasks import _export_fields, _lookout, _solve_search
from osculate.tasks._solver import METHODS, SolveSettings, solver_for

LINE = solve.interval(x=(0, 1))
is_shape = lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)


def declared(**changes):
    choices = {
        "equation": lambda u_x, x: u_x - 2 * x,
        "boundary": {"x=lower": 1.0},
        "reference": lambda x: 1 + x**2,
    }
    return solve.problem(LINE, **{**choices, **changes})


@pytest.fixture(scope="module")
def solution():
    return tasks.solve(declared(), width=6, depth=1, points=64, budget="100steps")


@pytest.mark.parametrize(
    ("boundary", "exact"),
    [
        ({"x=lower": {"u_x": 0.0}, "x=upper": 0.0}, lambda x: (x**3 - 1) / 6),
        ({"x=lower": 0.0, "x=upper": {"u_n": 0.5}}, lambda x: x**3 / 6),
        (
            {"x=lower": 0.0, "x=upper": lambda u, u_n: u_n + 30 * u - 5.5},
            lambda x: x**3 / 6,
        ),
    ],
)
def test_a_slope_alone_leaves_higher_derivatives_free(boundary, exact):
    bent = solve.problem(LINE, lambda u_xx, x: u_xx - x, boundary=boundary)
    found = tasks.solve(bent, width=8, depth=1, points=64, budget="300steps")
    x = np.linspace(0, 1, 50)
    assert np.abs(found(x=x) - exact(x)).max() < 1e-6
    assert found.error_estimate < 1e-4


@pytest.mark.spec("S2.1", "S2.4")
def test_slope_2x_is_a_parabola(solution):
    x = np.linspace(0, 1, 50)
    assert np.abs(solution(x=x) - (1 + x**2)).max() < 1e-5
    assert np.abs(solution.derivative("u_x", x=x) - 2 * x).max() < 1e-3
    assert float(solution(x=0.0)) == 1.0
    assert solution(x=x[:, None]).shape == (50, 1)
    assert solution.residual(x=0.3)[""].shape == ()
    assert solution.relative_l2() < 1e-5
    assert solution.error_estimate < 1e-4
    assert solution.verdict.startswith("consistent")
    assert "u of x" in repr(solution)


def test_a_constant_that_nothing_tells_is_left_out():
    """A pressure of which only the slope is known, beside a velocity."""
    flow = solve.problem(
        LINE,
        lambda v_x, p_x, v, x: (v_x - 2 * x, p_x - v),
        fields="v p",
        boundary={"x=lower": {"v": 0.0}},
        reference=lambda x: {"v": x**2, "p": x**3 / 3 + 7},
    )
    assert flow.floating == ("p",)
    found = tasks.solve(flow, width=6, depth=1, points=40, budget="200steps")
    assert found.relative_l2() < 1e-4
    error = found.error_estimate
    assert found.relative_l2() / 10 < error < 10 * found.relative_l2()
    assert declared().floating == ()


def test_what_it_cannot_answer_is_said(solution):
    with pytest.raises(InputError, match=r"expected \['x'\]"):
        solution(y=1.0)
    with pytest.raises(InputError, match="'u_z' is not known"):
        solution.derivative("u_z", x=0.0)
    with pytest.raises(InputError, match="not finite"):
        solution(x=np.nan)
    with pytest.raises(InputError, match="no unknowns"):
        solution.covariance()
    with pytest.raises(InputError, match="ends in"):
        solution.export("fields.txt")


def test_a_saved_solution_comes_back(solution, tmp_path):
    path = solution.save(tmp_path / "run")
    again = osculate.load(path, problem=declared())
    assert float(again(x=0.7)) == float(solution(x=0.7))
    assert again.certificate == solution.certificate
    assert (path / "report.html").read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(InputError, match="Pass it"):
        osculate.load(path)
    other = declared(equation=lambda u_x, x: u_x - 3 * x)
    with pytest.raises(InputError, match="another problem"):
        osculate.load(path, problem=other)
    with pytest.raises(InputError, match="not a surrogate"):
        tasks.load_surrogate(path)


def test_figures_and_files(solution, tmp_path):
    assert solution.plot(tmp_path / "u.svg").stat().st_size > 1000
    kept = np.load(solution.export(tmp_path / "u.npz", points=11))
    assert np.allclose(kept["u"], solution(x=kept["x"]))
    assert solution.export(tmp_path / "u.nc", points=11).stat().st_size > 100
    mesh = meshio.read(solution.export(tmp_path / "u.vtu", points=11))
    assert mesh.cells_dict["line"].shape == (10, 2)
    np.testing.assert_allclose(mesh.point_data["u"], kept["u"])
    assert solution.report(tmp_path / "u.html").stat().st_size > 1000


def test_a_solution_moves_in_time(tmp_path, solution):
    strip = LINE * solve.time(t=(0, 1))
    for domain, wave in (
        (strip, lambda u_t, u_x: u_t + u_x),
        (solve.box(y=(0, 1)) * strip, lambda u_t, u_x, y: u_t + u_x - y),
    ):
        moving = solve.problem(domain, wave, initial=0.0, boundary={"x=lower": 0.0})
        small = {"width": 3, "depth": 1, "points": 16, "budget": "2steps"}
        found = tasks.solve(moving, **small)
        page = found.animate(tmp_path / "u.html", frames=3).read_text()
        assert page.count("data:image/png") == 3
        assert "https:" not in page
        assert "<i " not in page
        assert found.animate(tmp_path / "u.gif", frames=3).read_bytes()[:3] == b"GIF"
    with pytest.raises(InputError, match="expected one of"):
        found.animate(tmp_path / "u.mp4")
    with pytest.raises(InputError, match="1 or more"):
        found.animate(tmp_path / "u.gif", frames=0)
    with pytest.raises(InputError, match="expected time and"):
        solution.animate(tmp_path / "u.html")


@pytest.mark.parametrize("D", [2, 3])
def test_cells_of_a_mesh_fill_the_box(tmp_path, D):
    axes = {name: np.array([0.0, 1.0, 3.0]) for name in "xyz"[:D]}
    u = np.arange(3.0**D).reshape((3,) * D)
    mesh = meshio.read(_export_fields._mesh(tmp_path / "box.vtu", axes, {"u": u}))
    corners = mesh.points[mesh.cells[0].data]
    sides = corners[:, [1, 3, 4][:D]] - corners[:, :1]  # along x, y, z from corner 0
    assert np.linalg.det(sides[:, :, :D]).sum() == 3.0**D
    assert {len(set(cell.tolist())) for cell in mesh.cells[0].data} == {2**D}
    four = dict.fromkeys("abcd", np.zeros(2))
    with pytest.raises(InputError, match="three at most"):
        _export_fields._mesh(tmp_path / "box.vtu", four, {})


def test_a_run_is_resumed_only_with_the_same_problem(tmp_path):
    choices = {"width": 3, "depth": 1, "points": 16, "budget": "3steps"}
    path = tmp_path / "run"
    first = tasks.solve(declared(), out=path, **choices)
    again = tasks.solve(declared(), out=path, resume=True, **choices)
    assert float(again(x=0.4)) == float(first(x=0.4))
    with pytest.raises(InputError, match="begun with another problem"):
        tasks.solve(
            declared(boundary={"x=lower": 2.0}), out=path, resume=True, **choices
        )
    with pytest.raises(InputError, match="begun with width = 3"):
        tasks.solve(declared(), out=path, resume=True, **{**choices, "width": 4})
    with pytest.raises(tasks.TakenError):
        tasks.solve(declared(), out=path, **choices)


def test_an_unknown_is_found_with_its_interval():
    x = np.linspace(0, 1, 21)
    noise = 1e-3 * np.random.default_rng(0).standard_normal(21)
    problem = solve.problem(
        LINE,
        lambda u, u_x, k: u_x - k * u,
        boundary={"x=lower": 1.0},
        unknowns={"k": 0.2},
        data={"x": x, "u": np.exp(0.7 * x) + noise},
        sigma=1e-3,
    )
    found = tasks.solve(problem, width=5, depth=1, points=40, budget="150steps")
    assert found.unknowns["k"] == pytest.approx(0.7, abs=3e-3)
    sure = found.covariance(points=200)
    low, high = sure.interval(0.95)
    assert low["k"] < 0.7 < high["k"]
    assert 1e-5 < float(sure.standard_error["k"]) < 3e-3


def test_source_that_is_not_finite_is_named():
    problem = declared(equation=lambda u_x, x: u_x - jnp.sqrt(x - 0.5))
    with pytest.raises(
        InputError, match=r"not finite at .* points, for instance at x="
    ):
        tasks.solve(problem, budget="1steps", width=2, depth=1, points=10)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"budget": "soon"}, "cannot be read"),
        ({"budget": "error=2"}, "between 0 and 1"),
        ({"method": "adm"}, "expected auto.*'adam'"),
        ({"method": "adam+lbfgs+ssbroyden"}, "two of them"),
        ({"method": "adam+lbfg"}, "'lbfgs'"),
        ({"method": "adam+lbfgs", "windows": 2}, "one method"),
        ({"width": 0}, "1 or more"),
        ({"starts": 0}, "1 or more"),
        ({"starts": 3, "budget": "5steps"}, "fewer starts"),
        ({"windows": 0}, "1 or more"),
        ({"windows": 2}, "the domain has none"),
        ({"windows": 2, "starts": 2}, "windows"),
        ({"windows": 2, "budget": "error=1e-3"}, "windows"),
        ({"form": "weak"}, "expected residual or energy"),
        ({"form": "energy"}, "declares an equation"),
        ({"form": "energy", "method": "levenberg_marquardt"}, "no sum of squares"),
        ({"form": "energy", "method": "adam+levenberg_marquardt"}, "no sum of squares"),
        ({"form": "energy", "adaptive": True}, "no sum of squares"),
    ],
)
def test_choices_are_checked(choice, said):
    with pytest.raises(InputError, match=said):
        tasks.solve(declared(), **choice)


@pytest.mark.parametrize("budget", ["50steps", "error=0.5"])
def test_one_method_hands_over_to_another(budget):
    seen: dict[str, list[train.Progress]] = {}
    watch = lambda leg, progress: seen.setdefault(leg, []).append(progress)
    small = {"width": 3, "depth": 1, "points": 16, "method": "adam+ssbroyden"}
    found = tasks.solve(declared(), watch=watch, **small, budget=budget)
    begun, ended = seen.values()
    assert next(iter(seen)) == "beginning"
    if budget == "50steps":
        assert (begun[-1].step, ended[-1].step) == (10, 40)
    last, first = ended[0].record["validation"], begun[0].record["validation"]
    assert last <= first
    assert found.words["method"] == "adam+ssbroyden"
    solver = solver_for(declared(), SolveSettings(method="adam+ssbroyden"))
    assert (solver.begins, solver.first) == (solver.first, METHODS["adam"]())


def test_networks_that_are_large_are_not_given_a_dense_matrix():
    for windows, width, name in (
        (None, 150, "adam+lbfgs"),
        (2, 150, "lbfgs"),
        (None, 20, "ssbroyden"),
    ):
        settings = SolveSettings(width=width, depth=3, windows=windows)
        assert solver_for(declared(), settings).name == name
    waves = {"width": 50, "depth": 2, "harmonics": 60}
    ring = solve.problem(
        LINE, lambda u_xx, u: u_xx - u, boundary={"x": solve.periodic()}
    )
    assert solver_for(ring, SolveSettings(**waves)).name == "adam+lbfgs"


@pytest.mark.parametrize(
    ("domain", "equation", "width"),
    [
        (LINE * solve.time(t=(0, 1)), lambda u_t, u_xx: u_t - u_xx, 20),
        (LINE * solve.time(t=(0, 1)), lambda u_t, u_xx, u: u_t - u_xx + u**3, 30),
        (solve.time(t=(0, 1)), lambda u_t, u: u_t + u**3, 20),
    ],
    ids=["linear", "nonlinear", "one coordinate"],
)
def test_nonlinear_equations_get_wider_layers(domain, equation, width):
    boundary = {"x": 0.0} if "x" in domain.names else None
    declared = solve.problem(domain, equation, initial=0.0, boundary=boundary)
    assert solver_for(declared, SolveSettings()).width == width


def test_a_hint_yields_to_what_does_not_go_with_it():
    for choice in ({"method": "adam+lbfgs"}, {"starts": 2}, {"budget": "error=1e-3"}):
        assert SolveSettings(**choice).or_else({"windows": 4}).parts == 1
    assert SolveSettings().or_else({"windows": 4}).parts == 4


def test_the_best_of_several_networks_goes_on(tmp_path):
    seen = []
    watch = lambda leg, progress: seen.append((leg, progress.step))
    small = {"width": 3, "depth": 1, "points": 16, "starts": 3}
    path = tmp_path / "run"
    choices = {**small, "budget": "60steps", "out": path}
    found = tasks.solve(declared(), watch=watch, **choices)
    assert {leg for leg, _ in seen} == {"start 1", "start 2", "start 3", "solve"}
    steps = {leg: max(k for name, k in seen if name == leg) for leg, _ in seen}
    assert sum(steps.values()) == 60
    assert "3 networks" in found.words["starts"]
    lines = (path / "log.jsonl").read_text().splitlines()
    begun: dict[str, list[float]] = {}
    for line in map(json.loads, lines):
        begun.setdefault(line["leg"], []).append(line["validation"])
    assert begun["solve"][0] == min(min(begun[f"start {k + 1}"]) for k in range(3))
    in_time = tasks.solve(declared(), **small, budget="3s")
    assert in_time.result.stats["steps"] >= 1


def swing(**changes):
    choices = {
        "equation": lambda u_tt, u: u_tt + u,
        "initial": {"u": 1.0, "u_t": 0.0},
        "reference": lambda t: jnp.cos(t),
    }
    return solve.problem(solve.time(t=(0, 9)), **{**choices, **changes})


IN_WINDOWS: dict[str, Any] = {
    "windows": 3,
    "width": 8,
    "depth": 1,
    "points": 40,
    "seed": 1,
}


@pytest.fixture(scope="module")
def swung(tmp_path_factory):
    path = tmp_path_factory.mktemp("swing") / "run"
    return tasks.solve(swing(), budget="300steps", out=path, **IN_WINDOWS), path


def test_windows_of_time_follow_one_another(swung):
    found, _ = swung
    error = found.relative_l2()
    assert error < 1e-4
    assert error / 10 < found.error_estimate < 10 * error
    assert found.result.stats["steps"] == 300
    assert (np.diff(found.result.history["step"]) >= 0).all()
    assert "3 in time" in found.words["windows"]
    assert float(found(t=0.0)) == 1.0
    assert float(found.derivative("u_t", t=0.0)) == 0.0


def test_a_solution_in_windows_comes_back(swung):
    found, path = swung
    t = np.linspace(0, 9, 20)
    assert np.array_equal(osculate.load(path, problem=swing())(t=t), found(t=t))


def test_windows_that_were_interrupted_go_on(swung, tmp_path):
    found, _ = swung

    def watch(leg, _):
        if leg == "window 2":
            raise KeyboardInterrupt

    choices: dict[str, Any] = {"budget": "300steps", "out": tmp_path / "run"}
    choices |= IN_WINDOWS
    with pytest.raises(KeyboardInterrupt):
        tasks.solve(swing(), watch=watch, **choices)
    seen = []
    watch = lambda leg, _: seen.append(leg)
    again = tasks.solve(swing(), resume=True, watch=watch, **choices)
    assert set(seen) == {"window 2", "window 3"}
    t = np.linspace(0, 9, 20)
    assert np.array_equal(again(t=t), found(t=t))


def test_a_source_that_fails_in_a_later_window_is_found_before_the_first():
    later = swing(equation=lambda u_tt, u, t: u_tt + u * jnp.sqrt(5 - t))
    with pytest.raises(InputError, match="not finite"):
        tasks.solve(later, budget="3steps", **IN_WINDOWS)
    with pytest.raises(InputError, match="every window takes one step"):
        tasks.solve(swing(), budget="2steps", **IN_WINDOWS)


def test_the_error_of_now_is_told_while_a_fit_goes_on(monkeypatch):
    monkeypatch.setattr(_lookout, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(_lookout, "SHARE", 100.0)
    monkeypatch.setattr(_lookout, "MARGIN", -np.inf)
    certify, certified, told = _solve_search.certify, threading.Event(), []

    def noted(*of):
        try:
            return certify(*of)
        finally:
            certified.set()

    def watch(leg, progress):
        told.append((leg, progress.record.get("estimated_error")))
        if leg == "solve" and len(estimates()) < 2:
            certified.clear()
            certified.wait(5)
            time.sleep(0.05)  # until it is told

    estimates = lambda: {error for _, error in told} - {None}
    monkeypatch.setattr(_solve_search, "certify", noted)
    small = {"width": 6, "depth": 1, "points": 64, "starts": 2}
    choices = {"watch": watch, "live_error": True, **small}
    found = tasks.solve(declared(), **choices, budget="4000steps")
    assert {leg for leg, _ in told} == {"start 1", "start 2", "solve"}
    assert {error for leg, error in told if leg != "solve"} == {None}
    assert len(estimates()) >= 2
    assert max(estimates()) > min(estimates()) > 0
    assert "estimated_error" not in found.result.history


@pytest.mark.parametrize("live", [False, True])
def test_no_error_is_told_unless_asked_for(monkeypatch, live):
    monkeypatch.setattr(_lookout, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(_lookout, "SHARE", 100.0)
    monkeypatch.setattr(_lookout, "MARGIN", -np.inf)
    certify, calls = _solve_search.certify, []

    def noted(*of):
        calls.append(threading.current_thread())
        return certify(*of)

    def watch(_, progress):
        end = time.perf_counter() + 60
        while len(calls) < 1 + live and time.perf_counter() < end:
            time.sleep(0.05)
        time.sleep(0.2)  # in which more could be made

    monkeypatch.setattr(_solve_search, "certify", noted)
    small = {"width": 3, "depth": 1, "points": 16, "budget": "3steps"}
    tasks.solve(declared(), watch=watch, live_error=live, **small)
    assert calls[-1] is threading.main_thread()
    assert threading.main_thread() not in calls[:-1]
    assert (len(calls) > 2) == live  # one compiles, one is what the solution is worth


def test_what_fails_beside_a_fit_ends_it(monkeypatch):
    certify, steps = _solve_search.certify, []

    def failing(*of):
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError("no room")
        return certify(*of)

    def watch(_, progress):
        time.sleep(0.1)
        steps.append(progress.step)

    monkeypatch.setattr(_solve_search, "certify", failing)
    small = {"width": 3, "depth": 1, "points": 16, "budget": "20000steps"}
    with pytest.raises(MemoryError, match="no room"):
        tasks.solve(declared(), watch=watch, **small)
    assert max(steps, default=0) < 20000


def test_the_time_that_a_fit_still_has():
    at = lambda step, seconds, steps=None, **rest: train.Progress(
        step, steps, None, {}, {}, seconds, **rest
    )
    left = _lookout._left
    assert left(at(0, 3.0, limit=10.0), 0, 3.0) == 7.0
    assert left(at(0, 3.0, 100), 0, 3.0) == 0.0  # nothing tells yet
    assert left(at(30, 6.0, 100), 10, 4.0) == pytest.approx(7.0)
    assert left(at(30, 6.0, 100, limit=8.0), 10, 4.0) == pytest.approx(2.0)
    assert left(at(30, 6.0, limit=8.0, status=Status.CONVERGED), 0, 0.0) == 0.0


def test_windows_share_the_seconds(monkeypatch):
    legs, looked, certify = {}, [], _solve_search.certify_windows

    def noted(problem, objective, model, fits, key):
        shapes = eqx.filter_eval_shape(lambda: (model, fits[0]))
        looked.append((threading.current_thread(), eqx.filter(shapes, is_shape)))
        return certify(problem, objective, model, fits, key)

    monkeypatch.setattr(_solve_search, "certify_windows", noted)
    watch = lambda leg, progress: legs.update({leg: progress.step})
    found = tasks.solve(swing(), watch=watch, budget="4s", **IN_WINDOWS)
    assert list(legs) == ["beginning", "window 1", "window 2", "window 3"]
    assert found.result.stats["steps"] >= 3
    (beside, begun), (after, ended) = looked
    assert after is threading.main_thread() is not beside
    assert eqx.tree_equal(begun, ended)  # so that nothing is compiled twice


def test_names_of_the_library_are_suggested():
    with pytest.raises(InputError, match="Did you mean 'burgers'"):
        tasks.solve("burger")
