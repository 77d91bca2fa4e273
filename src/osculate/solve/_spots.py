"""Points with what conditions contribute there, computed once.

A trial function is `A + B N`, of which only N is fitted. Derivatives are linear: those
of A at the points of a fit are numbers, neither compiled nor computed in every step.
"""

from collections.abc import Mapping
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from osculate import diff

from ._problem import Problem
from ._trial import Hard, lifted

BLOCK = 2000


@final
class Spot(eqx.Module):
    """A point, or points, where an equation is looked at.

    Attributes:
        x: The point.
        lift: What the function asks for of the prescribed part A, by name.
    """

    x: Array
    lift: dict[str, Array]


@final
class Lift(eqx.Module):
    """The prescribed part A of all fields, as an equation sees it.

    Attributes:
        equation: What asks.
        hard: By field, how it satisfies its conditions.
        constants: Values by name.
    """

    equation: diff.Equation = eqx.field(static=True)
    hard: tuple[tuple[str, Hard], ...] = eqx.field(static=True)
    constants: dict[str, Any]

    def __call__(self, x: Float[Array, "N D"]) -> Spot:
        """Returns points with what A contributes there."""

        def fields(p: Float[Array, " D"]) -> dict[str, Array]:
            return {name: self._field(hard, p) for name, hard in self.hard}

        return Spot(x, jax.vmap(lambda p: self.equation.values(fields, p))(x))

    def _field(self, hard: Hard, p: Float[Array, " D"]) -> Array:
        found = hard.value(p, self.constants)
        zero = jnp.zeros((hard.size,) if hard.size else (), p.dtype)
        return zero if found is None else found


def spotted(problem: Problem, x: Float[Array, "N D"]) -> Array | Spot:
    """Returns points as an equation is best looked at.

    Args:
        problem: The problem.
        x: Points.

    Returns:
        The points themselves where there is nothing to add.
    """
    lift = lift_of(problem)
    if lift is None:
        return x
    # Blocks of one size: a single program for any number of points.
    parts = [
        _lifted(lift, jnp.concatenate([x[k : k + BLOCK], x[:1].repeat(short, axis=0)]))
        for k in range(0, len(x), BLOCK)
        for short in (max(0, k + BLOCK - len(x)),)
    ]
    return jax.tree.map(lambda *each: jnp.concatenate(each)[: len(x)], *parts)


@eqx.filter_jit
def _lifted(lift: Lift, x: Float[Array, "N D"]) -> Spot:
    return lift(x)


def lift_of(problem: Problem) -> Lift | None:
    """Returns the prescribed part of a problem.

    Args:
        problem: The problem.

    Returns:
        From points `(N, D)` to `Spot`; None where nothing but zeros is prescribed,
        where it depends on unknowns, or the equation is a Term.
    """
    equation = problem.equation
    if not isinstance(equation, diff.Equation) or not equation.derivatives:
        return None
    asked = lifted(problem.hard)
    if asked is None or asked & problem.unknowns.keys():
        return None
    constants: Mapping[str, Any] = jax.tree.map(jnp.asarray, problem.constants)
    return Lift(equation, problem.hard, dict(constants))
