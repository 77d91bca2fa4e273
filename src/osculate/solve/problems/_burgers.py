"""Burgers' equation: a sine that steepens to a thin layer."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from osculate.solve._box import interval, time
from osculate.solve._problem import Problem, problem

from ._entry import Entry

NU = 0.01 / math.pi
REACH, NODES, BATCH = 12.0, 601, 1024


def exact(x: ArrayLike, t: ArrayLike) -> Array:
    """Returns the solution by the transform of Cole and Hopf."""
    return cole_hopf(x, t, nodes=NODES)


def cole_hopf(x: ArrayLike, t: ArrayLike, *, nodes: int) -> Array:
    """Returns the solution: a mean of the initial state, weighted by the transform.

    The weights `exp(-cos(pi y) / (2 pi nu) - (x - y)^2 / (4 nu t))` are analytic: the
    trapezoidal rule converges exponentially. They differ by a factor of `exp(100)`
    beside the Gaussian, so that is followed to `exp(-144)`.

    Args:
        x: Places.
        t: Times, 0 included.
        nodes: Of the quadrature.

    Returns:
        The solution.

    Reference: Cole (1951), On a quasi-linear parabolic equation occurring in
    aerodynamics; Basdevant et al. (1986), Spectral and finite difference solutions of
    the Burgers equation, equation 2.6.
    """
    x, t = jnp.broadcast_arrays(jnp.asarray(x), jnp.asarray(t))
    z = jnp.linspace(-REACH, REACH, nodes, dtype=x.dtype)

    def mean(at: tuple[Array, Array]) -> Float[Array, ""]:
        y = at[0] - jnp.sqrt(4 * NU * at[1]) * z
        w = jax.nn.softmax(-jnp.cos(jnp.pi * y) / (2 * math.pi * NU) - z**2)
        return -jnp.sum(w * jnp.sin(jnp.pi * y))

    flat = (x.reshape(-1), t.reshape(-1).astype(x.dtype))
    return jax.lax.map(mean, flat, batch_size=BATCH).reshape(x.shape)


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=interval(x=(-1, 1)) * time(t=(0, 1)),
        equation=lambda u, u_t, u_x, u_xx, nu: u_t + u * u_x - nu * u_xx,
        constants={"nu": NU},
        initial=lambda x: -jnp.sin(jnp.pi * x),
        boundary={"x": 0.0},
        reference=exact,
    )


ENTRY = Entry(
    name="burgers",
    title="Burgers' equation, nu = 0.01 / pi",
    make=make,
    grid={"x": 256, "t": 100},
    network={"width": 30, "depth": 3},
    floor=1e-12,
    source="Raissi, Perdikaris and Karniadakis (2019), Physics-informed neural "
    "networks; reference by the transform of Cole and Hopf (Basdevant et al. 1986).",
)
