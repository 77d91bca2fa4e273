"""Tables from black boxes: errors of differences, failures, and calls that are kept."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osculate import data
from osculate.core import InputError
from osculate.store import CorruptFileError

from .test_from_function import truth

X = np.random.default_rng(0).uniform(-1, 1, (5, 3))


def f(x):
    return {"z": np.exp(x[0]) * x[1] ** 2, "a": np.sin(x[2] * x[0])}


class Counted:
    def __init__(self, f):
        self.f, self.calls, self.lock = f, 0, threading.Lock()

    def __call__(self, x):
        with self.lock:
            self.calls += 1
        return self.f(x)


# --- derivatives -------------------------------------------------------------------


@pytest.mark.spec("S0.5")
@pytest.mark.parametrize(
    ("method", "step", "order", "bound", "calls"),
    [
        ("central", None, 1, 1e-8, 1 + 4 * 3),
        ("central", None, 2, 1e-4, 1 + 4 * 3 + 4 * 6),
        ("central", "search", 1, 1e-11, 1 + 28 * 3),
        ("central", "search", 2, 1e-8, 1 + 28 * 3 + 15 * 6),
        ("forward", None, 1, 1e-6, 1 + 2 * 3),
        ("forward", None, 2, 1e-3, 1 + 2 * 3 + 3 * 6),
        ("complex", None, 1, 1e-14, 1 + 3),
        ("complex", None, 2, 1e-11, 1 + 3 + 32 * 6),
    ],
)
def test_derivatives_and_their_errors(method, step, order, bound, calls):
    counted = Counted(f)
    table = data.from_black_box(counted, X, order=order, derivatives=method, step=step)
    checks = 2 if method == "complex" else 0
    assert counted.calls == len(X) * calls + checks
    exact = dict(zip(("value", "jacobian", "hessian"), truth(X), strict=True))
    assert np.array_equal(table.y["value"], exact["value"])
    for label in ("jacobian", "hessian")[:order]:
        assert table.known[label].all()
        off = np.abs(table.y[label] - exact[label])
        assert off.max() < bound
        assert (off <= 20 * table.sigma[label] + 1e-15).all()
    assert set(table.sigma) == set(table.y) - {"value"}
    assert table.failures == ()


@pytest.mark.spec("S0.5")
def test_the_error_follows_the_step():
    exact = truth(X)[1]
    off = lambda h, method: np.abs(
        data.from_black_box(f, X, derivatives=method, step=h).y["jacobian"] - exact
    ).max()
    assert off(2e-3, "central") / off(1e-3, "central") == pytest.approx(4, rel=0.02)
    assert off(2e-3, "forward") / off(1e-3, "forward") == pytest.approx(2, rel=0.02)


def test_steps_are_in_units_of_each_input():
    seen = []

    def g(x):
        seen.append(x)
        return x[0] + 1e7 * x[1]

    x = np.array([[300.0, 1e-6], [310.0, 2e-6], [320.0, 4e-6], [330.0, 3e-6]])
    data.from_black_box(g, x, derivatives="forward", step=[0.5, 1e-9])
    moved = np.stack(seen)[4:8] - x[0]
    assert moved[:2].tolist() == [[0.5, 0.0], [1.0, 0.0]]
    np.testing.assert_allclose(moved[2:, 1], [1e-9, 2e-9], rtol=1e-6)
    table = data.from_black_box(g, x)
    slopes = np.broadcast_to([1, 1e7], (4, 1, 2))
    np.testing.assert_allclose(table.y["jacobian"], slopes, rtol=1e-6)


@given(st.sampled_from([1e-9, 1e-6, 1e-3]), st.integers(0, 2**32 - 1))
@settings(max_examples=12)
def test_digits_that_are_worth_nothing_are_unknown(noise, seed):
    rng = np.random.default_rng(seed)
    noisy = lambda x: np.sin(x[0]) + noise * rng.standard_normal()
    x = np.linspace(-1, 1, 9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", data.DerivativeWarning)
        table = data.from_black_box(noisy, x)
    known = table.known["jacobian"][:, 0, 0]
    off = np.abs(table.y["jacobian"][:, 0, 0] - np.cos(x))
    sigma = table.sigma["jacobian"][:, 0, 0]
    slope = np.abs(table.y["jacobian"][known, 0, 0])
    assert (sigma[known] <= 0.1 * np.maximum(1.2, slope)).all()
    if noise == 1e-3:
        assert not known.any()
        assert (sigma[~known] == 0).all()
    if noise == 1e-9:
        assert known.all()
        assert np.median(off / sigma) < 20


@pytest.mark.parametrize(("noise", "least"), [(1e-6, 1.0), (1e-3, 0.9)])
@pytest.mark.parametrize("method", ["central", "forward"])
def test_a_search_knows_its_error_for_a_noisy_function(method, noise, least):
    ratios, known = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        noisy = lambda x, rng=rng: np.exp(2 * x[0]) + noise * rng.standard_normal()
        x = rng.uniform(-1, 1, 12)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", data.DerivativeWarning)
            table = data.from_black_box(noisy, x, derivatives=method, step="search")
        there = table.known["jacobian"][:, 0, 0]
        off = np.abs(table.y["jacobian"][:, 0, 0] - 2 * np.exp(2 * x))
        ratios += (off / table.sigma["jacobian"][:, 0, 0])[there].tolist()
        known += there.tolist()
    assert np.mean(known) >= least
    assert np.max(ratios) < 5
    assert 0.2 < np.sqrt(np.mean(np.square(ratios))) < 1


def test_a_search_does_without_a_call_that_failed():
    step = np.random.default_rng(0).choice(28, 9)
    counted = [0]

    def g(x):
        counted[0] += 1
        row, call = divmod(counted[0] - 1 - 9, 28)
        if row >= 0 and call == step[row]:
            raise RuntimeError("did not converge")
        return np.sin(x[0])

    x = np.linspace(-1, 1, 9)
    with pytest.warns(data.DerivativeWarning, match="9 of 261 calls"):
        table = data.from_black_box(g, x, step="search")
    assert table.known["jacobian"].all()
    assert np.abs(table.y["jacobian"][:, 0, 0] - np.cos(x)).max() < 1e-9


def test_a_slope_that_is_zero_is_known():
    x = np.c_[np.linspace(-1, 1, 12), np.full(12, 300.0)]
    table = data.from_black_box(lambda x: np.sin(x[0]), x, order=2)
    assert table.known["jacobian"].all()
    assert (table.y["jacobian"][:, 0, 1] == 0).all()
    assert (table.y["hessian"][:, 0, 1, 1] == 0).all()


@pytest.mark.parametrize("size", [0.0, 3.7, -1e6])
@pytest.mark.parametrize("step", [None, "search", 0.1])
@pytest.mark.parametrize("method", ["central", "forward", "complex"])
def test_the_slopes_of_a_constant_are_known_to_be_zero(method, step, size):
    g = lambda x: {"a": x[0] * x[1], "constant": size}
    table = data.from_black_box(g, X, order=2, derivatives=method, step=step)
    for label in ("jacobian", "hessian"):
        assert table.known[label].all()
        off, sigma = np.abs(table.y[label][:, 1]), table.sigma[label][:, 1]
        assert (off <= sigma).all()
        assert sigma.max() <= max(1e-3 * abs(size), 1e-300)  # never less than a number


def test_a_constant_up_to_rounding_is_one_and_a_noisy_one_is_not():
    circle = lambda x: np.sin(x[0]) ** 2 + np.cos(x[0]) ** 2
    table = data.from_black_box(circle, X)
    assert table.known["jacobian"].all()
    assert np.abs(table.y["jacobian"]).max() < 1e-9
    rng = np.random.default_rng(0)
    noisy = lambda x: 1.0 + 1e-6 * rng.standard_normal()
    with pytest.warns(data.DerivativeWarning, match="15 derivatives are unknown"):
        data.from_black_box(noisy, X)


def test_a_search_finds_the_step_for_a_noisy_function():
    rng = np.random.default_rng(0)
    noisy = lambda x: np.sin(x[0]) + 1e-4 * rng.standard_normal()
    x = np.linspace(-1, 1, 9)
    table = data.from_black_box(noisy, x, step="search")
    assert table.known["jacobian"].all()
    assert np.abs(table.y["jacobian"][:, 0, 0] - np.cos(x)).max() < 0.02
    with pytest.warns(data.DerivativeWarning, match="8|9 derivatives are unknown"):
        data.from_black_box(lambda x: noisy(x) + rng.standard_normal(), x)


def test_given_derivatives():
    y, J, H = truth(X)
    at = lambda x: int(np.argmin(np.abs(X - x).sum(1)))
    both = lambda x: (y[at(x)], J[at(x)])
    table = data.from_black_box(both, X, derivatives="given")
    assert np.array_equal(table.y["jacobian"], J)
    assert table.sigma == {}
    named = lambda x: tuple({"z": t[at(x)][0], "a": t[at(x)][1]} for t in (y, J, H))
    table = data.from_black_box(named, X, order=2, derivatives="given")
    assert np.array_equal(table.y["hessian"], H)
    assert table.outputs == ("z", "a")
    lacking = J.copy()
    lacking[2, 1, 0] = np.nan
    some = lambda x: (y[at(x)], lacking[at(x)])
    with pytest.warns(data.DerivativeWarning, match="nan for the jacobian of 'y2'"):
        table = data.from_black_box(some, X, derivatives="given")
    assert table.known["value"].all()
    assert (~table.known["jacobian"]).sum() == 1
    turned = lambda x: (y[at(x)], J[at(x)].T)
    with pytest.raises(InputError, match=r"expected \(2, 3\) .*looks transposed"):
        data.from_black_box(turned, X, derivatives="given")
    with pytest.raises(InputError, match=r"returned no tuple \(value, jacobian\)"):
        data.from_black_box(f, X, derivatives="given")


def test_values_only():
    counted = Counted(lambda x: int(x[0] > 0))
    table = data.from_black_box(counted, X, derivatives=None)
    assert (counted.calls, set(table.y)) == (5, {"value"})


@pytest.mark.parametrize(
    ("g", "said"),
    [
        (lambda x: math.sin(x[0]), "fails at every complex point"),
        (lambda x: np.sin(x.real).sum(), "its values are real at complex points"),
        (lambda x: np.abs(x[0]) * (1 + x[1]) * np.exp(x[2]), r"at row 1 'y' changes"),
    ],
)
def test_functions_that_do_not_take_complex_steps(g, said):
    with pytest.raises(InputError, match=said) as error:
        data.from_black_box(g, X, derivatives="complex")
    assert "derivatives='central'" in str(error.value)


# --- failures ----------------------------------------------------------------------


def test_a_call_that_fails_costs_its_own_entries_only():
    def g(x):
        if np.array_equal(x, X[1]):
            raise RuntimeError("did not converge")
        if np.array_equal(x, X[2]):
            return np.array([np.nan, x[1]])
        if np.array_equal(x, X[3]):
            return np.zeros(5)
        if x[0] > X[4, 0] and np.array_equal(x[1:], X[4, 1:]):
            return "text"
        return np.array([x[0] ** 2, x[1]])

    with pytest.warns(data.DerivativeWarning) as warned:
        table = data.from_black_box(g, X)
    assert len(warned) == 1
    said = "5 of 65 calls gave no result.*row 2.*RuntimeError: did not converge"
    assert warned[0].message.args[0].count("\n") == 0
    pytest.warns(data.DerivativeWarning, match=said)
    reasons = [failure.reason for failure in table.failures]
    assert [failure.row for failure in table.failures] == [1, 2, 3, 4, 4]
    assert reasons[0] == "RuntimeError: did not converge"
    assert reasons[1] == "returned nan for 'y1'"
    assert reasons[2] == "returned shape (5,); the others shape (2,)"
    assert "expected numbers" in reasons[3]
    known = table.known["value"]
    assert known[:, 0].tolist() == [True, False, False, False, True]
    assert known[:, 1].tolist() == [True, False, True, False, True]
    slopes = table.known["jacobian"]
    assert slopes[:4].all()  # a central difference does not ask for the row itself
    assert not slopes[4, :, 0].any()
    assert slopes[4, :, 1:].all()
    assert table.rows([4, 1]).failures[0].row == 1
    assert table.rows([0]).failures == ()
    assert table.failures[0].point == tuple(X[1])


def test_the_warning_counts_and_gives_the_first_reason():
    g = lambda x: 1 / 0 if x[0] == 1.0 else x[0] ** 2
    said = r"1 of 4 calls .*The first: row 2, at \(1\): ZeroDivisionError"
    with pytest.warns(data.DerivativeWarning, match=said):
        data.from_black_box(g, [0.0, 1.0, 2.0, 3.0], derivatives=None)


def test_where_nothing_works_it_says_why():
    with pytest.raises(InputError, match=r"none .* row 1, at .*: TypeError: no such"):
        data.from_black_box(raising, X)


def raising(x):
    raise TypeError("no such thing")


# --- settings ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"derivatives": "centre"}, "derivatives='centre'; expected one of 'central'"),
        ({"step": -1.0}, "step=-1.0; expected a positive number, 3 of them"),
        ({"step": "find"}, "or 'search'"),
        ({"workers": 0}, "workers=0; expected a positive number"),
        ({"cache": "kept"}, "`cache` without a `name`"),
        ({"order": -1}, "order=-1; expected 0 to 2"),
        ({"inputs": ["a", "b"]}, "expected 3 names"),
    ],
)
def test_settings_are_checked_before_anything_is_called(change, said, tmp_path):
    counted = Counted(f)
    with pytest.raises(InputError, match=said):
        data.from_black_box(**{"f": counted, "x": X, **change})
    assert counted.calls == 0


# --- workers -----------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 4, "threads"])
def test_workers_keep_the_order(workers):
    def slow(x):
        time.sleep(0.002 * (x[0] > 0))
        return f(x)

    pool = ThreadPoolExecutor(3) if workers == "threads" else workers
    told = []
    watch = lambda done, of: told.append((done, of))
    table = data.from_black_box(slow, X, workers=pool, watch=watch)
    assert table.digest == data.from_black_box(f, X).digest
    assert told == [(i + 1, 65) for i in range(65)]


def test_threads_work_at_the_same_time():
    together = threading.Barrier(3, timeout=20)

    def meet(x):
        together.wait()
        return x[0]

    table = data.from_black_box(meet, np.arange(6.0), derivatives=None, workers=3)
    assert table.y["value"][:, 0].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.slow
def test_processes(tmp_path):
    """Functions of NumPy itself can be sent to a fresh process."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        given = {"workers": pool, "cache": tmp_path, "name": "exp"}
        table = data.from_black_box(np.exp, X, **given)
        assert table.digest == data.from_black_box(np.exp, X).digest
        with pytest.raises(InputError, match="f cannot be sent to a worker"):
            data.from_black_box(lambda x: x, X, workers=pool)
    assert len(list(tmp_path.glob("*.npz"))) == 65


# --- what is kept ------------------------------------------------------------------


def test_kept_calls_are_not_made_again(tmp_path):
    first, second, other = Counted(f), Counted(f), Counted(lambda x: 2 * x)
    given = {"cache": tmp_path / "a" / "b", "name": "f-1", "step": 1e-4}
    table = data.from_black_box(first, X[:3], **given)
    again = data.from_black_box(second, X, **given, workers=2)
    assert (first.calls, second.calls) == (39, 26)
    assert table.outputs == again.outputs == ("z", "a")
    data.from_black_box(other, X, cache=tmp_path / "a" / "b", name="f-2")
    assert other.calls == 65
    assert data.from_black_box(raising, X, **given).digest == again.digest


def test_steps_do_not_make_values_be_asked_again(tmp_path):
    counted = Counted(f)
    given = {"cache": tmp_path, "name": "f"}
    data.from_black_box(counted, X, derivatives=None, **given)
    data.from_black_box(counted, X, derivatives="complex", **given)
    assert counted.calls == 5 + 15 + 2


def test_what_raised_is_tried_again_and_what_returned_is_not(tmp_path):
    broken = {"is": True}

    def g(x):
        if broken["is"] and x[0] == 1:
            raise OSError("no licence")
        return np.nan if x[0] == 2 else x[0]

    counted, given = Counted(g), {"cache": tmp_path, "name": "g", "derivatives": None}
    x = np.arange(5.0)
    with pytest.warns(data.DerivativeWarning, match="2 of 5.*no licence"):
        data.from_black_box(counted, x, **given)
    broken["is"] = False
    with pytest.warns(data.DerivativeWarning, match="1 of 5"):
        table = data.from_black_box(counted, x, **given)
    assert counted.calls == 6
    assert table.known["value"][:, 0].tolist() == [True, True, False, True, True]


def test_a_damaged_file_is_named(tmp_path):
    given = {"cache": tmp_path, "name": "f"}
    data.from_black_box(f, X, **given)
    path = sorted(tmp_path.glob("*.npz"))[0]
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CorruptFileError, match=path.name):
        data.from_black_box(f, X, **given)


SLOW = """
import sys, time
import numpy as np
from osculate import data

def f(x):
    with open(sys.argv[2], "a") as log:
        log.write(f"{x[0]!r} begun\\n")
    time.sleep(0.05)
    with open(sys.argv[2], "a") as log:
        log.write(f"{x[0]!r} ended\\n")
    return np.sin(x[0])

x = np.linspace(0, 1, 40)
workers = int(sys.argv[3])
kept = {"cache": sys.argv[1], "name": "f"}
data.from_black_box(f, x, derivatives=None, workers=workers, **kept)
print("done")
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_loses_nothing_that_was_finished(tmp_path, blow, workers):
    log, kept = tmp_path / "log", tmp_path / "kept"
    command = [sys.executable, "-c", SLOW, str(kept), str(log), workers]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(kept.glob("*.npz"))) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, blow)
    assert process.wait(timeout=60) != 0
    finished = len(list(kept.glob("*.npz")))
    ended = log.read_text().count("ended")
    assert 8 <= finished < 40
    # A call that had returned may have been on its way to the disk, no more.
    lost = int(workers) if blow == signal.SIGKILL else 0
    assert ended - lost <= finished <= ended
    assert not list(kept.glob("*.npz.tmp"))
    counted = Counted(lambda x: np.sin(x[0]))
    x = np.linspace(0, 1, 40)
    table = data.from_black_box(
        counted, x, derivatives=None, cache=kept, name="f", workers=2
    )
    assert counted.calls == 40 - finished
    assert np.array_equal(table.y["value"][:, 0], np.sin(x))
