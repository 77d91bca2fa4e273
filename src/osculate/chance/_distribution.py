"""What every distribution can be asked."""

from typing import TYPE_CHECKING, Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray


class Distribution(eqx.Module):
    """A law of random numbers: a small pytree whose leaves are its parameters.

    Parameters broadcast against each other; their common shape is the shape of a draw,
    in front of the axes of an event. All methods are functions of JAX: they can be
    compiled, mapped and differentiated by the parameters. `jax.jit` takes a law as an
    argument, `jax.jit(lambda law, x: law.log_prob(x))`; the method of one law,
    `law.log_prob`, is compiled by `equinox.filter_jit`.

    Attributes:
        event_ndim: Axes of one event: 0 of a number, 1 of a vector.
        reparameterized: Whether draws are differentiable functions of the parameters.
        mean: The expectation; NaN where there is none.
        variance: Of a vector entry by entry; NaN or infinite where there is none.
        mode: Where the density is largest.
    """

    event_ndim: ClassVar[int] = 0
    reparameterized: ClassVar[bool] = False
    if TYPE_CHECKING:  # fields of some, properties of others
        mean: Any
        variance: Any
        mode: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one draw, its event included."""
        raise NotImplementedError

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        """Draws.

        Args:
            key: A random key.
            shape: How many independent draws.

        Returns:
            An array of shape `shape + self.shape`.
        """
        raise NotImplementedError

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        """Returns the logarithm of the density, or of the probability of a count.

        Args:
            x: Draws, broadcast against `shape`.

        Returns:
            One number per event, in nats; minus infinity outside the support, NaN
            where a draw is NaN. On an edge of the support it is the limit from within,
            which may be plus infinity.
        """
        raise NotImplementedError

    def entropy(self) -> Float[Array, "..."]:
        """Returns `-E log p`.

        Returns:
            One number per event, in nats.

        Raises:
            NotImplementedError: If it has no closed form; `mean`, `variance`, `mode`
                and `fisher` raise the same.
        """
        raise NotImplementedError

    def fisher(self) -> Float[Array, "... P P"]:
        """Returns the covariance of the score by the parameters, in their order."""
        raise NotImplementedError

    def support(self) -> Array | None:
        """Returns all values of one event, `(n, *event)`; None of infinitely many."""
        return None


def parameter(value: Any) -> Array:
    """Returns a parameter as an array of real numbers.

    Args:
        value: A number or an array; whole numbers become real ones.

    Returns:
        The array.

    Raises:
        TypeError: If it is complex.
    """
    array = jnp.asarray(value)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise TypeError(
            f"a parameter is of type {array.dtype}: {value}; expected real numbers."
        )
    return array if jnp.issubdtype(array.dtype, jnp.inexact) else array.astype(float)


def require(condition: Any, owner: str, what: str) -> None:
    """Refuses parameters that are known and wrong; traced ones pass.

    Args:
        condition: Entry by entry whether they are right.
        owner: Who asks: the name of the class or function.
        what: The name of the argument, what it is, what was expected.

    Raises:
        ValueError: If an entry is not right.
    """
    if isinstance(condition, Tracer):
        return
    if not np.all(np.asarray(condition)):
        raise ValueError(f"`{owner}`: {what}.")
