"""The sample variance and its three denominators (SPEC K3.3.6-8, K3.3.10-14).

Squared deviations from the sample's own mean fall short by (N - 1)/N: division by N is
biased, by N - 1 is not, and by N + 1 has the least mean squared error of normal data.

    python studies/bessel.py
"""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr

from _keep import keep
from osculate import chance

NUMBERS = (2, 3, 7, 20, 100)
REPEATS = 100_000


def denominators(N: int, repeats: int = REPEATS, sigma: float = 1.5) -> dict[str, Any]:
    """Returns bias and mean squared error, measured and exact, in powers of sigma^2."""

    def estimator(x: jax.Array) -> jax.Array:
        total = jnp.sum((x - jnp.mean(x)) ** 2)
        return total / jnp.array([N, N - 1, N + 1], x.dtype)

    draw = lambda key: sigma * jr.normal(key, (N,))
    found = chance.study_estimator(estimator, draw, sigma**2, jr.key(N), repeats)
    row: dict[str, Any] = {"sample": N}
    for i, by in enumerate((N, N - 1, N + 1)):
        name = ("N", "N - 1", "N + 1")[i]
        row[name] = {
            "bias": found.bias.value[i].item() / sigma**2,
            "exact bias": (N - 1) / by - 1,
            "error": found.mean_squared_error.value[i].item() / sigma**4,
            "exact error": (2 * (N - 1) + (N - 1 - by) ** 2) / by**2,
            "standard errors": [
                found.bias.standard_error[i].item() / sigma**2,
                found.mean_squared_error.standard_error[i].item() / sigma**4,
            ],
        }
    return row


if __name__ == "__main__":
    with jax.enable_x64(True):
        every = [denominators(N) for N in NUMBERS]
    keep("bessel", {"repeats": REPEATS, "rows": every})
