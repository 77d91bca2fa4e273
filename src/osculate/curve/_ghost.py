"""Norms of the gradients of all rows, which are never formed, and their sum."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ._dense import chunked
from ._rows import Rows
from ._taps import Pair, Slopes, Taps


class Norms(NamedTuple):
    """What the gradients of rows are, seen from outside.

    Attributes:
        squares: Squared norm of the gradient of every row, `(N,)`.
        total: The sum of all gradients, like the trained tree.
    """

    squares: Float[Array, " N"]
    total: PyTree[Array]


def ghost_norms(taps: Taps, k: int, rows: Rows) -> Norms:
    """Returns squared norms of the gradients of all rows, and their sum.

    With inputs a and derivatives delta by outputs, the gradient of a row by a weight is
    `sum_s a_s delta_s^T`, whose square is `sum_st (a_s.a_t)(delta_s.delta_t)`. Where
    forming it is less work, as with many uses s of a small matrix, it is formed, for a
    chunk of rows.

    Cost: one evaluation and one reverse pass of all rows, and about as much as a
    gradient for the norms.

    Args:
        taps: The layers of functions that make one number of a row.
        k: Which of them.
        rows: The rows.

    Returns:
        Norms `(N,)`, and the gradient of the sum over the rows.

    Reference: Goodfellow, Efficient per-example gradient computations, 2015,
    arXiv:1510.01799, eqs. 4-7; Li et al., Large language models can be strong
    differentially private learners, 2022, arXiv:2110.05679, section 4.
    """
    first = jax.tree.map(lambda a: a[0], rows.data)
    shapes = jax.eval_shape(lambda row: taps.slopes(k, row), first)
    zeros = jax.tree.map(jnp.zeros_like, taps.theta)
    start = taps.matrices(zeros)

    def step(carry: Any, chunk: Any, present: Array) -> Any:
        squares, slopes = jax.vmap(lambda row: _row(taps.slopes(k, row)))(chunk)
        return jax.tree.map(jnp.add, carry, _sums(slopes, present)), squares

    carry, squares = chunked(step, start, rows.data, _entries(shapes))
    return Norms(squares, taps.gradient(*carry))


def _row(slopes: Slopes) -> tuple[Float[Array, ""], Slopes]:
    """Returns the squared norm of one row's gradient, and the vectors it is made of."""
    squares = [jnp.sum(d**2) for d in slopes.direct]
    for pairs in map(_flat, slopes.layers):
        if _is_outer_cheaper(pairs):
            squares.append(jnp.sum(sum(p.left.T @ p.right for p in pairs) ** 2))
        else:
            squares += [_inner(p, q) for p in pairs for q in pairs]
    return sum(squares), slopes  # pyright: ignore[reportReturnType]


def _flat(pairs: Sequence[Pair | None]) -> list[Pair]:
    """Returns the pairs that there are, all axes but the last as one."""
    one = lambda a: a.reshape(-1, a.shape[-1])
    return [Pair(one(p.left), one(p.right)) for p in pairs if p is not None]


def _inner(p: Pair, q: Pair) -> Float[Array, ""]:
    """Returns `sum_st (p.left_s . q.left_t) (p.right_s . q.right_t)`."""
    if p is q and len(p.left) == 1:
        return jnp.sum(p.left**2) * jnp.sum(p.right**2)
    return jnp.sum((p.left @ q.left.T) * (p.right @ q.right.T))


def _is_outer_cheaper(pairs: Sequence[Pair]) -> bool:
    """Counts multiplications: of the inner products, or of the matrix."""
    if not pairs:
        return False
    uses = sum(len(p.left) for p in pairs)
    height, width = pairs[0].left.shape[-1], pairs[0].right.shape[-1]
    return uses**2 * (height + width + 1) > (uses + 1) * height * width


def _sums(slopes: Slopes, present: Array) -> tuple[list[Array], list[Array]]:
    """Returns the gradient of the rows that are present, as `Taps.matrices` does."""
    kept = lambda a: jnp.where(present.reshape(-1, *[1] * (a.ndim - 1)), a, 0)
    matrices = [
        sum(
            p.left.T @ p.right
            for p in _flat([q and Pair(kept(q.left), q.right) for q in pairs])
        )
        for pairs in slopes.layers
    ]
    return matrices, [jnp.sum(kept(d), axis=(0, 1)) for d in slopes.direct]  # pyright: ignore


def _entries(shapes: Slopes) -> int:
    """Returns how many numbers are held for one row."""
    formed = 0
    for pairs in jax.eval_shape(lambda s: [*map(_flat, s.layers)], shapes):
        if _is_outer_cheaper(pairs):
            formed += pairs[0].left.shape[-1] * pairs[0].right.shape[-1]
    return formed + sum(a.size for a in jax.tree.leaves(shapes))
