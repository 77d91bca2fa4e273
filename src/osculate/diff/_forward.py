"""Many derivatives of a function in one pass, each in an array of its own.

The function is traced once. Its equations are then run on bundles: the value and every
derivative that the request needs, each an array of the value's shape. Arrays of their
own, not stacked ones, are what XLA fuses well (`benchmarks/operators.py`).
"""

from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from . import _flow as _flow, _rules as _rules
from ._choose import note
from ._interpret import Trace
from ._keys import Key
from ._space import Bundle, Space
from ._types import Directions, Field, Streams


def forward(
    u: Field,
    x: Float[Array, " D"],
    wanted: Collection[Key],
    directions: Directions,
    summed: tuple[int, ...],
    *,
    mode: str = "",
    axis: str | None = None,
) -> Streams:
    """Returns the value and the wanted derivatives of u at x.

    Args:
        u: `(D,) -> (...)`, any pytree of arrays.
        x: The point.
        wanted: Keys of the derivatives, see `_keys`.
        directions: Along which to differentiate.
        summed: Directions over which `LAPLACE` sums.
        mode: What is to be told of merged directions.
        axis: A mapped axis with other directions, over which `LAPLACE` sums too.

    Returns:
        What u returns, by key; `()` is u itself.
    """
    space = Space(wanted, summed, axis)
    closed, shape = jax.make_jaxpr(u, return_shape=True)(x)
    first: Bundle = {(): x}
    first |= {(i,): v for i, v in enumerate(directions) if (i,) in space.keys}
    trace = Trace(space)
    outs = trace.run(closed.jaxpr, closed.consts, [first])
    known = trace.fallbacks, trace.kinks
    note(f"forward{mode}", [(), *space.keys], *known, merged=bool(mode))
    leaves, tree = jax.tree.flatten(shape)
    of = lambda key: [
        _dense(space.get(out, key), leaf)
        for out, leaf in zip(outs, leaves, strict=True)
    ]
    return {key: jax.tree.unflatten(tree, of(key)) for key in [(), *wanted]}


def _dense(stream: Array | None, like: Any) -> Array:
    return jnp.zeros(like.shape, like.dtype) if stream is None else stream
