"""Fewer directions than coordinates, where the first layer is narrower than a point.

Behind an affine map `W x + b` a sum over all directions, `sum_i D^2 f [W e_i, W e_i]`,
depends on `W W^T` alone: as many orthonormal directions as W has rows give the same.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core
from jaxtyping import Array, Float

from ._types import Directions, Field

LINEAR = {
    "broadcast_in_dim",
    "convert_element_type",
    "copy",
    "div",
    "expand_dims",
    "gather",
    "neg",
    "reduce_sum",
    "reshape",
    "rev",
    "slice",
    "squeeze",
    "transpose",
}
"""Linear in the first operand."""

BILINEAR = {"dot_general", "mul"}
ADDITIVE = {"add", "sub"}


def narrowed(
    u: Field, x: Float[Array, " D"], directions: Directions
) -> Float[Array, "m D"]:
    """Returns no more directions than the first layer of u has outputs.

    Args:
        u: `(D,) -> (...)`, any pytree of arrays.
        x: A point.
        directions: The directions that a sum runs over.

    Returns:
        Directions over which the sums of derivatives of u are the same.
    """
    head = _head(jax.make_jaxpr(u)(x), len(directions))
    if head is None:
        return directions
    push = lambda v: jnp.ravel(jax.jvp(head, (x,), (v,))[1])
    return _basis(jax.vmap(push)(directions)).T @ directions


@jax.custom_jvp
def _basis(V: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """Returns an orthonormal basis of the columns, n > m."""
    return jnp.linalg.qr(V)[0]


@_basis.defjvp
def _basis_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    """A basis turned within its span is as good: only what leaves it counts.

    Along columns that depend on others, where nothing is differentiable, it is 0.
    """
    (V,), (dV,) = primals, tangents
    Q = _basis(V)
    R = Q.T @ V
    size = jnp.abs(jnp.diagonal(R))
    lost = size <= jnp.sqrt(jnp.finfo(V.dtype).eps) * jnp.max(size)
    R = jnp.where(lost[:, None], jnp.eye(len(R), dtype=R.dtype), R)
    dV = jnp.where(lost, 0, dV - Q @ (Q.T @ dV))
    return Q, jax.scipy.linalg.solve_triangular(R, dV.T, trans=1).T


def _head(closed: core.ClosedJaxpr, most: int) -> Field | None:
    """Returns the affine map to fewest numbers, below `most`, that u begins with."""
    jaxpr = closed.jaxpr
    last = {v: at for at, eqn in enumerate(jaxpr.eqns) for v in _variables(eqn.invars)}
    last |= dict.fromkeys(_variables(jaxpr.outvars), len(jaxpr.eqns))
    moving, best = set(jaxpr.invars), None
    for at, eqn in enumerate(jaxpr.eqns):
        if moving.isdisjoint(_variables(eqn.invars)):
            continue
        if not _is_affine(eqn, moving):
            break
        moving.update(eqn.outvars)
        alive = [v for v in moving if last.get(v, 0) > at]
        if len(alive) == 1 and alive[0].aval.size < most:
            most, best = alive[0].aval.size, (at, alive[0])
    if best is None:
        return None
    at, narrowest = best
    head = jaxpr.replace(eqns=jaxpr.eqns[: at + 1], outvars=[narrowest])
    apply = core.jaxpr_as_fun(core.ClosedJaxpr(head, closed.consts))
    return lambda x: apply(x)[0]


def _is_affine(eqn: Any, moving: set[Any]) -> bool:
    """Whether the result is an affine function of the operands that move."""
    name = eqn.primitive.name
    moves = [not isinstance(v, core.Literal) and v in moving for v in eqn.invars]
    if not all(jnp.issubdtype(v.aval.dtype, jnp.inexact) for v in eqn.outvars):
        return False
    if name in LINEAR:
        return moves[0] and sum(moves) == 1
    return name in ADDITIVE or (name in BILINEAR and sum(moves) == 1)


def _variables(ends: Any) -> list[Any]:
    return [v for v in ends if not isinstance(v, core.Literal)]
