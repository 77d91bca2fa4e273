"""The equation of Korteweg and de Vries: one soliton overtakes another."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike

from osculate.solve._box import interval, time
from osculate.solve._problem import Problem, problem

from ._entry import Entry

RATES, PLACES = (2.0, 1.0), (-3.0, -1.0)


def exact(x: ArrayLike, t: ArrayLike) -> Array:
    """Returns two solitons.

    Hirota's form `u = 2 (log F)_xx` with F a sum of exponentials: that is twice the
    variance of their rates, weighted by them, and free of cancellation.

    Args:
        x: Places.
        t: Times.

    Returns:
        The solution.

    Reference: Hirota (1971), Exact solution of the Korteweg-de Vries equation for
    multiple collisions of solitons, equations 5 to 8.
    """
    x, t = jnp.asarray(x), jnp.asarray(t)
    (a, b), (p, q) = RATES, PLACES
    one, two = a * (x - p) - a**3 * t, b * (x - q) - b**3 * t
    together = one + two + 2 * jnp.log(jnp.asarray((a - b) / (a + b), one.dtype))
    powers = jnp.stack([jnp.zeros_like(one), one, two, together])
    w, rates = jax.nn.softmax(powers, axis=0), (0.0, a, b, a + b)
    pairs = [
        w[i] * w[j] * (rates[i] - rates[j]) ** 2 for j in range(4) for i in range(j)
    ]
    return 2 * sum(pairs[1:], pairs[0])


def slope(x: Any, t: Any) -> Array:
    """Returns the derivative by x at one point."""
    return jax.grad(exact)(x, t)


def make() -> Problem:
    """Declares the problem."""
    return problem(
        domain=interval(x=(-10, 10)) * time(t=(0, 1)),
        equation=lambda u, u_t, u_x, u_xxx: u_t + 6 * u * u_x + u_xxx,
        initial=lambda x: exact(x, 0.0),
        boundary={"x=lower": exact, "x=upper": {"u": exact, "u_x": slope}},
        reference=exact,
    )


ENTRY = Entry(
    name="kdv",
    title="Korteweg-de Vries equation with two solitons",
    make=make,
    grid={"x": 201, "t": 101},
    network={"width": 20, "depth": 3},
    floor=1e-14,
    source="Hirota (1971), Exact solution of the Korteweg-de Vries equation for "
    "multiple collisions of solitons; rates 2 and 1.",
    fit={"points": 2000},
)
