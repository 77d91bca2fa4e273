"""What is believed of the weights of a model before data: priors and penalties."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from osculate.core import Gaussian, Term, trainable

from ._distribution import require
from ._losses import LaplaceLoss, absolute

Where = Callable[[Any], PyTree[Array]] | None


class NormalPrior(eqx.Module):
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

    scale: PyTree[Any] = 1.0
    where: Where = eqx.field(static=True, default=None)

    def __check_init__(self):
        """Checks the scale.

        Raises:
            ValueError: If it is not positive.
        """
        require(self.scale > 0, "NormalPrior", "scale is not positive; expected > 0")

    def __call__(self, model: PyTree[Any]) -> Float[Array, ""]:
        """Returns the negative logarithm of the prior density, in nats.

        Args:
            model: The model.

        Returns:
            A scalar.
        """
        return Gaussian(self.scale)(
            flat_weights("NormalPrior", model, self.where), None
        )

    def term(self, examples: int) -> Term:
        """Returns the prior as a Term beside a mean over so many examples.

        Its probe looks at the weights whatever the point is: as samples give it one
        point without targets, `Samples(jnp.zeros((1, 1)))`.

        Args:
            examples: N, the number of examples that the other terms average over.

        Returns:
            A Term; it has residuals, as Gauss-Newton methods need.
        """
        return _term("NormalPrior", self.where, Gaussian(self.scale), examples)


class LaplacePrior(eqx.Module):
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

    scale: PyTree[Any] = 1.0
    where: Where = eqx.field(static=True, default=None)

    def __check_init__(self):
        """Checks the scale.

        Raises:
            ValueError: If it is not positive.
        """
        require(self.scale > 0, "LaplacePrior", "scale is not positive; expected > 0")

    def __call__(self, model: PyTree[Any]) -> Float[Array, ""]:
        """Returns the negative logarithm of the prior density, in nats.

        Args:
            model: The model.

        Returns:
            A scalar.
        """
        theta = flat_weights("LaplacePrior", model, self.where)
        return LaplaceLoss(self.scale)(theta, None)

    def term(self, examples: int) -> Term:
        """Returns the prior as a Term beside a mean over so many examples.

        Args:
            examples: N, the number of examples that the other terms average over.

        Returns:
            A Term; see `NormalPrior.term`.
        """
        return _term("LaplacePrior", self.where, LaplaceLoss(self.scale), examples)


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


def _term(owner: str, where: Where, loss: Any, examples: int) -> Term:
    if examples < 1:
        raise ValueError(f"`{owner}`: examples is {examples}; expected 1 or more.")
    return Term(_Weights(owner, where), loss=loss, weight=1.0 / examples)
