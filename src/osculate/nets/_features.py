"""What a network is shown of a point: coordinates of unit scale, and waves."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from osculate.core import Fixed


class Features(eqx.Module):
    """`x -> net(z)`, z the coordinates from -1 to 1, and waves of them.

    A periodic coordinate is shown as `cos` and `sin` of its harmonics alone, so that
    the function and all its derivatives have its period. Other waves have random
    directions: they help where the function oscillates more often than a small network
    finds by itself.

    Reference: Tancik et al. (2020), Fourier features let networks learn high frequency
    functions in low dimensional domains.

    Attributes:
        net: A function of z.
        middle: `(D,)`, what is subtracted from a point.
        half: `(D,)`, by which it is then divided.
        waves: `(W, D)`, angular frequencies of the random waves.
        plain: Places of the coordinates that are not periodic.
        cyclic: Places of those that are.
        harmonics: How many of each.
    """

    net: PyTree[Any]
    middle: Fixed
    half: Fixed
    waves: Fixed
    plain: tuple[int, ...] = eqx.field(static=True)
    cyclic: tuple[int, ...] = eqx.field(static=True)
    harmonics: int = eqx.field(static=True)

    def __call__(self, x: Float[Array, " D"]) -> Float[Array, " M"]:
        """Returns the value of the network at one point."""
        z = (x - self.middle.value) / self.half.value
        parts = [z[place : place + 1] for place in self.plain]
        for place in self.cyclic:
            for k in range(1, self.harmonics + 1):
                angle = k * np.pi * z[place : place + 1]
                parts += [jnp.cos(angle), jnp.sin(angle)]
        if len(self.waves.value):
            angles = z @ self.waves.value.T
            parts += [jnp.cos(angles), jnp.sin(angles)]
        return self.net(jnp.concatenate(parts))


def features(
    net_of: Any,
    *,
    low: Sequence[float],
    high: Sequence[float],
    periodic: Sequence[int] = (),
    harmonics: int = 1,
    num_waves: int = 0,
    frequency: float = 1.0,
    key: PRNGKeyArray,
) -> Features:
    """Returns a network that sees coordinates of unit scale, and waves of them.

    Args:
        net_of: From the number of features and a key to a network of one vector.
        low: Smallest value of each coordinate.
        high: Largest value of each coordinate.
        periodic: Places of the coordinates whose ends are the same place.
        harmonics: How many waves each of these is shown as.
        num_waves: Number of random waves of the other coordinates.
        frequency: Standard deviation of their angular frequencies, in radians per half
            of the range of a coordinate.
        key: Of the waves and of the network.

    Returns:
        The network.

    Example:
        >>> import jax
        >>> wave = features(
        ...     lambda size, key: lambda z: z,
        ...     low=[0.0],
        ...     high=[2.0],
        ...     periodic=[0],
        ...     key=jax.random.key(0),
        ... )
        >>> wave(jnp.array([1.0]))
        Array([1., 0.], dtype=float32)
    """
    first, last = np.asarray(low, float), np.asarray(high, float)
    plain = tuple(k for k in range(len(first)) if k not in periodic)
    waves, rest = jr.split(key)
    drawn = frequency * jr.normal(waves, (num_waves, len(first)))
    drawn = drawn.at[:, jnp.asarray(list(periodic), int)].set(0.0)
    size = len(plain) + 2 * harmonics * len(periodic) + 2 * num_waves
    return Features(
        net_of(size, rest),
        Fixed(jnp.asarray((first + last) / 2)),
        Fixed(jnp.asarray((last - first) / 2)),
        Fixed(drawn),
        plain,
        tuple(periodic),
        harmonics,
    )
