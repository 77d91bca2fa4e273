"""Fewer directions than coordinates, where the first layer is narrower than a point.

Behind an affine map `W x + b` a sum over all directions, `sum_i D^2 f [W e_i, W e_i]`,
depends on `W W^T` alone: as many orthonormal directions as W has rows give the same.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core
from jaxtyping import Array, Float

from ._count import depending, variables
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


class Narrowed(NamedTuple):
    """A function behind its affine beginning.

    Attributes:
        tail: What follows, a function of the vector that the beginning gives.
        at: That vector, `(m,)`.
        directions: Over which sums of derivatives of the tail are those of the whole,
            `(m, m)`.
    """

    tail: Field
    at: Float[Array, " m"]
    directions: Float[Array, "m m"]


def narrowed(
    u: Field, x: Float[Array, " D"], directions: Directions
) -> Narrowed | None:
    """Splits u where it is narrower than the number of directions.

    Args:
        u: `(D,) -> (...)`, any pytree of arrays.
        x: A point.
        directions: The directions that a sum runs over.

    Returns:
        The rest of u, with fewer directions; None where u does not begin so.
    """
    closed, shape = jax.make_jaxpr(u, return_shape=True)(x)
    cut = _cut(closed.jaxpr, len(directions))
    if cut is None:
        return None
    head, tail = (
        core.jaxpr_as_fun(core.ClosedJaxpr(part, closed.consts))
        for part in _parts(closed.jaxpr, *cut)
    )
    tree = jax.tree.structure(shape)
    push = lambda v: jax.jvp(lambda y: head(y)[0], (x,), (v,))[1]
    return Narrowed(
        lambda z: jax.tree.unflatten(tree, tail(z)),
        head(x)[0],
        _compressed(jax.vmap(push)(directions)),
    )


@jax.custom_jvp
def _compressed(V: Float[Array, "n m"]) -> Float[Array, "m m"]:
    """Returns R with `R^T R = V^T V`, n > m."""
    return _basis(V).T @ V


@_compressed.defjvp
def _compressed_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    """A basis turned within its span is as good, so that it counts as constant."""
    (V,), (dV,) = primals, tangents
    Q = _basis(V)
    return Q.T @ V, Q.T @ dV


@jax.custom_jvp
def _basis(V: Float[Array, "n m"]) -> Float[Array, "n m"]:
    """Returns an orthonormal basis of the columns; needed by second derivatives."""
    return jnp.linalg.qr(_at_least_single(V))[0].astype(V.dtype)


@_basis.defjvp
def _basis_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    """Only what leaves the span counts; NaN where columns depend on each other.

    There no basis of so few directions follows the columns.
    """
    (V,), (dV,) = map(_at_least_single, primals), map(_at_least_single, tangents)
    Q = _basis(V)
    R = Q.T @ V
    size = jnp.abs(jnp.diagonal(R))
    lost = size <= jnp.finfo(V.dtype).eps ** 0.25 * jnp.max(size)
    R = jnp.where(lost[:, None], jnp.eye(len(R), dtype=R.dtype), R)
    dV = jnp.where(jnp.any(lost), jnp.nan, dV - Q @ (Q.T @ dV))
    dQ = jax.scipy.linalg.solve_triangular(R, dV.T, trans=1).T
    return Q.astype(primals[0].dtype), dQ.astype(primals[0].dtype)


def _at_least_single(V: Array) -> Array:
    return V.astype(jnp.float32) if V.dtype.itemsize < 4 else V


def _cut(jaxpr: Any, most: int) -> tuple[int, Any] | None:
    """Returns where all that depends on x is one vector, an affine map of x.

    The shortest one, below `most`, and the number of the equation that gives it.
    """
    last = {v: at for at, eqn in enumerate(jaxpr.eqns) for v in variables(eqn.invars)}
    last |= dict.fromkeys(variables(jaxpr.outvars), len(jaxpr.eqns))
    moving, best = set(jaxpr.invars), None
    for at, eqn in enumerate(jaxpr.eqns):
        if moving.isdisjoint(variables(eqn.invars)):
            continue
        if not _is_affine(eqn, moving):
            break
        moving.update(eqn.outvars)
        alive = [v for v in moving if last.get(v, 0) > at]
        if len(alive) == 1 and alive[0].aval.ndim == 1 and alive[0].aval.size < most:
            most, best = alive[0].aval.size, (at, alive[0])
    return best


def _parts(jaxpr: Any, at: int, narrowest: Any) -> tuple[Any, Any]:
    """Returns the program up to the cut, and what follows; both have the constants."""
    before = depending(jaxpr, jaxpr.invars)
    head = jaxpr.replace(eqns=jaxpr.eqns[: at + 1], outvars=[narrowest])
    rest = [e for n, e in enumerate(jaxpr.eqns) if n > at or e not in before]
    return head, jaxpr.replace(invars=[narrowest], eqns=rest)


def _is_affine(eqn: Any, moving: set[Any]) -> bool:
    """Whether the result is an affine function of the operands that move."""
    name = eqn.primitive.name
    moves = [not isinstance(v, core.Literal) and v in moving for v in eqn.invars]
    if not all(jnp.issubdtype(v.aval.dtype, jnp.floating) for v in eqn.outvars):
        return False
    if name in LINEAR:
        return moves[0] and sum(moves) == 1
    return name in ADDITIVE or (name in BILINEAR and sum(moves) == 1)
