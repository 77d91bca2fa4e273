"""The wave equation: two standing waves on a string."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from osculate.solve._box import interval, time
from osculate.solve._problem import Problem, problem

from ._entry import Entry

SPEED = 2.0


def exact(x: ArrayLike, t: ArrayLike) -> Array:
    """Returns the solution."""
    x, s = jnp.pi * jnp.asarray(x), SPEED * jnp.pi * jnp.asarray(t)
    return jnp.sin(x) * jnp.cos(s) + jnp.sin(4 * x) * jnp.cos(4 * s) / 2


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=interval(x=(0, 1)) * time(t=(0, 1)),
        equation=lambda u_tt, u_xx, c: u_tt - c**2 * u_xx,
        constants={"c": SPEED},
        initial={"u": lambda x: exact(x, 0.0), "u_t": 0.0},
        boundary={"x": 0.0},
        reference=exact,
    )


ENTRY = Entry(
    name="wave",
    title="Wave equation with two standing waves, c = 2",
    make=make,
    grid={"x": 101, "t": 101},
    network={"width": 30, "depth": 2},
    floor=1e-14,
    source="Wang, Yu and Perdikaris (2022), When and why PINNs fail to train: a neural "
    "tangent kernel perspective.",
    fit={"points": 2000, "windows": 4},
)
