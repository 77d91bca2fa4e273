"""Losses of a difference: Laplace, Cauchy, Student, Huber, and powers.

The first four forgive gross errors more than `Gaussian` does: the pull of one error on
the prediction is bounded, and tends to 0 for Cauchy and Student. Powers above 2 forgive
them less.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree, Shaped

from ._distance import absolute, log1p_square, power as power_of
from ._distribution import require
from ._loss import AbstractLoss, broadcasts, predictions, targets

POSITIVE = "is not positive; expected above 0"


class LaplaceLoss(AbstractLoss):
    """Laplace noise, that is absolute differences: `|z - y| / scale`.

    The best constant is the median. Dropped: `log(2 scale)`.

    Attributes:
        scale: Expected absolute difference, in the units of z, a number or an array
            that broadcasts against z.

    Example:
        >>> float(LaplaceLoss(2.0)(jnp.array([1.0, -3.0]), None))
        2.0
    """

    scale: PyTree[Any] = 1.0

    def __check_init__(self):
        """Checks the scale.

        Raises:
            ValueError: If it is not positive.
        """
        require(self.scale > 0, "LaplaceLoss", f"scale {POSITIVE}")

    def each(self, z: Shaped[Array, "..."], y: ArrayLike | None) -> Float[Array, "..."]:
        return absolute(_distance("LaplaceLoss", z, y, scale=self.scale) / self.scale)

    def weight(
        self, z: Shaped[Array, "..."], y: ArrayLike | None
    ) -> Float[Array, "..."]:
        return _constant(z, 1 / _square(self.scale))


class CauchyLoss(AbstractLoss):
    """Cauchy noise: `log(1 + r**2)` of `r = (z - y) / scale`.

    Dropped: `log(pi scale)`.

    Attributes:
        scale: Half of all differences are below it, in the units of z, a number or an
            array that broadcasts against z.

    Example:
        >>> round(float(CauchyLoss()(jnp.array(1.0), None)), 4)
        0.6931
    """

    scale: PyTree[Any] = 1.0

    def __check_init__(self):
        """Checks the scale.

        Raises:
            ValueError: If it is not positive.
        """
        require(self.scale > 0, "CauchyLoss", f"scale {POSITIVE}")

    def each(self, z: Shaped[Array, "..."], y: ArrayLike | None) -> Float[Array, "..."]:
        distance = _distance("CauchyLoss", z, y, scale=self.scale)
        return log1p_square(distance, self.scale)

    def weight(
        self, z: Shaped[Array, "..."], y: ArrayLike | None
    ) -> Float[Array, "..."]:
        return _constant(z, 0.5 / _square(self.scale))


class StudentTLoss(AbstractLoss):
    """Student's t noise: `(degrees + 1) / 2 * log(1 + r**2 / degrees)`.

    Here `r = (z - y) / scale`; one degree is Cauchy, infinitely many are Gaussian.
    Dropped: `log scale` and the constants of the degrees, which therefore cannot be
    learned by this loss.

    Attributes:
        degrees: Degrees of freedom, positive, a number or an array that broadcasts
            against z.
        scale: Scale of the differences, in the units of z, a number or an array that
            broadcasts against z.

    Example:
        >>> round(float(StudentTLoss(3.0)(jnp.array(3.0), None)), 4)
        2.7726
    """

    degrees: PyTree[Any] = 4.0
    scale: PyTree[Any] = 1.0

    def __check_init__(self):
        """Checks the parameters.

        Raises:
            ValueError: If one is not positive.
        """
        require(self.degrees > 0, "StudentTLoss", f"degrees {POSITIVE}")
        require(self.scale > 0, "StudentTLoss", f"scale {POSITIVE}")

    def each(self, z: Shaped[Array, "..."], y: ArrayLike | None) -> Float[Array, "..."]:
        d, s = self.degrees, self.scale
        distance = _distance("StudentTLoss", z, y, degrees=d, scale=s)
        return (d + 1) / 2 * log1p_square(distance, s * d**0.5)

    def weight(
        self, z: Shaped[Array, "..."], y: ArrayLike | None
    ) -> Float[Array, "..."]:
        share = (self.degrees + 1) / (self.degrees + 3)
        return _constant(z, share / _square(self.scale))


class HuberLoss(AbstractLoss):
    """Half a square near 0, straight beyond: `r**2 / 2` or `t * (|r| - t / 2)`.

    Here `r = (z - y) / scale` and `t` is the threshold; value and slope are continuous.
    It is the likelihood of the density proportional to `exp(-loss)`; dropped: its
    normalization. Reference: Huber (1964), Robust estimation of a location parameter.

    Attributes:
        threshold: Where the square ends, in scales, a number or an array that
            broadcasts against z. At 1.345 the mean of normal numbers
            is estimated with 95 % of the efficiency of least squares.
        scale: Scale of the differences, in the units of z, a number or an array that
            broadcasts against z.

    Example:
        >>> float(HuberLoss(1.0)(jnp.array([0.5, 3.0]), None))
        2.625
    """

    threshold: PyTree[Any] = 1.345
    scale: PyTree[Any] = 1.0

    def __check_init__(self):
        """Checks the parameters.

        Raises:
            ValueError: If one is not positive.
        """
        require(self.threshold > 0, "HuberLoss", f"threshold {POSITIVE}")
        require(self.scale > 0, "HuberLoss", f"scale {POSITIVE}")

    def each(self, z: Shaped[Array, "..."], y: ArrayLike | None) -> Float[Array, "..."]:
        t, s = self.threshold, self.scale
        r = _distance("HuberLoss", z, y, threshold=t, scale=s) / s
        near = jnp.clip(r, -t, t)
        return near * (r - 0.5 * near)

    def weight(
        self, z: Shaped[Array, "..."], y: ArrayLike | None
    ) -> Float[Array, "..."]:
        t = jnp.asarray(self.threshold, z.dtype)
        near = math.sqrt(math.pi / 2) * jax.scipy.special.erf(t / math.sqrt(2))
        share = near / (near + jnp.exp(-0.5 * t**2) / t)
        return _constant(z, share / _square(self.scale))


class PowerLoss(AbstractLoss):
    """Powers of absolute differences: `|r|**p / p` of `r = (z - y) / scale`.

    The loss of a fit in the norm of L^p: power 1 is Laplace, 2 is Gaussian, and the
    larger it is, the more the largest difference counts: the best constant goes from
    the median over the mean towards the middle of the extremes. It is the likelihood of
    the generalized normal distribution, also called exponential power (Subbotin 1923);
    dropped: `log(scale)` and the constants of the power, which therefore cannot be
    learned by this loss.

    Derivatives at `z = y` are 0 where the power has none there, or an infinite one:
    the first at power 1, the second below power 2.

    Attributes:
        power: 1 or more, finite, a number or an array that broadcasts against z.
        scale: Scale of the differences, in the units of z, a number or an array that
            broadcasts against z.

    Example:
        >>> float(PowerLoss(4.0, 2.0)(jnp.array([4.0, -2.0]), None))
        4.25
    """

    power: PyTree[Any] = 4.0
    scale: PyTree[Any] = 1.0

    def __check_init__(self):
        """Checks the parameters.

        Raises:
            ValueError: If the power is below 1 or infinite, or the scale not positive.
        """
        right = (self.power >= 1) & (self.power < math.inf)
        require(right, "PowerLoss", "power is not 1 or more, and finite")
        require(self.scale > 0, "PowerLoss", f"scale {POSITIVE}")

    def each(self, z: Shaped[Array, "..."], y: ArrayLike | None) -> Float[Array, "..."]:
        distance = _distance("PowerLoss", z, y, power=self.power, scale=self.scale)
        power = _constant(z, self.power)
        return power_of(distance / self.scale, power) / power

    def weight(
        self, z: Shaped[Array, "..."], y: ArrayLike | None
    ) -> Float[Array, "..."]:
        p = jnp.asarray(self.power, z.dtype)  # |r|^p / p has the law Gamma(1 / p)
        log = jax.scipy.special.gammaln
        share = jnp.exp((2 - 2 / p) * jnp.log(p) + log(2 - 1 / p) - log(1 / p))
        return _constant(z, share / _square(self.scale))


def _distance(
    owner: str, z: Array, y: ArrayLike | None, **parameters: Any
) -> Float[Array, "..."]:
    """Returns `z - y`, of the shape of z, against which the parameters broadcast."""
    z = predictions(owner, z)
    for name, value in parameters.items():
        if not broadcasts(jnp.shape(value), z.shape):
            raise ValueError(
                f"`{owner}`: {name} has shape {jnp.shape(value)}; expected a number or "
                f"an array that broadcasts to that of the predictions, {z.shape}."
            )
    return z if y is None else z - targets(owner, y, z.shape, z.dtype)


def _square(scale: Any) -> Any:
    return scale * scale


def _constant(z: Array, value: Any) -> Float[Array, "..."]:
    return jnp.broadcast_to(jnp.asarray(value, z.dtype), z.shape)
