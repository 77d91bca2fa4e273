"""The cheapest of several ways to the same derivatives, by the operations they take."""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, NamedTuple

import jax
from jax.extend import core
from jaxtyping import Array, Float

from ._collect import collected
from ._count import cost_of
from ._interpret import KINKS, warn_of_kink
from ._keys import Key
from ._types import Field

# A way that comes later must be worth the change: a count is not yet a time.
MARGIN = 0.9


class Note(NamedTuple):
    """What one pass was.

    Attributes:
        mode: How it went.
        keys: The derivatives that travelled.
        fallbacks: How often a primitive without a rule was met, by name.
        kinks: Names of functions with a kink on the way.
        merged: Whether its directions are others than the coordinates.
    """

    mode: str
    keys: Collection[Key]
    fallbacks: Mapping[str, int]
    kinks: Collection[str]
    merged: bool


_notes: ContextVar[list[Note] | None] = ContextVar("notes", default=None)


def note(
    mode: str,
    keys: Collection[Key],
    fallbacks: Mapping[str, int] | None = None,
    kinks: Collection[str] = (),
    *,
    merged: bool = False,
) -> None:
    """Tells who listens what a pass is."""
    listener = _notes.get()
    if listener is not None:
        found = Note(mode, tuple(keys), dict(fallbacks or {}), tuple(kinks), merged)
        listener.append(found)


def noted() -> AbstractContextManager[list[Note]]:
    """Collects the notes of every pass that is traced inside."""
    return collected(_notes)


class _Traced(NamedTuple):
    program: Any
    tree: Any
    flops: int
    notes: list[Note]
    warned: list[str]


def cheapest(ways: Mapping[str, Field], x: Float[Array, " D"]) -> Any:
    """Returns the result of the way that takes the fewest FLOPs.

    Args:
        ways: Functions of one point to the same result, the preferred one first.
        x: The point.

    Returns:
        The result at x. Ways that cannot be traced, as reverse mode through a `while`
        loop, are left out; where none can, the first one is called and tells why.
    """
    traced = {}
    for mode, way in ways.items() if len(ways) > 1 else ():
        try:
            traced[mode] = _trace(way, x)
        except (NotImplementedError, TypeError, ValueError):
            continue
    if not traced:
        return next(iter(ways.values()))(x)
    best = next(iter(traced.values()))
    for found in traced.values():
        if found.flops < MARGIN * best.flops:
            best = found
    _tell(best, traced.values())
    leaves = core.jaxpr_as_fun(best.program)(x)
    return jax.tree.unflatten(best.tree, leaves)


def _tell(chosen: _Traced, ways: Collection[_Traced]) -> None:
    """Passes on what was met: a kink belongs to the function, whatever the way."""
    kinks = {kink for way in ways for found in way.notes for kink in found.kinks}
    if (listener := _notes.get()) is not None:
        listener.extend(found._replace(kinks=tuple(kinks)) for found in chosen.notes)
    for message in dict.fromkeys(w for way in ways for w in way.warned):
        warn_of_kink(message, stacklevel=4)


def _trace(way: Field, x: Float[Array, " D"]) -> _Traced:
    with noted() as notes, collected(KINKS) as warned:
        program, shape = jax.make_jaxpr(way, return_shape=True)(x)
    tree = jax.tree.structure(shape)
    flops = cost_of(program.jaxpr, program.jaxpr.invars).flops
    return _Traced(program, tree, flops, notes, warned)
