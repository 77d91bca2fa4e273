"""Any set of derivatives of a function, in the way that takes the fewest operations."""

from collections.abc import Callable, Collection

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._adjoint import adjoint, has_adjoint
from ._choose import cheapest
from ._forward import forward
from ._keys import LAPLACE, Key
from ._narrow import narrowed
from ._types import Directions, Field, Streams

# Derivatives up to which each has an array of its own: more of them make compilation,
# not the run, what a user waits for.
MOST_STREAMS = 20
# Directions in an array when there are more: fewer are slower, more compile longer.
GROUP = 4
# Directions from which on a look at the first layer is worth its time.
MANY = 5


def streams(
    u: Field,
    wanted: Collection[Key],
    directions: Directions | None = None,
    *,
    summed: Collection[int] | None = None,
) -> Callable[[Float[Array, " D"]], Streams]:
    """Returns x -> the value and the wanted derivatives of u.

    Args:
        u: `(D,) -> (...)`, any pytree of arrays.
        wanted: Keys of the derivatives, see `_keys`.
        directions: Along which to differentiate, `(n, D)`; by default the coordinates.
        summed: Directions over which `LAPLACE` sums; by default all.

    Returns:
        A function of one point to what u returns, by key; `()` is u itself.
    """

    def at(x: Float[Array, " D"]) -> Streams:
        x = jnp.asarray(x)
        _refuse(x, directions)
        seeds = jnp.eye(x.size) if directions is None else directions
        seeds = jnp.asarray(seeds, x.dtype)
        over = tuple(range(len(seeds)) if summed is None else summed)
        if any(wanted) and all(set(key) <= {LAPLACE} for key in wanted):
            return _sums(u, x, wanted, seeds[np.array(over, int)])
        along = lambda y: forward(u, y, wanted, seeds, over)
        ways = {"forward": along}
        if directions is None and has_adjoint(u, x, wanted):
            ways["reverse"] = lambda y: adjoint(u, y, wanted)
        return cheapest(ways, x)

    return at


def first_derivatives(f: Field, x: Float[Array, " D"]) -> Streams:
    """Returns the value of f and all its first derivatives, however many they are."""
    if x.size <= MOST_STREAMS:
        return streams(f, [(i,) for i in range(x.size)])(x)
    J, value = jax.jacfwd(lambda y: (f(y),) * 2, has_aux=True)(x)
    return {(): value} | {(i,): J[..., i] for i in range(x.size)}


def _sums(
    u: Field, x: Float[Array, " D"], wanted: Collection[Key], seeds: Directions
) -> Streams:
    """Sums of derivatives only: any other directions that span the same will do."""
    mode, count = "", len(seeds)
    if count >= MANY and (narrow := narrowed(u, x, seeds)):
        u, x, seeds = narrow
        mode = f", {len(seeds)} directions for {count}"
    if len(seeds) <= MOST_STREAMS or set(wanted) - {(), (LAPLACE,)}:
        every = tuple(range(len(seeds)))
        return forward(u, x, wanted, seeds, every, mode=mode)
    return _grouped(u, x, wanted, seeds, mode)


def _grouped(
    u: Field,
    x: Float[Array, " D"],
    wanted: Collection[Key],
    seeds: Directions,
    mode: str,
) -> Streams:
    """Groups of directions on a mapped axis, which share the value and the sum."""
    groups = -(-len(seeds) // GROUP)
    padded = jnp.pad(seeds, ((0, groups * GROUP - len(seeds)), (0, 0)))
    every, axis = tuple(range(GROUP)), "osculate.diff.directions"
    options = {"mode": f"{mode}, in {groups} groups of {GROUP}", "axis": axis}
    one = lambda group: forward(u, x, wanted, group, every, **options)
    mapped = jax.vmap(one, axis_name=axis, out_axes=None)
    return mapped(padded.reshape(groups, GROUP, -1))


def _refuse(x: Array, directions: Array | None) -> None:
    """Checks that x is a point, and that directions have its coordinates."""
    if x.ndim != 1 or not x.size or not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f"`diff`: a point of shape {x.shape} and type {x.dtype}; expected real "
            "numbers of shape (D,). Use jax.vmap for many points."
        )
    if directions is not None and jnp.shape(directions)[1:] != x.shape:
        raise ValueError(
            f"`diff`: a direction of shape {jnp.shape(directions)[1:]} at a point of "
            f"shape {x.shape}; expected the same."
        )
