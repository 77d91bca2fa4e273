"""How far a prediction is from the truth: RRMSE, R2 and the largest error."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from osculate.core import InputError

Metrics = dict[str, dict[str, float | None]]


def metrics(
    truth: Mapping[str, Float[np.ndarray, " N"]],
    prediction: Mapping[str, Float[np.ndarray, " N"]],
) -> Metrics:
    """Compares prediction with truth, name by name.

    RRMSE is the root mean square error over the population standard deviation of the
    truth, R2 = 1 - RRMSE^2, and max is the largest absolute error, all over the rows
    where the truth is known. The result is plain Python and goes into JSON as it is.

    Args:
        truth: True values by name; NaN is unknown.
        prediction: Predicted values by the same names.

    Returns:
        `{name: {"rrmse", "r2", "max"}}`, in the order of truth, without the names
        of which nothing is known. Where the truth is constant, "rrmse" and "r2" are
        None; where a prediction is not finite, all three are.

    Raises:
        InputError: If a name is not predicted, or for another number of rows.
    """
    found: Metrics = {}
    for name, true in truth.items():
        if name not in prediction or prediction[name].shape != true.shape:
            got = prediction[name].shape if name in prediction else "nothing"
            raise InputError(
                f"`report.metrics`: prediction of {name!r} is {got}, "
                f"expected shape {true.shape}.\nPredict every name of the truth."
            )
        known = np.isfinite(true)
        if known.any():
            found[name] = _compare(true[known], prediction[name][known])
    return found


def _compare(true: np.ndarray, predicted: np.ndarray) -> dict[str, float | None]:
    """Returns the three numbers for rows that are all known."""
    true, predicted = true.astype(np.float64), predicted.astype(np.float64)
    with np.errstate(all="ignore"):
        error = predicted - true
        largest = float(np.max(np.abs(error)))
        spread = _rms(true - np.mean(true)) if np.ptp(true) > 0 else 0.0
        rrmse = _rms(error) / spread if spread > 0 else float("nan")
        r2 = 1.0 - float(np.square(rrmse))
    return {
        name: value if np.isfinite(value) else None
        for name, value in (("rrmse", rrmse), ("r2", r2), ("max", largest))
    }


def _rms(values: np.ndarray) -> float:
    """Returns the root mean square, scaled so that no square can overflow."""
    scale = float(np.max(np.abs(values)))
    if scale == 0 or not np.isfinite(scale):
        return scale
    return scale * float(np.sqrt(np.mean(np.square(values / scale))))
