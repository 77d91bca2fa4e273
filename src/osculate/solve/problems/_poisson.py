"""Poisson's equation on the unit square."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from osculate.solve._box import box
from osculate.solve._problem import Problem, problem

from ._entry import Entry


def exact(x: ArrayLike, y: ArrayLike) -> Array:
    """Returns the solution."""
    x, y = jnp.asarray(x), jnp.asarray(y)
    return jnp.sin(jnp.pi * x) * jnp.sin(jnp.pi * y)


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=box(x=(0, 1), y=(0, 1)),
        equation=lambda lap_u, x, y: lap_u + 2 * jnp.pi**2 * exact(x, y),
        boundary=0.0,
        reference=exact,
    )


ENTRY = Entry(
    name="poisson",
    title="Poisson's equation on the unit square",
    make=make,
    grid={"x": 101, "y": 101},
    network={"width": 20, "depth": 2},
    floor=1e-15,
    source="Manufactured: u = sin(pi x) sin(pi y).",
)
