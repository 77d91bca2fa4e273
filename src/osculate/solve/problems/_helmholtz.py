"""Helmholtz' equation on the unit square: two waves in each direction."""

import math

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from osculate.solve._box import box
from osculate.solve._problem import Problem, problem

from ._entry import Entry

K = 4 * math.pi


def exact(x: ArrayLike, y: ArrayLike) -> Array:
    """Returns the solution."""
    return jnp.sin(K * jnp.asarray(x)) * jnp.sin(K * jnp.asarray(y))


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=box(x=(0, 1), y=(0, 1)),
        equation=lambda u, u_xx, u_yy, x, y, k: (
            u_xx + u_yy + k**2 * u + k**2 * jnp.sin(k * x) * jnp.sin(k * y)
        ),
        constants={"k": K},
        boundary=0.0,
        reference=exact,
    )


ENTRY = Entry(
    name="helmholtz",
    title="Helmholtz' equation on the unit square, k = 4 pi",
    make=make,
    grid={"x": 101, "y": 101},
    network={"width": 30, "depth": 3},
    floor=1e-14,
    source="Manufactured: u = sin(k x) sin(k y), as in the examples of DeepXDE (Lu et "
    "al. 2021, SIAM Review 63).",
)
