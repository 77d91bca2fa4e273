"""The one loop: compiled chunks of steps, history, budgets; it knows no objective."""

import itertools
import operator
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PyTree

from osculate.core import Status

from ._agreement import Agreement
from ._lines import Lines
from ._place import held, places

MOST_STEPS = 2**31 - 1  # they are counted in 32 bits


class Progress(NamedTuple):
    """Where a loop stands at the end of a chunk.

    Attributes:
        step: Steps taken, those before a resumption included.
        steps: Steps in all, or None where only time limits them.
        carry: What the step carries: everything needed to continue.
        record: The newest line of the history.
        history: All lines by name.
        seconds: Since this call began.
        status: Why the loop ends here, or None where it goes on.
        limit: Seconds that it may take, or None where only steps limit it.
    """

    step: int
    steps: int | None
    carry: PyTree[Any]
    record: dict[str, float | int]
    history: dict[str, np.ndarray]
    seconds: float
    status: Status | None = None
    limit: float | None = None


class Done(NamedTuple):
    """What a loop leaves.

    Attributes:
        carry: After the last step.
        history: All lines by name.
        status: Why it ended.
        steps: Steps taken, those before a resumption included.
        seconds: Of this call.
        chunk: The last chunk: from what and where it began.
    """

    carry: PyTree[Any]
    history: dict[str, np.ndarray]
    status: Status
    steps: int
    seconds: float
    chunk: "Chunk"


class Chunk(NamedTuple):
    """Steps taken in one compiled call.

    Attributes:
        begin: The carry before them; None once the next chunk has begun.
        begin_step: The steps before them.
        carry: The carry after them.
        step: The steps after them.
        numbers: What is measured there.
        over: Whether the loop has ended there.
    """

    begin: PyTree[Any]
    begin_step: int
    carry: PyTree[Any]
    step: int
    numbers: dict[str, float]
    over: bool

    @property
    def is_finite(self) -> bool:
        """Whether the loss after it is."""
        return bool(np.isfinite(self.numbers["loss"]))


def loop(
    step: Callable[[PyTree[Any], Array], PyTree[Any]],
    measure: Callable[[PyTree[Any], Array], tuple[PyTree[Any], dict[str, Array]]],
    carry: PyTree[Any],
    *,
    steps: int | None = None,
    seconds: float | int | None = None,
    every: int = 100,
    begin: int = 0,
    history: dict[str, np.ndarray] | None = None,
    ended: Callable[[PyTree[Any]], Bool[Array, ""]] | None = None,
    retry: Callable[[PyTree[Any], int], PyTree[Any] | None] | None = None,
    stop: Sequence[Callable[[Progress], Status | None]] = (),
    watch: Sequence[Callable[[Progress], Any]] = (),
) -> Done:
    """Repeats a step in compiled chunks until a budget or a criterion ends it.

    Two calls whose `step` and `measure` are equal up to the values of their arrays
    share one compilation: make them `eqx.Module`s, not fresh closures.

    Args:
        step: `(carry, k) -> carry`, traced; k counts from 0.
        measure: `(carry, k) -> (carry, numbers)`, traced, before the first step and at
            the end of each chunk; its numbers become a line of the history, and the
            loop ends where `"loss"` among them is not finite.
        carry: Any pytree of arrays.
        steps: Number of steps in all, those before `begin` included.
        seconds: Time limit, compilation included. The chunk in which it ends is as
            short as the pace of the last one tells; at least one step is taken.
        every: Steps per chunk.
        begin: Steps already taken, when a loop is resumed at the end of a chunk.
        history: The lines written before `begin`.
        ended: `carry -> bool`, traced, asked before every step: whether further steps
            would change nothing. The loop then ends as converged.
        retry: Asked where a chunk ends with a loss that is not finite, with the carry
            at its beginning and how often the chunk was begun again before; returns a
            carry to begin it with once more, or None to let the loop end.
        stop: Criteria: each may name the status with which the loop ends here. They
            depend on the progress alone, `seconds` apart; a resumed loop asks them
            first, so that it ends where the whole one did.
        watch: Observers, called in turn after each chunk: show progress, save.

    Returns:
        The last carry, the history, why the loop ended, steps and seconds.

    Raises:
        ValueError: If neither steps nor seconds limit the loop, a count is negative, or
            the history has other columns.
        TypeError: If a count is no whole number.
    """
    if steps is None and seconds is None:
        raise ValueError("`loop`: no limit. Pass steps= or seconds=.")
    every = operator.index(every)
    steps = None if steps is None else operator.index(steps)
    if every < 1 or (steps is not None and steps < 0):
        raise ValueError(
            f"`loop`: every={every}, steps={steps}. Pass every >= 1 and steps >= 0."
        )
    agreed, lines = Agreement(carry), Lines(history or {})
    clock = _Clock(seconds, agreed)
    chunk, status = Chunk(None, begin, carry, begin, {}, over=False), None
    del carry  # no more copies of it are held than a chunk needs
    if lines.count:
        over = ended is not None and bool(ended(chunk.carry))
        at = begin, steps, chunk.carry, lines.last()
        now = Progress(*at, lines.columns(), 0.0, limit=seconds)
        status = agreed.status(_status(now, stop, over=over))
    while status is None:
        k = chunk.step
        if lines.count and steps is not None and k >= steps:
            status = Status.DONE
        elif k > begin and clock.is_over():
            status = Status.OUT_OF_TIME
        else:
            # The first line, at step 0, is measured before any step.
            count = min(every, clock.steps_left()) if lines.count else 0
            count = count if steps is None else min(count, steps - k)
            chunk = chunk._replace(begin=None)
            chunk = _take(step, measure, ended, retry, chunk.carry, k, count)
            clock.tick(chunk.step - k)
            record = {"step": chunk.step, **chunk.numbers}
            lines.append(record)
            at = chunk.step, steps, chunk.carry, record
            now = Progress(*at, lines.columns(), clock.elapsed(), limit=seconds)
            status = agreed.status(_status(now, stop, over=chunk.over))
            for look in watch:
                look(now._replace(status=status))
    columns = lines.columns()
    return Done(chunk.carry, columns, status, chunk.step, clock.elapsed(), chunk)


class _Clock:
    """Time since now, and how many steps fit into what is left of it."""

    def __init__(self, limit: float | int | None, agreed: Agreement):
        self._limit, self._agreed = limit, agreed
        self._began = self._ticked = time.perf_counter()
        self._pace = 0.0

    def elapsed(self) -> float:
        return time.perf_counter() - self._began

    def is_over(self) -> bool:
        if self._limit is None:
            return False
        return bool(self._agreed.number(self.elapsed() >= self._limit))

    def tick(self, steps: int) -> None:
        """Notes that these steps ended now."""
        now = time.perf_counter()
        self._pace = (now - self._ticked) / steps if steps else 0.0
        self._ticked = now

    def steps_left(self) -> int:
        """Returns at least 1, and only 1 while the pace is not known."""
        if self._limit is None:
            return MOST_STEPS
        left = self._limit - self.elapsed()
        fit = int(min(left / self._pace, MOST_STEPS)) if self._pace else 1
        return self._agreed.number(max(1, fit))


def _status(
    now: Progress, stop: Sequence[Callable[[Progress], Status | None]], *, over: bool
) -> Status | None:
    """Returns the first answer that ends the loop; a loss must be finite."""
    if not np.isfinite(now.record["loss"]):
        return Status.NOT_FINITE
    answers = (ask(now) for ask in stop)
    converged = Status.CONVERGED if over else None
    return next((a for a in answers if a is not None), converged)


def _take(step, measure, ended, retry, carry, start: int, count: int) -> Chunk:
    """Takes up to `count` steps; again from what `retry` returns until they are sound.

    Counts are data, not compiled in.
    """
    for times in itertools.count():
        chunk = take_chunk(step, measure, ended, carry, start, count)
        again = None
        if retry is not None and count and not chunk.is_finite:
            again = retry(chunk.begin, times)
        if again is None:
            return chunk
        carry = again
    raise AssertionError


def take_chunk(step, measure, ended, carry, start: int, count: int) -> Chunk:
    """Takes up to `count` steps in one compiled call and measures."""
    begin = jax.tree.map(_strong, carry)
    carry, numbers, k, over = _compiled_chunk(
        step, measure, ended, begin, np.int32(start), np.int32(count), places(begin)
    )
    found = {name: float(value) for name, value in numbers.items()}
    return Chunk(begin, start, carry, int(k), found, bool(over))


def _strong(leaf: Any) -> Any:
    """Drops a weak type: lost in the first chunk, it would compile the second anew."""
    return leaf.astype(leaf.dtype) if getattr(leaf, "weak_type", False) else leaf


@eqx.filter_jit
def _compiled_chunk(step, measure, ended, carry, start, count, where):
    end = start + count
    # Only arrays travel through the compiled loop.
    dynamic, static = eqx.partition(carry, eqx.is_array)
    whole = lambda d: eqx.combine(d, static)
    stay = lambda tree: held(tree, where)
    over = lambda d: jnp.asarray(False) if ended is None else ended(whole(d))
    k, dynamic = jax.lax.while_loop(
        lambda now: (now[0] < end) & ~over(now[1]),
        lambda now: (
            now[0] + 1,
            eqx.filter(stay(step(whole(now[1]), now[0])), eqx.is_array),
        ),
        (jnp.asarray(start), dynamic),
    )
    carry, numbers = measure(whole(dynamic), k)
    return stay(carry), numbers, k, over(dynamic)
