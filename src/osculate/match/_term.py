"""Several parts looked at in one pass: the Sobolev objective as one Term."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, PyTree

from osculate import diff
from osculate.core import Term

from ._parts import Part


class Jet(eqx.Module):
    """Probe: the derivative tensors of the wanted orders at one point, by name."""

    orders: tuple[int, ...] = eqx.field(static=True)

    def __call__(
        self, model: PyTree[Any], x: Float[Array, " D"], y: PyTree[Any]
    ) -> dict[str, Float[Array, "M ..."]]:
        """Returns `{"value": (M,), "jacobian": (M, D), ...}` of the model at x."""
        wanted = [diff.tensor_name(order) for order in self.orders]
        if isinstance(y, Mapping) and (missing := [n for n in wanted if n not in y]):
            raise ValueError(
                f"`match.term`: no targets for the parts {missing}; got {sorted(y)}. "
                f"Pass Samples(x, {{{missing[0]!r}: ...}})."
            )
        tensors = diff.jet(diff.as_vector(model), max(self.orders))(x)
        return dict(zip(wanted, (tensors[order] for order in self.orders), strict=True))


def term(*parts: Part) -> Term:
    """Joins parts into one Term that computes all its derivatives in one pass.

    With `values()` and `jacobians()` this is the Sobolev objective of order 1: the sum
    over orders j of the mean over points of the loss of the full tensors (SPEC S0.2).
    Missing entries have weight 0 in the samples (SPEC S0.6).

    Args:
        *parts: `values()`, `jacobians()`, `hessians()`, `derivatives(order)`; each
            order once.

    Returns:
        A Term whose samples hold `y` and `weight` by part name.

    Raises:
        ValueError: If there is no part, or one order occurs twice.
    """
    orders = tuple(part.order for part in parts)
    if not parts or len(set(orders)) < len(orders):
        raise ValueError(
            f"`match.term`: got parts of the orders {list(orders)}; expected at least "
            "one part, and each order once."
        )
    return Term(
        Jet(orders),
        loss={diff.tensor_name(part.order): part.loss for part in parts},
        weight={diff.tensor_name(part.order): part.weight for part in parts},
    )
