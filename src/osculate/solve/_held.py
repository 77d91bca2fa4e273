"""Constant arrays that compare and hash, so that they may be static fields."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Held(NamedTuple):
    """Numbers in float64, found once at declaration.

    Attributes:
        shape: Of the array.
        numbers: Its bytes.
    """

    shape: tuple[int, ...]
    numbers: bytes

    @property
    def array(self) -> Float[np.ndarray, "..."]:
        """The numbers, read-only."""
        return np.frombuffer(self.numbers, np.float64).reshape(self.shape)

    def at(self, dtype: Any) -> Float[Array, "..."]:
        """Returns the numbers in some precision."""
        return jnp.asarray(self.array, dtype)


def held(values: Any) -> Held:
    """Returns numbers to keep.

    Args:
        values: An array.

    Returns:
        Them.
    """
    numbers = np.asarray(values, np.float64)
    return Held(numbers.shape, numbers.tobytes())
