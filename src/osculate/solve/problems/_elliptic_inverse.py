"""Darcy's equation: a conductivity field from values of the pressure."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike

from osculate.solve._box import box
from osculate.solve._problem import Problem, problem

from ._entry import Entry

NODES = 21


def exact(x: ArrayLike, y: ArrayLike) -> dict[str, Array]:
    """Returns the pressure, whose gradient vanishes nowhere, and the conductivity."""
    x, y = jnp.asarray(x), jnp.asarray(y)
    bump = jnp.sin(jnp.pi * x) * jnp.sin(jnp.pi * y)
    return {"u": x + y / 2 + bump / 5, "k": 1 + bump / 2}


def source(x: Array, y: Array) -> Array:
    """Returns `-div(k grad u)`."""
    sx, cx = jnp.sin(jnp.pi * x), jnp.pi * jnp.cos(jnp.pi * x)
    sy, cy = jnp.sin(jnp.pi * y), jnp.pi * jnp.cos(jnp.pi * y)
    lap_u = -2 / 5 * jnp.pi**2 * sx * sy
    slopes = cx * sy / 2 * (1 + cx * sy / 5) + sx * cy / 2 * (1 / 2 + sx * cy / 5)
    return -(1 + sx * sy / 2) * lap_u - slopes


def make() -> Problem:
    """Declares the problem."""
    line = np.linspace(0, 1, NODES)
    x, y = (each.reshape(-1) for each in np.meshgrid(line, line, indexing="ij"))
    with jax.enable_x64(True):  # measured in double precision, whoever asks
        measured = exact(x, y)["u"]
    return problem(
        domain=box(x=(0, 1), y=(0, 1)),
        equation=lambda u_x, u_y, lap_u, k, k_x, k_y, x, y: (
            k * lap_u + k_x * u_x + k_y * u_y + source(x, y)
        ),
        fields="u k",
        boundary={"u": lambda x, y: exact(x, y)["u"], "k": 1.0},
        data={"x": x, "y": y, "u": measured},
        reference=exact,
    )


ENTRY = Entry(
    name="elliptic-inverse",
    title="Darcy's equation: a conductivity field from the pressure",
    make=make,
    grid={"x": 101, "y": 101},
    network={"width": 30, "depth": 2},
    floor=1e-15,
    source="Manufactured: u = x + y/2 + b/5, k = 1 + b/2, b = sin(pi x) sin(pi y).",
)
