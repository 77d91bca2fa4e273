"""The heat equation in four dimensions of space."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from osculate.solve._box import box, time
from osculate.solve._problem import Problem, problem

from ._entry import Entry

DIFFUSION, NAMES = 0.25, ("x1", "x2", "x3", "x4")


def exact(
    x1: ArrayLike, x2: ArrayLike, x3: ArrayLike, x4: ArrayLike, t: ArrayLike
) -> Array:
    """Returns the solution."""
    x = [jnp.asarray(value) for value in (x1, x2, x3, x4)]
    start = jnp.sin(2 * x[0]) + jnp.sin(2 * x[1]) + jnp.sin(2 * x[2])
    return (start + jnp.sin(2 * x[3])) * jnp.exp(-jnp.asarray(t))


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=box(**dict.fromkeys(NAMES, (0.0, 1.0))) * time(t=(0, 1)),
        equation=lambda u_t, lap_u, diffusion: u_t - diffusion * lap_u,
        constants={"diffusion": DIFFUSION},
        initial=lambda x1, x2, x3, x4: exact(x1, x2, x3, x4, 0.0),
        boundary=exact,
        reference=exact,
    )


ENTRY = Entry(
    name="heat-4d",
    title="Heat equation in four dimensions",
    make=make,
    grid={**dict.fromkeys(NAMES, 7), "t": 7},
    network={"width": 30, "depth": 2},
    floor=1e-15,
    source="Separation of variables: u = exp(-t) (sin(2 x1) + ... + sin(2 x4)); after "
    "Dangel, Mueller and Zeinhofer (2024), Kronecker-factored approximate curvature "
    "for physics-informed neural networks.",
)
