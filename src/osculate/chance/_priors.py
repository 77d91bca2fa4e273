"""What is believed of the weights of a model before data: priors and penalties."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from osculate.core import Gaussian, Term, trainable

from ._distance import absolute
from ._distribution import require
from ._losses import LaplaceLoss

Where = Callable[[Any], PyTree[Array]] | None


class AbstractPrior(eqx.Module):
    """What is believed of each weight before data."""

    scale: PyTree[Any] = 1.0
    where: Where = eqx.field(static=True, default=None)

    def __check_init__(self):
        """Checks the scale.

        Raises:
            ValueError: If it is not positive.
        """
        what = "scale is not positive; expected above 0"
        require(self.scale > 0, type(self).__name__, what)

    @abc.abstractmethod
    def _loss(self) -> Any:
        """The loss of weights whose target is 0."""

    def __call__(self, model: PyTree[Any]) -> Float[Array, ""]:
        """Returns the negative logarithm of the prior density, in nats.

        Args:
            model: The model.

        Returns:
            A scalar.

        Raises:
            ValueError: If no array of the model is chosen.
        """
        theta = flat_weights(type(self).__name__, model, self.where)
        return self._loss()(theta, None)

    def term(self, examples: int) -> Term:
        """Returns the prior as a Term beside a mean over so many examples.

        Its probe looks at the weights whatever the point is: as samples give it one
        point without targets, `Samples(jnp.zeros((1, 1)))`. That of a normal prior has
        residuals, as Gauss-Newton methods need.

        Args:
            examples: N, the number of examples that the other terms average over.

        Returns:
            A Term.

        Raises:
            ValueError: If there is no example.
        """
        owner = type(self).__name__
        if examples < 1:
            raise ValueError(f"`{owner}`: examples is {examples}; expected 1 or more.")
        probe = _Weights(owner, self.where)
        return Term(probe, loss=self._loss(), weight=1.0 / examples)


class NormalPrior(AbstractPrior):
    """Weights are normal around 0: called on a model, `sum(W**2) / (2 scale**2)`.

    Added to the mean loss of N examples with a factor 1/N it makes the fit the maximum
    a posteriori; for a linear model that is ridge regression. Dropped: what does not
    depend on the weights.

    Attributes:
        scale: Standard deviation of a weight, positive.
        where: `model -> weights`, any tree of arrays; None means all trained arrays of
            two axes or more, so that biases are left alone.

    Example:
        >>> model = {"W": jnp.ones((2, 3)), "b": jnp.ones(3)}
        >>> float(NormalPrior(1.0)(model))
        3.0
    """

    def _loss(self) -> Gaussian:
        return Gaussian(self.scale)


class LaplacePrior(AbstractPrior):
    """Weights are Laplace around 0: called on a model, `sum(|W|) / scale`.

    Most likely weights may be exactly 0; gradient steps do not find that, steps of
    `soft_threshold` do. Dropped: what does not depend on the weights.

    Attributes:
        scale: Expected absolute weight, positive.
        where: `model -> weights`, any tree of arrays; None means all trained arrays of
            two axes or more, so that biases are left alone.

    Example:
        >>> model = {"W": jnp.full((2, 3), -1.0), "b": jnp.ones(3)}
        >>> float(LaplacePrior(2.0)(model))
        3.0
    """

    def _loss(self) -> LaplaceLoss:
        return LaplaceLoss(self.scale)


def penalty(
    model: PyTree[Any], alpha: Any, power: float | int = 2, where: Where = None
) -> Float[Array, ""]:
    """Returns `alpha * sum(|W|**power)` over weights; biases are left alone.

    Power 2 is a normal prior of scale `1 / sqrt(2 alpha)`, power 1 a Laplace prior of
    scale `1 / alpha`.

    Args:
        model: The model, any pytree.
        alpha: The factor, not negative.
        power: 1 or more.
        where: `model -> weights`, any tree of arrays; None means all trained arrays of
            two axes or more.

    Returns:
        A scalar.

    Raises:
        ValueError: If alpha is negative, the power below 1, or no array is chosen.

    Example:
        >>> model = {"W": jnp.full((2, 3), -2.0), "b": jnp.ones(3)}
        >>> float(penalty(model, 0.5, power=1))
        6.0
    """
    require(alpha >= 0, "penalty", f"alpha is {alpha}; expected 0 or more")
    if not power >= 1:
        raise ValueError(f"`penalty`: power is {power}; expected 1 or more.")
    theta = flat_weights("penalty", model, where)
    if power == 2:
        return alpha * jnp.sum(theta**2)
    return alpha * jnp.sum(absolute(theta) ** power)


def soft_threshold(theta: Float[Array, "..."], threshold: Any) -> Float[Array, "..."]:
    """Returns theta moved to 0 by a threshold, and exactly 0 where it would pass it.

    This is the proximal map of `threshold * |theta|`: after a gradient step of length e
    on a loss, `threshold = e * alpha` takes the penalty of power 1 into account.

    Args:
        theta: Weights.
        threshold: Not negative, a number or an array that broadcasts against theta.

    Returns:
        An array of the shape of theta.

    Raises:
        ValueError: If a threshold is negative.

    Example:
        >>> soft_threshold(jnp.array([-3.0, 0.5]), 1.0).tolist()
        [-2.0, 0.0]
    """
    what = "threshold is negative; expected 0 or more"
    require(threshold >= 0, "soft_threshold", what)
    return theta - jnp.clip(theta, -threshold, threshold)


def flat_weights(owner: str, model: PyTree[Any], where: Where) -> Float[Array, " P"]:
    """Returns the chosen arrays of a model as one vector.

    Args:
        owner: Who asks.
        model: The model.
        where: `model -> weights`; None means trained arrays of two axes or more.

    Returns:
        A vector.

    Raises:
        ValueError: If nothing is chosen.
    """
    if where is None:
        theta, _ = trainable(model)
        chosen = [leaf for leaf in jax.tree.leaves(theta) if leaf.ndim > 1]
    else:
        chosen = jax.tree.leaves(where(model))
    if not chosen:
        raise ValueError(
            f"`{owner}`: no array of the model is chosen; expected weights, trained "
            "arrays of two axes or more. Name others by `where`."
        )
    return ravel_pytree(chosen)[0]


class _Weights(eqx.Module):
    """Probe: the chosen weights, at every point the same."""

    owner: str = eqx.field(static=True)
    where: Where = eqx.field(static=True)

    def __call__(
        self, model: PyTree[Any], x: PyTree[Any], y: PyTree[Any]
    ) -> Float[Array, " P"]:
        return flat_weights(self.owner, model, self.where)
