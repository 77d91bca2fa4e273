"""Poisson's equation in the unit cube of five dimensions."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from osculate.solve._box import box
from osculate.solve._problem import Problem, problem

from ._entry import Entry

NAMES = ("x1", "x2", "x3", "x4", "x5")


def exact(
    x1: ArrayLike, x2: ArrayLike, x3: ArrayLike, x4: ArrayLike, x5: ArrayLike
) -> Array:
    """Returns the solution."""
    parts = [jnp.cos(jnp.pi * jnp.asarray(x)) for x in (x1, x2, x3, x4, x5)]
    return sum(parts[1:], parts[0])


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=box(**dict.fromkeys(NAMES, (0.0, 1.0))),
        equation=lambda lap_u, x1, x2, x3, x4, x5: (
            lap_u + jnp.pi**2 * exact(x1, x2, x3, x4, x5)
        ),
        boundary=exact,
        reference=exact,
    )


ENTRY = Entry(
    name="poisson-5d",
    title="Poisson's equation in five dimensions",
    make=make,
    grid=dict.fromkeys(NAMES, 7),
    network={"width": 30, "depth": 2},
    floor=1e-15,
    source="Manufactured: u = cos(pi x1) + ... + cos(pi x5); after Dangel, Mueller and "
    "Zeinhofer (2024), Kronecker-factored approximate curvature for physics-informed "
    "neural networks.",
)
