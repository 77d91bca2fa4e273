"""What a function returns, as one vector of named numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from osculate.core import InputError

from ._arrays import default_names, matrix
from ._build import refuse_gaps
from ._columns import row_number
from ._headers import split_unit

ORDERS = (0, 1, 2)


def checked_order(source: str, order: int, lowest: int = 0) -> None:
    """Raises where a table cannot hold derivatives of an order.

    Args:
        source: What is called.
        order: The order asked for.
        lowest: The lowest that makes sense.

    Raises:
        InputError: If it is not from `lowest` to 2.
    """
    if order not in ORDERS[lowest:]:
        raise InputError(
            f"`{source}`: order={order!r}; expected {lowest} to 2.\n"
            "Pass `order=1` for first derivatives, `order=2` for second ones as well."
        )


def checked_chunk(source: str, chunk: int) -> None:
    """Raises where rows cannot be taken so many at a time.

    Args:
        source: What is called.
        chunk: Rows at a time.

    Raises:
        InputError: If it is less than 1.
    """
    if chunk < 1:
        raise InputError(
            f"`{source}`: chunk={chunk!r}; expected 1 row at a time or more.\n"
            "Leave it out for the default."
        )


def checked_points(
    source: str, x: Any, inputs: Sequence[str] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns points and the names of their inputs, before anything is called.

    Args:
        source: What is called.
        x: Points `(N, D)`, or `(N,)` where D = 1.
        inputs: Names, perhaps with units, or `None`.

    Returns:
        Points `(N, D)` in float64, and D names without units.

    Raises:
        InputError: If they are no finite numbers, or the names do not fit.
    """
    points = matrix(f"`{source}`", "x", x)
    given = (inputs,) if isinstance(inputs, str) else inputs
    titles = list(given or default_names("x", points.shape[1]))
    if len(titles) != points.shape[1]:
        raise InputError(
            f"`{source}`: got inputs {titles}; expected {points.shape[1]} names, one "
            "per column of `x`.\n"
            f"Pass `inputs=` with {points.shape[1]} names."
        )
    refuse_gaps(points, titles, f"`{source}`", row_number)
    return points, tuple(split_unit(title)[0] for title in titles)


def split_outputs(returned: Any) -> dict[str, Any]:
    """Returns what a function returned by name; `""` where it is one array.

    Args:
        returned: An array, a number, or a dictionary of these.

    Returns:
        A dictionary in the order in which the function made it.
    """
    if isinstance(returned, Mapping):
        return {str(name): value for name, value in returned.items()}
    return {"": returned}


def output_names(shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    """Returns one name per number, `lift` or `lift1`, `lift2`, ...

    Args:
        shapes: Shapes by name, `""` for one array without a name.

    Returns:
        Names in the order of the raveled arrays.
    """
    names: list[str] = []
    for name, shape in shapes.items():
        names += default_names(name or "y", math.prod(shape))
    return tuple(names)
