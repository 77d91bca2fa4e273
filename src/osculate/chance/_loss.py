"""What every likelihood loss can be asked, and how its arguments are checked."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, Shaped

SUM_TOLERANCE = 1e-4  # probabilities of a network in float32 add up to 1 within 1e-6


class AbstractLoss(eqx.Module):
    """A negative log-likelihood of y at the prediction z, without its constants.

    Constant is what does not depend on z. All losses are functions of JAX: they can be
    compiled, mapped and differentiated, by z and by their own parameters.
    """

    @abc.abstractmethod
    def each(self, z: Shaped[Array, "..."], y: ArrayLike | None) -> Float[Array, "..."]:
        """Returns the loss of every entry before weights, in nats.

        Args:
            z: Predictions.
            y: What was observed; None means 0.

        Returns:
            One number per entry that has a weight of its own.
        """

    @abc.abstractmethod
    def weight(
        self, z: Shaped[Array, "..."], y: ArrayLike | None
    ) -> Float[Array, "..."]:
        """Returns the Fisher information of every entry of z, never negative.

        It is the second derivative by z of the loss expected of the y that the
        likelihood itself gives at z: the weight of Gauss-Newton methods.

        Args:
            z: Predictions.
            y: What was observed; its values do not matter.

        Returns:
            An array of the shape of z, in nats per squared unit of z.
        """

    def __call__(
        self,
        z: Shaped[Array, "..."],
        y: ArrayLike | None,
        w: Float[Array, "..."] | float = 1.0,
    ) -> Float[Array, ""]:
        """Returns `sum(w * each(z, y))`.

        Args:
            z: Predictions, real numbers.
            y: What was observed; None means 0.
            w: A weight for all, or one per entry of `each`.

        Returns:
            The loss in nats.

        Raises:
            ValueError: If a shape does not fit or a known y is out of range.
        """
        losses = self.each(z, y)
        shape = jnp.shape(w)
        if not broadcasts(shape, losses.shape):
            raise ValueError(
                f"`{type(self).__name__}`: w has shape {shape}; expected a number or "
                f"an array that broadcasts to {losses.shape}."
            )
        return jnp.sum(w * losses)


def broadcasts(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    """Returns whether an array is a number, or has an entry or one for each axis.

    Args:
        shape: The shape of the array.
        whole: The shape that it is to fill.

    Returns:
        Whether it fills that shape and no larger one.
    """
    pairs = zip(shape, whole, strict=False)
    return not shape or (
        len(shape) == len(whole) and all(n in (1, size) for n, size in pairs)
    )


def predictions(owner: str, z: Any, name: str = "z") -> Float[Array, "..."]:
    """Returns z if it can be differentiated by.

    Args:
        owner: Who asks.
        z: Predictions.
        name: What the argument is called.

    Returns:
        The same array.

    Raises:
        TypeError: If z does not hold real numbers.
    """
    if not jnp.issubdtype(z.dtype, jnp.floating):
        raise TypeError(
            f"`{owner}`: {name} is of type {z.dtype}; expected real numbers, by "
            "which the loss can be differentiated."
        )
    return z


def targets(
    owner: str, y: ArrayLike | None, shape: tuple[int, ...], dtype: Any
) -> Float[Array, "..."]:
    """Returns y as real numbers of a shape; None as zeros.

    Args:
        owner: Who asks.
        y: What was observed.
        shape: The shape it must have.
        dtype: The type of the predictions.

    Returns:
        An array.

    Raises:
        ValueError: If the shape is another.
    """
    if y is None:
        return jnp.zeros(shape, dtype)
    refuse_shape(owner, "y", jnp.shape(y), shape)
    return jnp.asarray(y, dtype)


def times(share: Float[Array, "*s"], value: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Returns `share * value`, where 0 times infinity is 0, and so are its derivatives.

    Args:
        share: Factors.
        value: What they multiply.

    Returns:
        An array of the same shape.
    """
    return share * jnp.where((share == 0) & jnp.isinf(value), 0.0, value)


def classes(
    owner: str,
    y: ArrayLike | None,
    shape: tuple[int, ...],
    number: int,
    name: str = "y",
) -> Array:
    """Returns indices of classes; None as zeros.

    Args:
        owner: Who asks.
        y: Whole numbers from 0 to `number - 1`.
        shape: The shape they must have.
        number: How many classes there are.
        name: What the argument is called.

    Returns:
        An array of integers.

    Raises:
        TypeError: If y does not hold whole numbers.
        ValueError: If the shape is another, or a known index is out of range.
    """
    if y is None:
        return jnp.zeros(shape, int)
    index = jnp.asarray(y)
    if not jnp.issubdtype(index.dtype, jnp.integer):
        raise TypeError(
            f"`{owner}`: {name} is of type {index.dtype}; expected whole numbers, the "
            "indices of classes."
        )
    refuse_shape(owner, name, index.shape, shape)
    refuse_values(
        owner, name, index, lambda i: (i >= 0) & (i < number), f"0 to {number - 1}"
    )
    return index


def refuse_shape(
    owner: str, name: str, found: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    """Checks a shape: nothing may broadcast by accident.

    Args:
        owner: Who asks.
        name: The name of the argument.
        found: Its shape.
        wanted: What it must be.

    Raises:
        ValueError: If the shapes differ.
    """
    if found != wanted:
        raise ValueError(
            f"`{owner}`: {name} has shape {found}; expected {wanted}, from the shape "
            "of the predictions."
        )


def refuse_sums(owner: str, name: str, p: Any) -> None:
    """Checks that known probabilities add up to 1 along the last axis.

    Args:
        owner: Who asks.
        name: The name of the argument.
        p: Probabilities, `(..., C)`.

    Raises:
        ValueError: If some known ones do not.
    """
    if isinstance(p, Tracer):
        return
    total = np.sum(np.asarray(p), axis=-1)
    if (off := np.abs(total - 1) > SUM_TOLERANCE).any():
        raise ValueError(
            f"`{owner}`: {name} has a row with sum {total[off].flat[0]:.6g}; expected "
            "probabilities of all classes, with sum 1. Divide by their sum."
        )


def refuse_values(owner: str, name: str, array: Any, right: Any, wanted: str) -> None:
    """Checks values that are known; traced ones pass.

    Args:
        owner: Who asks.
        name: The name of the argument.
        array: Its values.
        right: Function that tells entry by entry whether they can be used.
        wanted: What was expected, in words.

    Raises:
        ValueError: If a known entry cannot be used.
    """
    if array is None or isinstance(array, Tracer):
        return
    values = np.asarray(array)
    if not (ok := np.asarray(right(values))).all():
        raise ValueError(
            f"`{owner}`: {name} holds {values[~ok].flat[0]}; expected {wanted}."
        )
