"""Regions that are given by a function, positive inside."""

from collections.abc import Callable, Sequence
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from osculate.core import InputError

from ._ball import SURFACE
from ._declared import Rows, names_of, numbers_of
from ._domain import Domain
from ._held import Held
from ._listed import COUNT, chosen, listed
from ._region import AbstractFace, AbstractRegion, Kind, lattice

BAND, NEWTON, POOL = 0.02, 20, 2**18

Level = Callable[[Float[Array, " D"]], Float[Array, ""]]


@final
class LevelFace(AbstractFace):
    """Where a function is zero.

    Attributes:
        name: `"surface"`.
        function: It.
        points: Points of the face.
        size: A length: half of the smallest side of the box.
        unit: How many uniform numbers `place` takes.
    """

    name: str = eqx.field(static=True)
    function: Level = eqx.field(static=True)
    points: Held = eqx.field(static=True)
    size: float = eqx.field(static=True)
    unit: int = eqx.field(static=True)

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns one of the points of the face."""
        return chosen(self.points, z)

    def normal(self, x: Float[Array, " D"]) -> Float[Array, " D"]:
        """Returns the unit vector that points outwards: down the gradient."""
        slope = jax.grad(self.function)(x)
        return -slope / jnp.linalg.norm(slope)

    def distance(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns `f / |grad f|`, which is kept below the size of the box.

        Reference: Shapiro and Tsukanov (1999), Implicit functions with guaranteed
        differential properties, for the normalization.
        """
        f, slope = jax.value_and_grad(self.function)(x)
        return f / jnp.sqrt(jnp.sum(slope**2) + (f / self.size) ** 2)


@final
class LevelSet(AbstractRegion):
    """Where a function is not negative.

    Attributes:
        names: Names of the D coordinates.
        low: Smallest value of each coordinate.
        high: Largest value of each coordinate.
        function: It.
        points: Points of its boundary.
        kind: `"space"`.
    """

    names: tuple[str, ...] = eqx.field(static=True)
    low: tuple[float, ...] = eqx.field(static=True)
    high: tuple[float, ...] = eqx.field(static=True)
    function: Level = eqx.field(static=True)
    points: Held = eqx.field(static=True)
    kind: Kind = eqx.field(static=True)

    @property
    def unit(self) -> int:
        """How many uniform numbers `place` takes: one for each coordinate."""
        return len(self.names)

    @property
    def faces(self) -> dict[str, AbstractFace]:
        """The surface."""
        size = min(b - a for a, b in zip(self.low, self.high, strict=True)) / 2
        face = LevelFace(
            name=SURFACE,
            function=self.function,
            points=self.points,
            size=size,
            unit=1,
        )
        return {SURFACE: face}

    def place(self, z: Float[Array, " K"]) -> Float[Array, " D"]:
        """Returns the point of the box that belongs to numbers in [0, 1)."""
        low, high = jnp.asarray(self.low, z.dtype), jnp.asarray(self.high, z.dtype)
        return low + (high - low) * z

    def inside(self, x: Float[Array, " D"]) -> Bool[Array, ""]:
        """Tells whether the function is not negative at a point of the box.

        Points of the surface lie inside, as far as rounding lets tell.
        """
        low, high = jnp.asarray(self.low, x.dtype), jnp.asarray(self.high, x.dtype)
        room = float(np.sqrt(jnp.finfo(x.dtype).eps)) * (high - low)
        f, slope = jax.value_and_grad(self.function)(x)
        boxed = jnp.all((x >= low - room) & (x <= high + room))
        return boxed & (f >= -jnp.min(room) * jnp.linalg.norm(slope) / 100)


def signed_distance(
    function: Level,
    *,
    low: Rows,
    high: Rows,
    names: Sequence[str] | str | None = None,
) -> Domain:
    """Returns the region where a function is positive.

    It need not be a distance, but its gradient must not vanish on the boundary, and it
    must be as smooth as the equation asks for, and once more. Its face is `"surface"`:
    points of it are found here, by Newton's method from a thin layer around it.

    Args:
        function: Of one point, `(D,) -> ()`, positive inside.
        low: Smallest value of each coordinate: a corner of a box around the region.
        high: Largest value of each coordinate.
        names: Of the coordinates; x, y, z where there are none.

    Returns:
        The domain.

    Raises:
        InputError: If the box is none, the function is not a number at a point, or the
            region does not lie within the box.

    Example:
        >>> disc = signed_distance(lambda x: 1 - x @ x, low=(-1, -1), high=(1, 1))
        >>> list(disc.sides)
        ['surface']
    """
    a = numbers_of("signed_distance", "low", low, (None,))
    b = numbers_of("signed_distance", "high", high, (len(a),))
    listed_names = names_of("signed_distance", names, len(a))
    if len(a) < 2 or not (a < b).all():
        raise InputError(
            f"`solve.signed_distance`: the box is {a.tolist()} to {b.tolist()}; "
            "expected two coordinates or more, each with the smaller number in `low`."
            "\nGive a box that holds the region."
        )
    _refuse_function(function, a)
    _refuse_outside(function, a, b)
    points = listed(_surface(function, a, b))
    region = LevelSet(
        names=listed_names,
        low=tuple(a.tolist()),
        high=tuple(b.tolist()),
        function=function,
        points=points,
        kind="space",
    )
    return Domain((region,))


def _refuse_function(function: Level, a: Float[np.ndarray, " D"]) -> None:
    point = jnp.asarray(a)
    try:
        came: Any = jax.eval_shape(function, point)
    except TypeError as error:
        raise InputError(
            f"`solve.signed_distance`: the function fails for a point of shape "
            f"{point.shape}: {error}.\nWrite a function of one point: "
            "lambda x: 1 - x @ x."
        ) from error
    if getattr(came, "shape", None) != ():
        raise InputError(
            f"`solve.signed_distance`: the function returns {came}; expected one "
            "number.\nWrite a function of one point: lambda x: 1 - x @ x."
        )


def _refuse_outside(
    function: Level, a: Float[np.ndarray, " D"], b: Float[np.ndarray, " D"]
) -> None:
    """Refuses a region that reaches beyond its box."""
    D = len(a)
    z = np.asarray(lattice(2048, D, 0.5))
    values = np.asarray(jax.vmap(function)(jnp.asarray(a + (b - a) * z)))
    for d in range(D):
        for end in (0.0, 1.0):
            x = a + (b - a) * np.concatenate(
                [z[:, :d], np.full((len(z), 1), end), z[:, d + 1 :]], axis=1
            )
            there = np.asarray(jax.vmap(function)(jnp.asarray(x)))
            worst = int(np.argmax(there))
            if not there[worst] <= 1e-6 * np.abs(values).max():
                raise InputError(
                    f"`solve.signed_distance`: the function is {there[worst]:.4g} at "
                    f"{np.round(x[worst], 4).tolist()}, on the edge of the box; "
                    "expected negative numbers there.\nEnlarge `low` and `high`, or "
                    "change its sign."
                )


def _surface(
    function: Level, a: Float[np.ndarray, " D"], b: Float[np.ndarray, " D"]
) -> Float[np.ndarray, "N D"]:
    """Returns points of the zero set, uniform by area.

    Those are kept that came from a layer of one thickness on both sides of it.
    """
    thick = BAND * float((b - a).min())
    low, wide = a - thick, b - a + 2 * thick
    eps = float(jnp.finfo(jnp.result_type(float)).eps)
    eps = 64 * eps * max(np.abs(a).max(), np.abs(b).max())

    @jax.jit
    def drawn(x: Float[Array, "N D"]) -> tuple[Array, Array]:
        def step(x: Float[Array, " D"]) -> Array:
            f, slope = jax.value_and_grad(function)(x)
            square = jnp.sum(slope**2)
            return f * slope / jnp.where(square > 0, square, 1.0)

        def pulled(x: Float[Array, " D"]) -> tuple[Array, Array]:
            move = lambda _, y: y - step(y)
            y = jax.lax.fori_loop(0, NEWTON, move, x)
            settled = jnp.max(jnp.abs(step(y))) <= eps
            return y, settled & (jnp.linalg.norm(y - x) < thick)

        return jax.vmap(pulled)(x)

    found, count, done = [], 2**14, 0
    while sum(map(len, found)) < COUNT and done < POOL:
        z = lattice(count, len(a), done / POOL + 0.5)
        y, kept = drawn(jnp.asarray(low)[None] + jnp.asarray(wide)[None] * z)
        found.append(np.asarray(y)[np.asarray(kept)])
        done += count
    points = np.clip(np.concatenate(found), a, b)
    if len(points) < 16:
        raise InputError(
            "`solve.signed_distance`: no boundary was found in the box; expected a "
            "function that changes its sign with a gradient.\nCheck the function, or "
            "give a box that fits it closely."
        )
    return points
