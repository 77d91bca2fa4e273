"""What the declarations of domains share: checks of numbers and names, rounding."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from osculate.core import InputError

Rows = ArrayLike | Sequence[Any]


def numbers_of(
    owner: str, what: str, values: Any, shape: tuple[int | None, ...]
) -> Float[np.ndarray, "..."]:
    """Returns finite numbers of a shape.

    Args:
        owner: The door, for messages.
        what: What they are, for messages.
        values: What came.
        shape: What is expected; None for any length.

    Returns:
        An array.

    Raises:
        InputError: If they are not numbers, not finite, or of another shape.
    """
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        found = np.full((), np.nan)
    fits = found.ndim == len(shape) and all(
        want in (None, came) for want, came in zip(shape, found.shape, strict=True)
    )
    if not fits or not found.size or not np.isfinite(found).all():
        came = f"of shape {found.shape}" if found.ndim else repr(values)
        if fits and found.ndim and found.size:
            came += ", not all finite"
        wanted = "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
        kind = f"finite numbers of shape {wanted}" if shape else "a finite number"
        raise InputError(
            f"`solve.{owner}`: {what}: came {came}; expected {kind}.\n"
            "Give plain numbers, one row for each point."
            if shape
            else f"`solve.{owner}`: {what} is {came}; expected {kind}.\n"
            "Give a plain number."
        )
    return found


def names_of(owner: str, names: Sequence[str] | None, D: int) -> tuple[str, ...]:
    """Returns D names of coordinates; x, y, z where none are given.

    Args:
        owner: The door, for messages.
        names: Names, or None; a string is split at blanks.
        D: How many are expected.

    Returns:
        Them.

    Raises:
        InputError: If there are not D different ones.
    """
    if names is None and D <= 3:
        return ("x", "y", "z")[:D]
    listed = names.split() if isinstance(names, str) else list(names or ())
    if (
        len(listed) != D
        or len(set(listed)) < D
        or not all(map(str.isidentifier, listed))
    ):
        raise InputError(
            f"`solve.{owner}`: names are {listed}; expected {D} different names.\n"
            f"Write for instance names={tuple(f'x{k + 1}' for k in range(D))}."
        )
    return tuple(listed)


def pairs(values: Float[np.ndarray, "N D"]) -> tuple[tuple[float, ...], ...]:
    """Returns rows as nested tuples."""
    return tuple(tuple(row) for row in np.asarray(values).tolist())


def ends_of(
    points: Float[np.ndarray, "N D"],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns the smallest and the largest value of each coordinate."""
    return tuple(points.min(axis=0).tolist()), tuple(points.max(axis=0).tolist())


def slack(x: Float[Array, " D"], *corners: Sequence[float]) -> float:
    """Returns how far rounding moves a point of a region with such corners."""
    size = max(abs(value) for corner in corners for value in corner)
    return 16 * float(jnp.finfo(x.dtype).eps) * size
