"""The lid-driven cavity: a lid that moves along a box of fluid."""

import jax.numpy as jnp

from osculate.solve._box import box
from osculate.solve._problem import Problem, problem

from ._entry import Entry
from ._navier_stokes import Number, steady

LAYER = 0.1  # about the corners of the lid

# Ghia, Ghia and Shin (1982), tables I and II, as printed. Their v at x = 0.9063 for
# Re = 400 does not lie between its neighbours: it is taken for a misprint.
LINE_Y = (
    *(0.0, 0.0547, 0.0625, 0.0703, 0.1016, 0.1719, 0.2813, 0.4531, 0.5),
    *(0.6172, 0.7344, 0.8516, 0.9531, 0.9609, 0.9688, 0.9766, 1.0),
)
LINE_U = {
    100: (
        *(0.0, -0.03717, -0.04192, -0.04775, -0.06434, -0.10150, -0.15662, -0.21090),
        *(-0.20581, -0.13641, 0.00332, 0.23151, 0.68717, 0.73722, 0.78871, 0.84123),
        1.0,
    ),
    400: (
        *(0.0, -0.08186, -0.09266, -0.10338, -0.14612, -0.24299, -0.32726, -0.17119),
        *(-0.11477, 0.02135, 0.16256, 0.29093, 0.55892, 0.61756, 0.68439, 0.75837),
        1.0,
    ),
}
LINE_X = (
    *(0.0, 0.0625, 0.0703, 0.0781, 0.0938, 0.1563, 0.2266, 0.2344, 0.5),
    *(0.8047, 0.8594, 0.9063, 0.9453, 0.9531, 0.9609, 0.9688, 1.0),
)
LINE_V = {
    100: (
        *(0.0, 0.09233, 0.10091, 0.10890, 0.12317, 0.16077, 0.17507, 0.17527, 0.05454),
        *(-0.24533, -0.22445, -0.16914, -0.10313, -0.08864, -0.07391, -0.05906, 0.0),
    ),
    400: (
        *(0.0, 0.18360, 0.19713, 0.20920, 0.22965, 0.28124, 0.30203, 0.30174, 0.05186),
        *(-0.38598, -0.44993, -0.23827, -0.22847, -0.19254, -0.15663, -0.12146, 0.0),
    ),
}


def calm(x: Number, y: Number) -> Number:
    """Returns 0 in the corners of the lid and nearly 1 away from them.

    Velocities jump there: the mean square of a residual is infinite unless this, or
    something like it, is multiplied with.
    """
    square = lambda corner: (x - corner) ** 2 + (y - 1) ** 2
    left, right = square(0), square(1)
    return left / (left + LAYER**2) * right / (right + LAYER**2)


def inside(
    u: Number,
    u_x: Number,
    u_y: Number,
    lap_u: Number,
    v: Number,
    v_x: Number,
    v_y: Number,
    lap_v: Number,
    p_x: Number,
    p_y: Number,
    nu: Number,
    x: Number,
    y: Number,
) -> dict[str, Number]:
    """Returns the residuals of a steady flow, calmed in the corners."""
    found = steady(u, u_x, u_y, lap_u, v, v_x, v_y, lap_v, p_x, p_y, nu)
    return {name: calm(x, y) * left for name, left in found.items()}


def lid(u: Number, x: Number) -> Number:
    """Returns what the speed of the lid lacks, likewise."""
    return calm(x, jnp.ones_like(x)) * (u - 1)


def declared(reynolds: float) -> Problem:
    """Declares the problem; the pressure is left free by a constant.

    Args:
        reynolds: Speed of the lid times length of the box over viscosity.

    Returns:
        The problem.
    """
    still = {"u": 0.0, "v": 0.0}
    return problem(
        domain=box(x=(0, 1), y=(0, 1)),
        equation=inside,
        fields="u v p",
        constants={"nu": 1 / reynolds},
        boundary={"x": still, "y=lower": still, "y=upper": [lid, {"v": 0.0}]},
    )


ENTRY = Entry(
    name="cavity",
    title="Lid-driven cavity, Re = 100",
    make=lambda: declared(100.0),
    grid={"x": 129, "y": 129},
    network={"width": 30, "depth": 3},
    floor=1e-3,
    source="Ghia, Ghia and Shin (1982), High-Re solutions for incompressible flow "
    "using the Navier-Stokes equations and a multigrid method: velocities along both "
    "centre lines.",
)
