"""What every operator takes and returns."""

from collections.abc import Callable
from typing import Any

Field = Callable[..., Any]
"""A function of one point `(D,)`, to an array or to a dictionary of named fields."""
