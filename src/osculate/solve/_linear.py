"""Whether an equation is linear in its fields."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy import ndarray

from osculate import diff

from ._problem import Problem

TRIES, TOLERANCE = 4, 1e-9


def is_linear(problem: Problem) -> bool:
    """Tells whether the residuals of an equation are affine in its fields.

    The function is called as its author could call it, with random numbers for fields
    and derivatives: `r(a + b) - r(a) - r(b) + r(0)` vanishes.

    Args:
        problem: The problem.

    Returns:
        Whether; False where the equation is a Term.
    """
    equation = problem.equation
    if not isinstance(equation, diff.Equation):
        return False
    shapes, draw = _shapes(problem, equation), np.random.default_rng(0)
    low, high = np.array(problem.domain.low), np.array(problem.domain.high)
    others = {**problem.constants, **problem.unknowns}

    def residual(asked: dict[str, Any], x: Float[ndarray, " D"]) -> ndarray:
        known = dict(zip(problem.domain.names, x, strict=True)) | others | asked
        arguments = {n: jnp.asarray(known[n]) for n in equation.arguments}
        found = jax.tree.leaves(equation.function(**arguments))
        return np.concatenate([np.ravel(leaf) for leaf in found])

    for _ in range(TRIES):
        x = low + (high - low) * draw.random(len(low))
        a, b = ({n: draw.normal(size=s) for n, s in shapes.items()} for _ in range(2))
        both = {n: a[n] + b[n] for n in shapes}
        none = {n: np.zeros(s) for n, s in shapes.items()}
        parts = [residual(asked, x) for asked in (both, a, b, none)]
        off = parts[0] - parts[1] - parts[2] + parts[3]
        size = sum(np.abs(part).max() for part in parts)
        if np.abs(off).max() > TOLERANCE * max(size, 1.0):
            return False
    return True


def _shapes(problem: Problem, equation: diff.Equation) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the fields and derivatives that an equation asks for."""
    if not equation.derivatives:
        return {}

    def fields(x: Float[Array, " D"]) -> dict[str, Array]:
        shape = lambda size: (size,) if size else ()
        listed = problem.fields
        return {n: jnp.broadcast_to(jnp.sum(x**2), shape(s)) for n, s in listed}

    over = equation.over
    choices = {"fields": equation.fields, "time": over.time}
    at = diff.partials(fields, equation.derivatives, over.names, **choices)
    point = jnp.asarray(problem.domain.low)
    found: Any = jax.eval_shape(at, point)
    return {name: a.shape for name, a in found._asdict().items()}
