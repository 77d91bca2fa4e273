"""Lorenz' equations, their parameters to be found."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from osculate.solve._box import time
from osculate.solve._problem import Problem, problem

from ._entry import Entry
from ._trajectory import trajectory

TRUTH = {"sigma": 10.0, "rho": 15.0, "beta": 8 / 3}
START, END, ROWS = (-8.0, 7.0, 27.0), 3.0, 25


def solution(t: ArrayLike) -> dict[str, Array]:
    """Returns the state."""
    sigma, rho, beta = TRUTH.values()

    def slope(_: float, state: np.ndarray) -> list[float]:
        x, y, z = state
        return [sigma * (y - x), x * (rho - z) - y, x * y - beta * z]

    found = trajectory(slope, START, t)
    return dict(zip("xyz", map(jnp.asarray, found), strict=True))


def make() -> Problem:
    """Declares the problem."""
    t = np.linspace(0, END, ROWS)
    with jax.enable_x64(True):  # measured in double precision, whoever asks
        measured = solution(t)
    return problem(
        domain=time(t=(0, END)),
        equation=lambda x, y, z, x_t, y_t, z_t, sigma, rho, beta: (
            x_t - sigma * (y - x),
            y_t - x * (rho - z) + y,
            z_t - x * y + beta * z,
        ),
        fields="x y z",
        initial=dict(zip("xyz", START, strict=True)),
        unknowns=dict.fromkeys(TRUTH, 1.0),
        data={"t": t, **measured},
        reference=solution,
    )


ENTRY = Entry(
    name="lorenz",
    title="Lorenz' equations: three parameters from 25 states",
    make=make,
    grid={"t": 301},
    network={"width": 30, "depth": 2, "num_waves": 8},
    floor=1e-10,
    source="Lorenz (1963), Deterministic nonperiodic flow; the inverse problem as in "
    "the examples of DeepXDE (Lu et al. 2021), with data of our own. Reference: "
    "Dormand and Prince's method of order 8.",
    truth=TRUTH,
)
