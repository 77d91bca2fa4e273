"""The job of solving: from a declared problem to a solution and what it is worth."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.random as jr
import numpy as np
from jaxtyping import PyTree

from osculate import train
from osculate.core import Result, Samples
from osculate.solve import (
    Certificate,
    Problem,
    certify,
    residual_adaptive,
)
from osculate.solve.problems import named

from ._budget import Goal, parse_goal
from ._journal import Journal
from ._open import journal_of, opened
from ._place import refuse_taken
from ._solution import Solution, finish_solution
from ._solution_recipe import refuse_other_problem, solution_recipe
from ._solve_start import Start, start_of
from ._solver import SolveSettings

Watch = Callable[[str, train.Progress], None]
ROUND, MOST_SECONDS = 15.0, 600.0  # of a search that ends by its estimated error
BEGINNING = 400  # steps of each of several networks
LEG = "solve"


def solve(
    problem: Problem | str,
    *,
    name: str | None = None,
    out: str | Path | None = None,
    force: bool = False,
    resume: bool = False,
    width: int | None = None,
    depth: int | None = None,
    activation: str = "tanh",
    harmonics: int = 1,
    num_waves: int = 0,
    frequency: float = 1.0,
    points: int | None = None,
    adaptive: bool | None = None,
    method: str = "auto",
    form: str = "residual",
    starts: int = 1,
    budget: str = "60s",
    seed: int = 0,
    watch: Watch | None = None,
) -> Solution:
    """Solves a problem by a network, in float64, and says how sure the answer is.

    Conditions are met by trial functions where they can be; the others get weights by
    what the network feels of them. Points of nonlinear equations are drawn anew where
    the residual is large. The iterate that is best at fresh points ships.

    Args:
        problem: From `solve.problem`, or the name of one of the library.
        name: What it is called in the report and in the run.
        out: Folder of the run, saved while it goes; None keeps it in memory.
        force: Replace the run in `out`.
        resume: Continue the run in `out`; begin it if nothing is there.
        width: Size of the hidden layers; by default by the problem.
        depth: Number of hidden layers; likewise.
        activation: `tanh`, or another smooth activation of `nets.MLP`.
        harmonics: Waves that a periodic coordinate is shown as.
        num_waves: Random waves that the network sees beside the coordinates, for
            solutions that oscillate.
        frequency: Their typical angular frequency, per half of a coordinate's range.
        points: Points of the equation; by default by the problem.
        adaptive: Whether they are drawn anew where the residual is large; likewise.
        method: `auto`, `ssbroyden` or `levenberg_marquardt`.
        form: `residual`; or `energy`, the method of Ritz, for problems declared by one.
        starts: How many networks are begun with other weights; after 400 steps each, in
            half of the budget at most, the one that is best at fresh points goes on.
        budget: `"60s"`, compilation included; `"5000steps"` (resumes bit by bit); or
            `"error=1e-6"`, the estimated relative error, in 10 minutes at most.
        seed: Seed of weights and points.
        watch: Called with the name of the fit and its progress after each chunk.

    Returns:
        The solution.

    Raises:
        InputError: If a choice cannot be used, or a source term is not finite; nothing
            is written then.
    """
    began = time.perf_counter()
    task = _task(problem, name)
    settings = SolveSettings(
        width=width,
        depth=depth,
        activation=activation,
        harmonics=harmonics,
        num_waves=num_waves,
        frequency=frequency,
        points=points,
        adaptive=adaptive,
        method=method,
        form=form,
        starts=starts,
        budget=budget,
        seed=seed,
    ).or_else(task.hints)
    if out is not None:
        refuse_taken(out, force=force, resume=resume)
    with jax.enable_x64(True):
        start = start_of(task.problem, settings)
        recipe = solution_recipe(task.name, task.problem, task.grid, settings)
        with opened(out, recipe, refuse_other_problem, force, resume) as run:
            goal, running = parse_goal(budget), threading.Event()
            journal = journal_of(run, _noting(running, watch), began)
            if goal.steps is not None:
                running.set()  # no step is lost by compiling everything at once
            found = _search(journal, start, goal, running)
            solution = Solution(
                task.problem,
                found.result,
                found.certificate,
                settings,
                start.words,
                recipe,
            )
            if run is not None:
                finish_solution(run, solution)
    return solution


class Task(NamedTuple):
    """A problem with what the library knows of it.

    Attributes:
        name: What it is called.
        problem: The problem.
        hints: Choices that suit it.
        grid: Points per coordinate on which its error is stated.
    """

    name: str
    problem: Problem
    hints: Mapping[str, Any]
    grid: Mapping[str, int]


def _task(problem: Problem | str, name: str | None) -> Task:
    if isinstance(problem, str):
        entry = named(problem)
        return Task(entry.name, entry.make(), entry.choices, entry.grid)
    return Task(name or "problem", problem, {}, {})


class Found(NamedTuple):
    """A fit and what it is worth."""

    result: Result
    certificate: Certificate


def _noting(running: threading.Event, watch: Watch | None) -> Watch:
    """Tells when the first chunk is through, besides what watches."""

    def look(leg: str, progress: train.Progress) -> None:
        running.set()
        if watch is not None:
            watch(leg, progress)

    return look


def _search(
    journal: Journal, start: Start, goal: Goal, running: threading.Event
) -> Found:
    """Fits until the goal is reached, and certifies."""

    def judged(model: PyTree[Any], samples: Mapping[str, Samples]) -> Certificate:
        objective, seen = start.judged or (start.objective, samples)
        key = jr.fold_in(start.key, 1)
        return certify(start.problem, objective, model, seen, key)

    with _beside(judged, start, running):
        model, steps = _begun(journal, start, goal)
        if goal.error is None:
            seconds = None
            if goal.seconds is not None:
                seconds = max(goal.seconds - journal.seconds, 0.0)
            result = _fit(journal, LEG, start, model, steps, seconds)
        else:
            result = _fit(journal, f"{LEG} 1", start, model, None, ROUND)
    certificate, k = judged(result.value, result.samples), 1
    while goal.error is not None and journal.seconds < MOST_SECONDS:
        if certificate.relative <= goal.error and not certificate.doubts:
            break
        leg = (f"{LEG} {k + 1}", start, result.value, None, ROUND * 2**k)
        result, k = _fit(journal, *leg), k + 1
        certificate = judged(result.value, result.samples)
    return Found(result, certificate)


def _begun(
    journal: Journal, start: Start, goal: Goal
) -> tuple[PyTree[Any], int | None]:
    """Returns the network that goes on, of several the best, and the steps left."""
    count, steps = len(start.models), goal.steps
    if count == 1:
        return start.models[0], steps
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


@contextlib.contextmanager
def _beside(
    judged: Callable[..., Certificate], start: Start, running: threading.Event
) -> Iterator[None]:
    """Compiles the certificate on another thread, once the fit is running."""
    ended = threading.Event()

    def work() -> None:
        running.wait()
        if not ended.is_set():
            with jax.enable_x64(True):
                judged(start.models[0], start.samples)

    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(work)
        try:
            yield
        finally:
            ended.set()
            running.set()


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
            "sampler": residual_adaptive(start.problem),
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
