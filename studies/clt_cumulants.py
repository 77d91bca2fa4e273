"""Sums become normal, cumulant by cumulant (SPEC K3.2.9-14, K2.4/a).

Cumulant n of a standardized sum of N independent numbers is that of one, standardized,
times N^(1 - n/2): from Taylor mode, and from draws. The entropy of the sum rises to
that of the normal law, the largest of unit variance.

    python studies/clt_cumulants.py
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr

from _keep import keep
from osculate import chance

NUMBERS = (1, 2, 4, 16, 64, 256)
ORDER = 6
DRAWS = 400_000


@jax.jit
def standardized(N: jax.Array) -> jax.Array:
    """Returns the cumulants of (X - N)/sqrt(N), X a sum of N exponential numbers."""
    root = jnp.sqrt(N)
    log_mgf = lambda t: -N * jnp.log1p(-t / root) - root * t
    return chance.cumulants(log_mgf, ORDER)


@functools.partial(jax.jit, static_argnames="draws")
def drawn(N: jax.Array, key: jax.Array, draws: int) -> dict[str, jax.Array]:
    """Returns skewness and excess kurtosis of drawn sums.

    A sum of N exponential numbers is a Gamma number of concentration N.
    """
    z = (chance.Gamma(N, 1.0).sample(key, (draws,)) - N) / jnp.sqrt(N)
    moments = jnp.stack([jnp.mean(z**n) for n in range(1, 5)])
    _, variance, third, fourth = chance.cumulants_from_moments(moments)
    return {"skewness": third / variance**1.5, "kurtosis": fourth / variance**2}


@jax.jit
def entropy(N: jax.Array) -> jax.Array:
    """Returns the entropy of the standardized sum, less that of a normal number."""
    of_sum = chance.Gamma(N, 1.0).entropy() - 0.5 * jnp.log(N)
    return of_sum - chance.Normal(0.0, 1.0).entropy()


def row(N: int, draws: int = DRAWS) -> dict[str, Any]:
    """Returns all of it for one N."""
    number = jnp.asarray(float(N))
    found = drawn(number, jr.key(N), draws)
    return {
        "N": N,
        "cumulants": standardized(number).tolist(),
        "drawn": {name: value.item() for name, value in found.items()},
        "entropy": entropy(number).item(),
    }


if __name__ == "__main__":
    with jax.enable_x64(True):
        rows = [row(N) for N in NUMBERS]
    keep("clt_cumulants", {"draws": DRAWS, "rows": rows})
