"""What the report of a solution shows, as plain data."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy import ndarray

from osculate import report

from ._components import components

GRID, LINE = 64, 201
COUNTS = ("resets",)


def solution_page(solution: Any) -> report.SolutionPage:
    """Evaluates a solution for its report.

    Args:
        solution: The solution.

    Returns:
        Plain data.
    """
    certificate, recipe = solution.certificate, solution.recipe
    relative = solution.relative_l2()
    tiles = [(f"{solution.error_estimate:.1e}", "estimated relative error")]
    if relative is not None:
        tiles.append((f"{relative:.1e}", "relative L2 distance to the reference"))
    worst = max(q[-1] for q in certificate.residual.values())
    tiles.append((f"{worst:.1e}", "largest residual at fresh points"))
    stats = solution.result.stats
    facts = {
        "Configuration": {**solution.words, "budget": solution.settings.budget},
        "Residuals at fresh points": {
            name: f"median {q[0]:.1e}, 99 % {q[2]:.1e}, largest {q[3]:.1e}"
            for name, q in certificate.residual.items()
        },
        "Found": {n: f"{v}" for n, v in solution.unknowns.items()},
        "Versions": recipe["versions"],
        "Timing": {
            "fit": f"{stats['seconds']:.1f} s, {stats['steps']} steps",
            "processors": str(recipe["machine"]["threads"]),
        },
    }
    maps, curves, residual = _figures(solution)
    return report.SolutionPage(
        title=f"Solution of {recipe['problem']['name']}",
        verdict=solution.verdict,
        doubts=list(certificate.doubts),
        tiles=tiles,
        declared="\n".join(recipe["problem"]["declared"]),
        history=_losses(solution.result.history),
        maps=maps,
        curves=curves,
        residual=residual,
        facts={name: kept for name, kept in facts.items() if kept},
    )


def _losses(history: Mapping[str, ndarray]) -> dict[str, ndarray]:
    """Leaves out what a method counts."""
    return {name: column for name, column in history.items() if name not in COUNTS}


def _figures(solution: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Returns fields and residuals over the first two coordinates, or over one."""
    domain = solution.problem.domain
    names, middle = domain.names, (np.array(domain.low) + np.array(domain.high)) / 2
    held = dict(zip(names[2:], middle[2:].tolist(), strict=True))
    if len(names) == 1:
        x = np.linspace(domain.low[0], domain.high[0], LINE)
        found = components(solution, {names[0]: x})
        curves = [report.Curve(n, names[0], x, v, {}) for n, v in found.items()]
        left = _left(solution, {names[0]: x})
        return (
            [],
            curves,
            [report.Curve(n, names[0], x, v, {}) for n, v in left.items()],
        )
    x, y = (np.linspace(domain.low[k], domain.high[k], GRID) for k in (0, 1))
    points = {names[0]: x[None, :], names[1]: y[:, None], **held}
    mapped = lambda found: [
        report.FieldMap(name, names[0], names[1], x, y, value, held)
        for name, value in found.items()
    ]
    return mapped(components(solution, points)), [], mapped(_left(solution, points))


def _left(solution: Any, points: dict[str, Any]) -> dict[str, ndarray]:
    """Returns the logarithm of every residual; of vectors the largest component's."""
    tiny = np.finfo(float).tiny
    shape = np.broadcast_shapes(*(np.shape(p) for p in points.values()))
    size = lambda a: np.abs(a).reshape(*shape, -1).max(axis=-1)
    return {
        f"log10 |{name or 'residual'}|": np.log10(np.maximum(size(a), tiny))
        for name, a in solution.residual(**points).items()
    }
