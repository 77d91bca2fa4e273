"""The beam of Euler and Bernoulli, clamped at one end, under its weight."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from osculate.solve._box import interval
from osculate.solve._problem import Problem, problem

from ._entry import Entry


def exact(x: ArrayLike) -> Array:
    """Returns the deflection."""
    x = jnp.asarray(x)
    return x**2 * (x**2 - 4 * x + 6) / 24


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=interval(x=(0, 1)),
        equation=lambda u_xxxx: u_xxxx - 1,
        boundary={
            "x=lower": {"u": 0.0, "u_x": 0.0},
            "x=upper": {"u_xx": 0.0, "u_xxx": 0.0},
        },
        reference=exact,
    )


ENTRY = Entry(
    name="beam",
    title="Beam clamped at one end under an even load",
    make=make,
    grid={"x": 201},
    network={"width": 10, "depth": 2},
    floor=1e-15,
    source="Timoshenko (1930), Strength of materials: u = x^2 (x^2 - 4 x + 6) / 24.",
)
