"""The studies of curvature at small size, and what their page says of the results."""

import importlib
import json
import math
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "studies" / "curvature.md"


@pytest.fixture
def study(monkeypatch):
    """Imports a script of studies/ as its neighbours do."""
    monkeypatch.syspath_prepend(ROOT / "studies")
    return importlib.import_module


# --- at small size --------------------------------------------------------------------


@pytest.mark.spec("K4.3.6-8", "K4.3.9", "K4.3.10-11")
def test_phases_of_momentum(study):
    study = study("momentum")
    rows = study.phases(steps=4000)
    # Over 2,000 steps a swing, or the factor k of a double root, is worth 1e-3.
    for row in rows:
        np.testing.assert_allclose(row["measured"], row["radius"], rtol=1.5e-3)
        assert (row["radius"] > 1) == (row["phase"] == "divergent")
    names = {row["phase"] for row in rows}
    assert names == {
        "overdamped",
        "critical",
        "oscillating",
        "alternating",
        "divergent",
    }


@pytest.mark.spec("K4.3.12-13", "K4.3.14")
@pytest.mark.parametrize("condition", [10.0, 100.0])
def test_rates_by_condition_number(study, condition):
    row, root = study("momentum").rates(condition), math.sqrt(condition)
    assert row["momentum"] == pytest.approx((root - 1) / (root + 1), abs=1e-12)
    expected = (condition - 1) / (condition + 1)
    assert row["descent"] == pytest.approx(expected, abs=1e-12)
    for name in ("momentum", "descent"):
        assert row[f"{name}, measured"] == pytest.approx(row[name], abs=1e-3)


@pytest.mark.spec("K4.3/a")
@pytest.mark.parametrize("condition", [10.0, 100.0])
def test_three_stages_for_two_curvatures_take_the_cube_root(study, condition):
    study = study("three_stage_momentum")
    coefficients = study.method(study.for_two_curvatures(condition), condition)
    # The curvature 0 leaves all as it is: z = 1 is a root.
    flat = -(condition + 1) / (condition - 1)
    polynomial = [1, *(coefficients[:3] + flat * coefficients[3:])]
    assert np.polyval(polynomial, 1.0) == pytest.approx(0, abs=1e-12)
    cube, square = (study.rate(n, condition) for n in (3, 2))
    # A triple root is known to the cube root of the rounding errors.
    ends = study.radii(coefficients, np.array([-1.0, 1.0]))
    np.testing.assert_allclose(ends, cube, atol=1e-4)
    assert study.slope(coefficients, 1.0) == pytest.approx(cube, abs=2e-3)
    between = study.radii(coefficients, np.linspace(-1, 1, 21)).max()
    assert between > square
    middle = study.slope(coefficients, 0.0)
    assert middle == pytest.approx(math.sqrt(3) * cube, abs=1e-3)


@pytest.mark.spec("K4.3/a")
def test_no_three_stages_beat_two_over_all_curvatures(study):
    study = study("three_stage_momentum")
    found = study.search(10.0, starts=2)
    assert found["best of three stages"] > found["square root"] - 1e-6
    assert found["best of three stages"] < found["square root"] + 0.01
    momentum = study.method(study.two_stages(10.0), 10.0)
    x = np.linspace(-1, 1, 21)
    # A double root is known to the square root of the rounding errors.
    np.testing.assert_allclose(
        study.radii(momentum, x), found["square root"], atol=1e-6
    )


@pytest.mark.spec("K4.4.6")
@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999])
def test_rmsprop_falls_by_its_step_and_cycles(study, beta):
    row = study("rmsprop").cycle(beta)
    assert row["steps to half"] == pytest.approx(500, rel=0.2)
    assert row["at the end"] == pytest.approx(0.5, abs=1e-3)
    assert row["off between curvatures"] < 1e-6  # the distance is 1,000
    if beta == 0:
        assert row["lowest"] == pytest.approx(0.3, abs=1e-6)
        assert row["highest after"] == pytest.approx(0.7, abs=1e-6)
    else:  # steps are divided by slopes that are no more, and then by too little
        assert row["lowest"] < 1e-6
        assert row["highest after"] > 1


@pytest.mark.spec("K4.4.6")
def test_rmsprop_needs_the_axes(study):
    rotated = study("rmsprop").rotated
    sizes = (1e-3, 1e-2, 0.1, 1.0)
    left = [rotated(degrees, 1000, sizes=sizes) for degrees in (0, 3, 45)]
    assert left[0] < left[1] - 5 < left[2] - 5
    assert left[2] > -5
    descent = [rotated(d, 1000, "descent", sizes=(0.5, 1.0)) for d in (0, 3, 45)]
    np.testing.assert_allclose(descent, descent[0], rtol=1e-6)


@pytest.mark.spec("K4.5.11-12")
def test_the_trade_off_is_found_again(study):
    study = study("noise_scale")
    batches = [1, 8, 64, 512]
    found = study.fitted(batches, [20 * (1 + 50 / B) for B in batches])
    assert found["fewest steps"] == pytest.approx(20, rel=1e-6)
    assert found["critical batch"] == pytest.approx(50, rel=1e-6)
    assert found["fewest examples"] == pytest.approx(1000, rel=1e-6)
    assert found["off"] < 1e-6
    assert found["median product"] == pytest.approx(1, rel=1e-5)
    assert study.crossing(np.array([3.0, 2.0, 1.0]), 1.5, 10) == 25.0
    assert study.crossing(np.array([3.0, 2.0]), 1.5, 10) == math.inf


@pytest.mark.slow
@pytest.mark.spec("K4.5.11-12")
def test_larger_batches_pay_less(study):
    study = study("noise_scale")
    few = {"seeds": 2, "sizes": (0.1, 0.2, 0.4, 0.8, 1.6)}
    rows = [study.steps_to(B, (0.5,), most=500 // B + 40, **few)[0] for B in (4, 256)]
    assert 3 < rows[0]["steps"] / rows[1]["steps"] < 16  # for 64 times the rows
    assert rows[0]["step size"] < rows[1]["step size"]


@pytest.mark.spec("K4.6.1-4", "K4.6.17")
def test_paths_by_coordinates(study):
    gap = study("natural_gradient").gap
    natural = [gap(True, steps) for steps in (30, 60)]
    assert natural[0] / natural[1] == pytest.approx(2, abs=0.05)
    assert gap(False, 60) > 1


@pytest.mark.slow
@pytest.mark.spec("K4.6.17")
def test_a_network_in_other_units(study):
    found = study("natural_gradient").network(steps=10)
    assert found["natural gradient"]["apart"] < 1e-6  # the damping is no multiple of F
    assert found["descent"]["apart"] > 0.05
    assert found["Adam"]["apart"] > 0.05


@pytest.mark.spec("K4.7.8-13")
@pytest.mark.parametrize("distinct", [2, 8, 16])
def test_steps_by_distinct_eigenvalues(study, distinct):
    found = study("conjugate_gradients").steps_needed(distinct)
    assert found["steps"] == distinct
    assert found["residual"] < 1e-8


@pytest.mark.spec("K4.7.8-13")
def test_errors_stay_below_the_bound(study):
    study = study("conjugate_gradients")
    steps = (5, 20)
    for name, eigenvalues in study.SPECTRA.items():
        errors = study.errors(eigenvalues, steps)
        for k, error in zip(steps, errors, strict=True):
            assert error <= study.bound(k) * (1 + 1e-9), name
    # T_n by its recurrence
    x, T = 101 / 99, [1.0, 101 / 99]
    for _ in range(4):
        T.append(2 * x * T[-1] - T[-2])
    assert study.bound(5) == pytest.approx(1 / T[5])


@pytest.mark.spec("K4.7.14-15", "K4.7.16-21", "K4.7.22")
def test_bfgs_goes_the_way_of_conjugate_gradients(study):
    found = study("conjugate_gradients").quasi_newton(6)
    assert found["angle"] < 1e-9  # differences of iterates, some of them small
    assert found["secant"] < 1e-13
    assert found["inverse"] < 1e-12
    assert found["Hessian"] < 1e-12


@pytest.mark.spec("K1.3/b")
def test_half_of_the_eigenvalues_are_negative(study):
    study = study("saddles")
    row = study.negative(200, draws=200)
    assert row["one matrix"] == pytest.approx(0.495, abs=1e-12)
    assert abs(row["negative"] - 0.5) < 4.5 * row["standard error"] < 0.01
    assert row["minima"] == 0
    two = study.negative(2, draws=400)
    # (2 - sqrt 2) / 4 of such matrices of order two are positive.
    exact = (2 - math.sqrt(2)) / 4
    error = math.sqrt(exact * (1 - exact) / two["draws"])
    assert abs(two["minima"] - exact) < 4.5 * error


@pytest.mark.spec("K1.3/d")
def test_small_steps_repeat_themselves(study):
    found = study("saddles").alike((0.1, 1.0, 1.9), time=60.0)["rows"]
    small, one, large = found
    assert small["steps"] == pytest.approx(10 * one["steps"], rel=0.02)
    assert 1 - small["cosine"] < 0.1 * (1 - one["cosine"])
    assert large["cosine"] < 0 < one["cosine"]


# --- the page -------------------------------------------------------------------------


def kept(name):
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())


TABLES = [
    "momentum",
    "three_stage_momentum",
    "cycles",
    "rmsprop",
    "noise_scale",
    "natural_gradient",
    "conjugate_gradients",
    "saddles",
    "steps",
]


@pytest.mark.parametrize("name", TABLES)
def test_the_page_shows_the_kept_results(study, name):
    assert study("curvature_tables").markdown(name) in PAGE.read_text("utf-8")


def test_every_table_is_looked_for(study):
    assert list(study("curvature_tables").TABLES) == TABLES


@pytest.mark.spec("K4.3.14", "K4.3/a", "K4.4.6", "K4.5.8", "K4.5.11-12")
def test_kept_results_are_what_theory_says():
    for row in kept("momentum")["rates"]:
        for name in ("momentum", "descent"):
            assert row[f"{name}, measured"] == pytest.approx(row[name], abs=1e-3)
    network = kept("momentum")["network"]
    assert network["condition"] > 100
    assert network["descent, measured"] == pytest.approx(network["descent"], abs=1e-4)
    # Double roots: the distance falls as n times a power, and swings.
    assert network["momentum, measured"] == pytest.approx(network["momentum"], abs=0.01)
    for row in kept("three_stage_momentum")["rows"]:
        assert row["best of three stages"] > row["square root"] - 1e-6
        assert row["best of three stages"] < row["square root"] + 1e-4
    for row in kept("rmsprop")["cycles"]:
        assert row["at the end"] == pytest.approx(0.5, abs=1e-3)
    for fit in kept("noise_scale")["fits"]:
        assert fit["off"] < 0.2
        assert 0.1 < fit["noise"] / fit["critical batch"] < 10
    bound = kept("conjugate_gradients")["bound"]
    for errors in kept("conjugate_gradients")["errors"].values():
        assert (np.asarray(errors) <= np.asarray(bound) * (1 + 1e-9)).all()
    gaps = kept("natural_gradient")["gaps"]
    ratios = jnp.asarray([gap["natural gradient"] / gap["step"] for gap in gaps])
    np.testing.assert_allclose(ratios, ratios[-1], rtol=0.03)


def test_the_page_shows_the_kept_coverage():
    text = " ".join((ROOT / "docs" / "curvature.md").read_text("utf-8").split())
    found = kept("interval_coverage")["inverse problem"]
    for way in ("known sigma", "estimated sigma", "exact solution"):
        row = found["ways"][way]
        share, error = 100 * row["covered"], 100 * row["standard error"]
        assert f"{share:.1f} ± {error:.1f} %" in text, way
        assert abs(share - 95) < 3 * error
    known = found["ways"]["known sigma"]["width"]
    for way in ("(J'J)^-1, as it is", "(J'J)^-1, once each"):
        assert f"{found['ways'][way]['width'] / known:.0f} times" in text


def test_coverage_at_small_size(study):
    study = study("interval_coverage")
    found = study.regression(8)
    assert found["covered"] >= 5 / 8
    row = study.share([(0.0, 1.0), (2.0, 3.0), (0.5, 2.0), (0.9, 1.1)], 1.0)
    assert (row["covered"], row["width"]) == (0.5, 0.925)
