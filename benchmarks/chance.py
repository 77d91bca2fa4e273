"""Variance of gradient estimators against theory; speed against other libraries.

The variance is that of the slope of E|x|^2 by the means of a normal vector, by every
estimator of `chance.expect`; the peers are those of `chance_peers.py`, and each needs
its library: numpyro, ott-jax, or scikit-learn and openTSNE. One part writes one result,
`chance_PART.json`.

    python benchmarks/chance.py [--smoke] [--only PART ...]
"""

import argparse
import functools
import json
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from _common import keep
from chance_peers import distributions, pictures, transport
from osculate import chance

DIMENSION, DRAWS = 20, 10
MEANS = (0.0, 1.0, 3.0)
TOLERANCE = 0.15  # a variance of heavy tails, from some thousand gradients


def theory(mu: float, D: int = DIMENSION, n: int = DRAWS) -> dict[str, float]:
    """Returns the variance of estimates of the slope of E|x|^2 by one mean.

    With z the noise of the entry and R the square of all others, of mean m and variance
    v, the square is (mu + z)^2 + R; its slope is 2 (mu + z), the score is z.

    Args:
        mu: Mean of every entry; the deviations are 1.
        D: Entries.
        n: Draws.

    Returns:
        Variances by way.
    """
    m, v = (D - 1) * (mu**2 + 1), (D - 1) * (2 + 4 * mu**2)
    alone = v + m**2 + 2 * m * (mu**2 + 3) + mu**4 + 18 * mu**2 + 15 - 4 * mu**2
    product = v + 10 + 12 * mu**2  # of squared deviation and z^2
    total, covariance = v + 2 + 4 * mu**2, 2 * mu
    others = product - ((n - 2) * covariance**2 - total) / (n - 1)
    return {
        "reparameterize": 4 / n,
        "measure": mu**2 * (16 / math.pi - 4) / n,
        "score": alone / n,
        "score, leave-one-out": others / n,
        "score, exact baseline": (product - covariance**2) / n,
    }


def measured(way: str, mu: float, repeats: int) -> float:
    """Returns the variance of many gradients, mean over the entries."""
    how, _, base = way.partition(", ")
    exact = DIMENSION * (mu**2 + 1)
    baseline = {"leave-one-out": "leave-one-out", "exact baseline": exact}.get(base)

    def slope(key: jax.Array) -> jax.Array:
        square = lambda x: jnp.sum(x**2)
        law = lambda mean: chance.Normal(mean, 1.0)
        estimate = lambda mean: chance.expect(
            square, law(mean), key, DRAWS, how, baseline=baseline
        )
        return jax.grad(estimate)(jnp.full(DIMENSION, mu))

    at_once = lambda keys: jax.lax.map(slope, keys, batch_size=500)
    found = jax.jit(at_once)(jr.split(jr.key(0), repeats))
    return float(jnp.mean(jnp.var(found, axis=0)))


def variances(smoke: bool) -> dict[str, Any]:
    """Returns measured and exact variances, and how many times the reparameterized."""
    repeats = 2000 if smoke else 20_000
    rows = []
    for mu in MEANS:
        exact = theory(mu)
        for way, variance in exact.items():
            found = measured(way, mu, repeats)
            np.testing.assert_allclose(found, variance, rtol=TOLERANCE, atol=1e-6)
            times = variance / exact["reparameterize"]
            row = {"mu": mu, "way": way, "measured": found, "exact": variance}
            rows.append(row | {"times reparameterized": times})
    return {"D": DIMENSION, "draws": DRAWS, "gradients": repeats, "rows": rows}


PARTS: dict[str, Callable[[bool], dict[str, Any]]] = {
    "variances": variances,
    "distributions": distributions,
    "transport": transport,
    "pictures": pictures,
}


def main() -> None:
    """Measures the chosen parts; keeps the results unless it is a smoke test."""
    parser = argparse.ArgumentParser(description="What the room `chance` costs.")
    parser.add_argument("--smoke", action="store_true", help="small, nothing is kept")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    show = functools.partial(json.dumps, indent=1)
    for name in options.only:
        found = PARTS[name](options.smoke)
        if options.smoke:
            print(show(found))
        else:
            keep(f"chance_{name}", found)


if __name__ == "__main__":
    main()
