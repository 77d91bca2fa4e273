"""The one loop: compiled chunks of steps, history, budgets; it knows no objective."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PyTree

from osculate.core import Status


class Progress(NamedTuple):
    """Where a loop stands at the end of a chunk.

    Attributes:
        step: Steps taken, those before a resumption included.
        steps: Steps in all, or None where only time limits them.
        carry: What the step carries: everything needed to continue.
        record: The newest line of the history.
        history: All lines by name.
        seconds: Since this call began.
    """

    step: int
    steps: int | None
    carry: PyTree[Any]
    record: dict[str, float | int]
    history: dict[str, np.ndarray]
    seconds: float


class Done(NamedTuple):
    """What a loop leaves."""

    carry: PyTree[Any]
    history: dict[str, np.ndarray]
    status: Status
    steps: int
    seconds: float


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
        stop: Criteria: each may name the status with which the loop ends here. They
            depend on the progress alone, `seconds` apart; a resumed loop asks them
            first, so that it ends where the whole one did.
        watch: Observers, called in turn after each chunk: show progress, save.

    Returns:
        The last carry, the history, why the loop ended, steps and seconds.

    Raises:
        ValueError: If neither steps nor seconds limit the loop, or a count is not one.
    """
    if steps is None and seconds is None:
        raise ValueError("`loop`: no limit. Pass steps= or seconds=.")
    if every < 1 or (steps is not None and steps < 0):
        raise ValueError(
            f"`loop`: every={every}, steps={steps}. Pass every >= 1 and steps >= 0."
        )
    clock = _Clock(seconds)
    k = begin
    lines = {name: column.tolist() for name, column in (history or {}).items()}
    status = None
    if lines:
        record = {name: column[-1] for name, column in lines.items()}
        now = Progress(k, steps, carry, record, _columns(lines), 0.0)
        over = ended is not None and bool(ended(carry))
        status = _first_status(now, stop) or (Status.CONVERGED if over else None)
    while status is None:
        if lines and steps is not None and k >= steps:
            status = Status.DONE
        elif k > begin and clock.is_over():
            status = Status.OUT_OF_TIME
        else:
            # The first line, at step 0, is measured before any step.
            count = min(every, clock.steps_left()) if lines else 0
            count = count if steps is None else min(count, steps - k)
            carry, numbers, done, over = _chunk(step, measure, ended, carry, k, count)
            count, k = done - k, done
            record = {"step": k, **{name: float(v) for name, v in numbers.items()}}
            clock.tick(count)
            for name, value in record.items():
                lines.setdefault(name, []).append(value)
            now = Progress(k, steps, carry, record, _columns(lines), clock.elapsed())
            for look in watch:
                look(now)
            status = _first_status(now, stop) or (Status.CONVERGED if over else None)
    return Done(carry, _columns(lines), status, k, clock.elapsed())


class _Clock:
    """Time since now, and how many steps fit into what is left of it."""

    def __init__(self, limit: float | int | None):
        self._limit = limit
        self._began = self._ticked = time.perf_counter()
        self._pace = 0.0

    def elapsed(self) -> float:
        return time.perf_counter() - self._began

    def is_over(self) -> bool:
        return self._limit is not None and self.elapsed() >= self._limit

    def tick(self, steps: int) -> None:
        """Notes that these steps ended now."""
        now = time.perf_counter()
        self._pace = (now - self._ticked) / steps if steps else 0.0
        self._ticked = now

    def steps_left(self) -> int:
        """Returns at least 1, and only 1 while the pace is not known."""
        if self._limit is None:
            return sys.maxsize
        left = self._limit - self.elapsed()
        return max(1, int(left / self._pace)) if self._pace else 1


def _first_status(
    now: Progress, stop: Sequence[Callable[[Progress], Status | None]]
) -> Status | None:
    """Returns the first answer that ends the loop; a loss must be finite."""
    if not np.isfinite(now.record["loss"]):
        return Status.NOT_FINITE
    answers = (ask(now) for ask in stop)
    return next((a for a in answers if a is not None), None)


def _columns(lines: dict[str, list[float | int]]) -> dict[str, np.ndarray]:
    return {
        name: np.asarray(column, int if name == "step" else float)
        for name, column in lines.items()
    }


def _chunk(step, measure, ended, carry, start: int, count: int):
    """Takes up to `count` steps in one compiled call; counts are data, not compiled in.

    Returns the carry, its numbers, the steps taken in all and whether it has ended.
    """
    carry = jax.tree.map(_strong, carry)
    carry, numbers, k, over = _compiled_chunk(
        step, measure, ended, carry, np.int32(start), np.int32(count)
    )
    return carry, numbers, int(k), bool(over)


def _strong(leaf: Any) -> Any:
    """Drops a weak type: lost in the first chunk, it would compile the second anew."""
    return leaf.astype(leaf.dtype) if getattr(leaf, "weak_type", False) else leaf


@eqx.filter_jit
def _compiled_chunk(step, measure, ended, carry, start, count):
    end = start + count
    # Only arrays travel through the compiled loop.
    dynamic, static = eqx.partition(carry, eqx.is_array)
    whole = lambda d: eqx.combine(d, static)
    over = lambda d: jnp.asarray(False) if ended is None else ended(whole(d))
    k, dynamic = jax.lax.while_loop(
        lambda now: (now[0] < end) & ~over(now[1]),
        lambda now: (now[0] + 1, eqx.filter(step(whole(now[1]), now[0]), eqx.is_array)),
        (jnp.asarray(start), dynamic),
    )
    return *measure(whole(dynamic), k), k, over(dynamic)
