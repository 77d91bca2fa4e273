"""Poisson's equation in the unit ball of a hundred dimensions."""

import inspect
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from osculate.solve._ball import ball
from osculate.solve._problem import Problem, problem

from ._entry import Entry

D = 100
NAMES = tuple(f"x{k + 1}" for k in range(D))
COEFFICIENTS = np.random.default_rng(0).normal(size=D - 1)


def _asking(function: Callable[..., Any], *names: str) -> Callable[..., Any]:
    """Gives a function of any names the signature that says which."""
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, kind) for name in (*names, *NAMES)]
    function.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    return function


def _point(x: dict[str, ArrayLike]) -> Float[Array, "... D"]:
    return jnp.stack([jnp.asarray(x[name]) for name in NAMES], axis=-1)


def exact(**x: ArrayLike) -> Array:
    """Returns the solution, `(1 - |x|^2) h`."""
    p = _point(x)
    a, b = p[..., :-1], p[..., 1:]
    h = jnp.sin(a + jnp.cos(b) + b * jnp.cos(a)) @ COEFFICIENTS
    return (1 - jnp.sum(p**2, axis=-1)) * h


def source(**x: ArrayLike) -> Array:
    """Returns the Laplacian of the solution."""
    p = _point(x)
    a, b = p[..., :-1], p[..., 1:]
    phase = a + jnp.cos(b) + b * jnp.cos(a)
    by_a, by_b = 1 - b * jnp.sin(a), jnp.cos(a) - jnp.sin(b)
    bent = -b * jnp.cos(a) - jnp.cos(b)
    sine, cosine = jnp.sin(phase), jnp.cos(phase)
    h = sine @ COEFFICIENTS
    along = (cosine * (a * by_a + b * by_b)) @ COEFFICIENTS  # x . grad h
    lap = (cosine * bent - sine * (by_a**2 + by_b**2)) @ COEFFICIENTS
    return (1 - jnp.sum(p**2, axis=-1)) * lap - 4 * along - 2 * D * h


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=ball(radius=1.0, **dict.fromkeys(NAMES, 0.0)),
        equation=_asking(lambda lap_u, **x: lap_u - source(**x), "lap_u"),
        boundary=0.0,
        reference=exact,
    )


ENTRY = Entry(
    name="poisson-100d",
    title="Poisson's equation in the ball of a hundred dimensions",
    make=make,
    grid={},
    network={"width": 10, "depth": 1},
    floor=1e-15,
    source="Hu, Shukla, Karniadakis and Kawaguchi (2024), Tackling the curse of "
    "dimensionality with physics-informed neural networks: the two-body solution.",
    fit={"points": 3000},
)
