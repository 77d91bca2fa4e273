"""The nonlinear equation of Schroedinger: a breather, periodic in space."""

import math

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from osculate.solve._box import interval, time
from osculate.solve._conditions import periodic
from osculate.solve._problem import Problem, problem

from ._entry import Entry

WAVE, RATE = math.sqrt(2.0), 1.0
REACH, BEGIN, END = math.pi / WAVE, -2.0, 2.0


def exact(x: ArrayLike, t: ArrayLike) -> dict[str, Array]:
    """Returns the breather of Akhmediev, real and imaginary part.

    `psi = e^(it) (1 + (2 (1 - 2 a) cosh(b t) + i b sinh(b t)) / (sqrt(2 a) cos(w x) -
    cosh(b t)))` with `w = 2 sqrt(1 - 2 a)`, `b = sqrt(8 a (1 - 2 a))` and a = 1/4: its
    peak is at x = t = 0.

    Args:
        x: Places.
        t: Times.

    Returns:
        Fields by name.

    Reference: Akhmediev, Eleonskii and Kulagin (1987), Exact first-order solutions of
    the nonlinear Schroedinger equation.
    """
    x, t = jnp.asarray(x), jnp.asarray(t)
    below = jnp.cos(WAVE * x) / math.sqrt(2) - jnp.cosh(RATE * t)
    re = 1 + jnp.cosh(RATE * t) / below
    im = RATE * jnp.sinh(RATE * t) / below
    return {
        "re": re * jnp.cos(t) - im * jnp.sin(t),
        "im": re * jnp.sin(t) + im * jnp.cos(t),
    }


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=interval(x=(-REACH, REACH)) * time(t=(BEGIN, END)),
        equation=lambda re, im, re_t, im_t, re_xx, im_xx: {
            "re": -im_t + re_xx / 2 + (re**2 + im**2) * re,
            "im": re_t + im_xx / 2 + (re**2 + im**2) * im,
        },
        fields="re im",
        initial={
            "re": lambda x: exact(x, BEGIN)["re"],
            "im": lambda x: exact(x, BEGIN)["im"],
        },
        boundary={"x": periodic()},
        reference=exact,
    )


ENTRY = Entry(
    name="schroedinger",
    title="Nonlinear Schroedinger equation with a breather",
    make=make,
    grid={"x": 101, "t": 101},
    network={"width": 30, "depth": 3, "harmonics": 2},
    floor=1e-14,
    source="Akhmediev, Eleonskii and Kulagin (1987), Exact first-order solutions of "
    "the nonlinear Schroedinger equation; a = 1/4.",
)
