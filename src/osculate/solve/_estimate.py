"""How far a solution is from the exact one: the linearized equation, solved."""

import dataclasses
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
from osculate.core import Fixed, Objective, Samples, flatten, trainable

from ._problem import EQUATION, Problem
from ._terms import fields_of
from ._windows import Amended, Windows

RIDGES, STEEPEST = 200, 12.0  # added to a network, for each field
MORE_RIDGES, STEEPER = 1500, 30.0  # alone, shared by the fields
MOST_WEIGHTS = 5000  # that ridge functions are added to
FAINT, TINY = 1e-16, 1e-300  # of squares, over the largest and alone
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
class Ridges(eqx.Module):
    """A sum of ridge functions with random directions.

    Attributes:
        coefficients: `(M, K)`, 0 to begin with.
        directions: `(K, D)`.
        offsets: `(K,)`.
    """

    coefficients: Array
    directions: Fixed
    offsets: Fixed

    def __call__(self, z: Float[Array, " D"]) -> Float[Array, " M"]:
        """Returns the value at one point."""
        ridges = jnp.tanh(z @ self.directions.value.T + self.offsets.value)
        return ridges @ self.coefficients.T


@final
class Corrected(eqx.Module):
    """A network plus ridge functions.

    Attributes:
        net: The network; Fixed where it is not to be trained.
        ridges: The ridge functions.
    """

    net: PyTree[Any]
    ridges: Ridges

    def __call__(self, z: Float[Array, " D"]) -> Float[Array, " M"]:
        """Returns the corrected value at one point."""
        net = self.net.value if isinstance(self.net, Fixed) else self.net
        return net(z) + self.ridges(z)


@eqx.filter_jit
def enlarged(model: PyTree[Any], key: PRNGKeyArray) -> PyTree[Any]:
    """Adds ridge functions to a network, behind the features that it sees.

    Args:
        model: The solution.
        key: Of directions and offsets.

    Returns:
        The model in which the error is sought: network and ridge functions; of large
        networks, and of windows of time, over all of it, ridge functions alone.
    """
    trial = model["net"]
    inner = lambda named: named.net.net
    if not isinstance(trial.net, Windows):
        net = inner(trial.net)
        if sum(a.size for a in jax.tree.leaves(trainable(net)[0])) <= MOST_WEIGHTS:
            more = Corrected(net, _ridges(net, RIDGES, STEEPEST, key))
        else:
            M = net.weights[-1].shape[0]
            ridges = _ridges(net, MORE_RIDGES // M, STEEPER, key)
            more = Corrected(Fixed(net), ridges)
        larger = eqx.tree_at(inner, trial.net, more)
    else:
        named = trial.net.of(jnp.zeros(()))
        M = inner(named).weights[-1].shape[0]
        more = _ridges(inner(named), MORE_RIDGES // M, STEEPER, key)
        larger = Amended(Fixed(trial.net), eqx.tree_at(inner, named, more))
    return {**model, "net": dataclasses.replace(trial, net=larger)}


def estimate(
    problem: Problem,
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
) -> Estimate:
    """Estimates the error of a solution by the step that Gauss and Newton would take.

    The residuals at fresh points are linearized in the weights of the network and of
    the ridge functions added to it (of large networks, and windows of time, in those of
    ridge functions alone), which satisfy the same hard conditions. The least-squares
    step is the error, as far as these functions can show it. Fields that are known but
    for a constant are compared without it.

    Args:
        problem: The problem.
        objective: What was minimized.
        model: The solution, enlarged.
        samples: Fresh points, three for every trained number or more.

    Returns:
        The estimate.
    """
    solved = lambda level: _linearized(
        objective, model, samples, problem.floating, jnp.asarray(level)
    )
    relative, explained = solved(LEVELS[0])
    for level in LEVELS[1:]:
        if np.isfinite(list(relative.values())).all():
            break
        relative, explained = solved(level)
    names = [name for name, _ in problem.fields]
    return Estimate({n: float(relative[n]) for n in names}, float(explained))


@eqx.filter_jit
def _linearized(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    floating: tuple[str, ...],
    level: Array,
) -> tuple[dict[str, Array], Array]:
    """Returns the size of the step over that of the fields, and the share explained."""
    theta, build = flatten(model)
    loss_at = lambda t: objective(build(t), samples)[0]
    loss, gradient = jax.value_and_grad(loss_at)(theta)
    G = curve.gram(objective, model, samples)
    step = _step(G, gradient, level)
    gained = -(gradient @ step) - 0.5 * step @ (G @ step)
    x = jax.tree.leaves(samples[EQUATION].x)[0]
    at = lambda t: jax.vmap(fields_of(build(t)))(x)
    u, e = jax.jvp(at, (theta,), (step,))
    tiny = jnp.finfo(theta.dtype).tiny
    size = lambda a, name: jnp.sqrt(jnp.mean(_fixed(a, name in floating) ** 2))
    relative = {n: size(e[n], n) / jnp.maximum(size(u[n], n), tiny) for n in u}
    return relative, jnp.clip(gained / jnp.where(loss > 0, loss, 1.0), 0.0, 1.0)


def _ridges(net: PyTree[Any], count: int, steepest: float, key: PRNGKeyArray) -> Ridges:
    """Returns ridge functions of what a network sees, for each of its outputs."""
    D, M = net.weights[0].shape[1], net.weights[-1].shape[0]
    first, second, third = jr.split(key, 3)
    steep = steepest ** jr.uniform(first, (count,))
    normals = jr.normal(second, (count, D))
    directions = steep[:, None] * normals / jnp.linalg.norm(normals, axis=1)[:, None]
    offsets = -steep * jr.uniform(third, (count,), minval=-1.0)
    return Ridges(jnp.zeros((M, count)), Fixed(directions), Fixed(offsets))


def _fixed(a: Float[Array, "N ..."], floating: bool) -> Float[Array, "N ..."]:
    """Takes out the constant by which a field is not known."""
    return a - jnp.mean(a, axis=0) if floating else a


def _step(
    G: Float[Array, "P P"], gradient: Float[Array, " P"], level: Array
) -> Float[Array, " P"]:
    """Returns the least-squares step, with a ridge in units of each parameter's own.

    Parameters that hardly matter have no such unit: nothing but rounding is left of
    what they do, and a step far enough to make it count would be one into nonsense.
    """
    own = jnp.diag(G)
    root = jnp.sqrt(jnp.maximum(own, jnp.maximum(FAINT * own.max(), TINY)))
    scaled = G / root[:, None] / root[None]
    unit = jnp.eye(len(root), dtype=G.dtype)
    factor = jnp.linalg.cholesky(scaled + level * unit)
    return -cho_solve((factor, True), gradient / root) / root
