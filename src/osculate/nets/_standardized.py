"""A network between natural units: points in, values out, unit scale inside."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, PyTree

from osculate.core import Fixed


class Standardized(eqx.Module):
    """`x -> y_shift + y_scale * net((x - x_shift) / x_scale)`.

    The scales are not trained. Derivatives of this function are in natural units.

    Attributes:
        net: A function of one point, of unit scale.
        x_shift: `(D,)`, units of x.
        x_scale: `(D,)`, units of x.
        y_shift: `(M,)`, units of y.
        y_scale: `(M,)`, units of y.
    """

    net: PyTree[Any]
    x_shift: Fixed
    x_scale: Fixed
    y_shift: Fixed
    y_scale: Fixed

    def __init__(
        self,
        net: PyTree[Any],
        *,
        x_shift: Float[Array, " D"],
        x_scale: Float[Array, " D"],
        y_shift: Float[Array, " M"],
        y_scale: Float[Array, " M"],
    ):
        """Wraps a network of unit scale.

        Args:
            net: A function of one point `(D,) -> (M,)`.
            x_shift: `(D,)` subtracted from a point.
            x_scale: `(D,)` by which it is then divided.
            y_shift: `(M,)` added to the scaled answer.
            y_scale: `(M,)` by which the answer is multiplied.
        """
        self.net = net
        self.x_shift, self.x_scale = Fixed(x_shift), Fixed(x_scale)
        self.y_shift, self.y_scale = Fixed(y_shift), Fixed(y_scale)

    def __call__(self, x: Float[Array, " D"]) -> Float[Array, " M"]:
        """Returns the value at one point, in natural units."""
        z = self.net((x - self.x_shift.value) / self.x_scale.value)
        return self.y_shift.value + self.y_scale.value * z
