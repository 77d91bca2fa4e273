"""What a request for derivatives takes, before anything is computed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core
from jaxtyping import Array, Float

from ._count import Cost, cost, cost_of
from ._interpret import Trace
from ._keys import LAPLACE, Key
from ._notation import names, read
from ._streams import traced
from ._types import Field

OPERATORS: dict[str, Key] = {"laplacian": (LAPLACE,), "biharmonic": (LAPLACE, LAPLACE)}


class Plan(NamedTuple):
    """How derivatives are computed.

    Attributes:
        streams: Names of what travels through the function together.
        forward: Cost of the function itself, at one point.
        derivative: Cost of the value and the derivatives, at one point.
        bytes: Most memory alive at once at one point, without fusion.
        fallbacks: How often nested differentiation stood in, by primitive.
        kinks: Functions on the way whose second derivative was taken as 0.
    """

    streams: tuple[str, ...]
    forward: Cost
    derivative: Cost
    bytes: int
    fallbacks: dict[str, int]
    kinks: tuple[str, ...]

    def __str__(self) -> str:
        """Tells it in a few lines."""
        products = self.derivative.products / max(self.forward.products, 1)
        fallbacks = ", ".join(f"{n} x {name}" for name, n in self.fallbacks.items())
        return "\n".join(
            [
                f"streams    {len(self.streams)}: {', '.join(self.streams)}",
                f"forward    {self.forward.flops:,} FLOPs at a point, "
                f"{self.forward.products:,} products",
                f"plan       {self.derivative.flops:,} FLOPs, {products:.2f} times the "
                "products of the forward pass",
                f"memory     {self.bytes:,} bytes at a point",
                f"fallbacks  {fallbacks or 'none'}",
                f"kinks      {', '.join(self.kinks) or 'none'}",
            ]
        )


def explain(
    u: Field,
    wanted: str | Sequence[str],
    over: str | Sequence[str],
    *,
    dtype: Any = float,
    fields: str | Sequence[str] = "u",
) -> Plan:
    """Returns how a set of derivatives would be computed; print it.

    Args:
        u: A function of one point.
        wanted: Names as for `partials`, `laplacian` or `biharmonic`.
        over: The coordinates, in their order.
        dtype: Of the point.
        fields: The fields, for names.

    Returns:
        The plan.

    Raises:
        ValueError: If a name has no reading.

    Example:
        >>> print(explain(lambda x: jnp.sin(x[0]) * x[1], "u_x u_xx", "x y").streams)
        ('u', 'u_x', 'u_xx')
    """
    over = names(over)
    keys = [
        OPERATORS.get(name) or read(name, fields=names(fields), over=over).key
        for name in names(wanted)
    ]
    x = jax.ShapeDtypeStruct((len(over),), jnp.result_type(dtype))
    met: list[Trace] = []

    def derivatives(x: Float[Array, " D"]) -> list[Any]:
        found, trace = traced(u, x, keys, None)
        met.append(trace)
        return list(found.values())

    jaxpr = jax.make_jaxpr(derivatives)(x).jaxpr
    trace = met[0]
    return Plan(
        streams=tuple(_title(key, over) for key in ((), *trace.space.keys)),
        forward=cost(u, x),
        derivative=cost_of(jaxpr),
        bytes=_alive(jaxpr),
        fallbacks=trace.fallbacks,
        kinks=tuple(sorted(trace.kinks)),
    )


def _title(key: Key, over: Sequence[str]) -> str:
    """Returns `u`, `u_xx`, `Δu`, `Δu_x`."""
    head = "Δ" * key.count(LAPLACE) + "u"
    below = [over[i] for i in key if i != LAPLACE]
    joint = "" if all(len(name) == 1 for name in over) else "_"
    return f"{head}_{joint.join(below)}" if below else head


def _alive(jaxpr: Any) -> int:
    """Returns the largest sum of the sizes of the variables that are still needed."""
    last = {v: at for at, eqn in enumerate(jaxpr.eqns) for v in _variables(eqn.invars)}
    last |= dict.fromkeys(_variables(jaxpr.outvars), len(jaxpr.eqns))
    alive, most = {}, 0
    for at, eqn in enumerate(jaxpr.eqns):
        sizes = {v: v.aval.size * v.aval.dtype.itemsize for v in eqn.outvars}
        alive |= {v: size for v, size in sizes.items() if v in last}
        most = max(most, sum(alive.values()))
        alive = {v: size for v, size in alive.items() if last[v] > at}
    return most


def _variables(ends: Sequence[Any]) -> list[Any]:
    return [v for v in ends if not isinstance(v, core.Literal)]
