"""The method of Ritz: a network that minimizes an energy."""

import math
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from osculate import diff
from osculate.core import InputError, Objective, Samples, Term

from ._box import Box
from ._gauss import gauss
from ._problem import EQUATION, Problem
from ._terms import fields_of

LEAST = 8  # nodes along a coordinate
MORE = 8  # times as many points where they are not those of Gauss


@final
class Density(eqx.Module):
    """Probe: the density of the energy at a point.

    Attributes:
        equation: The density.
        constants: Values by name; not trained.
    """

    equation: diff.Equation = eqx.field(static=True)
    constants: dict[str, Any]

    def __call__(self, model: PyTree[Any], x: Float[Array, " D"], y: Any) -> Array:
        """Returns it."""
        return self.equation(fields_of(model), x, **self.constants)


def itself(z: Array, y: Any, w: Array | float = 1.0) -> Float[Array, ""]:
    """Loss: the value itself, which has no residual."""
    return jnp.sum(w * z)


def ritz(problem: Problem) -> Objective:
    """Returns the mean energy.

    Args:
        problem: Declared by an energy.

    Returns:
        An objective of one term, `"equation"`.

    Raises:
        InputError: If there is no energy, or something but the energy is asked for.
    """
    if problem.energy is None:
        raise InputError(
            "`tasks.solve`: form='energy' minimizes an energy; the problem declares an "
            "equation.\nDeclare the density: solve.problem(domain, solve.energy("
            "lambda grad_u, u: ...))."
        )
    others = {
        "time": problem.domain.time,
        "soft conditions": [c.words for c in problem.soft],
        "slopes that are not 0, or are tied to values": _slopes(problem),
        "integrals": problem.integrals,
        "data": problem.observed,
        "unknowns": problem.unknowns,
    }
    if bad := [name for name, each in others.items() if each]:
        raise InputError(
            f"`tasks.solve`: form='energy' and a problem with {', '.join(bad)}; the "
            "energy alone is minimized, in space, over functions with all conditions "
            "built in.\nLeave the form out: the residual takes everything."
        )
    constants = jax.tree.map(jnp.asarray, problem.constants)
    return Objective({EQUATION: Term(Density(problem.energy, constants), itself)})


def _slopes(problem: Problem) -> list[str]:
    """Returns slopes that no minimum has by itself."""
    ends = [end for _, hard in problem.hard for axis in hard.axes for end in axis.ends]
    return [
        str(end.orders)
        for end in ends
        if end.orders != (0,)
        and not (end.orders == (1,) and end.values[0].is_zero and not end.rate)
    ]


def ritz_samples(problem: Problem, count: int, key: PRNGKeyArray) -> dict[str, Samples]:
    """Returns points that integrate an energy.

    Args:
        problem: The problem.
        count: How many by that rule, at most.
        key: Of random shifts, where the domain is no box.

    Returns:
        Samples by label: by the rule of Gauss and Legendre on boxes of few coordinates,
        else evenly spread, and more of them.
    """
    domain, D = problem.domain, len(problem.domain.names)
    nodes = math.floor(count ** (1 / D) + 1e-9)
    if nodes >= LEAST and all(isinstance(region, Box) for region in domain.regions):
        points, weights = gauss(domain.low, domain.high, nodes)
        x, w = jnp.asarray(points), jnp.asarray(weights)
    else:
        x = jnp.asarray(domain.interior(MORE * count, key))
        w = jnp.ones(len(x))
    return {EQUATION: Samples(x, None, w)}
