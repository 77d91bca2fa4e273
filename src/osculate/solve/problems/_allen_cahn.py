"""Allen-Cahn: phases that separate; the initial state has a kink where it repeats."""

import functools
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float
from scipy import fft

from osculate.core import InputError
from osculate.solve._box import interval, time
from osculate.solve._conditions import periodic
from osculate.solve._problem import Problem, problem

from ._entry import Entry
from ._etdrk4 import advance, coefficients

DIFFUSION, REACTION = 1e-4, 5.0
SHIPPED = Path(__file__).parent / "allen_cahn.npz"
CELLS, ROWS = 256, 100
SOONEST = 1e-12


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=interval(x=(-1, 1)) * time(t=(0, 1)),
        equation=lambda u, u_t, u_xx, diffusion, reaction: (
            u_t - diffusion * u_xx - reaction * (u - u**3)
        ),
        constants={"diffusion": DIFFUSION, "reaction": REACTION},
        initial=start,
        boundary={"x": periodic()},
        reference=tabulated,
    )


def start(x: Array, t: Array, diffusion: Array, reaction: Array) -> Array:
    """Returns the initial state, and how its kink goes on where it repeats.

    `x^2 cos(pi x)` behaves there as `2 s - pi^2 s^3` with the distance s, which
    diffusion rounds at once and which decays as small deviations from -1 do. A network
    whose every derivative is periodic cannot take a kink away that the trial function
    keeps.

    Args:
        x: Place.
        t: Time.
        diffusion: Of the equation.
        reaction: Of the equation.

    Returns:
        The initial state at t = 0; later without a kink.
    """
    s, c = 2 / jnp.pi * jnp.cos(jnp.pi * x / 2), -11 * jnp.pi**2 / 12
    q = 4 * diffusion * jnp.where(t > SOONEST, t, SOONEST)
    step, bell = jax.lax.erf(s / jnp.sqrt(q)), jnp.exp(-(s**2) / q)
    bell = jnp.sqrt(q / jnp.pi) * bell
    first = s * step + bell
    third = (s**3 + 1.5 * q * s) * step + (s**2 + q) * bell
    rounded = jnp.exp(-2 * reaction * t) * (2 * first + c * third)
    later = x**2 * jnp.cos(jnp.pi * x) - 2 * s - c * s**3 + rounded
    return jnp.where(t > SOONEST, later, x**2 * jnp.cos(jnp.pi * x))


def tabulated(x: ArrayLike, t: ArrayLike) -> Array:
    """Returns the solution at points of the grid of 513 x 101 points.

    Args:
        x: Multiples of 1/256.
        t: Multiples of 1/100.

    Returns:
        The solution there.

    Raises:
        InputError: At other points: nothing is interpolated.
    """
    far, late = np.broadcast_arrays(np.abs(np.asarray(x)), np.asarray(t))
    column, row = np.rint(far * CELLS).astype(int), np.rint(late * ROWS).astype(int)
    off = np.maximum(np.abs(far - column / CELLS), np.abs(late - row / ROWS))
    if not (off < 1e-6).all():
        raise InputError(
            "`allen-cahn`: the reference is asked for between the points where it is "
            f"known.\nAsk at x = -1 + k/{CELLS} and t = k/{ROWS}."
        )
    return jnp.asarray(table()[row, column])


@functools.cache
def table() -> Float[np.ndarray, "rows columns"]:
    """Returns what `store` wrote: `(101, 257)`, rows of equal time, 0 <= x <= 1."""
    with np.load(SHIPPED, allow_pickle=False) as file:
        return file["u"]


def computed(modes: int, steps: int) -> Float[np.ndarray, "rows columns"]:
    """Computes the solution for 0 <= x <= 1: it is even, and has period 2.

    The initial state enters by its exact cosine coefficients: sampled, its kink would
    leave an error of second order in 1 / modes.

    Args:
        modes: Number of cosines, a multiple of 256.
        steps: In every hundredth of time; there are more in the first.

    Returns:
        `(101, 257)`: rows of equal time.
    """
    k = np.arange(modes + 1)
    L = REACTION - DIFFUSION * (math.pi * k) ** 2
    cosines = lambda v: np.asarray(fft.dct(v, type=1))
    values = lambda v: cosines(_ends_twice(v)) / 2
    cubic = lambda v: -REACTION * _ends_half(cosines(values(v) ** 3)) / modes
    grid = np.arange(CELLS + 1) / CELLS
    v, found = initial_modes(modes), [grid**2 * np.cos(np.pi * grid)]
    for row in range(ROWS):
        for share, count in _parts(row):
            c = coefficients(L, share / (ROWS * steps))
            v = advance(v, c, cubic, count * steps)
        found.append(values(v)[:: modes // CELLS])
    return np.array(found)


def initial_modes(modes: int) -> Float[np.ndarray, " K"]:
    """Returns the cosine coefficients of `x^2 cos(pi x)` on [0, 1].

    They are integrals of `x^2 cos(n pi x)`: `2 (-1)^n / (n pi)^2`, and 1/3 for n = 0.

    Args:
        modes: The highest.

    Returns:
        `(modes + 1,)`.
    """
    n = np.arange(-1, modes + 2)
    moment = np.full(len(n), 1 / 3)
    away = n != 0
    moment[away] = 2 * (-1.0) ** n[away] / (n[away] * math.pi) ** 2
    found = moment[2:] + moment[:-2]
    found[0] /= 2
    return found


def _parts(row: int) -> list[tuple[float, int]]:
    """Returns sizes of steps, and how often the usual number of them is taken."""
    if row:
        return [(1.0, 1)]
    halves = [(2.0**-level, 1) for level in range(1, 11)]
    return [halves[-1], *reversed(halves)]


def _ends_twice(v: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
    """Doubles the first and the last coefficient."""
    v = v.copy()
    v[0], v[-1] = 2 * v[0], 2 * v[-1]
    return v


def _ends_half(v: Float[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
    """Halves the first and the last coefficient."""
    v = v.copy()
    v[0], v[-1] = v[0] / 2, v[-1] / 2
    return v


def store() -> None:
    """Computes the table anew and writes it to where it is read."""
    np.savez_compressed(SHIPPED, u=computed(2048, 40))


ENTRY = Entry(
    name="allen-cahn",
    title="Allen-Cahn equation, periodic, diffusion 1e-4",
    make=make,
    grid={"x": 2 * CELLS + 1, "t": ROWS + 1},
    network={"width": 30, "depth": 3},
    floor=1e-11,
    source="Raissi, Perdikaris and Karniadakis (2019), Physics-informed neural "
    "networks; reference: 2049 cosines, and exponential time differencing of Kassam "
    "and Trefethen (2005).",
)
