"""A solution on a grid, as a file for other programs."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray
from scipy.io import netcdf_file

from osculate.core import InputError, require

from ._components import components

FORMATS = (".npz", ".nc", ".vtu")
CELLS = {1: "line", 2: "quad", 3: "hexahedron"}
# Corners of a cell in the order of VTK, as steps along each axis.
CORNERS = {
    1: [(0,), (1,)],
    2: [(0, 0), (1, 0), (1, 1), (0, 1)],
    3: [(*xy, z) for z in (0, 1) for xy in [(0, 0), (1, 0), (1, 1), (0, 1)]],
}


def export_fields(solution: Any, path: Path, points: int) -> Path:
    """Writes coordinates and fields on a full grid.

    Args:
        solution: The solution.
        path: A file that ends in `.npz`, `.nc` or `.vtu`.
        points: Of each coordinate.

    Returns:
        Its path.

    Raises:
        InputError: If the ending is not known, or a mesh would have more than three
            coordinates. `MissingExtraError` without meshio, for `.vtu`.
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
    if path.suffix == ".vtu":
        return _mesh(path, axes, fields)
    with netcdf_file(path, "w") as file:
        for name, axis in axes.items():
            file.createDimension(name, len(axis))
            file.createVariable(name, "f8", (name,))[:] = axis
        for name, value in fields.items():
            file.createVariable(name, "f8", tuple(axes))[:] = value
    return path


def _mesh(path: Path, axes: dict[str, ndarray], fields: dict[str, ndarray]) -> Path:
    """Writes a mesh of lines, quads or hexahedra; time is a coordinate like others."""
    D = len(axes)
    if D not in CELLS:
        raise InputError(
            f"`Solution.export`: {D} coordinates {list(axes)}; a mesh has three at most"
            ".\nWrite .npz or .nc."
        )
    meshio: Any = require("meshio", extra="mesh", task="writing a mesh")
    shape = tuple(len(axis) for axis in axes.values())
    number = np.arange(np.prod(shape)).reshape(shape)
    steps = [
        number[tuple(slice(k, n - 1 + k) for k, n in zip(corner, shape, strict=True))]
        for corner in CORNERS[D]
    ]
    cells = np.stack([step.reshape(-1) for step in steps], axis=1)
    grid = np.meshgrid(*axes.values(), indexing="ij")
    points = np.zeros((number.size, 3))
    points[:, :D] = np.stack([axis.reshape(-1) for axis in grid], axis=1)
    values = {name: np.ascontiguousarray(v).reshape(-1) for name, v in fields.items()}
    meshio.Mesh(points, [(CELLS[D], cells)], point_data=values).write(path)
    return path
