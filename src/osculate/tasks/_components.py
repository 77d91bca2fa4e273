"""The components of the fields of a solution, by name."""

from typing import Any

from numpy import ndarray


def components(solution: Any, points: dict[str, Any]) -> dict[str, ndarray]:
    """Returns every component of every field.

    Args:
        solution: The solution.
        points: Coordinates by name.

    Returns:
        Arrays of the shape of the points, by name.
    """
    found = solution(**points)
    fields = dict(solution.problem.fields)
    by_name = found if isinstance(found, dict) else {next(iter(fields)): found}
    listed = {}
    for name, value in by_name.items():
        size = fields[name]
        listed |= {f"{name} {k + 1}": value[..., k] for k in range(size)}
        listed |= {} if size else {name: value}
    return listed
