"""The heat equation on a rod with cold ends."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from osculate.solve._box import interval, time
from osculate.solve._problem import Problem, problem

from ._entry import Entry

DIFFUSION = 0.4


def exact(x: ArrayLike, t: ArrayLike) -> Array:
    """Returns the solution."""
    x, t = jnp.asarray(x), jnp.asarray(t)
    return jnp.sin(jnp.pi * x) * jnp.exp(-DIFFUSION * jnp.pi**2 * t)


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=interval(x=(0, 1)) * time(t=(0, 1)),
        equation=lambda u_t, u_xx, diffusion: u_t - diffusion * u_xx,
        constants={"diffusion": DIFFUSION},
        initial=lambda x: jnp.sin(jnp.pi * x),
        boundary={"x": 0.0},
        reference=exact,
    )


ENTRY = Entry(
    name="heat",
    title="Heat equation with one decaying sine",
    make=make,
    grid={"x": 101, "t": 101},
    network={"width": 20, "depth": 2},
    floor=1e-15,
    source="Separation of variables: u = sin(pi x) exp(-0.4 pi^2 t).",
)
