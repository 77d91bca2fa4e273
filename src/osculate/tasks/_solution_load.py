"""A saved solution back as a live object."""

import dataclasses

import jax
import jax.random as jr

from osculate import store
from osculate.core import InputError, Result, Status
from osculate.solve import Certificate, Problem, model_of, objective_of, windowed
from osculate.solve.problems import PROBLEMS

from ._files import HISTORY, METRICS, MODEL
from ._folder import RunFolder
from ._pack import unpack_solution
from ._solution import Solution
from ._solution_recipe import fingerprint
from ._solver import SolveSettings


def read_solution(run: RunFolder, problem: Problem | None) -> Solution:
    """Returns the solution of a run that was verified.

    Args:
        run: The run.
        problem: What it solved; None for one of the library.

    Returns:
        The solution, with the certificate it was given when it was found.

    Raises:
        InputError: If the problem is missing or another one.
    """
    recipe, read = run.recipe, lambda name: (run.path / name).read_bytes()
    settings = SolveSettings(**recipe["settings"])
    metrics = store.parse(read(METRICS), run.path / METRICS, "the file")
    histories, _ = store.unpack(read(HISTORY), run.path / HISTORY)
    with jax.enable_x64(True):
        problem = _problem_of(run, problem)
        if fingerprint(problem) != recipe["problem"]["operations"]:
            raise InputError(
                f"{run.path}: was solved for another problem; it declared\n"
                + "; ".join(recipe["problem"]["declared"][:3])
                + ".\nPass the problem that it was solved for."
            )
        net, unknowns = unpack_solution(read(MODEL), run.path / MODEL)
        asked = problem
        if settings.parts > 1:
            asked, _ = windowed(problem, settings.parts)
        whole = model_of(asked, width=1, depth=1, key=jr.key(0))
        trial = dataclasses.replace(whole["net"], net=net)
        result = Result(
            {"net": trial, "unknowns": unknowns},
            objective_of(problem),
            {},
            histories,
            metrics["stats"],
            Status[metrics["status"]],
        )
    found = metrics["certificate"]
    certificate = Certificate(
        **{
            **found,
            "residual": {n: tuple(q) for n, q in found["residual"].items()},
            "doubts": tuple(found["doubts"]),
        }
    )
    return Solution(problem, result, certificate, settings, metrics["words"], recipe)


def _problem_of(run: RunFolder, problem: Problem | None) -> Problem:
    name = run.recipe["problem"]["name"]
    if problem is not None:
        return problem
    if name in PROBLEMS:
        return PROBLEMS[name].make()
    raise InputError(
        f"{run.path}: holds the solution of {name!r}, which is no problem of the "
        "library: a run does not hold what you wrote.\nPass it: "
        "osculate.load(path, problem=...)."
    )
