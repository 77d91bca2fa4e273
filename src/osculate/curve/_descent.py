"""What methods with a line search share: the loss of a vector, and when to end."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from osculate.core import Objective, flatten

Scalar = Float[Array, ""]
Vector = Float[Array, " P"]

PATIENCE = 20  # steps without a decrease above rounding, after which nothing is left


class Flat(NamedTuple):
    """An objective on given samples as a function of one vector.

    Attributes:
        theta: The model, `(P,)`.
        build: From a vector to the model.
        loss: From a vector to the loss.
    """

    theta: Vector
    build: Callable[[Vector], PyTree[Any]]
    loss: Callable[[Vector], Scalar]


def flat_loss(objective: Objective, model: PyTree[Any], samples: Any) -> Flat:
    """Returns an objective as a function of all that is trained.

    Args:
        objective: What is wanted.
        model: The point.
        samples: Samples for every label.

    Returns:
        The point, the way back, and the loss.
    """
    theta, build = flatten(model)
    return Flat(theta, build, lambda t: objective(build(t), samples)[0])


def stalled(before: Scalar, after: Scalar, steps: Int[Array, ""]) -> Int[Array, ""]:
    """Counts the steps since the loss fell by more than rounding.

    Args:
        before: The loss before this step.
        after: The loss after it.
        steps: The count before it.

    Returns:
        The count after it.
    """
    rounding = 10 * jnp.finfo(after.dtype).eps * jnp.abs(after)
    return jnp.where(before - after > rounding, 0, steps + 1)


def nothing_left(gradient: Vector, stuck: Int[Array, ""]) -> Bool[Array, ""]:
    """Tells whether further steps would gain nothing.

    Args:
        gradient: After this step.
        stuck: The count of `stalled` after it.

    Returns:
        Whether the gradient is 0, or the loss has not fallen for a while.
    """
    return ~(gradient @ gradient > 0) | (stuck >= PATIENCE)
