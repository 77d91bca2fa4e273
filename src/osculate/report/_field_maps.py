"""Figures of fields over two coordinates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from ._heat import heat
from ._numbers import significant, typeset
from ._panel import Panel, Scale, held
from ._solution_page import FieldMap
from ._svg import DIVERGING, SEQUENTIAL


@final
@dataclass(frozen=True)
class FieldScale:
    """From values to levels: the same for all maps of one name.

    Attributes:
        low: Lowest value.
        high: Highest value.
        signed: Whether zero is in the middle of the paints.
    """

    low: float
    high: float
    signed: bool

    @property
    def paints(self) -> tuple[str, ...]:
        """The paints that levels count, lowest first."""
        return DIVERGING if self.signed else SEQUENTIAL

    def level(self, value: np.ndarray) -> np.ndarray:
        """Returns from 0 to the number of paints, NaN where nothing is known."""
        count = len(self.paints)
        size = max(abs(self.low), abs(self.high))
        known = np.where(np.isfinite(value), value, np.nan)
        if not self.high - self.low > 1e-9 * size:
            return np.where(np.isnan(known), np.nan, count // 2 + 0.5)
        # Over the size first: the width of the largest numbers is not a number.
        low = -1.0 if self.signed else self.low / size
        width = 2.0 if self.signed else self.high / size - low
        return np.clip((known / size - low) / width, 0.0, 1.0 - 1e-12) * count

    def words(self) -> Scale:
        """Returns the paints in use, with the lowest and the highest value."""
        ends = self.level(np.array([self.low, self.high])).astype(np.int64)
        paints = self.paints[ends[0] : ends[1] + 1]
        low, high = (typeset(significant(v)) for v in (self.low, self.high))
        return Scale(paints, low, high if ends[0] < ends[1] else "")


def has_values(value: np.ndarray) -> bool:
    """Returns whether a field is known anywhere."""
    return bool(np.isfinite(value).any())


def field_scales(maps: Sequence[FieldMap]) -> dict[str, FieldScale]:
    """Returns the scale of each name; each map must have values."""
    found = {}
    for name in {m.name: None for m in maps}:
        values = [m.value[np.isfinite(m.value)] for m in maps if m.name == name]
        low = float(min(v.min() for v in values))
        high = float(max(v.max() for v in values))
        signed = min(-low, high) > 0.2 * max(-low, high)
        found[name] = FieldScale(low, high, signed)
    return found


def field_maps(
    maps: Sequence[FieldMap], *, size: tuple[int, int], budget: int
) -> list[Panel]:
    """Draws fields in steps of colour, each of at most so many bytes if it can be."""
    scales = field_scales(maps)
    return [
        Panel(
            svg=heat(
                m,
                scales[m.name].level(m.value),
                scales[m.name].paints,
                alt=f"{m.name} over {m.across} and {m.up}, as colour.",
                size=size,
                budget=budget,
            ),
            name=m.name,
            note=held(m.at, {}),
            x=m.across,
            y=m.up,
            scale=scales[m.name].words(),
        )
        for m in maps
    ]
