"""Solutions of ordinary differential equations, to nearly all digits."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import ArrayLike, Float
from scipy.integrate import solve_ivp

RTOL = 1e-13


def trajectory(
    slope: Callable[..., Sequence[float]],
    start: Sequence[float],
    t: ArrayLike,
    *,
    rtol: float = RTOL,
) -> Float[np.ndarray, "M ..."]:
    """Returns a solution at some times; every one of them ends a step.

    Args:
        slope: `(t, y) -> dy/dt`.
        start: The state at time 0.
        t: Times, from 0 on.
        rtol: Relative accuracy of a step; the absolute one is a tenth.

    Returns:
        States, the fields first.

    Reference: Hairer, Norsett and Wanner (1993), Solving ordinary differential
    equations I, section II.10: the method of order 8.
    """
    asked = np.asarray(t, float)
    times, place = np.unique(np.append(asked.reshape(-1), 0.0), return_inverse=True)
    found, state = [np.asarray(start, float)], np.asarray(start, float)
    for begin, end in itertools.pairwise(times):
        span = (float(begin), float(end))
        run = solve_ivp(slope, span, state, "DOP853", rtol=rtol, atol=rtol / 10)
        state = run.y[:, -1]
        found.append(state)
    return np.stack(found, axis=1)[:, place[:-1]].reshape(len(start), *asked.shape)
