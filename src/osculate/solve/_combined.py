"""Unions, differences and intersections of regions."""

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import Literal, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from osculate.core import InputError

from ._ball import Ball
from ._box import Box
from ._domain import Domain
from ._held import Held
from ._implicit import both, either, nearest, trimmed
from ._listed import chosen, listed
from ._polygon import Polygon, PolygonEdge
from ._region import AbstractFace, AbstractRegion, Kind, lattice
from ._signed import LevelSet
from ._simplex import Simplex

Operation = Literal["union", "difference", "intersection"]
LOOKS, STEP = 2**14, 1e-6


@final
class CutFace(AbstractFace):
    """What is left of a face after two regions were combined.

    Attributes:
        name: Of the face.
        face: The whole one.
        sign: -1 where it bounds what was taken away.
        points: Points of what is left.
        size: A length.
        within: Faces of the same region, on the inner side of which the face lies.
        by: The region that cuts it.
        keeps: 1 where what lies in that region is left, -1 where what lies outside is.
        is_trimmed: Whether `distance` is positive on the part that was cut off.
        unit: How many uniform numbers `place` takes.
    """

    name: str = eqx.field(static=True)
    face: AbstractFace
    sign: float = eqx.field(static=True)
    points: Held = eqx.field(static=True)
    size: float = eqx.field(static=True)
    within: tuple[AbstractFace, ...]
    by: AbstractRegion
    keeps: float = eqx.field(static=True)
    is_trimmed: bool = eqx.field(static=True)
    unit: int = eqx.field(static=True)

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns one of the points of the face."""
        return chosen(self.points, z)

    def normal(self, x: Float[Array, " D"]) -> Float[Array, " D"]:
        """Returns the unit vector that points outwards."""
        return self.sign * self.face.normal(x)

    def distance(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns that of the whole face, where need be trimmed to what is left.

        Reference: Shapiro (1991), Theory of R-functions and applications.
        """
        f = self.sign * self.face.distance(x)
        if not self.is_trimmed:
            return f
        parts = [self.keeps * level(self.by, x)]
        parts += [face.distance(x) for face in self.within]
        return trimmed(f, functools.reduce(both, parts), self.size)


@final
class Combined(AbstractRegion):
    """Two regions as one.

    Attributes:
        names: Names of the D coordinates.
        low: Smallest value of each coordinate.
        high: Largest value of each coordinate.
        operation: How they are combined.
        first: The first region.
        second: The second region.
        cut: What is left of the faces of both.
        kind: `"space"`.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)
    operation: Operation = eqx.field(static=True)
    first: AbstractRegion
    second: AbstractRegion
    cut: tuple[CutFace, ...]
    kind: Kind = eqx.field(static=True)

    @property
    def unit(self) -> int:
        """How many uniform numbers `place` takes."""
        return self.first.unit if self.operation == "difference" else len(self.names)

    @property
    def faces(self) -> dict[str, AbstractFace]:
        """What is left of the faces of both."""
        return {face.name: face for face in self.cut}

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns a point of the box around it; of a difference, of the first one."""
        if self.operation == "difference":
            return self.first.place(z)
        low, high = jnp.asarray(self.low, z.dtype), jnp.asarray(self.high, z.dtype)
        return low + (high - low) * z

    def inside(self, x: Float[Array, " D"]) -> Bool[Array, ""]:
        """Tells whether a point lies in the region or on its boundary.

        Of what is taken away the boundary stays, as far as rounding lets tell.
        """
        first, second = self.first.inside(x), self.second.inside(x)
        if self.operation == "union":
            return first | second
        if self.operation == "intersection":
            return first & second
        room = float(np.sqrt(jnp.finfo(x.dtype).eps)) * _size(self.low, self.high)
        return first & (~second | (level(self.second, x) <= room / 100))


def level(region: AbstractRegion, x: Float[Array, " D"]) -> Float[Array, ""]:
    """Returns a function that is positive inside of a region and negative outside.

    Args:
        region: One that can be combined.
        x: A point.

    Returns:
        A number, 0 on the boundary with slope 1.
    """
    if isinstance(region, Combined):
        a, b = level(region.first, x), level(region.second, x)
        if region.operation == "union":
            return either(a, b)
        return both(a, -b if region.operation == "difference" else b)
    away = [face.distance(x) for face in region.faces.values()]
    if isinstance(region, Polygon):
        found = nearest(jnp.stack(away))
        return jnp.where(region.inside(x), found, -jnp.abs(found))
    return functools.reduce(both, away)


def union(first: Domain, second: Domain) -> Domain:
    """Returns the points of either domain.

    Faces keep their names; `" 2"` is added to one of the second domain that the first
    has, too. What lies within the other domain is cut off.

    Args:
        first: One region in space.
        second: Another with the same coordinates.

    Returns:
        The domain.

    Raises:
        InputError: If they are no such regions.

    Example:
        >>> from osculate import solve
        >>> square = solve.box(x=(0, 1), y=(0, 1))
        >>> plate = union(square, solve.ball(x=1.0, y=0.5, radius=0.5))
        >>> list(plate.sides)
        ['x=lower', 'y=lower', 'y=upper', 'surface']
    """
    return _combined("union", first, second)


def difference(first: Domain, second: Domain) -> Domain:
    """Returns the points of the first domain that are not in the second.

    Faces are named as by `union`; normals of the second point into it.

    Args:
        first: One region in space.
        second: What is taken away, with the same coordinates.

    Returns:
        The domain.

    Raises:
        InputError: If they are no such regions, or nothing is left.
    """
    return _combined("difference", first, second)


def intersection(first: Domain, second: Domain) -> Domain:
    """Returns the points of both domains.

    Faces are named as by `union`.

    Args:
        first: One region in space.
        second: Another with the same coordinates.

    Returns:
        The domain.

    Raises:
        InputError: If they are no such regions, or have no point in common.
    """
    return _combined("intersection", first, second)


def _combined(operation: Operation, first: Domain, second: Domain) -> Domain:
    a, b = _region(operation, first), _region(operation, second)
    if a.names != b.names:
        raise InputError(
            f"`solve.{operation}`: coordinates {list(a.names)} and {list(b.names)}; "
            "expected the same names in the same order.\nRename those of one of them."
        )
    low, high = np.array([a.low, b.low]), np.array([a.high, b.high])
    if operation == "union":
        ends = low.min(axis=0), high.max(axis=0)
    elif operation == "intersection":
        ends = low.max(axis=0), high.min(axis=0)
    else:
        ends = low[0], high[0]
    box = tuple(ends[0].tolist()), tuple(ends[1].tolist())
    whole = Combined(
        names=a.names,
        low=box[0],
        high=box[1],
        operation=operation,
        first=a,
        second=b,
        cut=(),
        kind="space",
    )
    empty = not (ends[0] < ends[1]).all()
    if not empty:
        look = jax.jit(jax.vmap(lambda z: whole.inside(whole.place(z))))
        empty = not bool(look(lattice(LOOKS, whole.unit, 0.5)).any())
    if empty:
        raise InputError(
            f"`solve.{operation}`: no point is left of {a.low} to {a.high} and "
            f"{b.low} to {b.high}.\nMove one of the domains."
        )
    return Domain((dataclasses.replace(whole, cut=_cut(whole)),))


def _region(operation: str, domain: Domain) -> AbstractRegion:
    known = Ball | Box | Combined | LevelSet | Polygon | Simplex
    (region, *others) = domain.regions
    if others or region.kind != "space" or not isinstance(region, known):
        kinds = [f"{type(r).__name__} of {r.kind}" for r in domain.regions]
        raise InputError(
            f"`solve.{operation}`: got {' * '.join(kinds)}; expected one region in "
            "space with a distance function.\nCombine first, then multiply; "
            "`solve.box` has several coordinates."
        )
    return region


def _cut(whole: Combined) -> tuple[CutFace, ...]:
    """Returns what is left of the faces of both regions."""
    found: list[CutFace] = []
    for is_second, name, face, points in _left(whole):
        one, two = whole.first, whole.second
        region, other = (two, one) if is_second else (one, two)
        taken = is_second and whole.operation == "difference"
        inner = taken or whole.operation == "intersection"
        known = {*one.faces, *(cut.name for cut in found)} if is_second else set()
        number = next(k for k in itertools.count(1) if _numbered(name, k) not in known)
        within = _within(region, name)
        cut = CutFace(
            name=_numbered(name, number),
            face=face,
            sign=1.0,
            points=listed(points),
            size=_size(whole.low, whole.high),
            within=within,
            by=other,
            keeps=1.0 if inner else -1.0,
            is_trimmed=False,
            unit=1,
        )
        if whole.operation == "union":
            cut = _exact(cut)
        elif taken:
            cut = dataclasses.replace(cut, face=_inner_exact(face))
            cut = dataclasses.replace(_turned(cut), is_trimmed=bool(within))
        found.append(cut)
    return tuple(found)


def _numbered(name: str, k: int) -> str:
    return name if k == 1 else f"{name} {k}"


def _left(
    whole: Combined,
) -> list[tuple[bool, str, AbstractFace, Float[np.ndarray, "N D"]]]:
    """Returns the points of each face where the combination ends; none without any.

    A point of the second region where the first one ends in the same way is left out:
    it belongs to a face of the first.
    """
    faces = [(False, *item) for item in whole.first.faces.items()]
    faces += [(True, *item) for item in whole.second.faces.items()]
    points, normals = [], []
    for is_second, _, face in faces:
        x = jax.jit(jax.vmap(face.place))(lattice(LOOKS, face.unit, 0.5))
        taken = is_second and whole.operation == "difference"
        points.append(x)
        normals.append(jax.vmap(face.normal)(x) * (-1 if taken else 1))
    x, normal = jnp.concatenate(points), jnp.concatenate(normals)
    step = max(STEP, 64 * float(jnp.finfo(x.dtype).eps))
    move = step * _size(whole.low, whole.high) * normal

    def inside(x: Float[Array, " D"]) -> Bool[Array, " 2"]:
        return jnp.stack([whole.inside(x), whole.first.inside(x)])

    within, beyond = jax.jit(jax.vmap(jax.vmap(inside)))(
        jnp.stack([x - move, x + move])
    )
    ends = np.asarray(within & ~beyond).reshape(len(faces), LOOKS, 2)
    found = []
    for (is_second, name, face), x, here in zip(faces, points, ends, strict=True):
        kept = here[:, 0] & ~(here[:, 1] & is_second)
        if kept.any():
            left = np.unique(np.asarray(x)[kept], axis=0)
            found.append((is_second, name, face, left))
    return found


def _within(region: AbstractRegion, name: str) -> tuple[AbstractFace, ...]:
    """Returns the other faces of a region that is where all distances are positive."""
    if not isinstance(region, Ball | Box | Simplex):
        return ()
    return tuple(face for other, face in region.faces.items() if other != name)


def _exact(cut: CutFace) -> CutFace:
    """Returns a face whose distance is zero on what is left of it only."""
    return dataclasses.replace(cut, face=_inner_exact(cut.face), is_trimmed=True)


def _inner_exact(face: AbstractFace) -> AbstractFace:
    return _exact(face) if isinstance(face, CutFace) else face


def _turned(cut: CutFace) -> CutFace:
    """Returns a face with the region on its other side."""
    if isinstance(cut.face, PolygonEdge):
        return dataclasses.replace(cut, face=cut.face.reversed)
    if isinstance(cut.face, CutFace):
        return dataclasses.replace(cut, face=_turned(cut.face))
    return dataclasses.replace(cut, sign=-cut.sign)


def _size(low: Sequence[float], high: Sequence[float]) -> float:
    """Returns half of the longest side of a box."""
    return max(b - a for a, b in zip(low, high, strict=True)) / 2
