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
    balanced,
    model_of,
    objective_of,
    ritz,
    ritz_samples,
    samples_of,
)

from ._solver import Solver, SolveSettings, network_choices, solver_for

FACE_POINTS = 200


class Start(NamedTuple):
    """Everything before the first step.

    Attributes:
        problem: The problem.
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
    _refuse_source(start)
    return start


def _chosen(problem: Problem, settings: SolveSettings) -> Start:
    solver = solver_for(problem, settings)
    keys = jr.split(jr.key(settings.seed), 5)
    models = tuple(
        model_of(
            problem,
            width=solver.width,
            depth=solver.depth,
            **network_choices(settings),
            key=jr.fold_in(keys[0], k) if k else keys[0],
        )
        for k in range(settings.starts)
    )
    counts = Counts(solver.points, FACE_POINTS)
    samples = samples_of(problem, counts, keys[1])
    objective, words = objective_of(problem), _words(solver)
    if settings.starts > 1:
        words["starts"] = f"{settings.starts} networks, of which the best went on"
    if settings.form == "energy":
        energy, words["form"] = ritz(problem), "energy"
        points = ritz_samples(problem, solver.points, keys[1])
        more = ritz_samples(problem, 2 * solver.points, keys[2])
        seen = (objective, samples)
        return Start(
            problem, solver, words, models, energy, points, more, seen, keys[4]
        )
    if len(objective.terms) > 1:
        weights = balanced(objective, models[0], samples, keys[3])
        objective = objective_of(problem, weights)
        listed = (f"{label} {weight:.2g}" for label, weight in weights.items())
        words["weights"] = ", ".join(listed)
    more = Counts(2 * solver.points, FACE_POINTS)
    validation = samples_of(problem, more, keys[2])
    return Start(
        problem, solver, words, models, objective, samples, validation, None, keys[4]
    )


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
    found = eqx.filter_jit(start.objective.outputs)(start.models[0], start.samples)
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
