"""A solution on a grid, as a file for other programs."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import netcdf_file

from osculate.core import InputError

from ._components import components

FORMATS = (".npz", ".nc")


def export_fields(solution: Any, path: Path, points: int) -> Path:
    """Writes coordinates and fields on a full grid.

    Args:
        solution: The solution.
        path: A file that ends in `.npz` or `.nc`.
        points: Of each coordinate.

    Returns:
        Its path.

    Raises:
        InputError: If the ending is not known.
    """
    if path.suffix not in FORMATS:
        raise InputError(
            f"`Solution.export`: {path.name} ends in {path.suffix!r}; expected one of "
            f"{list(FORMATS)}.\nGive it one of these endings."
        )
    domain = solution.problem.domain
    ends = zip(domain.names, domain.low, domain.high, strict=True)
    axes = {name: np.linspace(low, high, points) for name, low, high in ends}
    grid = dict(zip(axes, np.meshgrid(*axes.values(), indexing="ij"), strict=True))
    fields = components(solution, grid)
    if path.suffix == ".npz":
        np.savez(path, **axes, **fields)  # pyright: ignore[reportArgumentType]
        return path
    with netcdf_file(path, "w") as file:
        for name, axis in axes.items():
            file.createDimension(name, len(axis))
            file.createVariable(name, "f8", (name,))[:] = axis
        for name, value in fields.items():
            file.createVariable(name, "f8", tuple(axes))[:] = value
    return path
