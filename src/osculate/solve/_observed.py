"""Measurements of fields: columns by name, read into points and values."""

from typing import Any, final

import equinox as eqx
import numpy as np
from jaxtyping import Float

from osculate import diff
from osculate.core import InputError, did_you_mean

from ._given import Words


@final
class Observed(eqx.Module):
    """What was measured, in arrays of NumPy.

    Attributes:
        x: Points `(N, D)`.
        y: By name of a field or a derivative `(N,)` or `(N, size)`.
        weight: 1 where a number is known, else 0, by name.
        sigma: Standard deviation of all of them, or None.
    """

    x: Any
    y: dict[str, Any]
    weight: dict[str, Any]
    sigma: float | None = eqx.field(static=True)

    @property
    def words(self) -> str:
        """How many of what."""
        return f"{len(self.x)} rows of {', '.join(self.y)}"


def observed(data: Any, sigma: float | None, words: Words) -> Observed:
    """Reads measurements.

    Args:
        data: Columns by name: every coordinate `(N,)`, and fields or derivatives in the
            notation of print, `(N,)` or `(N, size)`. NaN is what was not measured.
        sigma: Standard deviation, or None where it is not known.
        words: The names that exist.

    Returns:
        The measurements.

    Raises:
        InputError: If a column is missing or not known, lengths differ, or a point lies
            outside the domain.
    """
    columns = {name: np.asarray(data[name], float) for name in data}
    names = words.domain.names
    if missing := [name for name in names if name not in columns]:
        raise InputError(
            f"`solve.problem`: data has no column {missing[0]!r}; it has "
            f"{list(columns)}.\nGive all coordinates {list(names)} and what was "
            "measured there."
        )
    values = {name: c for name, c in columns.items() if name not in names}
    if not values:
        raise InputError(
            f"`solve.problem`: data has coordinates only, {list(columns)}.\n"
            f"Add what was measured: {list(words.fields)} or derivatives of them."
        )
    lengths = {name: len(np.atleast_1d(c)) for name, c in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"`solve.problem`: columns of data differ in length: {lengths}.\n"
            "Give one number per row; NaN where nothing was measured."
        )
    for name in values:
        if not diff.readings(name, fields=tuple(words.fields), over=names):
            raise InputError(
                f"`solve.problem`: data has a column {name!r}, which is no field and no"
                f" derivative; fields are {list(words.fields)}."
                f"{did_you_mean(name, words.fields)}\nRename it or leave it out."
            )
    if sigma is not None and not sigma > 0:
        raise InputError(
            f"`solve.problem`: sigma is {sigma}; expected a positive number.\n"
            "Leave it out where it is not known."
        )
    x = np.stack([columns[name] for name in names], axis=1)
    _refuse_outside(x, words)
    known = {name: np.isfinite(c) for name, c in values.items()}
    return Observed(
        x=x,
        y={n: np.where(known[n], c, 0.0) for n, c in values.items()},
        weight={n: known[n].astype(float) for n in values},
        sigma=sigma,
    )


def _refuse_outside(x: Float[np.ndarray, "N D"], words: Words) -> None:
    low, high = np.array(words.domain.low), np.array(words.domain.high)
    room = 1e-9 * (high - low)
    outside = ~((x >= low - room) & (x <= high + room)).all(axis=1)
    if outside.any():
        row = int(outside.argmax())
        point = ", ".join(
            f"{n}={v:g}" for n, v in zip(words.domain.names, x[row], strict=True)
        )
        raise InputError(
            f"`solve.problem`: {int(outside.sum())} of {len(x)} rows of data lie "
            f"outside the domain, the first is row {row}: {point}.\n"
            "Leave them out, or enlarge the domain."
        )
