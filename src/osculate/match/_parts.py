"""Parts of a Term: what is looked at, and how its disagreement is scored."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import PyTree

from osculate import diff
from osculate.chance import CategoricalLoss, Gaussian

from ._looks import CLASS, COVECTORS, DIRECTIONS, Look
from ._losses import Softened

CROSS_ENTROPY = CategoricalLoss()


class Part(eqx.Module):
    """One quantity of a model, and the loss of its disagreement.

    Attributes:
        look: What is looked at.
        loss: `(z, y, w) -> scalar` on the quantity.
        weight: Factor in the objective.
    """

    look: Look
    loss: PyTree[Any] = Gaussian()
    weight: PyTree[Any] = 1.0

    @property
    def name(self) -> str:
        """Name of the quantity, and of its target."""
        return self.look.name

    @property
    def order(self) -> int:
        """Order of derivative."""
        return self.look.order


def values(loss: PyTree[Any] = Gaussian(), weight: PyTree[Any] = 1.0) -> Part:
    """Asks for `u(x) = y["value"]`, `(M,)`."""
    return derivatives(0, loss, weight)


def jacobians(loss: PyTree[Any] = Gaussian(), weight: PyTree[Any] = 1.0) -> Part:
    """Asks for `D u(x) = y["jacobian"]`, `(M, D)`."""
    return derivatives(1, loss, weight)


def hessians(loss: PyTree[Any] = Gaussian(), weight: PyTree[Any] = 1.0) -> Part:
    """Asks for `D^2 u(x) = y["hessian"]`, `(M, D, D)`."""
    return derivatives(2, loss, weight)


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
    return Part(Look(diff.tensor_name(order), order), loss, weight)


def directional(loss: PyTree[Any] = Gaussian(), weight: PyTree[Any] = 1.0) -> Part:
    """Asks for `J v = y["directional"]`, `(K, M)`, of `v = y["directions"]`, `(K, D)`.

    Cost: one forward pass per direction. Where `jacobians` is asked for beside it, both
    come from the same Jacobian.

    Args:
        loss: Loss on the products; their sum counts, not their mean.
        weight: Factor in the objective.

    Returns:
        A part, for `term`.
    """
    return Part(Look("directional", 1, DIRECTIONS), loss, weight)


def adjoint(loss: PyTree[Any] = Gaussian(), weight: PyTree[Any] = 1.0) -> Part:
    """Asks for `J^T w = y["adjoint"]`, `(K, D)`, of `w = y["covectors"]`, `(K, M)`.

    Cost: one reverse pass per covector.

    Args:
        loss: Loss on the products; their sum counts, not their mean.
        weight: Factor in the objective.

    Returns:
        A part, for `term`.
    """
    return Part(Look("adjoint", 1, COVECTORS), loss, weight)


def class_jacobians(loss: PyTree[Any] = Gaussian(), weight: PyTree[Any] = 1.0) -> Part:
    """Asks for the slope of one output, `y["class_jacobian"]`, `(D,)`.

    The output is `y["class"]`: the true class, or the one that a teacher finds most
    likely, which is what `taught` puts there. Cost: one reverse pass.

    Args:
        loss: Loss on the slope.
        weight: Factor in the objective.

    Returns:
        A part, for `term`.
    """
    return Part(Look("class_jacobian", 1, CLASS), loss, weight)


def logits(temperature: float = 1.0, weight: PyTree[Any] = 1.0) -> Part:
    """Asks for the classes that the logits `y["logits"]`, `(C,)`, make likely.

    The squared difference of logits is `values`; of both, teachers that are hardly ever
    wrong teach more by it.

    Args:
        temperature: Of `Softened`: above 1 unlikely classes count more.
        weight: Factor in the objective.

    Returns:
        A part, for `term`.

    Raises:
        ValueError: If the temperature is not positive.
    """
    return Part(Look("logits", 0), Softened(temperature), weight)


def labels(loss: PyTree[Any] = CROSS_ENTROPY, weight: PyTree[Any] = 1.0) -> Part:
    """Asks for the class `y["labels"]`: an index, or the probabilities `(C,)`.

    Args:
        loss: Loss of the outputs, which are logits.
        weight: Factor in the objective.

    Returns:
        A part, for `term`.
    """
    return Part(Look("labels", 0, target="free"), loss, weight)


def jacobian_norm(
    weight: PyTree[Any] = 1.0,
    *,
    loss: PyTree[Any] = Gaussian(),
    projected: bool = False,
) -> Part:
    """Asks for a small Jacobian: `weight |J|^2 / 2`. It has no target.

    To second order it is what Gaussian noise of the variance `weight` on the input adds
    to half the squared error (SPEC S1.P2), off the kinks of ReLU networks exactly.

    Args:
        weight: Factor in the objective.
        loss: Loss of the entries of the Jacobian, the target 0.
        projected: See `J^T w` of `w = y["covectors"]` only, which `Projections` draws:
            its expectation is the same and a reverse pass per covector its cost.

    Returns:
        A part, for `term`.
    """
    along = COVECTORS if projected else None
    return Part(Look("jacobian_norm", 1, along, target="none"), loss, weight)


def look_at(function: Callable[[Any], Any], part: Part, *, name: str) -> Part:
    """Returns a part that looks at a function of the model, not the model itself.

    So features and attention maps of two architectures are matched, with their
    Jacobians by the input: `look_at(lambda net: net.features, jacobians(),
    name="features")`. The same function has to have the same name in all parts.

    Args:
        function: `model -> field`, the field a function of one point.
        part: What of the field is wanted.
        name: Of the function; the part and its targets are called `name.part`.

    Returns:
        A part, for `term`.
    """
    look = dataclasses.replace(part.look, owner=name, of=function)
    return dataclasses.replace(part, look=look)
