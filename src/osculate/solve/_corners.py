"""Whether conditions agree where two faces meet."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from osculate import diff
from osculate.core import InputError

from ._along import along
from ._box import axis_of
from ._conditions import Condition
from ._given import Words
from ._mixed import Mixed

LOOKS, TOLERANCE = 64, 1e-6


def refuse_corners(
    listed: Sequence[Condition],
    words: Words,
    others: Mapping[str, Any],
    *,
    allow: bool,
) -> tuple[Condition, ...]:
    """Compares what two faces prescribe where they meet.

    Args:
        listed: Conditions that trial functions are to satisfy.
        words: The names that exist.
        others: Values of constants, and of unknowns to begin with.
        allow: Return the conditions that contradict earlier ones.

    Returns:
        Conditions that cannot be met exactly: slopes alone that contradict others, as
        where a flux sets in at once; values and their slopes if `allow`.

    Raises:
        InputError: If two contradict each other, unless `allow`.
    """
    torn: list[Condition] = []
    for a, b in itertools.combinations(listed, 2):
        if a in torn or b in torn or a.field != b.field:
            continue
        with jax.enable_x64(True):  # what is built in is not to depend on rounding
            gap = _gap(a, b, words, others)
        if gap is None or not gap[0] > TOLERANCE:
            continue
        slopes = [c for c in (b, a) if _is_lone_slope(c, listed)]
        if slopes:
            torn.append(slopes[0])
            continue
        if not allow:
            _, where, left, right = gap
            raise InputError(
                f"`solve.problem`: {a.words} and {b.words} contradict each other where "
                f"the faces meet: at {where} one says {left:.6g}, the other "
                f"{right:.6g}.\nCorrect one of them, or declare it: corners='allow'."
            )
        torn.append(b)
    return tuple(torn)


def _is_lone_slope(condition: Condition, listed: Sequence[Condition]) -> bool:
    """Whether a slope is prescribed and the value is not."""
    beside = [
        c.order
        for c in listed
        if c.side.name == condition.side.name and c.field == condition.field
    ]
    return condition.order == 1 and 0 not in beside


def _gap(
    a: Condition, b: Condition, words: Words, others: Mapping[str, Any]
) -> tuple[float, str, float, float] | None:
    """Returns the largest contradiction: its size, where, and both values."""
    one, two = axis_of(a.side), axis_of(b.side)
    if two is None or one == two:
        a, b, one, two = b, a, two, one
    if two is None or one == two:
        return None  # faces that do not meet, or meet in a way that is not looked at
    domain = words.domain
    if domain.time and not words.size - 1:
        return None
    if _is_zero(a) and _is_zero(b):
        return None
    points = domain.points_on(a.side, LOOKS, jr.key(0))
    at = float(b.side.face.value)  # pyright: ignore[reportAttributeAccessIssue]
    points = points.at[:, two].set(at)

    @jax.jit
    def both(points: Float[Array, "N D"]) -> tuple[Array, Array]:
        values = _value(a, b, two, points, others)
        return values, _value(b, a, one, points, others)

    first, second = map(np.asarray, both(points))
    off = np.abs(first - second).reshape(len(points), -1).max(axis=1)
    size = 1 + max(np.abs(first).max(), np.abs(second).max())
    worst = int(off.argmax())
    spot = ", ".join(
        f"{n}={v:.4g}" for n, v in zip(domain.names, points[worst], strict=True)
    )
    pick = lambda v: float(v[worst].reshape(-1)[0])
    return float(off[worst]) / size, spot, pick(first), pick(second)


def _is_zero(condition: Condition) -> bool:
    return not isinstance(condition.value, diff.Equation) and condition.value.is_zero


def _value(
    condition: Condition,
    other: Condition,
    place: int | None,
    points: Float[Array, "N D"],
    others: Mapping[str, Any],
) -> Array:
    """Returns what the other condition looks at, of what this one prescribes."""
    value = condition.value
    if isinstance(value, diff.Equation):
        raise TypeError(f"{condition.words}: not a value")
    f = value if place is None else along(value, place, other.order)
    rate = other.value.rate if isinstance(other.value, Mixed) else 0.0

    def at(x: Float[Array, " D"]) -> Array:
        found = f(x, others)
        return found + rate * value(x, others) if rate else found

    return jax.vmap(at)(points)
