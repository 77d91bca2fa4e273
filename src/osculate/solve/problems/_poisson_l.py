"""Laplace's equation on an L: the slope is infinite at the inner corner."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from osculate.solve._polygon import polygon
from osculate.solve._problem import Problem, problem

from ._entry import Entry

CORNERS = ((0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1))


def exact(x: ArrayLike, y: ArrayLike) -> Array:
    """Returns `r^(2/3) sin(2 theta / 3)`, which is 0 on both edges of the corner."""
    x, y = jnp.asarray(x), jnp.asarray(y)
    squared = x**2 + y**2
    apart = squared > 0
    theta = jnp.arctan2(jnp.where(apart, y, 0.0), jnp.where(apart, x, 1.0))
    theta = jnp.where(theta < -jnp.pi / 4, theta + 2 * jnp.pi, theta)
    whole = jnp.where(apart, squared, 1.0) ** (1 / 3) * jnp.sin(2 * theta / 3)
    return jnp.where(apart, whole, 0.0)


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=polygon(CORNERS),
        equation=lambda lap_u: lap_u,
        boundary=exact,
        reference=exact,
    )


ENTRY = Entry(
    name="poisson-l",
    title="Laplace's equation on an L, with a singular corner",
    make=make,
    grid={"x": 101, "y": 101},
    network={"width": 30, "depth": 3},
    floor=1e-15,
    source="Weinan E and Yu (2018), The deep Ritz method, section 3.1; the singular "
    "function of the corner, u = r^(2/3) sin(2 theta / 3).",
)
