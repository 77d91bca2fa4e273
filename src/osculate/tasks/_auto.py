"""Which methods fit a surrogate, and why."""

from typing import Any, NamedTuple

import jax
from jaxtyping import PyTree

from osculate import curve, train
from osculate.core import Optimizer, trainable

MAX_DENSE = 3000  # parameters: a step of the dense method is then some milliseconds
FULL_BATCH = 8192  # more rows than this: Adam looks at minibatches
BATCH = 1024


class Choice(NamedTuple):
    """How a network goes down: Adam finds the valley, a second method its floor.

    Attributes:
        batch: Rows that Adam looks at per step, or None for all.
        name: Of the second method.
        optimizer: The second method.
        why: One sentence.
    """

    batch: int | None
    name: str
    optimizer: Optimizer
    why: str


def auto(model: PyTree[Any], rows: int) -> Choice:
    """Chooses by the number of trained numbers and of rows.

    Self-scaled Broyden reaches smaller losses in fewer steps than L-BFGS and keeps a
    matrix of P x P numbers. Levenberg-Marquardt is not chosen: at equal seconds it
    came second in the races of `benchmarks/curve_races.py`.

    Args:
        model: What is fitted.
        rows: Of the table.

    Returns:
        The choice.
    """
    P = sum(a.size for a in jax.tree.leaves(trainable(model)[0]))
    batch = BATCH if rows > FULL_BATCH else None
    batches = "" if batch is None else f"; minibatches of {BATCH} for {rows:,} rows"
    if P <= MAX_DENSE:
        why = f"{P:,} trained numbers, few enough for their whole curvature{batches}"
        return Choice(batch, "ssbroyden", curve.ssbroyden(), why)
    why = f"{P:,} trained numbers, too many for their whole curvature{batches}"
    return Choice(batch, "lbfgs", train.lbfgs(), why)
