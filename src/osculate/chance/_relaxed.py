"""Draws of a class, and softened ones that can be differentiated."""

import jax
import jax.numpy as jnp
import jax.random as jr
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._distribution import parameter, require


def gumbel_softmax(
    logits: Float[Array, "... C"],
    key: PRNGKeyArray,
    temperature: ArrayLike = 0.5,
    shape: tuple[int, ...] = (),
) -> Float[Array, "... C"]:
    """Draws softened one-hot vectors, differentiable in the logits (Gumbel-softmax).

    `softmax((logits + g) / temperature)` for Gumbel numbers g. The largest entry is
    class i with probability `softmax(logits)_i` at every temperature; as it goes to 0
    the vector becomes one-hot.

    Args:
        logits: Logarithms of the probabilities, but for a constant.
        key: A random key.
        temperature: Positive; small is close to one-hot, with large derivatives.
        shape: How many independent draws.

    Returns:
        Vectors of positive numbers of sum 1, shape `shape + logits.shape`.

    Raises:
        ValueError: If there are no classes, or the temperature is not positive.

    Reference: E. Jang et al. 2017; C. Maddison et al. 2017; SPEC K3.5.7.

    Example:
        >>> y = gumbel_softmax(jnp.zeros(3), jr.key(0))
        >>> round(float(y.sum()), 5)
        1.0
    """
    logits, warmth = parameter(logits), parameter(temperature)
    if logits.shape[-1:] in ((), (0,)):
        raise ValueError(
            f"`gumbel_softmax`: logits has shape {logits.shape}; expected one or more "
            "classes on the last axis."
        )
    require(
        warmth > 0, "gumbel_softmax", "temperature is not positive; expected above 0"
    )
    noise = jr.gumbel(key, shape + logits.shape, logits.dtype)
    noisy = jnp.broadcast_to(logits, noise.shape) + noise
    return jax.nn.softmax(noisy / warmth.astype(logits.dtype), axis=-1)


def straight_through(
    logits: Float[Array, "... C"],
    key: PRNGKeyArray,
    temperature: ArrayLike = 0.5,
    shape: tuple[int, ...] = (),
) -> Float[Array, "... C"]:
    """Draws one-hot vectors with the derivatives of the softened ones.

    The vectors are exact draws of classes; the derivatives are those of
    `gumbel_softmax` with the same noise, and biased.

    Args:
        logits: Logarithms of the probabilities, but for a constant.
        key: A random key.
        temperature: Of the derivatives, positive.
        shape: How many independent draws.

    Returns:
        One-hot vectors, shape `shape + logits.shape`.

    Raises:
        ValueError: If there are no classes, or the temperature is not positive.

    Reference: Y. Bengio et al. 2013; E. Jang et al. 2017, section 2.2.

    Example:
        >>> y = straight_through(jnp.zeros(3), jr.key(0))
        >>> float(y.sum()), float(y.max())
        (1.0, 1.0)
    """
    soft = gumbel_softmax(logits, key, temperature, shape)
    classes = jnp.argmax(soft, axis=-1)
    hard = jax.nn.one_hot(classes, soft.shape[-1], dtype=soft.dtype)
    return hard + (soft - lax.stop_gradient(soft))
