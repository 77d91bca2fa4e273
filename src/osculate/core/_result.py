"""What came of a fit: data only."""

import enum
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import PyTree

from ._objective import Objective


class Status(enum.Enum):
    """How a fit ended; the value is the message."""

    DONE = "all steps were taken"
    TARGET = "the target was reached"
    CONVERGED = "converged: at this precision no step lowers the loss any further"
    STOPPED = "stopped early: the validation loss no longer fell"
    OUT_OF_TIME = "the time budget was used up"
    NOT_FINITE = (
        "the loss or its derivative became infinite or NaN; the best finite iterate "
        "was kept"
    )


class FitError(RuntimeError):
    """A fit that failed where `throw=True` asked for an exception."""


class FitWarning(UserWarning):
    """A fit that failed; the message tells the step, the term and the row."""


class Result(eqx.Module):
    """The answer, and how it was reached.

    Attributes:
        value: The trained model.
        objective: What was minimized.
        samples: Samples by label, as they were at the end.
        history: NumPy arrays of equal length by name: `"step"`, `"loss"`, one per part
            of the objective, `"validation"` where there was any.
        stats: Numbers about the whole fit: `"steps"`, `"best_step"`, `"seconds"`, and
            `"retries"`, how often steps were taken anew and shorter.
        status: How it ended.
        diagnosis: Where the loss or its derivative was not finite: step, term and row;
            else empty.
    """

    value: PyTree[Any]
    objective: Objective
    samples: PyTree[Any]
    history: dict[str, np.ndarray]
    stats: dict[str, Any]
    status: Status
    diagnosis: str = ""
