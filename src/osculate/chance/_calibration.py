"""Do probabilities come true: measures of calibration, and one number to mend it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Shaped

from ._loss import classes, predictions, refuse_sums, refuse_values

STEPS = 60  # of a bracketed Newton method, which bisects where Newton would leave
WIDEST = 1e4  # factor by which the spread of logits may be wrong


class Reliability(NamedTuple):
    """Predicted against observed frequency, in bins of equal width.

    Attributes:
        confidence: Mean predicted probability in each bin, `(B,)`; NaN in an empty one.
        frequency: How often it came true, `(B,)`; NaN in an empty bin.
        counts: How many predictions fell into each bin, `(B,)`.
    """

    confidence: Float[Array, " B"]
    frequency: Float[Array, " B"]
    counts: Float[Array, " B"]


def reliability(
    probabilities: Shaped[Array, "..."], labels: ArrayLike, bins: int = 15
) -> Reliability:
    """Compares predicted probabilities with how often they came true.

    Args:
        probabilities: Of an event, `(N,)`, or of C classes, `(N, C)`; of these the
            largest is looked at.
        labels: Whether the event came true, 0 or 1, or the index of the class, `(N,)`.
        bins: Number of bins of equal width from 0 to 1.

    Returns:
        Means and counts per bin.

    Raises:
        TypeError: If probabilities are not real numbers or labels not whole ones.
        ValueError: If a shape does not fit, there is no example, or something known is
            out of range: probabilities of classes add up to 1.

    Example:
        >>> found = reliability(jnp.array([0.2, 0.3, 0.9]), jnp.array([0, 1, 1]), 2)
        >>> found.frequency.tolist()
        [0.5, 1.0]
    """
    sure, right = _outcomes("reliability", probabilities, labels)
    count, confidence, frequency = _sums("reliability", sure, right, bins)
    return Reliability(confidence / count, frequency / count, count)


def expected_calibration_error(
    probabilities: Shaped[Array, "..."], labels: ArrayLike, bins: int = 15
) -> Float[Array, ""]:
    """Returns the mean gap between confidence and frequency, bins by their counts.

    Args:
        probabilities: Of an event, `(N,)`, or of C classes, `(N, C)`.
        labels: 0 or 1, or the index of the class, `(N,)`.
        bins: Number of bins of equal width from 0 to 1.

    Returns:
        A number from 0 to 1.

    Raises:
        TypeError: If probabilities are not real numbers or labels not whole ones.
        ValueError: If a shape does not fit, there is no example, or something known is
            out of range: probabilities of classes add up to 1.

    Reference: Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural
        networks, eq. 3.

    Example:
        >>> p = jnp.array([0.75, 0.75, 0.75, 0.75])
        >>> float(expected_calibration_error(p, jnp.array([1, 0, 1, 0])))
        0.25
    """
    owner = "expected_calibration_error"
    sure, right = _outcomes(owner, probabilities, labels)
    count, confidence, frequency = _sums(owner, sure, right, bins)
    return jnp.sum(jnp.abs(confidence - frequency)) / jnp.sum(count)


def brier_score(
    probabilities: Shaped[Array, "..."], labels: ArrayLike
) -> Float[Array, ""]:
    """Returns the mean squared difference of probabilities and outcomes.

    Args:
        probabilities: Of an event, `(N,)`, or of C classes, `(N, C)`, whose squared
            differences add up.
        labels: 0 or 1, or the index of the class, `(N,)`.

    Returns:
        A number from 0 to 1 for an event, to 2 for classes.

    Raises:
        TypeError: If probabilities are not real numbers or labels not whole ones.
        ValueError: If a shape does not fit, there is no example, or something known is
            out of range: probabilities of classes add up to 1.

    Example:
        >>> float(brier_score(jnp.array([[0.5, 0.5]]), jnp.array([1])))
        0.5
    """
    p, index = _checked("brier_score", probabilities, labels)
    if p.ndim == 1:
        return jnp.mean((p - index.astype(p.dtype)) ** 2)
    happened = jax.nn.one_hot(index, p.shape[1], dtype=p.dtype)
    return jnp.mean(jnp.sum((p - happened) ** 2, -1))


def fit_temperature(
    logits: Shaped[Array, "..."], labels: ArrayLike
) -> Float[Array, ""]:
    """Returns the temperature T for which `softmax(logits / T)` is most likely.

    The mean cross-entropy is convex in 1/T: Newton's method on that number, bracketed.
    Where no finite T is best, as for logits that are always right, the answer is one
    beyond which the cross-entropy changes no more, or 1e4 times more or less than the
    spread of the logits. It can be differentiated once by the logits.

    Args:
        logits: `(N, C)`, of examples that were not fitted.
        labels: Index of the class, `(N,)`.

    Returns:
        A positive number, in units of the logits.

    Raises:
        TypeError: If logits are not real numbers or labels not whole ones.
        ValueError: If a shape does not fit, there is no example, a known logit is not
            finite or a known label out of range.

    Reference: Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural
        networks, section 4.2.

    Example:
        >>> logits = jnp.log(jnp.array([[9.0, 1.0]] * 4))
        >>> round(float(fit_temperature(logits, jnp.array([0, 0, 0, 1]))), 4)
        2.0
    """
    z = predictions("fit_temperature", logits, "logits")
    if z.ndim != 2:
        raise ValueError(
            f"`fit_temperature`: logits has shape {z.shape}; expected (N, C)."
        )
    _refuse_none("fit_temperature", "logits", z)
    refuse_values("fit_temperature", "logits", z, np.isfinite, "finite numbers")
    index = classes("fit_temperature", labels, z.shape[:1], z.shape[1], "labels")
    return _temperature(z, index)


@jax.jit
def _temperature(z: Float[Array, "N C"], index: Array) -> Float[Array, ""]:
    """Returns the best temperature of logits for classes."""
    z = z - jnp.mean(z, -1, keepdims=True)
    largest = jnp.max(jnp.abs(z))  # its square may be infinite
    safe = jnp.where(largest > 0, largest, 1.0)
    spread = safe * jnp.sqrt(jnp.mean((z / safe) ** 2))
    unit = lax.stop_gradient(jnp.where(spread > 0, spread, 1.0))
    z = z / unit
    chosen = jnp.take_along_axis(z, index[:, None], -1)

    def slopes(inverse: Array) -> tuple[Array, Array]:
        p = jax.nn.softmax(inverse * z)
        mean = jnp.sum(p * z, -1, keepdims=True)
        return jnp.mean(mean - chosen), jnp.mean(jnp.sum(p * (z - mean) ** 2, -1))

    inverse = lax.stop_gradient(_root(slopes, jnp.ones((), z.dtype)))
    first, second = slopes(inverse)
    steep = second > 0
    polished = inverse - first / lax.stop_gradient(jnp.where(steep, second, 1.0))
    inside = steep & (jnp.abs(polished / inverse - 1) < 0.1)
    return unit / jnp.where(inside, polished, inverse)


def _root(slopes, start: Array) -> Float[Array, ""]:
    """Returns the zero of an increasing function that comes with its derivative."""

    def step(_, state):
        here, low, high = state
        value, slope = slopes(here)
        low, high = jnp.where(value < 0, here, low), jnp.where(value > 0, here, high)
        newton = here - value / jnp.where(slope > 0, slope, 1.0)
        inside = (slope > 0) & (newton >= low) & (newton <= high)
        return jnp.where(inside, newton, jnp.sqrt(low * high)), low, high

    limits = start / WIDEST, start * WIDEST
    return lax.fori_loop(0, STEPS, step, (start, *limits))[0]


def _checked(
    owner: str, probabilities: Array, labels: ArrayLike
) -> tuple[Float[Array, "N ..."], Array]:
    """Returns probabilities `(N,)` or `(N, C)` and indices `(N,)`."""
    p = predictions(owner, probabilities, "probabilities")
    if p.ndim not in (1, 2):
        raise ValueError(
            f"`{owner}`: probabilities has shape {p.shape}; expected (N,) or (N, C)."
        )
    refuse_values(
        owner, "probabilities", p, lambda p: (p >= 0) & (p <= 1 + 1e-5), "0 to 1"
    )
    _refuse_none(owner, "probabilities", p)
    if p.ndim == 2:
        refuse_sums(owner, "probabilities", p)
    number = 2 if p.ndim == 1 else p.shape[1]
    return p, classes(owner, labels, p.shape[:1], number, "labels")


def _refuse_none(owner: str, name: str, values: Array) -> None:
    if 0 in values.shape:
        raise ValueError(
            f"`{owner}`: {name} has shape {values.shape}; expected one example or more."
        )


def _outcomes(
    owner: str, probabilities: Array, labels: ArrayLike
) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
    """Returns how sure each prediction was, and 1 where it came true."""
    p, index = _checked(owner, probabilities, labels)
    if p.ndim == 1:
        return p, index.astype(p.dtype)
    return jnp.max(p, -1), (jnp.argmax(p, -1) == index).astype(p.dtype)


def _sums(
    owner: str, sure: Array, right: Array, bins: int
) -> tuple[Float[Array, " B"], Float[Array, " B"], Float[Array, " B"]]:
    """Returns count, sum of confidence and number of successes per bin."""
    if not isinstance(bins, int) or bins < 1:
        raise ValueError(f"`{owner}`: bins is {bins}; expected a Python int from 1.")
    number = jnp.clip((sure * bins).astype(int), 0, bins - 1)
    add = lambda values: jax.ops.segment_sum(values, number, bins)
    return add(jnp.ones_like(sure)), add(sure), add(right)
