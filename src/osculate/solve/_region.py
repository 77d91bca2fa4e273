"""What a domain is made of: sets of named coordinates whose boundary has names."""

import abc
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Kind = Literal["space", "time", "parameter"]


class AbstractFace(eqx.Module):
    """A named part of the boundary of a region.

    Attributes:
        name: `"x=lower"`, `"surface"`.
        unit: How many uniform numbers `place` takes.
    """

    name: eqx.AbstractVar[str]
    unit: eqx.AbstractVar[int]

    @abc.abstractmethod
    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point of the face that belongs to numbers in [0, 1).

        Uniform numbers give points that are uniform by area.
        """

    @abc.abstractmethod
    def normal(self, x: Float[Array, " D"]) -> Float[Array, " D"]:
        """Returns the unit vector that points outwards at a point of the face."""

    @abc.abstractmethod
    def distance(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns a smooth function: 0 on the face, positive inside, slope 1 there.

        It is of order one, and need not be the distance away from the face.
        """


class AbstractRegion(eqx.Module):
    """A set of named coordinates.

    Attributes:
        names: Names of the D coordinates.
        kind: `"space"`, `"time"` or `"parameter"`.
        low: Smallest value of each coordinate.
        high: Largest value of each coordinate.
    """

    names: eqx.AbstractVar[tuple[str, ...]]
    kind: eqx.AbstractVar[Kind]
    low: eqx.AbstractVar[tuple[float, ...]]
    high: eqx.AbstractVar[tuple[float, ...]]

    @property
    @abc.abstractmethod
    def unit(self) -> int:
        """How many uniform numbers `place` takes."""

    @property
    @abc.abstractmethod
    def faces(self) -> dict[str, AbstractFace]:
        """Parts of the boundary, together all of it, by name."""

    @abc.abstractmethod
    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point that belongs to numbers in [0, 1).

        Uniform numbers give points that are uniform by volume, in the region or in a
        set that holds it.
        """

    @abc.abstractmethod
    def inside(self, x: Float[Array, " D"]) -> Bool[Array, ""]:
        """Tells whether a point lies in the region or on its boundary."""

    def plane(self, name: str, value: float) -> AbstractFace | None:
        """Returns where one coordinate has a value inside; None where it has no place.

        Args:
            name: Of the coordinate.
            value: Between its ends.

        Returns:
            The plane, a face whose outward normal points along the coordinate.
        """
        return None


def lattice(
    N: int, D: int, shift: Float[Array, " D"] | float
) -> Float[Array, "{N} {D}"]:
    """Returns N points of an additive recurrence in the unit cube, moved by a shift.

    Its steps are powers of the root of `x^(D+1) = x + 1`, of which no low multiple is
    near a whole number: points are evenly spread for every N.

    Reference: Roberts (2018), The unreasonable effectiveness of quasirandom sequences.
    """
    root = 2.0
    for _ in range(60):
        root = (1 + root) ** (1 / (D + 1))
    steps = [root ** -(k + 1) for k in range(D)]
    count = jnp.arange(1, N + 1, dtype=jnp.result_type(float))
    moved = jnp.broadcast_to(jnp.asarray(shift), (D,))
    return (moved[None] + count[:, None] * jnp.asarray(steps)[None]) % 1.0
