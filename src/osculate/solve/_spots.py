"""Points with what conditions contribute there, computed once.

A trial function is `A + B N`, of which only N is fitted. Derivatives are linear: those
of A at the points of a fit are numbers, neither compiled nor computed in every step.
The same holds for what other networks have found before.
"""

from typing import final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from osculate import diff
from osculate.core import Fixed

from ._problem import Problem
from ._trial import Trial, lifted

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
    """The part of all fields that is not trained, as an equation sees it.

    Attributes:
        equation: What asks.
        trial: The trial function, without its network.
    """

    equation: diff.Equation = eqx.field(static=True)
    trial: Trial

    def __call__(self, x: Float[Array, "N D"]) -> Spot:
        """Returns points with what this part contributes there."""

        def fields(p: Float[Array, " D"]) -> dict[str, Array]:
            given = self.trial.given(p, {})
            return {n: self._filled(given[n], h.size, p) for n, h in self.trial.hard}

        return Spot(x, jax.vmap(lambda p: self.equation.values(fields, p))(x))

    def _filled(self, found: Array | None, size: int, p: Float[Array, " D"]) -> Array:
        return jnp.zeros((size,) if size else (), p.dtype) if found is None else found


def spotted(
    problem: Problem, x: Float[Array, "N D"], before: Fixed | None = None
) -> Array | Spot:
    """Returns points as an equation is best looked at.

    Args:
        problem: The problem.
        x: Points.
        before: As of `Trial`.

    Returns:
        The points themselves where there is nothing to add.
    """
    lift = lift_of(problem, before)
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


def lift_of(problem: Problem, before: Fixed | None = None) -> Lift | None:
    """Returns the part of a problem that is not trained.

    Args:
        problem: The problem.
        before: As of `Trial`.

    Returns:
        From points `(N, D)` to `Spot`; None where nothing but zeros is prescribed,
        where it depends on unknowns, or the equation is a Term.
    """
    equation = problem.equation
    if not isinstance(equation, diff.Equation) or not equation.derivatives:
        return None
    asked = lifted(problem.hard)
    if before is None and asked is None:
        return None
    if asked and asked & problem.unknowns.keys():
        return None
    constants = Fixed(jax.tree.map(jnp.asarray, problem.constants))
    return Lift(equation, Trial(None, problem.hard, constants, before))
