"""Conjugate gradients with guards: finite whatever the operator, inside any loop."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Vector = Float[Array, " P"]


class Solution(NamedTuple):
    """What conjugate gradients found.

    Attributes:
        value: The iterate, `(P,)`.
        residual: `b - A value`, as the recurrence has it.
        steps: Products with the operator.
        indefinite: Whether a direction of curvature at most 0 ended the search; `value`
            is the last iterate before it, or b if there was none.
    """

    value: Vector
    residual: Vector
    steps: Int[Array, ""]
    indefinite: Bool[Array, ""]


class _Search(NamedTuple):
    value: Vector
    residual: Vector
    direction: Vector
    product: Float[Array, ""]
    steps: Int[Array, ""]
    indefinite: Bool[Array, ""]


def conjugate_gradients(
    mv: Callable[[Vector], Vector],
    b: Vector,
    *,
    preconditioner: Callable[[Vector], Vector] = lambda v: v,
    tolerance: float | Float[Array, ""] = 1e-8,
    max_steps: int | None = None,
) -> Solution:
    """Solves `A x = b` for a symmetric positive definite A given by its products.

    In exact arithmetic it ends after as many steps as the preconditioned operator has
    distinct eigenvalues (SPEC K4.7.8-13; Hestenes and Stiefel 1952).

    Args:
        mv: `v -> A v`.
        b: The right-hand side, `(P,)`.
        preconditioner: `v -> M v`, M an approximate inverse, symmetric and positive.
        tolerance: It ends when the residual is this much smaller than b.
        max_steps: At most so many products; by default P.

    Returns:
        The solution and how it was reached.
    """
    limit = b.size if max_steps is None else max_steps
    enough = (tolerance**2) * (b @ b)
    z = preconditioner(b)
    no = jnp.asarray(False)
    begin = _Search(jnp.zeros_like(b), b, z, b @ z, jnp.asarray(0), no)

    def more(now: _Search) -> Bool[Array, ""]:
        size = now.residual @ now.residual
        return (now.steps < limit) & ~now.indefinite & (size > enough)

    def step(now: _Search) -> _Search:
        image = mv(now.direction)
        curvature = now.direction @ image
        sound = (curvature > 0) & jnp.isfinite(curvature) & (now.product > 0)
        length = jnp.where(sound, now.product / jnp.where(sound, curvature, 1.0), 0.0)
        value = now.value + length * now.direction
        residual = now.residual - jnp.where(sound, length * image, 0.0)
        z = preconditioner(residual)
        product = residual @ z
        ratio = product / jnp.where(now.product > 0, now.product, 1.0)
        direction = z + ratio * now.direction
        return _Search(value, residual, direction, product, now.steps + 1, ~sound)

    end = jax.lax.while_loop(more, step, begin)
    value = jnp.where(end.indefinite & (end.steps == 1), b, end.value)
    return Solution(value, end.residual, end.steps, end.indefinite)
