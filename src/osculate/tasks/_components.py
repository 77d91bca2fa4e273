"""The components of the fields of a solution, by name."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy import ndarray


def components(solution: Any, points: dict[str, Any]) -> dict[str, ndarray]:
    """Returns every component of every field; NaN outside of the domain.

    Args:
        solution: The solution.
        points: Coordinates by name.

    Returns:
        Arrays of the shape of the points, by name.
    """
    found = solution(**points)
    domain = solution.problem.domain
    x = np.stack(np.broadcast_arrays(*(points[name] for name in domain.names)), -1)
    with jax.enable_x64(True):
        rows = jnp.asarray(x.reshape(-1, x.shape[-1]))
        inside = np.asarray(jax.vmap(domain.inside)(rows)).reshape(x.shape[:-1])
    fields = dict(solution.problem.fields)
    by_name = found if isinstance(found, dict) else {next(iter(fields)): found}
    listed = {}
    for name, value in by_name.items():
        size = fields[name]
        listed |= {f"{name} {k + 1}": value[..., k] for k in range(size)}
        listed |= {} if size else {name: value}
    return {name: np.where(inside, value, np.nan) for name, value in listed.items()}
