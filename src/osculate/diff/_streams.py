"""Many partial derivatives from one pass, each in an array of its own.

A partial derivative is named by its coordinates in ascending order: `(0, 1, 1)` is
d^3/dx0 dx1^2. The set asked for is closed downwards: every prefix is computed on the
way and shared. Each order is one linearization of all that lies below it. Arrays of
their own take 0.69 of the time of stacked ones in a training step with second
derivatives, and 0.94, hardly outside the noise, with first ones
(`benchmarks/jet_layout.py`).
"""

import itertools
from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._types import Field

Key = tuple[int, ...]
Streams = dict[Key, Any]


def all_keys(size: int, order: int) -> list[Key]:
    """Returns every partial derivative of one order, coordinates ascending."""
    return list(itertools.combinations_with_replacement(range(size), order))


def streams(
    u: Field, wanted: Collection[Key]
) -> Callable[[Float[Array, " D"]], Streams]:
    """Returns x -> the wanted partial derivatives of u, and their prefixes.

    Args:
        u: `(D,) -> (...)`, an array or a dictionary of arrays.
        wanted: Keys of the derivatives, coordinates ascending.

    Returns:
        A function of one point to what u returns, by key; `()` is u itself.
    """
    levels: dict[int, set[Key]] = {}
    for key in wanted:
        for length in range(1, len(key) + 1):
            levels.setdefault(length, set()).add(key[:length])
    ask = lambda x: {(): u(x)}
    for length in sorted(levels):
        ask = _extended(ask, sorted(levels[length]))
    return ask


def _extended(lower: Callable[..., Streams], keys: list[Key]) -> Callable[..., Streams]:
    """Adds one order: derivatives of what is known along the last coordinate."""

    def at(x: Float[Array, " D"]) -> Streams:
        known, push = jax.linearize(lower, x)
        along = {}
        for axis in sorted({key[-1] for key in keys}):
            along[axis] = push(jnp.zeros_like(x).at[axis].set(1))
        return known | {key: along[key[-1]][key[:-1]] for key in keys}

    return at
