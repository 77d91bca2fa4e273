"""The search for a solution: fits until the goal is reached, then a certificate."""

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.random as jr
import numpy as np
from jaxtyping import PyTree

from osculate.core import Result, Samples, Status
from osculate.solve import (
    Certificate,
    all_windows,
    certify,
    certify_windows,
    residual_adaptive,
)

from ._budget import Goal
from ._journal import Journal
from ._lookout import LEG, Lookout
from ._solve_start import Start, in_next_window

ROUND, MOST_SECONDS = 15.0, 600.0  # of a search that ends by its estimated error
MOST_DOUBLINGS = 6  # of the seconds of a round
BEGINNING = 400  # steps of each of several networks
FIRST = 0.2  # share of the budget of a method that hands over
FRESH = 2**20  # folded into a key that has been split into fewer


class Found(NamedTuple):
    """A fit and what it is worth."""

    result: Result
    certificate: Certificate


def search(journal: Journal, start: Start, goal: Goal, lookout: Lookout) -> Found:
    """Fits until the goal is reached, and certifies.

    Args:
        journal: Runs the fits.
        start: What they begin from.
        goal: What ends them.
        lookout: Watches them.

    Returns:
        The fit and its certificate.
    """
    if start.models[0]["net"].before is not None:
        return _windows(journal, start, goal, lookout)

    alone = threading.Lock()  # so that nothing is compiled twice

    def judged(
        model: PyTree[Any], samples: Mapping[str, Samples] = start.samples
    ) -> Certificate:
        objective, seen = start.judged or (start.objective, samples)
        key = jr.fold_in(start.key, 1)
        with alone:
            return certify(start.problem, objective, model, seen, key)

    with lookout.beside(judged, start.models[0]):
        model, steps = _handed_over(journal, start, goal, *_begun(journal, start, goal))
        if goal.error is not None:
            return _to_error(journal, start, model, goal.error, judged, lookout)
        seconds = None
        if goal.seconds is not None:
            seconds = max(goal.seconds - journal.seconds, 0.0)
        result = _fit(journal, LEG, start, model, steps, seconds)
    return Found(result, judged(result.value, result.samples))


def _to_error(
    journal: Journal,
    start: Start,
    model: PyTree[Any],
    error: float,
    judged: Callable[..., Certificate],
    lookout: Lookout,
) -> Found:
    """Fits in longer and longer rounds, until the estimated error is small enough."""
    k = 0
    while True:
        left = max(MOST_SECONDS - journal.seconds, 0.0)
        seconds = min(ROUND * 2 ** min(k, MOST_DOUBLINGS), left)
        result = _fit(journal, f"{LEG} {k + 1}", start, model, None, seconds)
        certificate = judged(result.value, result.samples)
        lookout.tell(certificate)
        reached = certificate.relative <= error and not certificate.doubts
        if reached or journal.seconds >= MOST_SECONDS:
            return Found(result, certificate)
        model, k = result.value, k + 1


def _begun(
    journal: Journal, start: Start, goal: Goal
) -> tuple[PyTree[Any], int | None]:
    """Returns the network that goes on, of several the best, and the steps left."""
    count, steps, solver = len(start.models), goal.steps, start.solver
    if count == 1:
        return start.models[0], steps
    start = start._replace(solver=solver._replace(optimizer=solver.begins))
    each = BEGINNING if steps is None else min(BEGINNING, steps // (2 * count))
    found = []
    for k, model in enumerate(start.models):
        share = None
        if steps is None:
            whole = ROUND if goal.seconds is None else goal.seconds - journal.seconds
            share = max(whole / 2 / (count - k), 0.0)
        found.append(_fit(journal, f"start {k + 1}", start, model, each, share))
    losses = [np.append(r.history["validation"], np.inf) for r in found]
    best = found[int(np.argmin([np.nanmin(loss) for loss in losses]))]
    return best.value, None if steps is None else steps - count * each


def _handed_over(
    journal: Journal, start: Start, goal: Goal, model: PyTree[Any], steps: int | None
) -> tuple[PyTree[Any], int | None]:
    """Returns what the method that begins has found, if there is one, and the rest."""
    solver = start.solver
    if solver.first is None:
        return model, steps
    begun = start._replace(solver=solver._replace(optimizer=solver.begins))
    if steps is not None:
        share = max(int(FIRST * steps), 1)
        result = _fit(journal, "beginning", begun, model, share, None)
        return result.value, max(steps - share, 1)
    whole = ROUND if goal.seconds is None else goal.seconds - journal.seconds
    seconds = max(FIRST * whole, 0.0)
    return _fit(journal, "beginning", begun, model, None, seconds).value, None


def _windows(journal: Journal, start: Start, goal: Goal, lookout: Lookout) -> Found:
    """Fits one window of time after the other, and certifies all."""

    def judged(
        model: PyTree[Any],
        fits: Sequence[tuple[PyTree[Any], Mapping[str, Samples]]] = (
            (start.models[0], start.samples),
        ),
    ) -> Certificate:
        of = start.problem, start.objective, model
        return certify_windows(*of, fits, jr.fold_in(start.key, FRESH))

    with lookout.beside(judged, all_windows(start.models[0]), again=False):
        results, compiling = _one_by_one(journal, start, goal)
    found = _joined(results)
    found.stats["seconds"] += compiling
    fits = [(result.value, result.samples) for result in results]
    return Found(found, judged(found.value, fits))


def _one_by_one(
    journal: Journal, start: Start, goal: Goal
) -> tuple[list[Result], float]:
    """Returns the fits of all windows, and the seconds before the first."""
    model, results, compiling = start.models[0], [], 0.0
    if goal.steps is None:  # what is compiled is not the first window's to pay
        beginning = _fit(journal, "beginning", start, model, 1, None)
        model, compiling = beginning.value, beginning.stats["seconds"]
    times = model["net"].net.times
    for k in range(times.count):
        left, steps, seconds = times.count - k, None, None
        if goal.seconds is not None:
            seconds = max((goal.seconds - journal.seconds) / left, 0.0)
        if goal.steps is not None:
            taken = sum(result.stats["steps"] for result in results)
            steps = max((goal.steps - taken) // left, 1)
        if k:
            start = in_next_window(start, results[-1].value)
            model = start.models[0]
        results.append(_fit(journal, f"window {k + 1}", start, model, steps, seconds))
    return results, compiling


def _joined(results: Sequence[Result]) -> Result:
    """Returns the fits of all windows as one."""
    last, histories = results[-1], []
    begins = np.cumsum([0, *(result.stats["steps"] for result in results)])
    for result, begin in zip(results, begins, strict=False):
        step = result.history["step"] + begin
        histories.append({**result.history, "step": step})
    history = {n: np.concatenate([h[n] for h in histories]) for n in last.history}
    stats = {
        name: sum(result.stats[name] for result in results)
        for name in ("steps", "seconds", "retries")
    }
    stats["best_step"] = last.stats["best_step"] + int(begins[-2])
    whole = {"value": all_windows(last.value), "history": history, "stats": stats}
    worst = next((r for r in results if r.status is Status.NOT_FINITE), last)
    return dataclasses.replace(
        last, **whole, status=worst.status, diagnosis=worst.diagnosis
    )


def _fit(
    journal: Journal,
    leg: str,
    start: Start,
    model: PyTree[Any],
    steps: int | None,
    seconds: float | None,
) -> Result:
    """Runs one fit of the journal."""
    adaptive = {}
    if start.solver.sample_every is not None:
        adaptive = {
            "sampler": residual_adaptive(start.problem, before=model["net"].before),
            "sample_every": start.solver.sample_every,
            "key": start.key,
        }
    return journal.run(
        leg,
        start.objective,
        model,
        start.samples,
        start.solver.optimizer,
        steps=steps,
        seconds=seconds,
        validation=start.validation,
        **adaptive,
    )
