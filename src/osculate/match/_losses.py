"""Losses between what a teacher says and what a student says."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, PyTree, Shaped

from osculate.chance import Gaussian


class Softened(eqx.Module):
    """Divergence of softened classes, `t^2 KL(softmax(y / t), softmax(z / t))`.

    Reference: Hinton, Vinyals and Dean (2015), Distilling the knowledge in a neural
    network; the factor t^2 keeps the size of its derivatives. For t to infinity it is
    half the square of the difference of centred logits, divided by their number.

    Attributes:
        temperature: t, positive.

    Example:
        >>> float(Softened(2.0)(jnp.zeros(3), jnp.ones(3)))
        0.0
    """

    temperature: PyTree[Any] = 1.0

    def __check_init__(self):
        """Checks the temperature.

        Raises:
            ValueError: If it is not positive.
        """
        t = self.temperature
        if not isinstance(t, Tracer) and not t > 0:
            raise ValueError(
                f"`Softened`: temperature is {t}; expected a number above 0."
            )

    def __call__(
        self,
        z: Shaped[Array, "... C"],
        y: ArrayLike | None,
        w: Float[Array, "..."] | float = 1.0,
    ) -> Float[Array, ""]:
        """Returns the sum over rows of weight times divergence, in nats.

        Args:
            z: Logits of the student.
            y: Logits of the teacher; None means all alike.
            w: A weight for all, or one per row.

        Returns:
            The loss.

        Raises:
            ValueError: If there are weights per entry: classes do not separate.
        """
        if jnp.ndim(w) >= z.ndim:
            raise ValueError(
                f"`Softened`: weights of shape {jnp.shape(w)} for logits {z.shape}; "
                "expected one per row, since classes do not separate."
            )
        t = self.temperature
        log_p = jax.nn.log_softmax((jnp.zeros_like(z) if y is None else y) / t, -1)
        log_q = jax.nn.log_softmax(z / t, -1)
        each = jnp.sum(jnp.exp(log_p) * (log_p - log_q), -1)
        return t**2 * jnp.sum(w * each)


class Normalized(eqx.Module):
    """A loss of two tensors that are first divided by their norms.

    Only the direction of the tensors then counts, as for Jacobians of teacher and
    student whose outputs are of different scale (Srinivas and Fleuret 2018).

    Attributes:
        loss: `(z, y, w) -> scalar`, of tensors of norm 1; with a `residual` if it has
            one.

    Example:
        >>> float(Normalized()(jnp.array([2.0, 0.0]), jnp.array([5.0, 0.0])))
        0.0
    """

    loss: PyTree[Any] = Gaussian()

    def __call__(
        self,
        z: Float[Array, "*entry"],
        y: Float[Array, "*entry"] | None,
        w: Float[Array, "*weight"] | float = 1.0,
    ) -> Float[Array, ""]:
        """Returns the loss of the directions; one of norm 0 stays 0.

        Args:
            z: What the model says.
            y: What was wanted; None means 0.
            w: Weights, of the shape that the loss takes.

        Returns:
            The loss.
        """
        return self.loss(_unit(z), None if y is None else _unit(y), w)

    @property
    def residual(self) -> Callable[..., Array]:
        """That of the loss, of the directions; none where the loss has none."""
        residual = self.loss.residual
        return lambda z, y: residual(_unit(z), None if y is None else _unit(y))


def attention_map(features: Float[Array, "C ..."]) -> Float[Array, " P"]:
    """Returns where features are large: squares summed over channels, of norm 1.

    Two architectures can agree on it whose channels differ in number and meaning
    (Zagoruyko and Komodakis 2017, Paying more attention to attention).

    Args:
        features: Channels first, then P places in any number of axes.

    Returns:
        `(P,)`; 0 where all features are.

    Example:
        >>> attention_map(jnp.array([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])[:, :1])
        Array([1.], dtype=float32)
    """
    return _unit(jnp.sum(features**2, axis=0).ravel())


def _unit(z: Float[Array, "*entry"]) -> Float[Array, "*entry"]:
    square = jnp.sum(z**2)
    positive = square > 0
    return jnp.where(positive, z / jnp.sqrt(jnp.where(positive, square, 1.0)), 0.0)
