"""Which methods fit a surrogate, and why."""

from typing import Any, NamedTuple

import jax
from jaxtyping import PyTree

from osculate import curve, train
from osculate.core import Optimizer, trainable

MAX_DENSE = 3000  # parameters: a step of the dense method is then some milliseconds
MAX_EVIDENCE = 400  # parameters whose penalties are found: a step takes as long
FIRST = ((0.3, 0.3), (2.0, 2.0), (0.3, 10.0))  # noise of values, of derivatives
ENOUGH = 50  # residuals: fewer are too kind to a constant
MAX_PRODUCT = 2e8  # residuals times squared parameters: likewise
FULL_BATCH = 8192  # more rows than this: Adam looks at minibatches
BATCH = 1024


class Choice(NamedTuple):
    """How a network goes down: Adam finds the valley, a second method its floor.

    Attributes:
        by_evidence: Whether the second method goes alone and knows itself which of its
            iterates is best; else held-out rows tell.
        batch: Rows that Adam looks at per step, or None for all.
        name: Of the second method.
        optimizers: The second method; where it is by evidence, with several noise
            levels to begin with, of which that with the largest evidence is taken.
        why: One sentence.
    """

    by_evidence: bool
    batch: int | None
    name: str
    optimizers: tuple[Optimizer, ...]
    why: str


def auto(model: PyTree[Any], rows: int, residuals: int | None = None) -> Choice:
    """Chooses by the number of trained numbers, of rows and of residuals.

    Small networks are regularized by their evidence, beginning with a smooth fit: that
    was 2 to 300 times more exact on 9 to 100 rows. Elsewhere self-scaled Broyden
    reaches smaller losses in fewer steps than L-BFGS and keeps a matrix of P x P
    numbers; Levenberg-Marquardt came second at equal seconds in the races of
    `benchmarks/curve_races.py`.

    Args:
        model: What is fitted.
        rows: Of the table.
        residuals: Known numbers of the table where penalty and noise levels may be
            found, else None.

    Returns:
        The choice.
    """
    P = sum(a.size for a in jax.tree.leaves(trainable(model)[0]))
    batch = BATCH if rows > FULL_BATCH else None
    batches = "" if batch is None else f"; minibatches of {BATCH} for {rows:,} rows"
    if residuals and P <= MAX_EVIDENCE and residuals * P**2 <= MAX_PRODUCT:
        why = f"{P:,} trained numbers, few enough to find penalties and noise levels"
        starts = FIRST if residuals >= ENOUGH else FIRST[:1]
        optimizers = tuple(
            curve.bayesian_regularization(
                first={"value": value, "jacobian": slope, "hessian": slope}
            )
            for value, slope in starts
        )
        return Choice(True, None, "bayesian_regularization", optimizers, why)
    if P <= MAX_DENSE:
        why = f"{P:,} trained numbers, few enough for their whole curvature{batches}"
        return Choice(False, batch, "ssbroyden", (curve.ssbroyden(),), why)
    why = f"{P:,} trained numbers, too many for their whole curvature{batches}"
    return Choice(False, batch, "lbfgs", (train.lbfgs(),), why)
