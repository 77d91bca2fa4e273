"""Estimates against the best possible variance (SPEC K3.4.9-13).

The mean of normal numbers attains the Cramér-Rao bound at every N, their median comes
to pi/2 times the bound; a frequency attains it exactly.

    python studies/cramer_rao.py
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr

from _keep import keep
from osculate import chance

NUMBERS = (1, 3, 11, 51, 201)
REPEATS = 40_000


def mean_and_median(N: int, repeats: int = REPEATS) -> dict[str, Any]:
    """Returns the variances of both over the bound, each with its standard error."""
    law = chance.Normal(0.3, 1.4)
    bound = chance.cramer_rao(N * law.fisher()[0, 0])
    both = lambda x: jnp.stack([jnp.mean(x), jnp.median(x)])
    draw = lambda key: law.sample(key, (N,))
    study = chance.study_estimator(both, draw, law.mean, jr.key(N), repeats)
    ratio, error = study.variance.value / bound, study.variance.standard_error / bound
    row = lambda i: {"ratio": ratio[i].item(), "standard error": error[i].item()}
    return {"N": N, "mean": row(0), "median": row(1)}


def frequency(p: float, N: int) -> float:
    """Returns the variance of a frequency over the bound, by enumeration."""
    logit = math.log(p / (1 - p))
    law = chance.Binomial(N, logit)
    share = lambda k: k / N
    mean = chance.expect(share, law)
    variance = chance.expect(lambda k: (share(k) - mean) ** 2, law)
    slope = p * (1 - p)  # of p by the logit
    F = N * chance.Bernoulli(logit).fisher()[0, 0]
    return (variance / chance.cramer_rao(F, slope)).item()


if __name__ == "__main__":
    with jax.enable_x64(True):
        every = {
            "repeats": REPEATS,
            "normal": [mean_and_median(N) for N in NUMBERS],
            "frequency": {f"p = {p}": frequency(p, 20) for p in (0.05, 0.5, 0.9)},
            "limit of the median": math.pi / 2,
        }
    keep("cramer_rao", every)
