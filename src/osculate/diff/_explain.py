"""What a request for derivatives takes, before anything is computed."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ._choose import Note, noted
from ._count import Cost, cost, cost_of, depending, variables
from ._keys import LAPLACE, Key
from ._notation import names, partial_name
from ._partials import partials
from ._types import Field


class Plan(NamedTuple):
    """How derivatives are computed.

    Attributes:
        mode: `forward`, `reverse` or `forward over reverse`.
        streams: Names of what travels through the function together.
        forward: Cost of the function itself, at one point.
        derivative: Cost of the value and the derivatives, at one point; what does not
            depend on the point is shared by all and left out.
        bytes: Most memory alive at once at one point, without fusion.
        fallbacks: How often nested differentiation stood in, by primitive.
        kinks: Functions on the way whose second derivative was taken as 0.
    """

    mode: str
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
                f"mode       {self.mode}",
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
    time: str | Sequence[str] = (),
) -> Plan:
    """Returns how a set of derivatives would be computed; print it.

    Args:
        u: A function of one point.
        wanted: Names as for `partials`.
        over: The coordinates, in their order.
        dtype: Of the point.
        fields: The names of the fields.
        time: The coordinates that are not space.

    Returns:
        The plan.

    Raises:
        ValueError: If a name has no reading.

    Example:
        >>> print(explain(lambda x: jnp.sin(x[0]) * x[1], "u_x u_xx", "x y").streams)
        ('u', 'u_x', 'u_xx')
    """
    x = jax.ShapeDtypeStruct((len(names(over)),), jnp.result_type(dtype))
    derivatives = partials(u, wanted, over, fields=fields, time=time)
    with noted() as notes:
        jaxpr = jax.make_jaxpr(derivatives)(x).jaxpr
    # Where u differentiates something itself, its notes come first.
    *_, plan = notes
    fallbacks = sum((Counter(each.fallbacks) for each in notes), Counter[str]())
    return Plan(
        mode=plan.mode,
        streams=tuple(_title(key, _labels(plan, over)) for key in plan.keys),
        forward=cost(u, x),
        derivative=cost_of(jaxpr, jaxpr.invars),
        bytes=_alive(jaxpr),
        fallbacks=dict(fallbacks),
        kinks=tuple(sorted({kink for each in notes for kink in each.kinks})),
    )


def _labels(plan: Note, over: Any) -> list[str]:
    """Returns the names of the directions: of coordinates, or numbers where merged."""
    directions = sorted({i for key in plan.keys for i in key if i != LAPLACE})
    return [str(i) for i in directions] if plan.merged else list(names(over))


def _title(key: Key, labels: Sequence[str]) -> str:
    """Returns `u`, `u_xx`, `Δu`, `Δu_x`."""
    below = [labels[i] for i in key if i != LAPLACE]
    return "Δ" * key.count(LAPLACE) + partial_name("u", below, over=labels)


def _alive(jaxpr: Any) -> int:
    """Returns the largest sum of the sizes of what is still needed, of one point."""
    equations = depending(jaxpr, jaxpr.invars)
    last = {v: at for at, eqn in enumerate(equations) for v in variables(eqn.invars)}
    last |= dict.fromkeys(variables(jaxpr.outvars), len(equations))
    alive, most = {}, 0
    for at, eqn in enumerate(equations):
        sizes = {v: v.aval.size * v.aval.dtype.itemsize for v in eqn.outvars}
        alive |= {v: size for v, size in sizes.items() if v in last}
        most = max(most, sum(alive.values()))
        alive = {v: size for v, size in alive.items() if last[v] > at}
    return most
