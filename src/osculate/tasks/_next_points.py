"""Where a model wants to be measured next: candidates in a box, the best of them."""

import math

import jax
import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.stats import qmc

from osculate import match, nets
from osculate.core import InputError

CANDIDATES = 1024  # a power of 2, as Sobol sets want
OWNER = "Surrogate.propose"


def next_points(
    model: nets.Named,
    count: int,
    order: int,
    low: Float64[ndarray, "..."],
    high: Float64[ndarray, "..."],
    inputs: tuple[str, ...],
    seed: int,
) -> Float64[ndarray, "count D"]:
    """Chooses points of a scrambled Sobol set where the jet of a model is least known.

    Args:
        model: A process or an ensemble, with named outputs.
        count: How many.
        order: What will be measured: 0 values, 1 values and gradients.
        low: Smallest value of each input, `(D,)`.
        high: Largest value of each input, `(D,)`.
        inputs: Names of the inputs.
        seed: Of the scrambling.

    Returns:
        The points, the most wanted first.

    Raises:
        InputError: If the box is empty, or a choice is out of range.
    """
    if not low.shape == high.shape == (len(inputs),) or not np.all(
        np.isfinite(low) & np.isfinite(high) & (low <= high)
    ):
        raise InputError(
            f"`{OWNER}`: the box is from {low} to {high}; expected finite numbers, one "
            f"for each of {', '.join(inputs)}, low at most high.\nCorrect low or high."
        )
    if not 1 <= count <= CANDIDATES:
        raise InputError(
            f"`{OWNER}`: count is {count}; expected 1 to {CANDIDATES}.\n"
            "Ask for fewer points, measure them, and fit again."
        )
    sobol = qmc.Sobol(len(low), seed=seed)  # pyright: ignore[reportCallIssue]
    unit = sobol.random_base2(round(math.log2(CANDIDATES)))
    with jax.enable_x64(True):
        found = match.propose(model.net, low + (high - low) * unit, count, order=order)
        return np.asarray(found.x)
