"""The job of solving: from a declared problem to a solution and what it is worth."""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree

from osculate import train
from osculate.core import InputError, Objective, Result, Samples
from osculate.solve import (
    Certificate,
    Counts,
    Problem,
    balanced,
    certify,
    model_of,
    objective_of,
    residual_adaptive,
    samples_of,
)
from osculate.solve.problems import named

from ._budget import Goal, parse_goal
from ._journal import Journal
from ._open import journal_of, opened
from ._place import refuse_taken
from ._solution import Solution, finish_solution
from ._solution_recipe import refuse_other_problem, solution_recipe
from ._solver import Solver, SolveSettings, network_choices, solver_for

ROUND, MOST_SECONDS = 15.0, 600.0  # of a search that ends by its estimated error
FACE_POINTS = 200
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
    budget: str = "60s",
    seed: int = 0,
    watch: Callable[[str, train.Progress], None] | None = None,
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
        budget=budget,
        seed=seed,
    ).or_else(task.hints)
    if out is not None:
        refuse_taken(out, force=force, resume=resume)
    with jax.enable_x64(True):
        start = _start(task.problem, settings)
        _refuse_source(start)
        recipe = solution_recipe(task.name, task.problem, task.grid, settings)
        with opened(out, recipe, refuse_other_problem, force, resume) as run:
            journal = journal_of(run, watch, began)
            found = _search(journal, start, parse_goal(budget))
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
        hints = {**entry.network, **entry.fit}
        return Task(entry.name, entry.make(), hints, entry.grid)
    return Task(name or "problem", problem, {}, {})


class Start(NamedTuple):
    """Everything before the first step.

    Attributes:
        problem: The problem.
        solver: How it is solved.
        words: What the choices came to, by name.
        model: Before the fit.
        objective: What is minimized.
        samples: Points to begin with.
        validation: Points on which the best iterate is chosen.
        key: Of everything random later.
    """

    problem: Problem
    solver: Solver
    words: dict[str, str]
    model: PyTree[Any]
    objective: Objective
    samples: dict[str, Samples]
    validation: dict[str, Samples]
    key: PRNGKeyArray


class Found(NamedTuple):
    """A fit and what it is worth."""

    result: Result
    certificate: Certificate


def _start(problem: Problem, settings: SolveSettings) -> Start:
    """Chooses network, points and weights."""
    solver = solver_for(problem, settings)
    keys = jr.split(jr.key(settings.seed), 5)
    model = model_of(
        problem,
        width=solver.width,
        depth=solver.depth,
        **network_choices(settings),
        key=keys[0],
    )
    counts = Counts(solver.points, FACE_POINTS)
    samples = samples_of(problem, counts, keys[1])
    more = Counts(2 * solver.points, FACE_POINTS)
    validation = samples_of(problem, more, keys[2])
    objective, words = objective_of(problem), _words(solver)
    if len(objective.terms) > 1:
        weights = balanced(objective, model, samples, keys[3])
        objective = objective_of(problem, weights)
        listed = (f"{label} {weight:.2g}" for label, weight in weights.items())
        words["weights"] = ", ".join(listed)
    return Start(problem, solver, words, model, objective, samples, validation, keys[4])


def _words(solver: Solver) -> dict[str, str]:
    every = solver.sample_every
    points = f"{solver.points} points"
    return {
        "network": f"{solver.depth} layers of {solver.width}",
        "points": f"{points}, drawn anew every {every} steps" if every else points,
        "method": solver.name,
        "chosen": solver.why,
    }


def _refuse_source(start: Start) -> None:
    """Refuses a problem whose residual is not finite at the beginning."""
    found = eqx.filter_jit(start.objective.outputs)(start.model, start.samples)
    names = start.problem.domain.names
    for label, parts in found.items():
        for part in parts.values():
            finite = np.isfinite(np.asarray(part)).reshape(len(part), -1)
            bad = np.asarray(~finite.all(axis=1))
            if bad.any():
                points = jax.tree.leaves(start.samples[label].x)[0]
                x = np.asarray(points)[bad].reshape(-1, len(names))
                at = ", ".join(f"{n}={v:.4g}" for n, v in zip(names, x[0], strict=True))
                raise InputError(
                    f"`solve`: the residual of {label!r} is not finite at {bad.sum()} "
                    f"of {len(bad)} points, for instance at {at}.\nCheck source terms "
                    "and coefficients there: square roots, logarithms, divisions."
                )


def _search(journal: Journal, start: Start, goal: Goal) -> Found:
    """Fits until the goal is reached, and certifies."""
    judged = functools.partial(
        certify, start.problem, start.objective, key=jr.fold_in(start.key, 1)
    )
    beside = functools.partial(_beside, judged, start.model, start.samples)
    if goal.error is None:
        seconds = None
        if goal.seconds is not None:
            seconds = max(goal.seconds - journal.seconds, 0.0)
        with beside():
            result = _fit(journal, LEG, start, start.model, goal.steps, seconds)
        return Found(result, judged(result.value, result.samples))
    model, k = start.model, 0
    while True:
        leg = functools.partial(_fit, journal, f"{LEG} {k + 1}", start, model, None)
        with beside() if k == 0 else contextlib.nullcontext():
            result = leg(ROUND * 2**k)
        certificate = judged(result.value, result.samples)
        done = certificate.relative <= goal.error and not certificate.doubts
        if done or journal.seconds >= MOST_SECONDS:
            return Found(result, certificate)
        model, k = result.value, k + 1


@contextlib.contextmanager
def _beside(
    judged: Callable[..., Certificate],
    model: PyTree[Any],
    samples: Mapping[str, Samples],
) -> Iterator[None]:
    """Compiles the certificate on another thread while the fit compiles and runs."""

    def work() -> None:
        with jax.enable_x64(True):
            judged(model, samples)

    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(work)
        yield


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
