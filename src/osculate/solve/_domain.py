"""Domains: products of regions in space, time and parameters."""

from collections.abc import Callable
from typing import NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from osculate.core import InputError, did_you_mean

from ._region import AbstractFace, AbstractRegion, lattice


class Side(NamedTuple):
    """A face within the whole domain.

    Attributes:
        name: Of the face.
        face: In the coordinates of its region.
        start: Place of the first coordinate of that region in a point.
        stop: Behind its last.
    """

    name: str
    face: AbstractFace
    start: int
    stop: int

    def of(self, x: Float[Array, " D"]) -> Float[Array, " R"]:
        """Returns the coordinates of the region."""
        return x[self.start : self.stop]

    def distance(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns a smooth function: 0 on the face, positive inside, slope 1 there."""
        return self.face.distance(self.of(x))

    def normal(self, x: Float[Array, " D"]) -> Float[Array, " D"]:
        """Returns the unit vector that points outwards at a point of the face."""
        before, after = self.start, x.shape[0] - self.stop
        return jnp.pad(self.face.normal(self.of(x)), (before, after))


@final
class Domain(eqx.Module):
    """Where an equation holds: a product of regions with named coordinates.

    Domains are multiplied: `box(x=(0, 1)) * time(t=(0, 2))`. A point is the vector of
    all coordinates in that order.

    Attributes:
        regions: The factors.
    """

    regions: tuple[AbstractRegion, ...]

    def __check_init__(self):
        """Checks names.

        Raises:
            InputError: If a name or a face is there twice, or there are two times.
        """
        if twice := {n for n in self.names if self.names.count(n) > 1}:
            raise InputError(
                f"`solve`: the coordinate {min(twice)!r} is there twice in a product of"
                f" domains with {list(self.names)}.\nRename one of them."
            )
        if len(self.time) > 1:
            raise InputError(
                f"`solve`: two times, {list(self.time)}, in one domain.\n"
                "Make one of them a coordinate of `solve.box` or `solve.parameter`."
            )
        faces = [name for region in self.regions for name in region.faces]
        if twice := {name for name in faces if faces.count(name) > 1}:
            raise InputError(
                f"`solve`: the face {min(twice)!r} is there twice in a product of "
                f"domains with {faces}.\nOnly one factor can have a face of that name."
            )

    def __mul__(self, other: "Domain") -> "Domain":
        """Returns the product: every point of one with every point of the other."""
        if not isinstance(other, Domain):
            return NotImplemented
        return Domain((*self.regions, *other.regions))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coordinates, in the order they have in a point."""
        return tuple(name for region in self.regions for name in region.names)

    @property
    def time(self) -> tuple[str, ...]:
        """The name of time, if there is one."""
        return self._of_kind("time")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return self._of_kind("parameter")

    @property
    def apart(self) -> tuple[str, ...]:
        """Names of the coordinates that operators in space leave out."""
        return (*self.time, *self.parameters)

    @property
    def low(self) -> tuple[float, ...]:
        """Smallest value of each coordinate."""
        return tuple(a for region in self.regions for a in region.low)

    @property
    def high(self) -> tuple[float, ...]:
        """Largest value of each coordinate."""
        return tuple(b for region in self.regions for b in region.high)

    @property
    def sides(self) -> dict[str, Side]:
        """Every face by its name."""
        found, start = {}, 0
        for region in self.regions:
            stop = start + len(region.names)
            for name, face in region.faces.items():
                found[name] = Side(name, face, start, stop)
            start = stop
        return found

    def named(self, name: str) -> tuple[Side, ...]:
        """Returns the faces that a name stands for.

        Args:
            name: A face; a coordinate, for both of its ends; `"all"` or `"boundary"`
                for every face in space; `"x=0.5"` for a plane inside of a box.

        Returns:
            One face or more.

        Raises:
            InputError: If nothing has that name.
        """
        sides = self.sides
        if name in ("all", "boundary") and name not in sides:
            space = {n for r in self.regions if r.kind == "space" for n in r.faces}
            return tuple(side for n, side in sides.items() if n in space)
        if name in sides:
            return (sides[name],)
        both = tuple(s for n, s in sides.items() if n.partition("=")[0] == name)
        both = both or self._planes(name)
        if not both:
            known = ["all", *sides]
            raise InputError(
                f"`solve.problem`: the domain has no face {name!r}; it has {known}."
                f"{did_you_mean(name, [*known, *self.names])}\n"
                "A coordinate of a box stands for both of its ends, 'x=0.5' for a plane"
                " between them."
            )
        return both

    def _planes(self, name: str) -> tuple[Side, ...]:
        coordinate, _, number = name.partition("=")
        try:
            value = float(number)
        except ValueError:
            return ()
        found, start = (), 0
        for region in self.regions:
            stop = start + len(region.names)
            if (face := region.plane(coordinate, value)) is not None:
                found = (Side(face.name, face, start, stop),)
            start = stop
        return found

    def inside(self, x: Float[Array, " D"]) -> Bool[Array, ""]:
        """Tells whether a point lies in the domain or on its boundary."""
        start, found = 0, jnp.asarray(True)
        for region in self.regions:
            stop = start + len(region.names)
            found, start = found & region.inside(x[start:stop]), stop
        return found

    def points(self, N: int, key: PRNGKeyArray) -> Float[Array, "{N} D"]:
        """Returns points that are evenly spread, moved by a random shift.

        Where a region is given by a test alone some of them lie outside; see `inside`.

        Args:
            N: How many.
            key: Of the shift.

        Returns:
            `(N, D)`.
        """
        return _placed(N, key, [(r.unit, r.place) for r in self.regions])

    def points_on(self, side: Side, N: int, key: PRNGKeyArray) -> Float[Array, "{N} D"]:
        """Returns points on a face that are evenly spread, moved by a random shift.

        Args:
            side: The face.
            N: How many.
            key: Of the shift.

        Returns:
            `(N, D)`.
        """
        parts, start = [], 0
        for region in self.regions:
            place = side.face if start == side.start else region
            parts.append((place.unit, place.place))
            start += len(region.names)
        return _placed(N, key, parts)

    def interior(self, N: int, key: PRNGKeyArray) -> Float[np.ndarray, "{N} D"]:
        """Returns points inside of the domain, evenly spread.

        Args:
            N: How many.
            key: Of the shift.

        Returns:
            `(N, D)`.

        Raises:
            InputError: If hardly any point of the box around it lies inside.
        """
        count, kept = N, np.zeros((0, len(self.names)))
        for _ in range(8):
            x = self.points(count, key)
            kept = np.asarray(x)[np.asarray(_inside(self, x))]
            if len(kept) >= N:
                return kept[:N]
            count *= 4
        raise InputError(
            f"`solve`: only {len(kept)} of {count // 4} points around the domain lie "
            "inside it.\nGive it a smaller box, or check its distance function."
        )

    def _of_kind(self, kind: str) -> tuple[str, ...]:
        return tuple(n for r in self.regions if r.kind == kind for n in r.names)


@eqx.filter_jit
def _placed(
    N: int,
    key: PRNGKeyArray,
    parts: list[tuple[int, Callable[[Array], Array]]],
) -> Float[Array, "{N} D"]:
    """Returns evenly spread points of a product; compiled once for equal parts."""
    total = sum(unit for unit, _ in parts)
    if not total:
        one = jnp.concatenate([place(jnp.zeros(0)) for _, place in parts])
        return jnp.broadcast_to(one, (N, one.shape[0]))
    z = lattice(N, total, jr.uniform(key, (total,)))
    found, start = [], 0
    for unit, place in parts:
        found.append(jax.vmap(place)(z[:, start : start + unit]))
        start += unit
    return jnp.concatenate(found, axis=1)


@eqx.filter_jit
def _inside(domain: Domain, x: Float[Array, "N D"]) -> Bool[Array, " N"]:
    """Compiled once for all equal domains."""
    return jax.vmap(domain.inside)(x)
