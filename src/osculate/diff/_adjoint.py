"""First and second derivatives of a scalar in many coordinates, from its gradient."""

from collections import Counter
from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._choose import note
from ._keys import LAPLACE, Key, order_of
from ._types import Field, Streams


def has_adjoint(u: Field, x: Float[Array, " D"], wanted: Collection[Key]) -> bool:
    """Whether `adjoint` can give these derivatives of u, and might be the cheaper way.

    Args:
        u: `(D,) -> (...)`, any pytree of arrays.
        x: The point.
        wanted: Keys of the derivatives.

    Returns:
        True for at least two partial derivatives of a real scalar, to second order.
    """
    keys = {key for key in wanted if key}
    if len(keys) < 2 or any(LAPLACE in key or order_of(key) > 2 for key in keys):
        return False
    leaves = jax.tree.leaves(jax.eval_shape(u, x))
    real = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)
    return len(leaves) == 1 and leaves[0].shape == () and real(leaves[0])


def adjoint(u: Field, x: Float[Array, " D"], wanted: Collection[Key]) -> Streams:
    """Returns the value and the wanted derivatives of u at x, in reverse.

    One gradient, and one product with the Hessian for every row of it that is needed.

    Args:
        u: `(D,) -> ()`, or a pytree of one scalar.
        x: The point.
        wanted: Keys of the derivatives, of order 0, 1 and 2.

    Returns:
        What u returns, by key; `()` is u itself.
    """
    tree = jax.tree.structure(jax.eval_shape(u, x))
    scalar = lambda y: jax.tree.leaves(u(y))[0]
    rows = _rows({key for key in wanted if len(key) == 2})
    note(
        "forward over reverse" if rows else "reverse",
        {(): None} | dict.fromkeys(wanted),
    )
    if rows:
        (value, slopes), push = jax.linearize(jax.value_and_grad(scalar), x)
        seeds = jnp.eye(x.size, dtype=x.dtype)[jnp.array(list(rows))]
        hessian = jax.vmap(lambda v: push(v)[1])(seeds)
    else:
        (value, slopes), hessian = jax.value_and_grad(scalar)(x), None

    def of(key: Key) -> Array:
        if len(key) < 2 or hessian is None:
            return slopes[key[0]] if key else value
        row, column = key if key[0] in rows else key[::-1]
        return hessian[rows[row], column]

    return {key: jax.tree.unflatten(tree, [of(key)]) for key in [(), *wanted]}


def _rows(keys: Collection[Key]) -> dict[int, int]:
    """Returns few rows of the Hessian that hold all these entries, numbered."""
    rows: dict[int, int] = {}
    left: set[Any] = {frozenset(key) for key in keys}
    while left:
        # A diagonal entry leaves no choice; then the row that holds most of the rest.
        single = [key for key in left if len(key) == 1]
        counts = Counter(i for key in single or left for i in key)
        row = min(counts, key=lambda i: (-counts[i], i))
        rows[row] = len(rows)
        left = {key for key in left if row not in key}
    return rows
