"""SolutionPage: what the report of a solved equation shows, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Shaped


@final
@dataclass(frozen=True, eq=False)
class FieldMap:
    """A field, or a residual, over two coordinates, the others held.

    Attributes:
        name: Name of the field.
        across: Name of the horizontal coordinate.
        up: Name of the vertical coordinate.
        x: Values of the horizontal coordinate, rising.
        y: Values of the vertical coordinate, rising.
        value: The field on the grid, a row for each `y`; NaN where there is none, such
            as outside of the domain.
        at: The other coordinates, where they are held.
    """

    name: str
    across: str
    up: str
    x: Float[np.ndarray, " G"]
    y: Float[np.ndarray, " H"]
    value: Float[np.ndarray, "H G"]
    at: dict[str, float]


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """A field, or a residual, over one coordinate, the others held.

    Attributes:
        name: Name of the field.
        across: Name of the coordinate that varies.
        x: Its values, rising.
        value: The field there; NaN where there is none.
        at: The other coordinates, where they are held.
    """

    name: str
    across: str
    x: Float[np.ndarray, " G"]
    value: Float[np.ndarray, " G"]
    at: dict[str, float]


@final
@dataclass(frozen=True, eq=False)
class SolutionPage:
    """What `solution_html` needs to write a report.

    Attributes:
        title: Headline.
        verdict: How good the solution is, in one sentence.
        doubts: What the reader must know, one sentence each.
        tiles: What matters most: a big text, such as a number, and a small one that
            says what it is.
        declared: What was solved, in lines of text as it would be written in code.
        history: "step", "loss", and the parts of the loss by name; optionally
            "validation". Equal lengths, NaN where absent; where "step" falls back, a
            new stage begins.
        maps: Fields over two coordinates. Maps of one name share their colours.
        residual: Decimal logarithms of absolute residuals; -inf where one is zero. All
            maps share their colours, all curves their scale.
        curves: Fields over one coordinate. Curves of one name share their scale.
        facts: Section, then key, then value: configuration, versions, timing.
    """

    title: str
    verdict: str
    doubts: Sequence[str]
    tiles: Sequence[tuple[str, str]]
    declared: str
    history: Mapping[str, Shaped[np.ndarray, " S"]]
    maps: Sequence[FieldMap]
    residual: Sequence[FieldMap | Curve]
    curves: Sequence[Curve]
    facts: Mapping[str, Mapping[str, str]]
