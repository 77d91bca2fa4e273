"""Points at which a model is looked at, with what is known there."""

from typing import Any

import equinox as eqx
from jaxtyping import PyTree


class Samples(eqx.Module):
    """N points, what is known at each, and how much each counts.

    Rows are the leading axis of every array; one row is one point.

    Attributes:
        x: Points, any pytree with leading axis N: `(N, D)` for vectors.
        y: What is known there: `None`, a pytree with leading axis N, or a dictionary
            of targets by the names of the probe's quantities.
        weight: How much each row or entry counts: `None` (all alike), `(N,)`, the
            shape of the quantity, or a dictionary of these by name, which then has
            every name the probe returns. 0 means absent: a missing observation, or a
            row that only pads the table.
    """

    x: PyTree[Any]
    y: PyTree[Any] = None
    weight: PyTree[Any] = None
