"""What the extreme curvatures say of gradient descent: steps, momentum and rates."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

Scalar = Float[Array, ""]


class HeavyBall(NamedTuple):
    """Gradient descent with momentum, `v <- m v + g`, `theta <- theta - step v`.

    Attributes:
        step: The step that is best together with `momentum`.
        momentum: m.
        rate: By which the distance to the minimum shrinks per step, in the long run.
        plain_rate: The same for gradient descent without momentum at its best step.
        largest_plain_step: From here on gradient descent without momentum diverges.
    """

    step: Scalar
    momentum: Scalar
    rate: Scalar
    plain_rate: Scalar
    largest_plain_step: Scalar


def heavy_ball(low: ArrayLike, high: ArrayLike) -> HeavyBall:
    """Returns the best step and momentum for curvatures between two bounds.

    It is exact for quadratic objectives; elsewhere it holds near a minimum. The bounds
    are those of a `spectrum` of the Hessian.

    Args:
        low: The smallest curvature, positive.
        high: The largest one.

    Returns:
        Step, momentum and the rates to expect.

    Raises:
        RuntimeError: If not `0 < low <= high`.

    Reference: Polyak (1964), Some methods of speeding up the convergence of iteration
    methods; SPEC K4.3.9-14, with the condition number `high / low`.

    Example:
        >>> round(float(heavy_ball(1.0, 100.0).rate), 5)
        0.81818
    """
    low, high = jnp.asarray(low, float), jnp.asarray(high, float)
    low = eqx.error_if(
        low,
        ~((low > 0) & (low <= high)),
        "`heavy_ball`: expected 0 < low <= high. Curvatures from 0 down have no rate; "
        "a penalty of the weights makes all of them positive.",
    )
    a, b = jnp.sqrt(low), jnp.sqrt(high)
    rate = (b - a) / (b + a)
    return HeavyBall(
        step=(2 / (a + b)) ** 2,
        momentum=rate**2,
        rate=rate,
        plain_rate=(high - low) / (high + low),
        largest_plain_step=2 / high,
    )
