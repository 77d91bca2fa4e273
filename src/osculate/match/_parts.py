"""Parts of a Term: the tensor of one order of derivative, and its loss."""

from typing import Any

import equinox as eqx
from jaxtyping import PyTree

from osculate.chance import Gaussian


class Part(eqx.Module):
    """The derivative tensor of one order, and how its disagreement is scored.

    Attributes:
        order: Order of derivative: 0 values, 1 Jacobian, 2 Hessian, ...
        loss: `(z, y, w) -> scalar` on the tensor.
        weight: Factor in the objective.
    """

    order: int = eqx.field(static=True)
    loss: PyTree[Any] = Gaussian()
    weight: PyTree[Any] = 1.0


def values(loss: PyTree[Any] = Gaussian(), weight: PyTree[Any] = 1.0) -> Part:
    """Asks for `u(x) = y["value"]`, `(M,)`."""
    return Part(0, loss, weight)


def jacobians(loss: PyTree[Any] = Gaussian(), weight: PyTree[Any] = 1.0) -> Part:
    """Asks for `D u(x) = y["jacobian"]`, `(M, D)`."""
    return Part(1, loss, weight)


def hessians(loss: PyTree[Any] = Gaussian(), weight: PyTree[Any] = 1.0) -> Part:
    """Asks for `D^2 u(x) = y["hessian"]`, `(M, D, D)`."""
    return Part(2, loss, weight)


def derivatives(
    order: int, loss: PyTree[Any] = Gaussian(), weight: PyTree[Any] = 1.0
) -> Part:
    """Asks for the full tensor of derivatives of any order.

    Args:
        order: j, 0 or more; the target is called `value`, `jacobian`, `hessian`, then
            `derivative3`, ...
        loss: Loss on the tensor `(M, D, ..., D)`.
        weight: Factor in the objective.

    Returns:
        A part, for `term`.

    Raises:
        ValueError: If the order is negative.
    """
    if order < 0:
        raise ValueError(f"`derivatives`: order is {order}; expected 0 or more.")
    return Part(order, loss, weight)
