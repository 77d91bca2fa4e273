"""Many derivatives of a function in one pass, each in an array of its own.

The function is traced once. Its equations are then run on bundles: the value and every
derivative that the request needs, each an array of the value's shape. Arrays of their
own, not stacked ones, are what XLA fuses well (`benchmarks/diff`).
"""

from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from . import _flow as _flow, _rules as _rules
from ._interpret import Trace
from ._keys import Key
from ._space import Bundle, Space
from ._types import Field

Streams = dict[Key, Any]
Directions = Float[Array, "n D"]


def streams(
    u: Field, wanted: Collection[Key], directions: Directions | None = None
) -> Callable[[Float[Array, " D"]], Streams]:
    """Returns x -> the value and the wanted derivatives of u.

    Args:
        u: `(D,) -> (...)`, any pytree of arrays.
        wanted: Keys of the derivatives, see `_keys`.
        directions: Along which to differentiate, `(n, D)`; by default the coordinates.

    Returns:
        A function of one point to what u returns, by key; `()` is u itself.
    """

    def at(x: Float[Array, " D"]) -> Streams:
        found, _ = traced(u, x, wanted, directions)
        return found

    return at


def traced(
    u: Field,
    x: Float[Array, " D"],
    wanted: Collection[Key],
    directions: Directions | None,
) -> tuple[Streams, Trace]:
    """Returns the wanted derivatives at x, and what the run met on its way."""
    x = jnp.asarray(x)
    _refuse(x, directions)
    seeds = jnp.eye(x.size, dtype=x.dtype)
    if directions is not None:
        seeds = jnp.asarray(directions, x.dtype)
    count = len(seeds)
    space = Space(wanted, count)
    closed, shape = jax.make_jaxpr(u, return_shape=True)(x)
    first: Bundle = {(): x}
    first |= {(i,): seeds[i] for i in range(count) if (i,) in space.keys}
    trace = Trace(space)
    outs = trace.run(closed.jaxpr, closed.consts, [first])
    leaves, tree = jax.tree.flatten(shape)
    of = lambda key: [
        _dense(space.get(out, key), leaf)
        for out, leaf in zip(outs, leaves, strict=True)
    ]
    return {key: jax.tree.unflatten(tree, of(key)) for key in [(), *wanted]}, trace


def _refuse(x: Array, directions: Array | None) -> None:
    """Checks that x is a point, and that directions have its coordinates."""
    if x.ndim != 1 or not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f"`diff`: a point of shape {x.shape} and type {x.dtype}; expected real "
            "numbers of shape (D,). Use jax.vmap for many points."
        )
    if directions is not None and jnp.shape(directions)[1:] != x.shape:
        raise ValueError(
            f"`diff`: a direction of shape {jnp.shape(directions)[1:]} at a point of "
            f"shape {x.shape}; expected the same."
        )


def _dense(stream: Array | None, like: Any) -> Array:
    return jnp.zeros(like.shape, like.dtype) if stream is None else stream
