"""Networks and Gaussian processes: which one ships, how it was judged."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import osculate
from osculate import core, data, match, tasks
from osculate.tasks import _build, _compare
from smooth import QUICK, truth

FEW = {**QUICK, "model": "auto", "budget": "100steps"}


def few(rows, *, slopes=True):
    x = np.random.default_rng(2).uniform(-1, 1, (rows, 2))
    y, J, _ = truth(x)
    return data.table(x, y, jacobian=J if slopes else None)


@pytest.fixture(scope="module")
def shipped():
    """A short fit of a network loses against a process."""
    return tasks.surrogate(few(12), compare=True, **FEW)


def test_the_better_family_ships_and_says_so(shipped):
    facts = shipped.page.facts["Configuration"]
    assert facts["model"].startswith("Gaussian process, squared exponential kernel")
    found = re.fullmatch(
        r"process: on 10 held-out rows, 5 folds, the error over the spread is (\S+) "
        r"for a network, (\S+) for a Gaussian process",
        facts["chosen"],
    )
    network, process = map(float, found.groups())
    assert process < 0.5 * network
    x = np.random.default_rng(3).uniform(-0.4, 0.4, (50, 2))
    y, J, _ = truth(x)
    assert np.abs(shipped.predict(x) - y).max() < 0.02
    assert np.abs(shipped.gradient(x) - J).max() < 0.1
    assert isinstance(shipped.result.value.net, match.GaussianProcess)


def test_the_comparison_is_of_the_same_family(shipped):
    for name in ("y1", "y2"):
        assert shipped.values_only[name]["rrmse"] > shipped.metrics[name]["rrmse"]


def test_a_process_is_saved_and_loaded(shipped, tmp_path):
    loaded = osculate.load(shipped.save(tmp_path / "run"))
    x = np.random.default_rng(4).uniform(-1, 1, (5, 2))
    for found, wanted in zip(loaded.jet(x, 2), shipped.jet(x, 2), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert loaded.result.objective.terms.keys() == {"fit"}
    assert loaded.page.facts == shipped.page.facts


def test_the_function_of_a_process_needs_double_precision(shipped):
    x = np.array([0.1, 0.2])
    value = shipped.function(jnp.asarray(x))["y1"]
    assert float(value) == pytest.approx(shipped.predict(x[None])[0, 0], rel=1e-6)
    with jax.enable_x64(False), pytest.raises(ValueError, match="jax_enable_x64"):
        shipped.function(jnp.asarray(x, jnp.float32))


def test_what_is_set_by_hand_or_large_is_a_network():
    table, settings = few(12), tasks.Settings
    assert _compare.is_compared(table, settings())
    assert not _compare.is_compared(table, settings(loss="huber"))
    assert not _compare.is_compared(table, settings(jacobian=0.5))
    assert not _compare.is_compared(table, settings(budget="20s"))
    assert _compare.is_compared(few(200), settings())
    assert not _compare.is_compared(few(201), settings())
    assert _compare.is_compared(few(600, slopes=False), settings())


@pytest.mark.parametrize(("rows", "sizes"), [(4, [1] * 4), (12, [2] * 5), (60, [12])])
def test_few_rows_are_judged_fold_by_fold(rows, sizes):
    folds = _build.folds(few(rows), tasks.Settings())
    assert [fold.sum() for fold in folds] == sizes
    assert np.sum(folds, axis=0).max() == 1


def test_a_process_that_cannot_be_is_refused_or_left_out():
    x = np.arange(4.0)[:, None]
    table = data.table(x, x**2)
    with pytest.raises(core.InputError, match=r"gaussian_process.*\n.*Add points"):
        tasks.surrogate(table, **{**QUICK, "model": "process"}, validation=0.7)
