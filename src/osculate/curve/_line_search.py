"""A line search for exact gradients, down to machine precision."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Scalar = Float[Array, ""]
Vector = Float[Array, " P"]

DECREASE, CURVATURE = 1e-4, 0.9  # c1 and c2 of the conditions of Wolfe
ROUNDING = 1e-9  # relative differences of the loss below this carry no information


class Found(NamedTuple):
    """Where a search ended.

    Attributes:
        step: Multiple of the direction; 0 where no lower loss was found.
        loss: There.
        gradient: There.
        evaluations: Of value and gradient.
        moved: Whether the point is to be taken.
    """

    step: Scalar
    loss: Scalar
    gradient: Vector
    evaluations: Int[Array, ""]
    moved: Bool[Array, ""]


class _End(NamedTuple):
    """One end of the bracket: step, loss and slope there."""

    step: Scalar
    loss: Scalar
    slope: Scalar


class _Search(NamedTuple):
    """What a trial needs to know of those before.

    `low` is downhill with enough decrease; `high` is at infinity while unknown.
    """

    trial: Scalar
    low: _End
    high: _End
    width: Scalar
    best: Found
    done: Bool[Array, ""]


def line_search(
    value_and_grad: Callable[[Vector], tuple[Scalar, Vector]],
    x: Vector,
    direction: Vector,
    loss: Scalar,
    gradient: Vector,
    first: Scalar,
    evaluations: int = 20,
) -> Found:
    """Searches along a descent direction for a point with the conditions of Wolfe.

    Where differences of the loss are only rounding, the approximate conditions of Hager
    and Zhang (2005, eq. 4.1) are used, which look at slopes.

    Args:
        value_and_grad: Loss and gradient at a point.
        x: Where it begins.
        direction: Where it goes.
        loss: At `x`.
        gradient: At `x`.
        first: The first trial.
        evaluations: At most so many trials.

    Returns:
        The accepted point, or else the lowest that was seen.
    """
    zero, infinity = jnp.zeros_like(loss), jnp.full_like(loss, jnp.inf)
    start = _End(zero, loss, gradient @ direction)

    def look(now: _Search) -> _Search:
        f, g = value_and_grad(x + now.trial * direction)
        here = _End(now.trial, f, g @ direction)
        return _judged(now, here, g, start)

    nothing = Found(zero, loss, gradient, jnp.asarray(0), jnp.asarray(False))
    begin = _Search(
        first,
        start,
        _End(infinity, infinity, infinity),
        infinity,
        nothing,
        jnp.asarray(False),
    )
    again = lambda now: ~now.done & (now.best.evaluations < evaluations)
    end = jax.lax.while_loop(again, look, begin)
    return end.best._replace(moved=end.done | (end.best.step > 0))


def _judged(now: _Search, here: _End, gradient: Vector, start: _End) -> _Search:
    """Takes a trial in: accepts it, or makes it an end of the bracket."""
    rounding = max(ROUNDING, 10 * float(jnp.finfo(start.loss.dtype).eps))
    slack = rounding * jnp.abs(start.loss)
    finite = jnp.isfinite(here.loss) & jnp.isfinite(here.slope)
    armijo = here.loss <= start.loss + DECREASE * here.step * start.slope
    close = here.loss <= start.loss + slack
    approximate = close & (here.slope <= (2 * DECREASE - 1) * start.slope)
    low_enough = finite & (armijo | approximate)
    flat_enough = jnp.abs(here.slope) <= CURVATURE * jnp.abs(start.slope)
    done = low_enough & flat_enough
    beyond = ~low_enough | (here.slope >= 0) | (here.loss > now.low.loss + slack)
    low = _either(beyond, now.low, here)
    high = _either(beyond, here, now.high)
    inside = _between(low, high, now.width, slack)
    inside = jnp.where(finite, inside, low.step + 0.1 * (high.step - low.step))
    following = jnp.where(jnp.isfinite(high.step), inside, _further(now.low, here))
    better = (finite & (here.loss < now.best.loss)) | done
    best = Found(
        jnp.where(better, here.step, now.best.step),
        jnp.where(better, here.loss, now.best.loss),
        jnp.where(better, gradient, now.best.gradient),
        now.best.evaluations + 1,
        now.best.moved,
    )
    width = high.step - low.step
    return _Search(following, low, high, width, best, done)


def _either(condition: Bool[Array, ""], one: _End, other: _End) -> _End:
    return _End(*(jnp.where(condition, a, b) for a, b in zip(one, other, strict=True)))


def _further(low: _End, here: _End) -> Scalar:
    """Extrapolates by the secant of the slopes, by 1.1 to 4 times the last stride."""
    stride = here.step - low.step
    secant = here.step - here.slope * stride / (here.slope - low.slope)
    guess = jnp.clip(secant, here.step + 1.1 * stride, here.step + 4 * stride)
    return jnp.where(jnp.isfinite(guess), guess, here.step + 4 * stride)


def _between(low: _End, high: _End, before: Scalar, slack: Scalar) -> Scalar:
    """Interpolates; bisects where the last trial hardly shrank the bracket."""
    width = high.step - low.step
    secant = low.step - low.slope * width / (high.slope - low.slope)
    flat = (jnp.abs(high.loss - low.loss) <= slack) & (high.slope > 0)
    guess = jnp.where(flat, secant, _cubic_minimum(low, high))
    shrinks = ~(width > 0.66 * before)
    kept = jnp.clip(guess, low.step + 0.05 * width, high.step - 0.05 * width)
    return jnp.where(jnp.isfinite(guess) & shrinks, kept, low.step + 0.5 * width)


def _cubic_minimum(a: _End, b: _End) -> Scalar:
    """The minimum of the cubic through two values and slopes; NaN without one.

    Nocedal and Wright, Numerical Optimization (2006), eq. 3.59.
    """
    stride = b.step - a.step
    d1 = a.slope + b.slope - 3 * (b.loss - a.loss) / stride
    root = jnp.sqrt(d1 * d1 - a.slope * b.slope)
    return b.step - stride * (b.slope + root - d1) / (b.slope - a.slope + 2 * root)
