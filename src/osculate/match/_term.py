"""Several parts looked at in one pass: the Sobolev objective as one Term."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
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
        tensors = diff.jet(diff.as_vector(model), max(self.orders))(x)
        found = dict(
            zip(wanted, (tensors[order] for order in self.orders), strict=True)
        )
        _check_targets(found, y)
        return found


def _check_targets(found: dict[str, Float[Array, "M ..."]], y: PyTree[Any]) -> None:
    """Checks that every tensor has a target of its shape: none may broadcast."""
    if not isinstance(y, Mapping):
        raise ValueError(
            f"`match.term`: the targets are {type(y).__name__}; expected a dictionary "
            f"by part. Pass Samples(x, {{{next(iter(found))!r}: ...}})."
        )
    if missing := [name for name in found if name not in y]:
        raise ValueError(
            f"`match.term`: no targets for the parts {missing}; got {sorted(y)}. "
            f"Pass Samples(x, {{{missing[0]!r}: ...}})."
        )
    for name, z in found.items():
        if jnp.shape(y[name]) != z.shape:
            raise ValueError(
                f"`match.term`: targets for {name!r} have the shape "
                f"{jnp.shape(y[name])} at a point, the model's are {z.shape}. "
                f"Pass an array of shape (N, {', '.join(map(str, z.shape))})."
            )


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
