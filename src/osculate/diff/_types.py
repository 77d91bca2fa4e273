"""What every operator takes and returns."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Float

from ._keys import Key

Field = Callable[..., Any]
"""A function of one point `(D,)`, to an array or to a dictionary of named fields."""

Directions = Float[Array, "n D"]
"""Along which to differentiate, one a row."""

Streams = dict[Key, Any]
"""What a field returns, and its derivatives, by key."""
