"""The Gram matrix of the rows of the Jacobian, which is not formed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, Samples

from ._dense import refuse_large
from ._rows import Rows
from ._taps import Layer, Pair, Slopes, tap_rows

PASS = 30
"""Multiplications of a matrix product that take as long as one entry's pass."""


def structured_dual_gram(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> Float[Array, "R R"]:
    """Returns `J J^T` of the residuals, without J where layers allow.

    With inputs a and derivatives delta by outputs, a layer adds
    `sum_st (a_s . a'_t) (delta_s . delta'_t)` to the entry of two residuals: products
    of two small Gram matrices. Where that is more work than the rows of J by that layer
    (many uses of a small matrix, as in convolutions), those are formed.

    Cost: one evaluation, one reverse pass per residual of a row, then
    `R^2 S^2 (height + width)` multiplications per layer of S uses in place of
    `R^2 height width`; memory for two or three matrices of its size.

    Args:
        objective: What is wanted; its losses have a `residual`.
        model: Any pytree.
        samples: Samples for every label.

    Returns:
        As `dual_gram`: a symmetric matrix without negative eigenvalues, ordered by
        term, row and entry.

    Raises:
        ValueError: If a loss is no sum of squares, there is no residual, or the matrix
            does not fit into memory.
    """
    owner = "structured_dual_gram"
    taps, terms = tap_rows(owner, objective, model, samples, Rows.residual)
    slopes = [
        jax.vmap(lambda row, k=k: taps.slopes(k, row))(rows.data)
        for k, rows in enumerate(terms)
    ]
    sizes = [s.values.size for s in slopes]
    dtype = jnp.result_type(*(s.values.dtype for s in slopes))
    refuse_large(owner, (sum(sizes), sum(sizes)), dtype)
    structured = [
        i
        for i in range(len(taps.layers))
        if _is_structured([s.layers[i] for s in slopes])
    ]
    formed = {i: layer for i, layer in enumerate(taps.layers) if i not in structured}
    J = jnp.concatenate([_formed(s, formed) for s in slopes])
    total = J @ J.T if J.shape[1] else jnp.zeros((sum(sizes),) * 2, dtype)
    if not structured:
        return total
    return total + jnp.block(_blocks(slopes, structured))


def _blocks(slopes: Sequence[Slopes], structured: Sequence[int]) -> list[list[Array]]:
    """Returns what these layers add, by pairs of terms."""
    blocks = [[jnp.zeros(())] * len(slopes) for _ in slopes]
    for t, one in enumerate(slopes):
        for u, two in enumerate(slopes[: t + 1]):
            n, m = one.values.size, two.values.size
            block = jnp.zeros((n, m), one.values.dtype)
            for i in structured:
                for p in _marked(one.layers[i]):
                    for q in _marked(two.layers[i]):
                        block = block + _product(p, q)
            blocks[t][u] = block
            if u < t:
                blocks[u][t] = block.T
    return blocks


def _marked(pairs: Sequence[Pair | None]) -> list[Pair]:
    """Returns the pairs that there are, all with an axis of outputs: `(N, m, S, n)`."""
    full = lambda a: a if a.ndim == 4 else a[:, None]
    return [Pair(full(p.left), full(p.right)) for p in pairs if p is not None]


def _product(p: Pair, q: Pair) -> Float[Array, "R R2"]:
    """Returns the sum over pairs of uses of products of two Gram matrices."""

    def one(s: Any, t: Any) -> Array:
        left = _gram(p.left[:, :, s], q.left[:, :, t])
        right = _gram(p.right[:, :, s], q.right[:, :, t])
        both = left * right
        return both.reshape(math.prod(both.shape[:2]), -1)

    uses = p.left.shape[2], q.left.shape[2]
    if uses == (1, 1):
        return one(0, 0)
    pairs = np.indices(uses).reshape(2, -1)
    start = jax.eval_shape(lambda: one(0, 0))
    total, _ = jax.lax.scan(
        lambda carry, at: (carry + one(at[0], at[1]), None),
        jnp.zeros(start.shape, start.dtype),
        jnp.asarray(pairs.T),
    )
    return total


def _gram(a: Float[Array, "N m n"], b: Float[Array, "N2 m2 n"]) -> Array:
    product = a.reshape(-1, a.shape[-1]) @ b.reshape(-1, b.shape[-1]).T
    return product.reshape(*a.shape[:2], *b.shape[:2])


def _formed(slopes: Slopes, layers: Mapping[int, Layer]) -> Float[Array, "R p"]:
    """Returns the rows of J by these layers and all that is no layer."""
    N, m = slopes.values.shape
    columns = [d.reshape(N * m, -1) for d in slopes.direct]
    for i, layer in layers.items():
        matrix = jnp.zeros((N, m, layer.height, layer.width), slopes.values.dtype)
        for p in _marked(slopes.layers[i]):
            matrix = matrix + jnp.einsum("nmsi,nmso->nmio", *_broadcast(p, m))
        columns.append(matrix.reshape(N * m, -1))
    return jnp.concatenate([jnp.zeros((N * m, 0), slopes.values.dtype), *columns], 1)


def _broadcast(p: Pair, m: int) -> tuple[Array, Array]:
    spread = lambda a: jnp.broadcast_to(a, (a.shape[0], m, *a.shape[2:]))
    return spread(p.left), spread(p.right)


def _is_structured(terms: Sequence[Sequence[Pair | None]]) -> bool:
    """Counts multiplications: of the products of Gram matrices, or by way of J."""
    marked = [_marked(term) for term in terms]
    pairs = [p for term in marked for p in term]
    if not pairs:
        return True
    height, width = pairs[0].left.shape[-1], pairs[0].right.shape[-1]
    lines = lambda a: a.shape[0] * a.shape[1] * a.shape[2]
    left = sum(lines(p.left) for p in pairs)
    right = sum(lines(p.right) for p in pairs)
    both = sum(max(lines(p.left), lines(p.right)) for p in pairs)
    R = sum(
        max(lines(p.left[:, :, :1]), lines(p.right[:, :, :1])) for p in _firsts(marked)
    )
    by_uses = left**2 * height + right**2 * width + PASS * both**2
    return by_uses < (R**2 + both) * height * width


def _firsts(terms: Sequence[Sequence[Pair]]) -> list[Pair]:
    return [term[0] for term in terms if term]
