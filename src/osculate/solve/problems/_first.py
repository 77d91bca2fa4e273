"""The first problem: u' = 2 x."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from osculate.solve._box import interval
from osculate.solve._problem import Problem, problem

from ._entry import Entry


def exact(x: ArrayLike) -> Array:
    """Returns the solution."""
    return 1 + jnp.asarray(x) ** 2


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=interval(x=(0, 1)),
        equation=lambda u_x, x: u_x - 2 * x,
        boundary={"x=lower": 1.0},
        reference=exact,
    )


ENTRY = Entry(
    name="first",
    title="An ordinary differential equation to begin with",
    make=make,
    grid={"x": 101},
    network={"width": 10, "depth": 1},
    floor=1e-15,
    source="Integration: u = 1 + x^2.",
)
