"""The studies of chance at small size, and what their page says of the kept results."""

import importlib
import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "studies" / "chance.md"


@pytest.fixture
def study(monkeypatch):
    """Imports a script of studies/ as its neighbours do."""
    monkeypatch.syspath_prepend(ROOT / "studies")
    return importlib.import_module


# --- at small size --------------------------------------------------------------------


@pytest.mark.spec("K2.3/b")
def test_directions_of_the_divergence(study):
    found = study("kl_asymmetry").fitted(3.0)
    # Forward the moments are matched, 1 + 3^2; in reverse one bump is taken.
    assert found["forward"]["mean"] == pytest.approx(0, abs=1e-9)
    assert found["forward"]["scale"] ** 2 == pytest.approx(10, abs=1e-6)
    for side, sign in (("right", 1), ("left", -1)):
        fit = found[f"reverse from the {side}"]
        assert fit["mean"] == pytest.approx(3 * sign, abs=0.02)
        assert fit["scale"] == pytest.approx(1.0234, abs=1e-4)  # the other bump pulls
        # One of two bumps that hardly overlap: log 2.
        assert fit["divergence"] == pytest.approx(math.log(2), abs=0.01)
        assert fit["slope"] < 1e-9


@pytest.mark.spec("K3.5.7")
def test_temperature_of_relaxed_gradients(study):
    spread = study("gumbel_temperature").spread
    warm, cold = (spread("gumbel_softmax", 8000, temperature=T) for T in (1.0, 0.1))
    assert warm["bias"] - 4.5 * warm["standard error"] > 0.5
    assert cold["bias"] < 0.3
    assert cold["variance"] > 10 * warm["variance"]
    score = spread("score", 8000, baseline=None)
    assert score["bias"] < 4.5 * score["standard error"]


@pytest.mark.spec("K3.4.9-13")
def test_who_attains_the_bound(study):
    study = study("cramer_rao")
    found = study.mean_and_median(51, 8000)
    off = lambda row, exact: abs(row["ratio"] - exact) / row["standard error"]
    assert off(found["mean"], 1) < 4.5
    assert off(found["median"], 1.555) < 4.5  # of 51 numbers; pi/2 of many
    assert study.frequency(0.3, 7) == pytest.approx(1, rel=1e-12)


@pytest.mark.spec("K3.3.6-7", "K3.3.8", "K3.3.10-14")
def test_denominators_of_the_variance(study):
    row = study("bessel").denominators(7, 8000)
    for name in ("N", "N - 1", "N + 1"):
        of_bias, of_error = row[name]["standard errors"]
        assert abs(row[name]["bias"] - row[name]["exact bias"]) < 4.5 * of_bias
        assert abs(row[name]["error"] - row[name]["exact error"]) < 4.5 * of_error
    assert row["N - 1"]["exact bias"] == 0
    assert row["N"]["exact bias"] == pytest.approx(-1 / 7)
    assert row["N - 1"]["exact error"] == pytest.approx(2 / 6)
    assert row["N + 1"]["exact error"] < row["N"]["exact error"]


@pytest.mark.spec("K3.3/a")
def test_signals_and_targets(study):
    """The targets differ from the clean signal by noise, or noise and a shift."""
    study = study("noise2noise")
    found = study.draw(jax.random.key(0), 2000)
    off = {kind: found[kind] - found["clean"] for kind in study.TARGETS}
    error = study.NOISE / math.sqrt(2000 * study.POINTS)
    assert abs(jnp.mean(off["another noisy copy"])) < 4.5 * error
    assert abs(jnp.mean(off["shifted noise"]) - study.NOISE) < 4.5 * error
    products = off["another noisy copy"] * off["the noisy input itself"]
    assert abs(jnp.mean(products)) < 4.5 * study.NOISE * error


@pytest.mark.slow
@pytest.mark.spec("K3.3/a")
def test_noisy_targets_teach_what_clean_ones_do(study):
    study = study("noise2noise")
    found = study.compare(study.networks(steps=1000))
    assert found["clean"] < 0.35 * found["not denoised"]
    assert found["another noisy copy"] < 1.1 * found["clean"]
    assert found["the noisy input itself"] > 2 * found["clean"]
    assert found["shifted noise"] > 0.2  # the squared shift is 0.25


@pytest.mark.slow
@pytest.mark.spec("K3.4.20")
def test_temperature_mends_the_calibration(study):
    found = study("calibration").compare(steps=150)
    before, after = found["network"], found["at the temperature"]
    assert found["temperature"] > 1.5
    assert after["calibration error"] < 0.3 * before["calibration error"]
    assert after["cross-entropy"] < before["cross-entropy"]
    assert after["Brier score"] < before["Brier score"]
    assert after["right"] == before["right"]
    best = found["true probabilities"]
    assert best["calibration error"] < 0.01
    assert best["cross-entropy"] < after["cross-entropy"]


@pytest.mark.spec("K2.6/a")
def test_clusters_in_the_plane(study):
    found = study("tsne").compare(16, 500, (8.0,))["rows"]
    assert found["8"]["nearest of the same cluster"] > 0.97
    assert found["8"]["neighbours kept"] > found["plane"]["neighbours kept"]


@pytest.mark.spec("K3.2.9-14", "K2.4/a")
def test_sums_become_normal(study):
    study = study("clt_cumulants")
    one, four, many = (study.row(N, 100_000) for N in (1, 4, 16))
    # (n - 1)! of one exponential number, times N^(1 - n/2).
    np.testing.assert_allclose(one["cumulants"], [0, 1, 2, 6, 24, 120], atol=1e-12)
    expected = [0, 1, 1, 6 / 4, 24 / 8, 120 / 16]
    np.testing.assert_allclose(four["cumulants"], expected, atol=1e-12)
    assert four["drawn"]["skewness"] == pytest.approx(1, abs=0.06)
    assert four["drawn"]["kurtosis"] == pytest.approx(1.5, abs=0.4)
    # The entropy of one is 1; a normal number has the most.
    assert one["entropy"] == pytest.approx(1 - 0.5 * math.log(2 * math.pi * math.e))
    assert one["entropy"] < four["entropy"] < many["entropy"] < 0


@pytest.mark.spec("K2.7.1-3", "K2.7.4-5", "K2.7.6")
def test_least_heat(study):
    found = list(study("landauer").table().values())
    np.testing.assert_allclose(found, [4.59e-20, 9187, 4.59e-6, 5.44e7], rtol=2e-3)


# --- the page -------------------------------------------------------------------------


def kept(name):
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())


TABLES = [
    "kl_asymmetry",
    "gumbel_temperature",
    "cramer_rao",
    "bessel",
    "noise2noise",
    "calibration",
    "tsne",
    "clt_cumulants",
    "landauer",
]


@pytest.mark.parametrize("name", TABLES)
def test_the_page_shows_the_kept_results(study, name):
    assert study("chance_tables").markdown(name) in PAGE.read_text("utf-8")


def test_kept_results_are_what_theory_says():
    for fit in kept("kl_asymmetry")["fits"]:
        assert fit["forward"]["scale"] ** 2 == pytest.approx(fit["variance"])
    for row in kept("cramer_rao")["normal"]:
        off = abs(row["mean"]["ratio"] - 1)
        assert off < 4.5 * row["mean"]["standard error"]
    for row in kept("bessel")["rows"]:
        for name in ("N", "N - 1", "N + 1"):
            off = abs(row[name]["bias"] - row[name]["exact bias"])
            assert off < 4.5 * row[name]["standard errors"][0]
    found = kept("noise2noise")["errors"]
    assert found["another noisy copy"] < 1.1 * found["clean"]
