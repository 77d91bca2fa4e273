"""What a solution begins from: networks, points, weights."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree

from osculate.core import InputError, Objective, Samples
from osculate.solve import (
    Counts,
    Problem,
    all_windows,
    balanced,
    first_window,
    model_of,
    next_window,
    objective_of,
    ritz,
    ritz_samples,
    samples_of,
    windowed,
)

from ._solver import Solver, SolveSettings, network_choices, solver_for

FACE_POINTS = 200


class Start(NamedTuple):
    """Everything before the first step.

    Attributes:
        problem: The problem; with windows, as these see it.
        solver: How it is solved.
        words: What the choices came to, by name.
        models: Before the fit; one, or several of which the best goes on.
        objective: What is minimized.
        samples: Points to begin with.
        validation: Points on which the best iterate is chosen.
        judged: What the certificate looks at: an objective of squares and points; None
            for what is minimized.
        key: Of everything random later.
    """

    problem: Problem
    solver: Solver
    words: dict[str, str]
    models: tuple[PyTree[Any], ...]
    objective: Objective
    samples: dict[str, Samples]
    validation: dict[str, Samples]
    judged: tuple[Objective, dict[str, Samples]] | None
    key: PRNGKeyArray


def start_of(problem: Problem, settings: SolveSettings) -> Start:
    """Chooses network, points and weights.

    Args:
        problem: The problem.
        settings: What was chosen by hand.

    Returns:
        The start.

    Raises:
        InputError: If a choice cannot be used, or the residual is not finite.
    """
    start = _chosen(problem, settings)
    model = start.models[0]
    _refuse_source(start, model, start.samples)
    if model["net"].before is not None:
        counts = Counts(start.solver.points, FACE_POINTS)
        later = samples_of(start.problem, counts, start.key)
        _refuse_source(start, all_windows(model), later)
    return start


def in_next_window(start: Start, model: PyTree[Any]) -> Start:
    """Returns the start of the window of time behind one that is solved.

    Args:
        start: Of the window.
        model: What was found in it.

    Returns:
        The start.
    """
    model = next_window(model)
    first, second, key = jr.split(start.key, 3)
    samples, validation = points_of(start.problem, start.solver, model, (first, second))
    return start._replace(
        models=(model,), samples=samples, validation=validation, key=key
    )


def _chosen(problem: Problem, settings: SolveSettings) -> Start:
    solver = solver_for(problem, settings)
    keys, words = jr.split(jr.key(settings.seed), 5), _words(solver)
    made = lambda key: model_of(
        problem,
        width=solver.width,
        depth=solver.depth,
        **network_choices(settings),
        key=key,
    )
    if settings.parts > 1:
        problem, times = windowed(problem, settings.parts)
        models = (first_window(made(keys[0]), times),)
        words["windows"] = f"{settings.parts} in time, one after the other"
    else:
        later = range(1, settings.starts)
        models = (made(keys[0]), *(made(jr.fold_in(keys[0], k)) for k in later))
    if settings.starts > 1:
        words["starts"] = f"{settings.starts} networks, of which the best went on"
    objective = objective_of(problem)
    samples, validation = points_of(problem, solver, models[0], (keys[1], keys[2]))
    found = Start(
        problem, solver, words, models, objective, samples, validation, None, keys[4]
    )
    if settings.form == "energy":
        energy, words["form"] = ritz(problem), "energy"
        points = ritz_samples(problem, solver.points, keys[1])
        more = ritz_samples(problem, 2 * solver.points, keys[2])
        return found._replace(
            objective=energy,
            samples=points,
            validation=more,
            judged=(objective, samples),
        )
    if len(objective.terms) > 1:
        weights = balanced(objective, models[0], samples, keys[3])
        listed = (f"{label} {weight:.2g}" for label, weight in weights.items())
        words["weights"] = ", ".join(listed)
        return found._replace(objective=objective_of(problem, weights))
    return found


def points_of(
    problem: Problem,
    solver: Solver,
    model: PyTree[Any],
    keys: tuple[PRNGKeyArray, PRNGKeyArray],
) -> tuple[dict[str, Samples], dict[str, Samples]]:
    """Returns points of a fit, and those on which its best iterate is chosen.

    Args:
        problem: The problem.
        solver: How it is solved.
        model: Before the fit; of a window, whose points they are.
        keys: Of both.

    Returns:
        Samples by label.
    """
    drawn = lambda count, key: samples_of(
        problem, Counts(count, FACE_POINTS), key, model["net"].before
    )
    return drawn(solver.points, keys[0]), drawn(2 * solver.points, keys[1])


def _words(solver: Solver) -> dict[str, str]:
    every = solver.sample_every
    points = f"{solver.points} points"
    return {
        "network": f"{solver.depth} layers of {solver.width}",
        "points": f"{points}, drawn anew every {every} steps" if every else points,
        "method": solver.name,
        "chosen": solver.why,
    }


def _refuse_source(
    start: Start, model: PyTree[Any], samples: dict[str, Samples]
) -> None:
    """Refuses a problem whose residual is not finite at the beginning."""
    found = eqx.filter_jit(start.objective.outputs)(model, samples)
    names = start.problem.domain.names
    for label, parts in found.items():
        for part in parts.values():
            finite = np.isfinite(np.asarray(part)).reshape(len(part), -1)
            bad = np.asarray(~finite.all(axis=1))
            if bad.any():
                points = jax.tree.leaves(samples[label].x)[0]
                x = np.asarray(points)[bad].reshape(-1, len(names))
                at = ", ".join(f"{n}={v:.4g}" for n, v in zip(names, x[0], strict=True))
                raise InputError(
                    f"`solve`: the residual of {label!r} is not finite at {bad.sum()} "
                    f"of {len(bad)} points, for instance at {at}.\nCheck source terms "
                    "and coefficients there: square roots, logarithms, divisions."
                )
