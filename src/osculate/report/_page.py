"""Page: everything that the report shows, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Shaped

from ._evaluation import Evaluation
from ._metrics import Metrics


@final
@dataclass(frozen=True, eq=False)
class Slice:
    """The surrogate along one input, the others held, with its slope.

    Attributes:
        input: Name of the input that varies.
        output: Name of the output shown.
        at: The other inputs, where they are held.
        grid: Values of the input.
        value: The surrogate's output on the grid.
        slope: Its derivative by the input on the grid.
        points_x: Input of training rows near the slice.
        points_y: Output of those rows.
        points_slope: Their known slope; NaN where unknown.
    """

    input: str
    output: str
    at: dict[str, float]
    grid: Float[np.ndarray, " G"]
    value: Float[np.ndarray, " G"]
    slope: Float[np.ndarray, " G"]
    points_x: Float[np.ndarray, " P"]
    points_y: Float[np.ndarray, " P"]
    points_slope: Float[np.ndarray, " P"]


@final
@dataclass(frozen=True, eq=False)
class Page:
    """What `html` needs to write a report.

    Attributes:
        title: Headline.
        verdict: How good the surrogate is, in one sentence.
        evaluation: Truth and prediction.
        history: "step", "loss", and the parts of the loss by name; optionally
            "validation". Equal lengths, NaN where absent; where "step" falls back, a
            new stage begins.
        slices: Cuts through the surrogate.
        facts: Section, then key, then value: configuration, data, versions, timing.
        warnings: What the reader must know, one sentence each.
        training_x: Input points of the training rows.
        metrics: What was measured, where `evaluation` holds a part of the rows only;
            by default it is measured on those.
        values_only: The same for the network trained on values only.
        rows: How many rows were measured on, likewise.
        training_rows: How many were trained on, where `training_x` is a part of them.
    """

    title: str
    verdict: str
    evaluation: Evaluation
    history: Mapping[str, Shaped[np.ndarray, " S"]]
    slices: Sequence[Slice]
    facts: Mapping[str, Mapping[str, str]]
    warnings: Sequence[str]
    training_x: Float[np.ndarray, "T D"]
    metrics: Metrics | None = None
    values_only: Metrics | None = None
    rows: int | None = None
    training_rows: int | None = None
