"""Exponential time differencing: stiff linear parts are integrated exactly."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

CONTOUR = 64

Modes = Float[np.ndarray, " K"]


class Coefficients(NamedTuple):
    """What a step of ETDRK4 multiplies with.

    Attributes:
        whole: `exp(h L)`.
        half: `exp(h L / 2)`.
        q: Of the stages.
        f1: Of the nonlinear part at the beginning.
        f2: Of both in the middle.
        f3: Of the one at the end.
    """

    whole: Modes
    half: Modes
    q: Modes
    f1: Modes
    f2: Modes
    f3: Modes


def coefficients(L: Modes, h: float) -> Coefficients:
    """Returns the coefficients of a step, as means over circles in the complex plane.

    Args:
        L: The linear part, diagonal.
        h: The step.

    Returns:
        The coefficients.

    Reference: Kassam and Trefethen (2005), Fourth-order time-stepping for stiff PDEs,
    equations 25 to 29 and section 3.
    """
    angles = np.pi * (np.arange(1, CONTOUR + 1) - 0.5) / CONTOUR
    z = h * L[:, None] + np.exp(1j * angles)[None]
    e = np.exp(z)
    mean = lambda f: h * np.real(f.mean(axis=1))
    return Coefficients(
        whole=np.exp(h * L),
        half=np.exp(h * L / 2),
        q=mean((np.exp(z / 2) - 1) / z),
        f1=mean((-4 - z + e * (4 - 3 * z + z**2)) / z**3),
        f2=mean((2 + z + e * (z - 2)) / z**3),
        f3=mean((-4 - 3 * z - z**2 + e * (4 - z)) / z**3),
    )


def advance(
    v: Modes, c: Coefficients, nonlinear: Callable[[Modes], Modes], steps: int
) -> Modes:
    """Takes some steps of ETDRK4.

    Args:
        v: Where it begins.
        c: The coefficients.
        nonlinear: The rest of the right-hand side.
        steps: How many.

    Returns:
        Where it ends.
    """
    for _ in range(steps):
        n_v = nonlinear(v)
        a = c.half * v + c.q * n_v
        n_a = nonlinear(a)
        b = c.half * v + c.q * n_a
        n_b = nonlinear(b)
        n_c = nonlinear(c.half * a + c.q * (2 * n_b - n_v))
        v = c.whole * v + c.f1 * n_v + 2 * c.f2 * (n_a + n_b) + c.f3 * n_c
    return v
