"""Matrices in full: in chunks, and refused where they cannot fit."""

import math
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

CHUNK_ENTRIES = 2**20


PRODUCTS = (
    "Use products with an operator (`hessian`, `gauss_newton`, `jacobian`), or "
    "`restrict` it to a layer."
)


def refuse_large(
    owner: str, shape: tuple[int, ...], dtype: Any, instead: str = PRODUCTS
) -> None:
    """Refuses a matrix that is larger than the memory.

    Args:
        owner: Who asks.
        shape: Of the matrix.
        dtype: Of its entries.
        instead: What to do then.

    Raises:
        ValueError: If it cannot fit.
    """
    needed = math.prod(shape) * np.dtype(dtype).itemsize
    present = memory()
    if needed > present:
        raise ValueError(
            f"`{owner}`: a dense matrix of shape {shape} in {np.dtype(dtype).name} "
            f"needs {needed / 2**30:.4g} GiB; there are {present / 2**30:.4g} GiB of "
            f"memory. {instead}"
        )


def memory() -> int:
    """Returns the memory of the device that JAX computes on, in bytes."""
    known = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in known:
        return known["bytes_limit"]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def chunked(
    fn: Callable[..., Any],
    carry: PyTree[Array],
    rows: PyTree[Array],
    entries: int,
) -> tuple[PyTree[Array], PyTree[Array]]:
    """Scans over rows in chunks of bounded size.

    The last chunk is filled with copies of the last row, marked as not `present`.

    Args:
        fn: `(carry, chunk, present) -> (carry, result)`; `chunk` is rows with a shorter
            leading axis, `present` tells which of them count, `result` has the leading
            axis of the chunk, or is None.
        carry: What is handed from chunk to chunk.
        rows: Arrays with leading axis N, 1 or more.
        entries: How many numbers one row makes.

    Returns:
        The last carry, and the results of all rows.
    """
    count = len(jax.tree.leaves(rows)[0])
    number = -(-count // max(1, CHUNK_ENTRIES // max(entries, 1)))
    size = -(-count // number)
    if number == 1:
        return fn(carry, rows, jnp.ones(count, bool))
    index = jnp.minimum(jnp.arange(number * size), count - 1).reshape(number, size)
    present = (jnp.arange(number * size) < count).reshape(number, size)

    def step(carry: Any, at: Any) -> Any:
        index, present = at
        return fn(carry, jax.tree.map(lambda a: a[index], rows), present)

    carry, found = jax.lax.scan(step, carry, (index, present))
    join = lambda a: a.reshape(number * size, *a.shape[2:])[:count]
    return carry, jax.tree.map(join, found)
