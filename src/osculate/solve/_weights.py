"""Weights of soft conditions and data: by how much they move the network."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray, PyTree

from osculate.core import Objective, Samples, flatten

from ._problem import EQUATION
from ._terms import DATA

PROBES, RANGE = 8, (1e-4, 1e6)
YIELD = 1e-2  # of data, whose noise is not to bend the equation


def balanced(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    key: PRNGKeyArray,
) -> dict[str, float]:
    """Returns weights with which conditions move the network as much as the equation.

    Data get a hundredth of that: their noise is not to be fitted at the price of the
    equation, which `curve.covariance` takes for a constraint.

    Compared are the traces of `J J'`, the sum of squares of the Jacobian of a term's
    residuals, estimated by random signs.

    Reference: Wang, Yu and Perdikaris (2022), When and why PINNs fail to train: a
    neural tangent kernel perspective, algorithm 1, with the equation as the unit.

    Args:
        objective: All weights 1.
        model: Before the fit.
        samples: Samples for every label.
        key: Of the signs.

    Returns:
        Weights by label.
    """
    traces = _traces(objective, model, samples, key)
    unit = float(traces[EQUATION])
    found = {}
    for label, trace in traces.items():
        ratio = unit / float(trace) if trace > 0 else 1.0
        weight = min(max(ratio, RANGE[0]), RANGE[1])
        found[label] = weight * YIELD if label == DATA else weight
    return found


@eqx.filter_jit
def _traces(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    key: PRNGKeyArray,
) -> dict[str, Array]:
    theta, build = flatten(model)
    found = {}
    for k, (label, term) in enumerate(objective.terms.items()):
        rows = samples[label]

        def residuals(t, term=term, rows=rows) -> dict[str, Array]:
            return term.residuals(term.outputs(build(t), rows), rows)

        r, pull = jax.vjp(residuals, theta)

        def square(key, r=r, pull=pull) -> Array:
            keys = jr.split(key, len(r))
            signs = {
                name: jr.rademacher(k, a.shape, a.dtype)
                for k, (name, a) in zip(keys, r.items(), strict=True)
            }
            return jnp.sum(pull(signs)[0] ** 2)

        probes = jr.split(jr.fold_in(key, k), PROBES)
        found[label] = jnp.mean(jax.vmap(square)(probes))
    return found
