"""How often 95 % intervals cover the truth (SPEC K3.4.14).

The coefficient of `u' = -k u`, `u(0) = 1` from 30 noisy values of u, with a small
network for u: by `curve.covariance`, the equation a constraint and its weight raised
until k rests, and by `(J'J)^-1` over all terms at weight 1. Beside it a regression with
two parameters and no equation.

    python studies/interval_coverage.py
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree

from _keep import keep
from osculate import core, curve, nets, train

REPLICATES = 400
K, NOISE, NUM = 1.3, 0.05, 30
WEIGHTS = (100.0, 1e4, 1e6)
T = np.linspace(0, 2, NUM + 1)[1:, None]


def value(model, t, y):
    """Looks at u."""
    return model["u"](t)


def decay(model, t, y):
    """Looks at `u' + k u`."""
    u, u_t = jax.jvp(model["u"], (t,), (jnp.ones_like(t),))
    return u_t + model["k"] * u


def line(model, t, y):
    """Looks at `a exp(-b t)`."""
    return model["a"] * jnp.exp(-model["b"] * t)


def solution(model, t, y):
    """Looks at the exact solution, `exp(-k t)`."""
    return jnp.exp(-model["k"] * t)


def coefficient(model):
    """Returns k."""
    return model["k"]


def rate(model):
    """Returns b."""
    return model["b"]


def objective(weight: float) -> core.Objective:
    """Returns the inverse problem; its equation and start count `weight`."""
    factor = jnp.asarray(weight)
    terms = {
        "data": core.Term(value, core.Gaussian(NOISE)),
        "equation": core.Term(decay, weight=factor),
        "start": core.Term(value, weight=factor),
    }
    return core.Objective(terms)


def samples_of(y) -> dict[str, core.Samples]:
    """Returns values of u, and points of the equation that lie denser."""
    return {
        "data": core.Samples(jnp.asarray(T), y),
        "equation": core.Samples(jnp.linspace(0.0, 2.0, 200)[:, None]),
        "start": core.Samples(jnp.zeros((1, 1)), jnp.ones((1, 1))),
    }


def fit(wanted, model, samples, steps=300):
    """Returns the fitted model."""
    method = curve.levenberg_marquardt()
    return train.fit(wanted, model, samples, method, steps=steps, every=steps).value


def tighten(model, samples, **options) -> list[tuple[float, Any, curve.Covariance]]:
    """Raises the weight until the coefficient moves less than a tenth of its error."""
    table = []
    for weight in WEIGHTS:
        model = fit(objective(weight), model, samples)
        found = curve.covariance(
            objective(weight),
            model,
            samples,
            of=coefficient,
            observed="data",
            **options,
        )
        table.append((weight, model, found))
        if len(table) > 1:
            moved = abs(found.value - table[-2][2].value)
            if moved < 0.1 * found.standard_error:
                break
    return table


@eqx.filter_jit
def naive(model, samples):
    """Returns the error of k by (J'J)^-1 over all terms at weight 1.

    The rows of the objective are means: the second counts every observation once.
    """
    J = curve.jacobian_matrix(objective(1.0), model, samples)
    k = {
        "u": jax.tree.map(jnp.zeros_like, core.trainable(model)[0]["u"]),
        "k": jnp.ones(()),
    }
    at = ravel_pytree(k)[0]
    variance = at @ jnp.linalg.pinv(J.T @ J, rtol=1e-12) @ at
    return jnp.sqrt(variance), jnp.sqrt(variance / NUM)


def share(ends, truth) -> dict[str, float]:
    """Returns how many intervals cover the truth, with the binomial error."""
    low, high = np.asarray(ends).T
    p = float(np.mean((low < truth) & (truth < high)))
    error = math.sqrt(p * (1 - p) / len(low))
    return {"covered": p, "standard error": error, "width": float(np.mean(high - low))}


def inverse_problem(replicates: int) -> dict[str, Any]:
    """Returns the coverage of the coefficient by each way."""
    model = {
        "u": nets.MLP(1, 1, width=8, depth=1, key=jr.key(1)),
        "k": jnp.asarray(1.0),
    }
    model = fit(objective(100.0), model, samples_of(jnp.exp(-K * T)), 500)
    ends = {"known sigma": [], "estimated sigma": [], "(J'J)^-1, as it is": []}
    ends |= {"(J'J)^-1, once each": [], "exact solution": []}
    closed = core.Objective({"data": core.Term(solution, core.Gaussian(NOISE))})
    estimates, apart, errors, loose, weights, free = [], [], [], [], [], []
    for number in range(replicates):
        samples = samples_of(
            jnp.exp(-K * T) + NOISE * jr.normal(jr.key(number), T.shape)
        )
        table = tighten(model, samples, sigma=1)
        weight, fitted, found = table[-1]
        guessed = curve.covariance(
            objective(weight), fitted, samples, of=coefficient, observed="data"
        )
        ends["known sigma"].append(found.interval())
        ends["estimated sigma"].append(guessed.interval())
        exact = fit(closed, {"k": jnp.asarray(K)}, samples, 30)
        best = curve.covariance(
            closed, exact, samples, of=coefficient, observed="data", sigma=1
        )
        ends["exact solution"].append(best.interval())
        apart.append(float(abs(found.value - best.value) / best.standard_error))
        loosely = fit(objective(1.0), model, samples)
        k = float(loosely["k"])
        wide, narrow = naive(loosely, samples)
        ends["(J'J)^-1, as it is"].append((k - 1.96 * wide, k + 1.96 * wide))
        ends["(J'J)^-1, once each"].append((k - 1.96 * narrow, k + 1.96 * narrow))
        estimates.append(float(found.value))
        errors.append(float(found.standard_error))
        loose.append(k)
        weights.append(weight)
        free.append(found.num_free)
    spread = float(np.std(estimates, ddof=1))
    return {
        "ways": {name: share(found, K) for name, found in ends.items()},
        "mean": float(np.mean(estimates)),
        "spread": spread,
        "mean standard error": float(np.mean(errors)),
        "farthest from the exact solution's, in errors": max(apart),
        "mean at weight 1": float(np.mean(loose)),
        "spread at weight 1": float(np.std(loose, ddof=1)),
        "weights": {str(w): weights.count(w) for w in WEIGHTS},
        "free directions": {str(n): free.count(n) for n in sorted(set(free))},
    }


def regression(replicates: int) -> dict[str, Any]:
    """Returns the coverage of the rate of `a exp(-b t)` from 12 values."""
    wanted = core.Objective({"data": core.Term(line)})
    t = jnp.linspace(0.1, 2.0, 12)
    model = {"a": jnp.asarray(2.0), "b": jnp.asarray(K)}
    ends = []
    for number in range(replicates):
        y = 2 * jnp.exp(-K * t) + NOISE * jr.normal(jr.key(10_000 + number), t.shape)
        samples = {"data": core.Samples(t, y)}
        fitted = fit(wanted, model, samples, 60)
        found = curve.covariance(wanted, fitted, samples, of=rate, observed="data")
        ends.append(found.interval())
    return share(ends, K)


def main(replicates: int = REPLICATES) -> dict[str, Any]:
    """Returns everything the page shows."""
    return {
        "replicates": replicates,
        "k": K,
        "noise": NOISE,
        "inverse problem": inverse_problem(replicates),
        "regression": regression(replicates),
    }


if __name__ == "__main__":
    with jax.enable_x64(True):
        keep("interval_coverage", main())
