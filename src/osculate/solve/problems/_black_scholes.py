"""The equation of Black and Scholes: the price of a call, backwards in time."""

import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array, ArrayLike

from osculate.solve._box import interval, time
from osculate.solve._problem import Problem, problem

from ._entry import Entry

STRIKE, RATE, SIGMA, EXPIRY, END = 1.0, 0.05, 0.4, 1.0, 0.75


def exact(x: ArrayLike, t: ArrayLike) -> Array:
    """Returns the price of the call when the share is worth x."""
    x, left = jnp.asarray(x), EXPIRY - jnp.asarray(t)
    spread = SIGMA * jnp.sqrt(left)
    d = (jnp.log(x / STRIKE) + (RATE + SIGMA**2 / 2) * left) / spread
    later = STRIKE * jnp.exp(-RATE * left)
    return x * norm.cdf(d) - later * norm.cdf(d - spread)


def make() -> Problem:
    """Declares the problem.

    It ends a quarter of a year before the call expires: the payoff has a kink, and a
    trial function built on it would keep the kink for ever.
    """
    return problem(
        domain=interval(x=(0.25, 2)) * time(t=(0, END)),
        equation=lambda u, u_t, u_x, u_xx, x, rate, sigma: (
            u_t + sigma**2 / 2 * x**2 * u_xx + rate * (x * u_x - u)
        ),
        constants={"rate": RATE, "sigma": SIGMA},
        boundary={"t=upper": lambda x: exact(x, END), "x": exact},
        reference=exact,
    )


ENTRY = Entry(
    name="black-scholes",
    title="Black-Scholes equation of a call, backwards in time",
    make=make,
    grid={"x": 101, "t": 101},
    network={"width": 20, "depth": 2},
    floor=1e-14,
    source="Black and Scholes (1973), The pricing of options and corporate "
    "liabilities, equation 13.",
)
