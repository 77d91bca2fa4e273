"""Trial functions: networks that satisfy conditions whatever their weights are.

A field is `u = A + B N`: A takes the prescribed values on the faces, B vanishes there,
N is the network. A is built face by face, the coordinates of boxes one after the other:
what A lacks at the ends of a coordinate is added, spread by polynomials. Where a slope
alone is prescribed, the network sees s^2 and s^3 in place of the distance s: smooth
functions of these are all smooth functions without a slope. Where other fields have
none prescribed there, or it is tied to the value, `u_s + rate u`, what `B N` has of it
at that end is taken off, spread by a polynomial.

Reference: Lagaris, Likas and Fotiadis (1998), Artificial neural networks for solving
ordinary and partial differential equations, section III; Gordon and Hall (1973),
Transfinite element methods, for the blending.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from osculate import diff
from osculate.core import Fixed

from ._along import Function, Others, along
from ._box import BoxFace, Plane
from ._cloud import CloudFace
from ._conditions import Condition, Conditions
from ._domain import Domain, Side
from ._given import Given
from ._mixed import Mixed


class End(NamedTuple):
    """What is prescribed at one end of a coordinate.

    Attributes:
        at: The value of the coordinate there.
        orders: Of the derivatives along it, 0 to m - 1.
        values: What they are.
        blends: Polynomials in the coordinate, lowest power first, one for each order:
            this derivative is 1 at this end, all others that are prescribed are 0.
        rate: Where a slope is prescribed and the network is not mirrored: with which
            the value is added to it; else None.
    """

    at: float
    orders: tuple[int, ...]
    values: tuple[Given | Mixed, ...]
    blends: tuple[tuple[float, ...], ...]
    rate: float | None = None


class Axis(NamedTuple):
    """A coordinate of a box with conditions at its ends.

    Attributes:
        place: Of the coordinate in a point.
        low: Its smallest value.
        length: Of its interval.
        ends: One or both.
        powers: Of the distances from both ends, with which B vanishes there.
        mirrored: Whether the slope alone is prescribed at the lower end, the upper end.
        is_time: Whether it is time.
    """

    place: int
    low: float
    length: float
    ends: tuple[End, ...]
    powers: tuple[int, int]
    mirrored: tuple[bool, bool]
    is_time: bool = False

    def share(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns where a point lies between the ends: 0 to 1."""
        return (x[self.place] - self.low) / self.length

    def seen(self, x: Float[Array, " D"]) -> tuple[Array, Array]:
        """Returns two functions without a slope at mirrored ends.

        Their smooth functions are all functions without one; the first goes from 0 to
        1, the second from 0 to `top`.
        """
        s = self.share(x)
        if all(self.mirrored):
            return s**2 * (3 - 2 * s), s**3 * (2 - 1.5 * s)
        if self.mirrored[0]:
            return s**2, s**3
        return 1 - (1 - s) ** 2, (1 - s) ** 3

    @property
    def top(self) -> float:
        """The largest value of the second of these functions."""
        return 0.5 if all(self.mirrored) else 1.0

    @property
    def tied(self) -> tuple[End, ...]:
        """The ends at which what the network has of a slope is taken off."""
        return tuple(end for end in self.ends if end.rate is not None)

    def vanishing(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns a function that vanishes at the ends, of size 1 between them."""
        s = self.seen(x)[0] if any(self.mirrored) else self.share(x)
        m, n = self.powers
        top = (m / (m + n)) ** m * (n / (m + n)) ** n
        return _power(s, m) * _power(1 - s, n) / top


class Rim(NamedTuple):
    """The faces of a region that is no box, or all faces with one value.

    Attributes:
        sides: The faces.
        values: What the field is on each.
    """

    sides: tuple[Side, ...]
    values: tuple[Given | Mixed, ...]

    def value(self, x: Float[Array, " D"], others: Others) -> Array:
        """Returns a function that is the prescribed one on every face."""
        if all(value == self.values[0] for value in self.values):
            return self.values[0](x, others)
        away = [side.distance(x) for side in self.sides]
        weights = [math.prod(away[:k] + away[k + 1 :]) for k in range(len(away))]
        parts = [
            weight * value(x, others)
            for weight, value in zip(weights, self.values, strict=True)
        ]
        return sum(parts[1:], parts[0]) / sum(weights[1:], weights[0])

    def vanishing(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns a function that vanishes on every face."""
        return math.prod(side.distance(x) for side in self.sides)  # pyright: ignore[reportReturnType]


class Hard(NamedTuple):
    """How one field satisfies its conditions.

    Attributes:
        size: Of the field, 0 for a scalar.
        rim: Faces that are no ends of coordinates.
        axes: Coordinates with conditions, time last.
    """

    size: int
    rim: Rim | None
    axes: tuple[Axis, ...]

    def value(self, x: Float[Array, " D"], others: Others) -> Array | None:
        """Returns A: the prescribed values, spread over the domain; None for 0."""
        lift: Function | None = None
        if self.rim and not all(value.is_zero for value in self.rim.values):
            lift = self.rim.value
        alone = self.rim is None and len(self.axes) == 1
        for axis in self.axes:
            lift = _blended(lift, axis, alone=alone)
        return None if lift is None else self._shaped(lift(x, others))

    def vanishing(self, x: Float[Array, " D"]) -> Float[Array, ""] | None:
        """Returns B: 0 where something is prescribed; None for 1."""
        first = (self.rim,) if self.rim else ()
        axes = (axis for axis in self.axes if any(axis.powers))
        parts = [part.vanishing(x) for part in (*first, *axes)]
        return math.prod(parts) if parts else None  # pyright: ignore[reportReturnType]

    def _shaped(self, value: Array) -> Array:
        return jnp.broadcast_to(value, (self.size,) if self.size else ())


@final
class Trial(eqx.Module):
    """Named fields that satisfy the hard conditions, as a function of a point.

    Attributes:
        net: Named fields of a point, of unit scale.
        hard: By field, how it satisfies its conditions.
        constants: Values by name; not trained.
        before: Named fields of a point that are added to `net`, not trained; None for
            none.
    """

    net: PyTree[Any]
    hard: tuple[tuple[str, Hard], ...] = eqx.field(static=True)
    constants: Fixed
    before: Fixed | None = None

    def __call__(
        self, x: Float[Array, " D"], unknowns: Others
    ) -> dict[str, Float[Array, "..."]]:
        """Returns the fields at a point.

        Args:
            x: The point.
            unknowns: Values by name, of those that conditions depend on.

        Returns:
            Arrays by the name of the field.
        """
        free, given = self.free(x), self.given(x, unknowns)
        return {
            name: free[name] if A is None else A + free[name]
            for name, A in given.items()
        }

    def free(self, x: Float[Array, " D"]) -> dict[str, Float[Array, "..."]]:
        """Returns the part that is trained, B N.

        Args:
            x: The point.

        Returns:
            By name, as the fields.
        """
        return self._vanishing(self.net, x)

    def given(
        self, x: Float[Array, " D"], unknowns: Others
    ) -> dict[str, Float[Array, "..."] | None]:
        """Returns the part that is not trained: A, and what was found before.

        Args:
            x: The point.
            unknowns: Values by name, of those that conditions depend on.

        Returns:
            By name, as the fields; None for 0.
        """
        others = {**self.constants.value, **unknowns}
        found = {name: hard.value(x, others) for name, hard in self.hard}
        if self.before is None:
            return found
        before = self._vanishing(self.before.value, x)
        return {n: before[n] if A is None else A + before[n] for n, A in found.items()}

    def _vanishing(
        self, net: PyTree[Any], x: Float[Array, " D"]
    ) -> dict[str, Float[Array, "..."]]:
        """Returns a function of what networks see, times B, without tied slopes."""

        def free(x: Float[Array, " D"]) -> dict[str, Float[Array, "..."]]:
            seen = x
            for axis in mirrored(self.hard):
                first, second = axis.seen(x)
                seen = seen.at[axis.place].set(axis.low + axis.length * first)
                seen = jnp.append(seen, second)
            raw = net(seen)
            B = {name: hard.vanishing(x) for name, hard in self.hard}
            return {n: raw[n] if B[n] is None else B[n] * raw[n] for n in B}

        found: Callable[[Array], dict[str, Array]] = free
        for place in sorted({a.place for _, h in self.hard for a in h.axes if a.tied}):
            found = self._untied(found, place)
        return found(x)

    def _untied(
        self, free: Callable[[Array], dict[str, Array]], place: int
    ) -> Callable[[Array], dict[str, Array]]:
        """Takes off what functions have of tied slopes at the ends of a coordinate."""
        ties: dict[float, list[tuple[str, Axis, End]]] = {}
        for name, hard in self.hard:
            for axis in hard.axes:
                for end in axis.tied if axis.place == place else ():
                    ties.setdefault(end.at, []).append((name, axis, end))

        def left(x: Float[Array, " D"]) -> dict[str, Array]:
            found = dict(free(x))
            unit = jnp.asarray(np.eye(x.shape[0])[place], x.dtype)
            for at, fields in ties.items():
                value, slope = jax.jvp(free, (_moved(x, place, at),), (unit,))
                for name, axis, end in fields:
                    too_much = slope[name] + (end.rate or 0.0) * value[name]
                    spread = _polynomial(end.blends[0], axis.share(x))
                    found[name] = found[name] - spread * too_much
            return found

        return left


def hardened(
    domain: Domain,
    found: Conditions,
    fields: Mapping[str, int],
    declared: Conditions | None = None,
) -> tuple[dict[str, Hard], tuple[Condition, ...]]:
    """Sorts conditions into those that trial functions satisfy, and the rest.

    Hard are values of fields on any face but planes inside and clouds of points;
    derivatives along a coordinate of a box at its end where all lower ones are
    prescribed, too; and there slopes alone, or with the value added.

    Args:
        domain: The domain.
        found: All conditions.
        fields: Size by name.
        declared: Those that there were before some were taken out.

    Returns:
        By field, how it satisfies its conditions; and those that are left.
    """
    hard, left = {}, [c for c in found.listed if c.order < 0]
    mirrors = _mirrors(domain, found, fields)
    if declared is not None:
        mirrors &= _mirrors(domain, declared, fields)
    for field, size in fields.items():
        own = [c for c in found.listed if c.field == field and c.order >= 0]
        face = lambda c: c.side.face
        left += [c for c in own if isinstance(face(c), CloudFace | Plane)]
        faces = BoxFace | CloudFace | Plane
        rim, others = _rim([c for c in own if not isinstance(face(c), faces)])
        boxed = [c for c in own if isinstance(face(c), BoxFace)]
        axes, rest = _axes(boxed, mirrors, domain.time)
        left += others + rest
        axes = [a._replace(is_time=domain.names[a.place] in domain.time) for a in axes]
        axes.sort(key=lambda axis: axis.is_time)
        hard[field] = Hard(size, rim, tuple(axes))
    order = {id(c): k for k, c in enumerate(found.listed)}
    return hard, tuple(sorted(left, key=lambda c: order[id(c)]))


def mirrored(hard: Sequence[tuple[str, Hard]]) -> list[Axis]:
    """Returns the coordinates with ends at which a slope alone is prescribed.

    Args:
        hard: By field, how it satisfies its conditions; mirrored are those of all.

    Returns:
        They, in the order of their places.
    """
    axes = (axis for axis in hard[0][1].axes if any(axis.mirrored))
    return sorted(axes, key=lambda axis: axis.place)


def lifted(hard: Sequence[tuple[str, Hard]]) -> set[str] | None:
    """Returns the constants and unknowns that prescribed values ask for.

    Args:
        hard: By field, how it satisfies its conditions.

    Returns:
        Names; None where all prescribed values are 0.
    """
    values = [v for _, one in hard if one.rim for v in one.rim.values]
    ends = [end for _, one in hard for axis in one.axes for end in axis.ends]
    values += [value for end in ends for value in end.values]
    if all(value.is_zero for value in values):
        return None
    return {name for value in values for name in value.others}


def _rim(own: Sequence[Condition]) -> tuple[Rim | None, list[Condition]]:
    """Returns what is prescribed on the faces of the first region that is no box."""
    first = [c for c in own if c.side.start == own[0].side.start]
    if not first:
        return None, []
    rim = Rim(tuple(c.side for c in first), tuple(_read(c) for c in first))
    return rim, [c for c in own if c not in first]


def _mirrors(domain: Domain, found: Conditions, fields: Mapping[str, int]) -> set[str]:
    """Returns the ends in space at which the slope of every field alone is known."""
    ends: dict[str, dict[str, set[int]]] = {}
    for c in found.listed:
        if isinstance(c.side.face, BoxFace) and c.order >= 0:
            order = -1 if _rate(c) else c.order
            ends.setdefault(c.side.name, {}).setdefault(c.field, set()).add(order)
    return {
        name
        for name, orders in ends.items()
        if name.partition("=")[0] not in domain.time
        and orders == {field: {1} for field in fields}
    }


def _axes(
    boxed: Sequence[Condition], mirrors: set[str], time: Sequence[str]
) -> tuple[list[Axis], list[Condition]]:
    """Returns coordinates with conditions at their ends, and conditions left."""
    by_place: dict[int, dict[str, dict[int, Condition]]] = {}
    left = []
    for c in boxed:
        face = _box_face(c)
        ends = by_place.setdefault(c.side.start + face.axis, {})
        orders = ends.setdefault(c.side.name, {})
        if c.order in orders:
            left.append(c)
        else:
            orders[c.order] = c
    axes = []
    for place, ends in by_place.items():
        kept = []
        for name, orders in ends.items():
            if 1 in orders and 0 not in orders and name.partition("=")[0] not in time:
                kept.append([orders.pop(1)])
                left += orders.values()
                continue
            if 1 in orders and isinstance(orders[1].value, Mixed):
                left.append(orders.pop(1))
            m = next(k for k in range(len(orders) + 1) if k not in orders)
            left += [c for order, c in orders.items() if order > m]
            if m:
                kept.append([orders[k] for k in range(m)])
        if kept:
            axes.append(_axis(place, kept, mirrors))
    return axes, left


def _axis(place: int, kept: Sequence[Sequence[Condition]], mirrors: set[str]) -> Axis:
    """Returns one coordinate, with the polynomials that blend its ends."""
    face = _box_face(kept[0][0])
    low, high = face.low[face.axis], face.high[face.axis]
    alone = [end[0] for end in kept if end[0].order == 1]
    tied = [c for c in alone if c.side.name not in mirrors]
    is_tied = lambda end: end[0].side.name in {c.side.name for c in tied}
    demands = [(_where(c), c.order) for end in kept for c in end]
    demands += [(_where(c), 0) for c in tied]
    sizes = (len(demands), len(demands) + 1)  # of slopes alone one is not enough
    tables = [
        np.array(
            [[_derivative(p, order, s) for p in range(size)] for s, order in demands]
        )
        for size in sizes
    ]
    table = next(t for t in tables if np.linalg.matrix_rank(t) == len(demands))
    solved = np.linalg.pinv(table)
    solved = np.round(5040 * solved) / 5040 + 0.0  # exact: they are small fractions
    ends, start, beside = [], 0, iter(solved.T[len(demands) - len(tied) :])
    for end in kept:
        blends, rate = [], None
        for k, c in enumerate(end):
            blend = (high - low) ** c.order * solved[:, start + k]
            if is_tied(end):
                rate = _rate(c)
                more = rate * (high - low) ** 2  # as large as what is to be reached
                blend = (blend + more * next(beside)) / (1 + more * rate)
            blends.append(tuple(blend.tolist()))
        start += len(end)
        values = tuple(_read(c) for c in end)
        at, orders = _box_face(end[0]).value, tuple(c.order for c in end)
        ends.append(End(at, orders, values, tuple(blends), rate))
    powers, mirrored = [0, 0], [False, False]
    for end in kept:
        where = int(_where(end[0]))
        mirrored[where] = end[0].order == 1 and not is_tied(end)
        powers[where] = 0 if end[0].order == 1 else len(end)
    both = (powers[0], powers[1]), (mirrored[0], mirrored[1])
    return Axis(place, low, high - low, tuple(ends), *both)


def _where(condition: Condition) -> float:
    return 0.0 if _box_face(condition).is_lower else 1.0


def _rate(condition: Condition) -> float:
    value = condition.value
    return value.rate if isinstance(value, Mixed) else 0.0


def _derivative(power: int, order: int, s: float) -> float:
    """Returns a derivative of `s^power`."""
    if order > power:
        return 0.0
    return math.perm(power, order) * s ** (power - order)


def _box_face(condition: Condition) -> BoxFace:
    face = condition.side.face
    if not isinstance(face, BoxFace):
        raise TypeError(f"{condition.words}: not an end of a coordinate")
    return face


def _read(condition: Condition) -> Given | Mixed:
    if isinstance(condition.value, diff.Equation):
        raise TypeError(f"{condition.words}: not a value")
    return condition.value


def _blended(lift: Function | None, axis: Axis, *, alone: bool) -> Function | None:
    """Adds what is lacking at the ends of a coordinate, spread by polynomials."""
    zero = all(value.is_zero for end in axis.ends for value in end.values)
    if lift is None and zero:
        return None
    # An initial value that names time says how it goes on, if nothing else is told.
    follows = axis.is_time and alone and axis.ends[0].orders == (0,)

    def blended(x: Float[Array, " D"], others: Others) -> Array:
        s = axis.share(x)
        total = None if lift is None else lift(x, others)
        for end in axis.ends:
            held = _moved(x, axis.place, end.at)
            for order, value, blend in zip(
                end.orders, end.values, end.blends, strict=True
            ):
                at = x if follows and value.asks(axis.place) else held
                lacking = None if value.is_zero else value(at, others)
                if lift is not None:
                    there = along(lift, axis.place, order)(held, others)
                    if end.rate:
                        there = there + end.rate * lift(held, others)
                    lacking = -there if lacking is None else lacking - there
                if lacking is not None:
                    part = _polynomial(blend, s) * lacking
                    total = part if total is None else total + part
        return jnp.zeros_like(s) if total is None else total

    return blended


def _moved(x: Float[Array, " D"], place: int, value: float) -> Float[Array, " D"]:
    """Returns the point of the face beside a point."""
    at = jnp.asarray([value], x.dtype)
    return jnp.concatenate([x[:place], at, x[place + 1 :]])


def _polynomial(powers: Sequence[float], s: Float[Array, ""]) -> Array:
    """Evaluates by Horner's rule."""
    found = jnp.full_like(s, powers[-1])
    for c in reversed(powers[:-1]):
        found = found * s + c
    return found


def _power(s: Float[Array, ""], power: int) -> Array:
    return s**power if power else jnp.ones_like(s)
