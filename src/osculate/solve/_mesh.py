"""Meshes of triangles in the plane, or of tetrahedra in space."""

import os
from collections.abc import Sequence
from typing import Any, final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from osculate.core import InputError, require

from ._ball import SURFACE
from ._cells import Cells, cells, volumes
from ._declared import Rows, ends_of, names_of, numbers_of, slack
from ._domain import Domain
from ._facets import Facets, facet_normals
from ._held import held
from ._region import AbstractFace, AbstractRegion, Kind


@final
class Mesh(AbstractRegion):
    """What cells fill together.

    Attributes:
        names: Names of the D coordinates.
        pieces: The cells.
        surface: Its boundary.
        low: Smallest value of each coordinate.
        high: Largest value of each coordinate.
        kind: `"space"`.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    pieces: Cells = eqx.field(static=True)
    surface: Facets
    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)
    kind: Kind = eqx.field(static=True)

    @property
    def unit(self) -> int:
        """How many uniform numbers `place` takes."""
        return self.pieces.unit

    @property
    def faces(self) -> dict[str, AbstractFace]:
        """The surface: the facets of one cell only."""
        return {SURFACE: self.surface}

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point that belongs to numbers in [0, 1)."""
        return self.pieces.place(z)

    def inside(self, x: Float[Array, " D"]) -> Bool[Array, ""]:
        """Tells whether a point lies in a cell or on its boundary."""
        corners = self.pieces.corners.array
        slopes = np.linalg.inv(np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2))
        away = x[None] - jnp.asarray(corners[:, 0], x.dtype)
        steep = jnp.asarray(slopes, x.dtype)
        shares = jnp.einsum("cij,cj->ci", steep, away)
        shares = jnp.append(shares, 1 - jnp.sum(shares, axis=1, keepdims=True), axis=1)
        room = slack(x, self.low, self.high) * jnp.max(
            jnp.abs(steep), axis=(1, 2), keepdims=True
        )
        return jnp.any(jnp.all(shares >= -room[:, 0], axis=1))


def mesh(
    source: str | os.PathLike[str] | Rows,
    cells: Rows | None = None,
    *,
    names: Sequence[str] | str | None = None,
) -> Domain:
    """Returns the domain that a mesh fills.

    Its face is `"surface"`: all facets that belong to one cell only.

    Args:
        source: A file that meshio reads (this needs the extra `mesh`), or the points
            `(N, D)`, in two or three dimensions.
        cells: With points, the corners of each cell, `(C, D + 1)`: triangles in the
            plane, tetrahedra in space.
        names: Of the coordinates; x, y, z where there are none.

    Returns:
        The domain.

    Raises:
        InputError: If the file cannot be read or holds no such cells, or a cell has a
            corner that does not exist or no volume.

    Example:
        >>> square = mesh([[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 1, 2], [0, 2, 3]])
        >>> square.low, square.high
        ((0.0, 0.0), (1.0, 1.0))
    """
    if isinstance(source, str | os.PathLike):
        points, corners = _read(os.fspath(source))
    else:
        points = numbers_of("mesh", "points", source, (None, None))
        corners = numbers_of(
            "mesh", "cells", [] if cells is None else cells, (None, None)
        )
    return _meshed(points, corners, names)


def _read(path: str) -> tuple[Float[np.ndarray, "N D"], Int[np.ndarray, "C n"]]:
    """Returns points and cells of a file: its tetrahedra, or else its triangles."""
    meshio: Any = require("meshio", extra="mesh", task="reading a mesh")
    if not os.path.isfile(path):
        raise InputError(f"`solve.mesh`: there is no file {path!r}.\nCheck its name.")
    try:
        found = meshio.read(path)
    except (meshio.ReadError, SystemExit) as error:
        raise InputError(
            f"`solve.mesh`: meshio cannot read {path!r}: {error}.\n"
            "Give a file with the ending of its format, for instance mesh.vtu."
        ) from error
    for kind, D in (("tetra", 3), ("triangle", 2)):
        blocks = [block.data for block in found.cells if block.type == kind]
        if not blocks:
            continue
        if D == 2 and np.ptp(found.points[:, 2:], axis=0).any():
            break
        return found.points[:, :D].astype(float), np.concatenate(blocks)
    kinds = sorted({block.type for block in found.cells})
    raise InputError(
        f"`solve.mesh`: {path!r} has cells {kinds}; expected tetrahedra, or triangles "
        "in one plane of constant z.\nMesh the inside of the body, too."
    )


def _meshed(
    points: Float[np.ndarray, "N D"], corners: Any, names: Sequence[str] | str | None
) -> Domain:
    (N, D), corners = points.shape, np.asarray(corners)
    if D not in (2, 3) or corners.ndim != 2 or corners.shape[1] != D + 1:
        raise InputError(
            f"`solve.mesh`: points are of shape {points.shape}, cells of shape "
            f"{corners.shape}; expected triangles in the plane or tetrahedra in space."
            "\nGive (N, 2) and (C, 3), or (N, 3) and (C, 4)."
        )
    index = corners.astype(np.int64)
    if (index != corners).any() or index.min() < 0 or index.max() >= N:
        raise InputError(
            f"`solve.mesh`: cells ask for the points {corners.min():g} to "
            f"{corners.max():g}; there are {N}.\nCount them from 0."
        )
    shape = points[index]
    size = volumes(shape)
    sides = np.ptp(shape, axis=1).max(axis=1)
    flat = size <= 1e-12 * sides**D
    if flat.any():
        raise InputError(
            f"`solve.mesh`: cell {int(flat.argmax())} has no volume, "
            f"{int(flat.sum())} of {len(flat)} have none.\nTake them out."
        )
    rim = _boundary(points, index)
    low, high = ends_of(shape.reshape(-1, D))
    surface = Facets(
        name=SURFACE,
        pieces=cells(rim),
        outward=held(facet_normals(rim)),
        size=float(np.subtract(high, low).max()),
        unit=D - 1,
    )
    region = Mesh(
        names=names_of("mesh", names, D),
        pieces=cells(shape),
        surface=surface,
        low=low,
        high=high,
        kind="space",
    )
    return Domain((region,))


def _boundary(
    points: Float[np.ndarray, "N D"], index: Int[np.ndarray, "C n"]
) -> Float[np.ndarray, "F D D"]:
    """Returns the facets of one cell only, turned so that their normals point out."""
    n = index.shape[1]
    facets = np.concatenate([np.delete(index, k, axis=1) for k in range(n)])
    behind = np.concatenate([index[:, k] for k in range(n)])
    _, first, count = np.unique(
        np.sort(facets, axis=1), axis=0, return_index=True, return_counts=True
    )
    if count.max() > 2:
        raise InputError(
            f"`solve.mesh`: {int(count.max())} cells share one facet; expected two at "
            "most.\nTake out cells that are there twice."
        )
    rim = points[facets[first[count == 1]]]
    away = rim[:, 0] - points[behind[first[count == 1]]]
    turned = np.sum(facet_normals(rim) * away, axis=1) < 0
    rim[turned, :2] = rim[turned, 1::-1]
    return rim
