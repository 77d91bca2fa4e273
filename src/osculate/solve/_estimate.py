"""How far a solution is from the exact one: the linearized equation, solved."""

from collections.abc import Mapping
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.scipy.linalg import cho_solve
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from osculate import curve
from osculate.core import Fixed, Objective, Samples, flatten

from ._problem import EQUATION, Problem
from ._terms import fields_of

RIDGES = 200
STEEPEST = 12.0
LEVELS = (1e-11, 1e-9, 1e-7)  # the least that can be factored is taken


class Estimate(NamedTuple):
    """What is known of the error of a solution.

    Attributes:
        relative: Norm of the error over that of the solution, by field.
        explained: Share of the loss that the error accounts for; where it is small the
            residual is too rough to be solved for, and the error may be larger.
    """

    relative: dict[str, float]
    explained: float


@final
class Corrected(eqx.Module):
    """A network plus a sum of ridge functions with random directions.

    Attributes:
        net: The network.
        coefficients: `(M, K)`, of the ridge functions; 0 to begin with.
        directions: `(K, D)`.
        offsets: `(K,)`.
    """

    net: PyTree[Any]
    coefficients: Array
    directions: Fixed
    offsets: Fixed

    def __call__(self, z: Float[Array, " D"]) -> Float[Array, " M"]:
        """Returns the corrected value at one point."""
        ridges = jnp.tanh(z @ self.directions.value.T + self.offsets.value)
        return self.net(z) + ridges @ self.coefficients.T


def estimate(
    problem: Problem,
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    key: PRNGKeyArray,
) -> Estimate:
    """Estimates the error of a solution by the step that Gauss and Newton would take.

    The residuals at fresh points are linearized in the weights of the network and of a
    few hundred ridge functions added to it, which satisfy the same hard conditions. The
    least-squares step is the error, as far as these functions can show it.

    Args:
        problem: The problem.
        objective: What was minimized.
        model: The solution.
        samples: Fresh points, three for every trained number or more.
        key: Of the ridge functions.

    Returns:
        The estimate.
    """
    relative, explained = _linearized(
        objective, model, samples, key, jnp.asarray(LEVELS[0])
    )
    for level in LEVELS[1:]:
        if np.isfinite(list(relative.values())).all():
            break
        relative, explained = _linearized(
            objective, model, samples, key, jnp.asarray(level)
        )
    names = [name for name, _ in problem.fields]
    return Estimate({n: float(relative[n]) for n in names}, float(explained))


@eqx.filter_jit
def _linearized(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    key: PRNGKeyArray,
    level: Array,
) -> tuple[dict[str, Array], Array]:
    """Returns the size of the step over that of the fields, and the share explained."""
    larger = _enlarged(model, key)
    theta, build = flatten(larger)
    loss_at = lambda t: objective(build(t), samples)[0]
    loss, gradient = jax.value_and_grad(loss_at)(theta)
    G = curve.gram(objective, larger, samples)
    step = _step(G, gradient, level)
    gained = -(gradient @ step) - 0.5 * step @ (G @ step)
    x = jax.tree.leaves(samples[EQUATION].x)[0]
    at = lambda t: jax.vmap(fields_of(build(t)))(x)
    u, e = jax.jvp(at, (theta,), (step,))
    size = lambda a: jnp.sqrt(jnp.mean(a**2))
    tiny = jnp.finfo(theta.dtype).tiny
    relative = {name: size(e[name]) / jnp.maximum(size(u[name]), tiny) for name in u}
    return relative, jnp.clip(gained / jnp.where(loss > 0, loss, 1.0), 0.0, 1.0)


def _enlarged(model: PyTree[Any], key: PRNGKeyArray) -> PyTree[Any]:
    """Adds ridge functions to the network that sees features."""
    inner = lambda m: m["net"].net.net.net
    net = inner(model)
    D, M = net.weights[0].shape[1], net.weights[-1].shape[0]
    first, second, third = jr.split(key, 3)
    steep = STEEPEST ** jr.uniform(first, (RIDGES,))
    normals = jr.normal(second, (RIDGES, D))
    directions = steep[:, None] * normals / jnp.linalg.norm(normals, axis=1)[:, None]
    offsets = -steep * jr.uniform(third, (RIDGES,), minval=-1.0)
    extra = Corrected(net, jnp.zeros((M, RIDGES)), Fixed(directions), Fixed(offsets))
    return eqx.tree_at(inner, model, extra)


def _step(
    G: Float[Array, "P P"], gradient: Float[Array, " P"], level: Array
) -> Float[Array, " P"]:
    """Returns the least-squares step, with a ridge in units of each parameter's own."""
    root = jnp.sqrt(jnp.maximum(jnp.diag(G), jnp.finfo(G.dtype).tiny))
    scaled = G / root[:, None] / root[None]
    unit = jnp.eye(len(root), dtype=G.dtype)
    factor = jnp.linalg.cholesky(scaled + level * unit)
    return -cho_solve((factor, True), gradient / root) / root
