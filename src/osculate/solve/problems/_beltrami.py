"""The decaying Beltrami flow in three dimensions."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from osculate.solve._box import box, time
from osculate.solve._problem import Problem, problem

from ._entry import Entry

Number = Float[Array, ""]
NU = 1.0


def exact(x: ArrayLike, y: ArrayLike, z: ArrayLike, t: ArrayLike) -> dict[str, Array]:
    """Returns velocity and pressure, for a = d = 1 in the notation of the source."""
    x, y, z = jnp.asarray(x), jnp.asarray(y), jnp.asarray(z)
    fades = jnp.exp(-NU * jnp.asarray(t))
    e = {"x": jnp.exp(x), "y": jnp.exp(y), "z": jnp.exp(z)}
    pressure = (
        (e["x"] ** 2 + e["y"] ** 2 + e["z"] ** 2) / 2
        + jnp.sin(x + y) * jnp.cos(z + x) * e["y"] * e["z"]
        + jnp.sin(y + z) * jnp.cos(x + y) * e["z"] * e["x"]
        + jnp.sin(z + x) * jnp.cos(y + z) * e["x"] * e["y"]
    )
    return {
        "u": -(e["x"] * jnp.sin(y + z) + e["z"] * jnp.cos(x + y)) * fades,
        "v": -(e["y"] * jnp.sin(z + x) + e["x"] * jnp.cos(y + z)) * fades,
        "w": -(e["z"] * jnp.sin(x + y) + e["y"] * jnp.cos(z + x)) * fades,
        "p": -pressure * fades**2,
    }


def equation(
    u: Number,
    v: Number,
    w: Number,
    u_t: Number,
    v_t: Number,
    w_t: Number,
    grad_u: Array,
    grad_v: Array,
    grad_w: Array,
    grad_p: Array,
    lap_u: Number,
    lap_v: Number,
    lap_w: Number,
    nu: Number,
) -> dict[str, Array]:
    """Returns the residuals of an unsteady flow: momenta and continuity."""
    velocity = jnp.stack([u, v, w])
    carried = jnp.stack([grad_u, grad_v, grad_w]) @ velocity
    rate, lap = jnp.stack([u_t, v_t, w_t]), jnp.stack([lap_u, lap_v, lap_w])
    return {
        "momentum": rate + carried + grad_p - nu * lap,
        "continuity": grad_u[0] + grad_v[1] + grad_w[2],
    }


def on_rim(name: str) -> Callable[..., Array]:
    """Returns one field on the faces."""
    return lambda x, y, z, t: exact(x, y, z, t)[name]


def at_first(name: str) -> Callable[..., Array]:
    """Returns one field at the beginning."""
    return lambda x, y, z: exact(x, y, z, 0.0)[name]


def make() -> Problem:
    """Declares the problem."""
    velocity = ("u", "v", "w")
    return problem(
        domain=box(x=(-1, 1), y=(-1, 1), z=(-1, 1)) * time(t=(0, 1)),
        equation=equation,
        fields="u v w p",
        constants={"nu": NU},
        initial={name: at_first(name) for name in velocity},
        boundary={
            "all": {name: on_rim(name) for name in velocity},
            "x=upper": {"p": on_rim("p")},
        },
        reference=exact,
    )


ENTRY = Entry(
    name="beltrami",
    title="Decaying Beltrami flow in three dimensions",
    make=make,
    grid={"x": 11, "y": 11, "z": 11, "t": 11},
    network={"width": 40, "depth": 3},
    floor=1e-14,
    source="Ethier and Steinman (1994), Exact fully 3D Navier-Stokes solutions for "
    "benchmarking.",
)
