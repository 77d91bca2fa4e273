"""A traced function, run on bundles: every equation carries all streams at once."""

import warnings
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import jax.numpy as jnp
from jax.extend import core

from ._space import Bundle, Space

FLAT = {
    "and",
    "argmax",
    "argmin",
    "ceil",
    "clz",
    "eq",
    "floor",
    "ge",
    "gt",
    "iota",
    "is_finite",
    "le",
    "lt",
    "ne",
    "nextafter",
    "not",
    "or",
    "population_count",
    "reduce_and",
    "reduce_or",
    "reduce_xor",
    "round",
    "shift_left",
    "shift_right_arithmetic",
    "shift_right_logical",
    "sign",
    "stop_gradient",
    "xor",
}
"""Primitives whose derivatives are 0 wherever they exist."""

KINKED = {"ceil", "floor", "max", "min", "relu", "round", "sign"}


class KinkWarning(UserWarning):
    """A derivative of second or higher order of a function that has a kink."""


KINKS: ContextVar[list[str] | None] = ContextVar("kinks", default=None)
"""Who collects warnings of kinks in place of giving them."""


def warn_of_kink(message: str, stacklevel: int) -> None:
    """Warns, or tells who collects.

    Args:
        message: What is warned of.
        stacklevel: How many calls above this one the warning belongs to.
    """
    kept = KINKS.get()
    if kept is None:
        warnings.warn(message, KinkWarning, stacklevel=stacklevel + 1)
    else:
        kept.append(message)


class Trace:
    """What one run meets.

    Attributes:
        space: The streams that travel.
        fallbacks: How often a primitive without a rule was met, by name.
        kinks: Names of functions with a kink that moving values went through.
    """

    def __init__(self, space: Space):
        """Begins.

        Args:
            space: The streams that travel.
        """
        self.space = space
        self.fallbacks: dict[str, int] = {}
        self.kinks: set[str] = set()

    def run(
        self, jaxpr: Any, consts: Sequence[Any], args: Sequence[Bundle]
    ) -> list[Bundle]:
        """Runs a jaxpr.

        Args:
            jaxpr: The jaxpr.
            consts: Values of its constants.
            args: Bundles of its arguments.

        Returns:
            Bundles of its results.
        """
        known: dict[Any, Bundle] = dict(zip(jaxpr.invars, args, strict=True))
        known |= {v: {(): c} for v, c in zip(jaxpr.constvars, consts, strict=True)}
        live = _live(jaxpr)
        for eqn in jaxpr.eqns:
            bundles = [_read(known, v) for v in eqn.invars]
            if live.isdisjoint(eqn.outvars):
                bundles = [{(): b[()]} for b in bundles]
            with eqn.ctx.manager:
                outs = self._equation(eqn, bundles)
            known.update(zip(eqn.outvars, outs, strict=True))
        return [_read(known, v) for v in jaxpr.outvars]

    def note_kink(self, name: str) -> None:
        """Remembers a function with a kink, and warns where that matters."""
        if name in self.kinks or self.space.order < 2:
            return
        self.kinks.add(name)
        warn_of_kink(
            f"`diff`: {name!r} has a kink: its second derivative is taken as 0, which "
            "it is everywhere else. Use a smooth function where that is not meant.",
            stacklevel=2,
        )

    def _equation(self, eqn: Any, bundles: list[Bundle]) -> list[Bundle]:
        name = eqn.primitive.name
        moving = any(len(b) > 1 for b in bundles)
        if not moving or name in FLAT:
            if moving and name in KINKED:
                self.note_kink(name)
            return [{(): out} for out in bind(eqn, *(b[()] for b in bundles))]
        if name in KINKED:
            self.note_kink(name)
        rule = _RULES.get(name)
        outs = None if rule is None else rule(self, eqn, bundles)
        if outs is None:
            self.fallbacks[name] = self.fallbacks.get(name, 0) + 1
            outs = self.space.fall_back(lambda *args: bind(eqn, *args), bundles)
        return outs


def bind(eqn: Any, *args: Any) -> list[Any]:
    """Applies the primitive of an equation to other arguments."""
    params = eqn.primitive.get_bind_params(eqn.params)
    out = eqn.primitive.bind(*args, **params)
    return list(out) if eqn.primitive.multiple_results else [out]


def rule(*names: str):
    """Registers the rule of these primitives.

    A rule is `(trace, eqn, bundles) -> bundles`, or None where it does not apply.
    """

    def register(function):
        _RULES.update(dict.fromkeys(names, function))
        return function

    return register


_RULES: dict[str, Any] = {}


def _read(known: dict[Any, Bundle], variable: Any) -> Bundle:
    if isinstance(variable, core.Literal):
        aval: Any = variable.aval
        return {(): jnp.asarray(variable.val, aval.dtype)}
    return known[variable]


def _live(jaxpr: Any) -> set[Any]:
    """Returns the variables whose derivatives reach a result."""
    live = {v for v in jaxpr.outvars if not isinstance(v, core.Literal)}
    for eqn in reversed(jaxpr.eqns):
        if eqn.primitive.name not in FLAT and not live.isdisjoint(eqn.outvars):
            live.update(v for v in eqn.invars if not isinstance(v, core.Literal))
    return live
