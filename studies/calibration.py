"""Temperature mends the calibration of a network that fits too well (SPEC K3.4.20).

A network fits a few labels drawn at known probabilities until it is sure of each. Its
ranking of the classes is fair, its conviction is not; one number, found on other
examples, brings probabilities back to frequencies. As the data are made, the best
probabilities are known, too.

    python studies/calibration.py
"""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from _keep import keep
from osculate import chance, core, nets, train

CLASSES, DIMENSION, EXAMPLES, HELD_OUT, UNSEEN = 5, 4, 300, 1000, 20_000


def sets(key: jax.Array) -> list[tuple[jax.Array, jax.Array, jax.Array]]:
    """Returns inputs, labels and true log-probabilities: to fit, hold out and test."""
    k_weights, *keys = jr.split(key, 4)
    weights = 1.5 * jr.normal(k_weights, (2, CLASSES, DIMENSION))
    found = []
    for k, n in zip(keys, (EXAMPLES, HELD_OUT, UNSEEN), strict=True):
        k_x, k_y = jr.split(k)
        x = jr.normal(k_x, (n, DIMENSION))
        logits = x @ weights[0].T + jnp.sin(x @ weights[1].T)
        found.append((x, jr.categorical(k_y, logits), jax.nn.log_softmax(logits)))
    return found


def overfitted(x: jax.Array, y: jax.Array, steps: int) -> Any:
    """Returns a network after so many full-batch steps on a few labels."""
    net = nets.MLP(DIMENSION, CLASSES, width=64, depth=2, key=jr.key(1))
    term = core.Term(lambda net, x, y: net(x), chance.CategoricalLoss())
    adam = train.first_order(optax.adam, 3e-3)
    objective, samples = core.Objective({"labels": term}), core.Samples(x, y)
    fit = train.fit(objective, net, {"labels": samples}, adam, steps=steps, every=steps)
    return fit.value


def judged(logits: jax.Array, y: jax.Array) -> dict[str, Any]:
    """Returns measures of probabilities, and the bins of the largest."""
    p = jax.nn.softmax(logits)
    bins = chance.reliability(p, y, 10)
    full = np.asarray(bins.counts) > 0
    shown = {
        name: np.round(np.asarray(a, float)[full], 5).tolist()
        for name, a in bins._asdict().items()
    }
    return {
        "cross-entropy": (chance.CategoricalLoss()(logits, y) / len(y)).item(),
        "calibration error": chance.expected_calibration_error(p, y).item(),
        "Brier score": chance.brier_score(p, y).item(),
        "right": jnp.mean(jnp.argmax(logits, 1) == y).item(),
        "bins": shown,
    }


def compare(steps: int = 500) -> dict[str, Any]:
    """Returns the measures before and after, and those of the true probabilities."""
    (x, y, _), (x_held, y_held, _), (x_test, y_test, truth) = sets(jr.key(0))
    net = jax.vmap(overfitted(x, y, steps))
    T = chance.fit_temperature(net(x_held), y_held)
    return {
        "temperature": T.item(),
        "network": judged(net(x_test), y_test),
        "at the temperature": judged(net(x_test) / T, y_test),
        "true probabilities": judged(truth, y_test),
    }


if __name__ == "__main__":
    keep("calibration", {"examples": EXAMPLES, **compare()})
