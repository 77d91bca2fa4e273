"""What a function costs: its operations, counted in its trace."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

import jax
from jax.extend import core
from jaxtyping import PyTree

from osculate.core import trainable

from ._interpret import FLAT

FREE = FLAT | {
    "broadcast_in_dim",
    "concatenate",
    "convert_element_type",
    "copy",
    "copy_p",
    "dynamic_slice",
    "expand_dims",
    "gather",
    "optimization_barrier",
    "pad",
    "reshape",
    "rev",
    "select_n",
    "slice",
    "squeeze",
    "transpose",
}


class Cost(NamedTuple):
    """Operations of a function.

    Attributes:
        products: Multiplications inside matrix products and convolutions; each is
            followed by an addition, so that they are twice as many FLOPs.
        elementwise: Other operations, one per entry.
        calls: How often each primitive is applied, loops unrolled.
    """

    products: int
    elementwise: int
    calls: dict[str, int]

    @property
    def flops(self) -> int:
        """Floating-point operations."""
        return 2 * self.products + self.elementwise


def cost(f: Callable[..., Any], *args: Any) -> Cost:
    """Counts the operations of f at arguments of these shapes; nothing is computed.

    A `while` loop, whose length is not known, counts once; of a `cond`, its dearest
    branch.

    Args:
        f: Any function of JAX.
        *args: Its arguments, or `jax.ShapeDtypeStruct`s of them.

    Returns:
        The count.

    Example:
        >>> cost(lambda W, x: W @ x, jnp.ones((5, 3)), jnp.ones(3)).products
        15
    """
    return cost_of(jax.make_jaxpr(f)(*args).jaxpr)


def count_parameters(model: PyTree[Any]) -> int:
    """Counts the trained numbers of a model.

    Args:
        model: Any pytree; `Fixed` arrays do not count.

    Returns:
        How many.

    Example:
        >>> count_parameters({"W": jnp.ones((2, 3)), "b": jnp.ones(2)})
        8
    """
    theta, _ = trainable(model)
    return sum(leaf.size for leaf in jax.tree.leaves(theta))


def cost_of(jaxpr: Any, moving: Collection[Any] | None = None) -> Cost:
    """Returns the cost of a trace, without the equations that nothing needs.

    Args:
        jaxpr: The trace.
        moving: Arguments: what does not depend on them is left out.

    Returns:
        The count.
    """
    equations = jaxpr.eqns if moving is None else depending(jaxpr, moving)
    needed = set(variables(jaxpr.outvars))
    costs = []
    for eqn in reversed(equations):
        if not needed.isdisjoint(eqn.outvars):
            needed.update(variables(eqn.invars))
            costs.append(_equation(eqn))
    return _sum(costs)


def depending(jaxpr: Any, moving: Collection[Any]) -> list[Any]:
    """Returns the equations that depend on these variables.

    Args:
        jaxpr: A trace.
        moving: Arguments of it.

    Returns:
        The equations, in their order.
    """
    known, found = set(moving), []
    for eqn in jaxpr.eqns:
        if not known.isdisjoint(variables(eqn.invars)):
            known.update(eqn.outvars)
            found.append(eqn)
    return found


def variables(ends: Iterable[Any]) -> list[Any]:
    """Returns those of the operands or results that are not written as numbers."""
    return [v for v in ends if not isinstance(v, core.Literal)]


def _equation(eqn: Any) -> Cost:
    name = eqn.primitive.name
    inner = [cost_of(jaxpr) for jaxpr in _programs(eqn)]
    if name == "cond":
        return max(inner, key=lambda cost: cost.flops)
    if inner:
        return _times(_sum(inner), eqn.params.get("length", 1))
    size = max((math.prod(v.aval.shape) for v in eqn.outvars), default=0)
    calls = {name: 1}
    if name == "dot_general":
        (contracted, _), _ = eqn.params["dimension_numbers"]
        lengths = eqn.invars[0].aval.shape
        return Cost(size * math.prod(lengths[d] for d in contracted), 0, calls)
    if name == "conv_general_dilated":
        kernel = eqn.invars[1].aval.shape
        features = kernel[eqn.params["dimension_numbers"].rhs_spec[0]]
        return Cost(size * math.prod(kernel) // features, 0, calls)
    if name.startswith("reduce_"):
        size = max(math.prod(v.aval.shape) for v in eqn.invars)
    return Cost(0, 0 if name in FREE else size, calls)


def _programs(eqn: Any) -> list[Any]:
    """Returns the jaxprs that an equation holds; a custom rule's own is not run."""
    found = []
    for value in eqn.params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            inner = getattr(part, "jaxpr", part)
            if hasattr(inner, "eqns"):
                found.append(inner)
    return found


def _sum(costs: list[Cost]) -> Cost:
    calls: Counter[str] = Counter()
    for found in costs:
        calls.update(found.calls)
    products = sum(found.products for found in costs)
    return Cost(products, sum(found.elementwise for found in costs), dict(calls))


def _times(a: Cost, n: int) -> Cost:
    calls = {name: n * count for name, count in a.calls.items()}
    return Cost(n * a.products, n * a.elementwise, calls)
