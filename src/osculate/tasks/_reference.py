"""How far a solution is from a reference answer."""

import itertools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from osculate.solve import Problem

FINEST, MOST, FLAT = 201, 20_000, 1e-8


def relative_l2(
    problem: Problem, solution: Any, grid: Mapping[str, int]
) -> float | None:
    """Returns the worst field's norm of the error over that of the reference.

    Fields that are known but for a constant are compared without it.

    Args:
        problem: With its reference.
        solution: From coordinates by name to arrays, or arrays by name of the field.
        grid: Points per coordinate; empty for as many as 20,000 in all allow.

    Returns:
        The number; None where the problem has no reference.
    """
    if problem.reference is None:
        return None
    points = dict(zip(problem.domain.names, grid_of(problem, grid).T, strict=True))
    names = [name for name, _ in problem.fields]
    with jax.enable_x64(True):
        exact = problem.reference(**{n: jnp.asarray(v) for n, v in points.items()})
    truth = exact if isinstance(exact, dict) else {names[0]: exact}
    found = solution(**points)
    found = found if isinstance(found, dict) else {names[0]: found}

    def error(name: str) -> float:
        z = found[name]
        y = np.broadcast_to(np.asarray(truth[name]), z.shape)
        e, size = z - y, np.linalg.norm(y)
        if name in problem.floating:
            e, spread = e - e.mean(axis=0), np.linalg.norm(y - y.mean(axis=0))
            size = spread if spread > FLAT * size else 1.0  # nothing to compare with
        return float(np.linalg.norm(e) / size)

    return max(error(name) for name in truth)


def grid_of(problem: Problem, grid: Mapping[str, int]) -> Float[ndarray, "N D"]:
    """Returns the points at which a solution is compared.

    Args:
        problem: The problem.
        grid: Points per coordinate; empty for as many as 20,000 in all allow.

    Returns:
        Points of the domain.
    """
    domain = problem.domain
    D = len(domain.names)
    count = min(FINEST, int(MOST ** (1 / D)))
    if count < 5 and not grid:
        with jax.enable_x64(True):
            return domain.interior(MOST // 2, jax.random.key(0))
    counts = [grid.get(name, count) for name in domain.names]
    ends = zip(domain.low, domain.high, counts, strict=True)
    axes = [np.linspace(*each) for each in ends]
    x = np.array(list(itertools.product(*axes)))
    with jax.enable_x64(True):
        return x[np.asarray(jax.vmap(domain.inside)(jnp.asarray(x)))]
