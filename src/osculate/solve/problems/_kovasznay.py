"""Kovasznay's flow: steady, behind a grid of cylinders."""

import math

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from osculate.solve._box import box
from osculate.solve._problem import Problem, problem

from ._entry import Entry
from ._navier_stokes import steady

NU = 1 / 40
RATE = 1 / (2 * NU) - math.sqrt(1 / (4 * NU**2) + 4 * math.pi**2)


def exact(x: ArrayLike, y: ArrayLike) -> dict[str, Array]:
    """Returns the velocity and the pressure."""
    x, y = jnp.asarray(x), 2 * jnp.pi * jnp.asarray(y)
    e = jnp.exp(RATE * x)
    return {
        "u": 1 - e * jnp.cos(y),
        "v": RATE / (2 * math.pi) * e * jnp.sin(y),
        "p": (1 - e**2) / 2 + 0 * y,
    }


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=box(x=(-0.5, 1), y=(-0.5, 1.5)),
        equation=steady,
        fields="u v p",
        constants={"nu": NU},
        boundary={
            "all": {
                "u": lambda x, y: exact(x, y)["u"],
                "v": lambda x, y: exact(x, y)["v"],
            },
            "x=upper": {"p": lambda x, y: exact(x, y)["p"]},
        },
        reference=exact,
    )


ENTRY = Entry(
    name="kovasznay",
    title="Kovasznay's flow, Re = 40",
    make=make,
    grid={"x": 76, "y": 101},
    network={"width": 20, "depth": 2},
    floor=1e-14,
    source="Kovasznay (1948), Laminar flow behind a two-dimensional grid.",
    fit={"points": 1200, "adaptive": False},
)
