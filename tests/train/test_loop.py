"""The loop alone: it counts, measures, and stops."""

import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate.core import Status
from osculate.train import Progress, _loop, loop


class Tally:
    """Counts traces; part of the compiled program by identity."""

    traces = 0


TALLY = Tally()


class Add(eqx.Module):
    """Adds the step's number, so that a step taken twice or left out is seen."""

    scale: jax.Array
    tally: Tally = eqx.field(static=True, default=TALLY)

    def __call__(self, carry, k):
        self.tally.traces += 1
        return carry | {"sum": carry["sum"] + self.scale * k.astype(float), "last": k}


def measure(carry, k):
    return carry | {"lines": carry["lines"] + 1}, {"loss": carry["sum"], "k": k}


def begin():
    return {
        "sum": jnp.asarray(0.0),
        "last": jnp.asarray(-1, jnp.int32),
        "lines": jnp.asarray(0),
        "name": "not an array",
    }


ADD = Add(jnp.asarray(1.0))


@given(st.integers(0, 30), st.integers(1, 12))
def test_steps_chunks_and_history(steps, every):
    done = loop(ADD, measure, begin(), steps=steps, every=every)
    expected = sorted({*range(0, steps, every), steps})
    np.testing.assert_array_equal(done.history["step"], expected)
    np.testing.assert_array_equal(done.history["k"], expected)
    sums = [k * (k - 1) / 2 for k in expected]
    np.testing.assert_array_equal(done.history["loss"], sums)
    assert done.steps == steps
    assert done.status is Status.DONE
    assert done.carry["last"] == steps - 1
    assert done.carry["lines"] == len(expected)
    assert done.carry["name"] == "not an array"
    assert done.history["step"].dtype == int
    assert done.history["loss"].dtype == float


def test_step_zero_is_measured_before_any_step():
    done = loop(ADD, measure, begin(), steps=0)
    assert done.history["step"].tolist() == [0]
    assert done.carry["last"] == -1


@given(st.integers(0, 4), st.integers(1, 20))
def test_resumed_at_the_end_of_a_chunk(chunks, more):
    every, cut = 5, 5 * chunks
    first = loop(ADD, measure, begin(), steps=cut, every=every)
    options = {"steps": cut + more, "every": every}
    second = loop(
        ADD, measure, first.carry, begin=cut, history=first.history, **options
    )
    whole = loop(ADD, measure, begin(), **options)
    for name, column in whole.history.items():
        np.testing.assert_array_equal(second.history[name], column)
    assert all(second.carry[k] == whole.carry[k] for k in ("sum", "last", "lines"))
    assert second.steps == whole.steps


def test_the_given_history_is_left_alone():
    first = loop(ADD, measure, begin(), steps=5, every=5)
    before = first.history["step"].copy()
    loop(ADD, measure, first.carry, begin=5, history=first.history, steps=9)
    np.testing.assert_array_equal(first.history["step"], before)


def test_all_chunks_and_values_share_one_compilation():
    tally = Tally()
    for scale in (1.0, 2.0, 3.0):
        step = Add(jnp.asarray(scale), tally)
        done = loop(step, measure, begin(), steps=23, every=7)
        assert done.carry["sum"] == scale * 23 * 22 / 2
    loop(Add(jnp.asarray(1.0), tally), measure, begin(), steps=9, every=4)
    assert tally.traces == 1


def test_no_time_is_left():
    done = loop(ADD, measure, begin(), seconds=0.0)
    assert done.status is Status.OUT_OF_TIME
    assert done.history["step"].tolist() == [0, 1]


class Clock:
    """A clock that others move."""

    now = 0.0

    def perf_counter(self):
        return self.now


@given(st.floats(0.5, 30.0), st.floats(0.0, 5.0), st.floats(1e-3, 0.3))
def test_an_overrun_is_at_most_a_step(limit, compilation, pace):
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("osculate.train._loop.time", clock)
        whole = _loop.take_chunk

        def chunk(*args):
            count = int(args[-1])
            clock.now += pace * count if count else compilation
            return whole(*args)

        patch.setattr("osculate.train._loop.take_chunk", chunk)
        done = loop(ADD, measure, begin(), seconds=limit, every=50)
    assert done.status is Status.OUT_OF_TIME
    assert clock.now <= max(limit, compilation) + 1.001 * pace
    assert clock.now >= limit


def reached(limit):
    return lambda carry: carry["last"] >= limit


def test_a_loop_that_has_ended_takes_no_further_step():
    ended = reached(6)
    done = loop(ADD, measure, begin(), steps=100, every=5, ended=ended)
    assert done.status is Status.CONVERGED
    assert done.history["step"].tolist() == [0, 5, 7]
    assert done.steps == 7
    assert done.carry["last"] == 6


def test_a_resumed_loop_that_has_ended_ends_at_once():
    ended, seen = reached(6), []
    loop(ADD, measure, begin(), steps=100, every=5, ended=ended, watch=[seen.append])
    last = seen[-1]
    again = loop(
        ADD,
        measure,
        last.carry,
        steps=100,
        every=5,
        ended=ended,
        begin=last.step,
        history=last.history,
    )
    assert again.status is Status.CONVERGED
    assert again.history["step"].tolist() == [0, 5, 7]


def test_a_budget_in_seconds():
    wait = lambda now: time.sleep(0.02)
    started = time.perf_counter()
    done = loop(ADD, measure, begin(), seconds=0.2, every=3, watch=[wait])
    assert done.status is Status.OUT_OF_TIME
    assert 0.2 <= done.seconds <= time.perf_counter() - started
    assert 3 <= done.steps <= 3 * 10  # no chunk takes less than the wait
    assert done.carry["last"] == done.steps - 1


def test_whichever_budget_ends_first():
    done = loop(ADD, measure, begin(), steps=4, seconds=60.0, every=3)
    assert done.status is Status.DONE
    assert done.steps == 4


def test_what_a_watcher_sees():
    seen: list[Progress] = []
    loop(ADD, measure, begin(), steps=7, every=3, watch=[seen.append])
    assert [now.step for now in seen] == [0, 3, 6, 7]
    assert [now.steps for now in seen] == [7] * 4
    assert [len(now.history["loss"]) for now in seen] == [1, 2, 3, 4]
    assert [now.record["loss"] for now in seen] == [0, 3, 15, 21]
    assert [int(now.carry["last"]) for now in seen] == [-1, 2, 5, 6]
    assert seen[0].seconds <= seen[-1].seconds
    loop(ADD, measure, begin(), seconds=0.0, watch=[seen.append])
    assert seen[-1].steps is None


def test_a_criterion_may_end_it_and_all_watchers_look():
    looked = []
    look = lambda now: looked.append(now.step) or Status.TARGET
    end = lambda now: Status.STOPPED if now.step >= 6 else None
    late = lambda now: Status.TARGET if now.step >= 3 else None
    options = {"steps": 20, "every": 3, "watch": [look]}
    done = loop(ADD, measure, begin(), stop=[end], **options)
    assert done.status is Status.STOPPED
    assert done.steps == 6
    assert looked == [0, 3, 6]
    done = loop(ADD, measure, begin(), stop=[end, late], **options)
    assert done.status is Status.TARGET
    assert loop(ADD, measure, begin(), **options).status is Status.DONE


def test_a_loop_resumed_where_it_ended_takes_no_step():
    end = lambda now: Status.STOPPED if now.record["loss"] > 10 else None
    looked = []
    options = {"steps": 20, "every": 3, "stop": [end], "watch": [looked.append]}
    whole = loop(ADD, measure, begin(), **options)
    looked.clear()
    again = loop(
        ADD, measure, whole.carry, begin=whole.steps, history=whole.history, **options
    )
    assert again.status is whole.status is Status.STOPPED
    assert again.steps == whole.steps == 6
    assert not looked
    np.testing.assert_array_equal(again.history["loss"], whole.history["loss"])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_ends_it(bad):
    broken = lambda carry, k: (carry, {"loss": jnp.where(k >= 6, bad, 1.0)})
    looked = []
    late = lambda now: Status.STOPPED if now.step == 6 else None
    options = {"steps": 20, "every": 3, "stop": [late], "watch": [looked.append]}
    done = loop(ADD, broken, begin(), **options)
    assert done.status is Status.NOT_FINITE
    assert done.steps == 6
    assert [now.step for now in looked] == [0, 3, 6]
    assert not np.isfinite(done.history["loss"][-1])
    again = loop(ADD, broken, done.carry, begin=6, history=done.history, **options)
    assert again.status is Status.NOT_FINITE
    assert len(looked) == 3


def test_a_loop_without_end():
    with pytest.raises(ValueError, match=r"`loop`: no limit\. Pass steps= or seconds="):
        loop(ADD, measure, begin())


@pytest.mark.parametrize(("every", "steps"), [(0, 10), (-1, 10), (5, -1)])
def test_counts_that_are_none(every, steps):
    message = f"`loop`: every={every}, steps={steps}. Pass every >= 1 and steps >= 0"
    with pytest.raises(ValueError, match=message):
        loop(ADD, measure, begin(), steps=steps, every=every)


@pytest.mark.parametrize("wrong", [{"steps": 20.5}, {"steps": 4, "every": 2.5}])
def test_counts_that_are_not_whole(wrong):
    with pytest.raises(TypeError):
        loop(ADD, measure, begin(), **wrong)


def test_observers_hear_why_it_ends():
    seen = []
    loop(ADD, measure, begin(), steps=10, every=5, watch=[seen.append])
    assert [now.status for now in seen] == [None, None, None]
    seen.clear()
    end = lambda now: Status.STOPPED if now.step == 5 else None
    loop(ADD, measure, begin(), steps=10, every=5, stop=[end], watch=[seen.append])
    assert [now.status for now in seen] == [None, Status.STOPPED]


def test_views_of_the_history_stay_as_they_were():
    seen = []
    done = loop(ADD, measure, begin(), steps=300, every=1, watch=[seen.append])
    for now in seen:
        np.testing.assert_array_equal(now.history["step"], np.arange(now.step + 1))
    np.testing.assert_array_equal(done.history["step"], np.arange(301))
