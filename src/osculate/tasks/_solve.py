"""The job of solving: from a declared problem to a solution and what it is worth."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from osculate.solve import Problem
from osculate.solve.problems import named

from ._budget import parse_goal
from ._lookout import Lookout, Watch
from ._open import journal_of, opened
from ._place import refuse_taken
from ._solution import Solution, finish_solution
from ._solution_recipe import refuse_other_problem, solution_recipe
from ._solve_search import search
from ._solve_start import start_of
from ._solver import SolveSettings


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
    windows: int | None = None,
    budget: str = "60s",
    seed: int = 0,
    watch: Watch | None = None,
    live_error: bool = False,
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
        method: `auto`, `ssbroyden`, `levenberg_marquardt`, `lbfgs` or `adam`; or two
            of them, as in `adam+ssbroyden`: the first takes a fifth of the budget, and
            the steps of several starts.
        form: `residual`; or `energy`, the method of Ritz, for problems declared by one.
        starts: How many networks are begun with other weights; after 400 steps each, in
            half of the budget at most, the one that is best at fresh points goes on
            with what is left.
        windows: How many networks share time, one after the other: each begins where
            the one before ended. For times that are long beside what happens in them;
            by default by the problem.
        budget: `"60s"`, compilation included; `"5000steps"` (resumes bit by bit); or
            `"error=1e-6"`, the estimated relative error, in 10 minutes at most.
        seed: Seed of weights and points.
        watch: Called with the name of the fit and its progress after each chunk.
        live_error: Whether the error is estimated from time to time beside the fit,
            for `watch` to be told as `estimated_error` in the record of progress; it
            costs about a tenth of the time. Not in windows; rounds towards an error
            tell theirs when they end, without it, too.

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
        windows=windows,
        budget=budget,
        seed=seed,
    ).or_else(task.hints)
    if out is not None:
        refuse_taken(out, force=force, resume=resume)
    with jax.enable_x64(True):
        start = start_of(task.problem, settings)
        recipe = solution_recipe(task.name, task.problem, task.grid, settings)
        with opened(out, recipe, refuse_other_problem, force, resume) as run:
            goal = parse_goal(budget)
            # With steps to take, none is lost by compiling everything at once; windows
            # share what is left when their step is compiled.
            at_once = goal.steps is not None or settings.parts > 1
            lookout = Lookout(watch, live=live_error, running=at_once)
            found = search(journal_of(run, lookout, began), start, goal, lookout)
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
