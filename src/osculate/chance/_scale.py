"""The scale of a loss of differences: in other units, and learned from residuals."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree, Shaped

from osculate.core import Gaussian

from ._distribution import require
from ._loss import predictions, refuse_values
from ._losses import CauchyLoss, HuberLoss, LaplaceLoss, PowerLoss, StudentTLoss

LOSSES = (Gaussian, LaplaceLoss, CauchyLoss, StudentTLoss, HuberLoss, PowerLoss)


def rescale(loss: Any, unit: PyTree[Any]) -> Any:
    """Returns the loss of differences that are measured in a unit.

    Args:
        loss: `Gaussian`, `LaplaceLoss`, `CauchyLoss`, `StudentTLoss`, `HuberLoss` or
            `PowerLoss`.
        unit: Size of the unit, positive, a number or an array; it multiplies the scale.

    Returns:
        A loss of the same class.

    Raises:
        TypeError: If the loss is of another class.
        ValueError: If the unit is not positive.

    Example:
        >>> rescale(LaplaceLoss(2.0), 3.0)
        LaplaceLoss(scale=6.0)
    """
    require(unit > 0, "rescale", "unit is not positive; expected above 0")
    return _with_scale(loss, _scale("rescale", loss) * unit)


def update_scale(
    loss: Any,
    residuals: Shaped[Array, "N ..."],
    weights: Float[Array, "..."] | None = None,
) -> Any:
    """Returns the loss with the scale that residuals make likely.

    Gaussian: their root mean square; Laplace: their mean absolute value; a power p: the
    p-th root of their mean p-th power; these are the maximum of the likelihood. Student
    and Cauchy (one degree): one step of expectation and maximization from the present
    scale, which never lowers the likelihood.

    Args:
        loss: `Gaussian`, `LaplaceLoss`, `CauchyLoss`, `StudentTLoss` or `PowerLoss` of
            one power. A scale without axes is one for all entries; one of shape
            `residuals.shape[1:]` is updated entry by entry.
        residuals: `z - y`, in the units of z.
        weights: Not negative, `(N,)` or of the shape of the residuals; None means 1.

    Returns:
        A loss of the same class.

    Raises:
        TypeError: If the loss is of another class, or residuals are no real numbers.
        ValueError: If shapes do not fit, a residual is NaN or infinite, a weight is
            negative, or no residual with a weight differs from 0.

    Reference: Lange, Little and Taylor (1989), Robust statistical modeling using the t
        distribution.

    Example:
        >>> float(update_scale(LaplaceLoss(), jnp.array([1.0, -3.0])).scale)
        2.0
    """
    scale = _scale("update_scale", loss)
    r = predictions("update_scale", residuals, "residuals")
    refuse_values("update_scale", "residuals", r, np.isfinite, "finite numbers")
    scale = jnp.asarray(scale, r.dtype)
    w = _weights(r, weights)
    axes = _axes(r, scale)
    mean = lambda a: jnp.sum(w * a, axes) / jnp.sum(w, axes)
    if isinstance(loss, Gaussian):
        new = _mean_power(r, 2, mean, axes)
    elif isinstance(loss, LaplaceLoss):
        new = mean(jnp.abs(r))
    elif isinstance(loss, PowerLoss):
        new = _mean_power(r, _one_power(loss, r), mean, axes)
    elif isinstance(loss, CauchyLoss | StudentTLoss):
        degrees = loss.degrees if isinstance(loss, StudentTLoss) else 1.0
        t = r / ((scale[None] if scale.ndim else scale) * degrees**0.5)
        new = scale * jnp.sqrt(mean((degrees + 1) * (t / jnp.hypot(t, 1.0)) ** 2))
    else:
        raise TypeError(
            "`update_scale`: loss is a HuberLoss, whose scale has no closed form; "
            "expected Gaussian, LaplaceLoss, CauchyLoss, StudentTLoss or PowerLoss."
        )
    what = "residuals are all 0 or without weight; expected some that are not"
    require(new > 0, "update_scale", what)
    return _with_scale(loss, new)


def _one_power(loss: PowerLoss, residuals: Array) -> Float[Array, ""]:
    if jnp.ndim(loss.power):
        raise ValueError(
            f"`update_scale`: the power of the loss has shape {jnp.shape(loss.power)}; "
            "expected a number. Update the entries of each power by themselves."
        )
    return jnp.asarray(loss.power, residuals.dtype)


def _mean_power(r: Array, p: Any, mean: Callable[[Array], Array], axes: int | None):
    """Returns `mean(|r|**p)**(1 / p)`, also where powers overflow or underflow."""
    largest = jnp.max(jnp.abs(r), axes, keepdims=True, initial=0.0)
    unit = jnp.where(largest > 0, largest, 1.0)
    found = mean(jnp.abs(r / unit) ** p) ** (1 / p)
    return found * unit.reshape(found.shape)


def _scale(owner: str, loss: Any) -> Any:
    if not isinstance(loss, LOSSES):
        raise TypeError(
            f"`{owner}`: loss is {loss!r}; expected one of "
            f"{', '.join(kind.__name__ for kind in LOSSES)}."
        )
    return loss.sigma if isinstance(loss, Gaussian) else loss.scale


def _with_scale(loss: Any, scale: Any) -> Any:
    if isinstance(loss, Gaussian):
        return Gaussian(scale)
    return dataclasses.replace(loss, scale=scale)


def _weights(residuals: Array, weights: Array | None) -> Float[Array, "N ..."]:
    """Returns weights of the shape of the residuals."""
    if weights is None:
        return jnp.ones_like(residuals)
    if weights.shape not in (residuals.shape, residuals.shape[:1]):
        raise ValueError(
            f"`update_scale`: weights has shape {weights.shape}; expected "
            f"{residuals.shape[:1]} or {residuals.shape}, from the residuals."
        )
    right = lambda w: (w >= 0) & np.isfinite(w)
    refuse_values("update_scale", "weights", weights, right, "0 or more")
    shape = weights.shape + (1,) * (residuals.ndim - weights.ndim)
    return jnp.broadcast_to(weights.reshape(shape), residuals.shape)


def _axes(residuals: Array, scale: Array) -> int | None:
    """Returns the axes over which entries share a scale; None means all."""
    if not scale.ndim:
        return None
    if scale.shape != residuals.shape[1:]:
        raise ValueError(
            f"`update_scale`: residuals has shape {residuals.shape}; expected "
            f"(N, {', '.join(map(str, scale.shape))}), from the scale of the loss."
        )
    return 0
