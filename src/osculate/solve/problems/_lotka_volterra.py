"""Lotka's and Volterra's predators and prey, their rates to be found."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from osculate.solve._box import time
from osculate.solve._problem import Problem, problem

from ._entry import Entry
from ._trajectory import trajectory

TRUTH = {"alpha": 1.5, "beta": 1.0, "gamma": 3.0, "delta": 1.0}
START, END, ROWS = (1.0, 1.0), 6.0, 61


def solution(t: ArrayLike) -> dict[str, Array]:
    """Returns the numbers of prey and predators."""
    a, b, c, d = TRUTH.values()

    def slope(_: float, y: np.ndarray) -> list[float]:
        return [y[0] * (a - b * y[1]), y[1] * (d * y[0] - c)]

    prey, predator = trajectory(slope, START, t)
    return {"prey": jnp.asarray(prey), "predator": jnp.asarray(predator)}


def make() -> Problem:
    """Declares the problem."""
    t = np.linspace(0, END, ROWS)
    with jax.enable_x64(True):  # measured in double precision, whoever asks
        measured = solution(t)
    return problem(
        domain=time(t=(0, END)),
        equation=lambda prey, prey_t, predator, predator_t, alpha, beta, gamma, delta: (
            prey_t - prey * (alpha - beta * predator),
            predator_t - predator * (delta * prey - gamma),
        ),
        fields="prey predator",
        initial={"prey": START[0], "predator": START[1]},
        unknowns=dict.fromkeys(TRUTH, 1.0),
        data={"t": t, **measured},
        reference=solution,
    )


ENTRY = Entry(
    name="lotka-volterra",
    title="Predators and prey: four rates from their numbers",
    make=make,
    grid={"t": 301},
    network={"width": 20, "depth": 2, "num_waves": 8},
    floor=1e-11,
    source="Lotka (1925), Elements of physical biology; Volterra (1926). Reference: "
    "Dormand and Prince's method of order 8.",
    truth=TRUTH,
)
