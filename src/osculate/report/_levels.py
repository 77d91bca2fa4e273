"""Levels of a map of errors, one or half a decade apart."""

import numpy as np

from ._numbers import power_of_ten

LEVELS = 6


def decades(logs: np.ndarray) -> tuple[float, float]:
    """Returns the exponent of the highest level, and the step between levels.

    Args:
        logs: Decimal logarithms of errors, all of them finite.

    Returns:
        Both in decades.
    """
    if not logs.size:
        return 0.0, 1.0
    low, high = np.percentile(logs, 10), float(logs.max())
    step = 0.5 if high - low <= 3 else 1.0
    return float(np.ceil(high / step - 1e-9) * step), step


def level_edges(top: float, step: float) -> np.ndarray:
    """Returns the exponents between neighbouring levels."""
    return top - step * np.arange(LEVELS - 1, 0, -1)


def level_words(edges: np.ndarray) -> tuple[str, ...]:
    """Returns what each level is, for the legend."""
    bounds = [power_of_ten(float(edge)) for edge in edges]
    return (
        f"below {bounds[0]}",
        *(f"to {bound}" for bound in bounds[1:]),
        f"above {bounds[-1]}",
    )
