"""Which method goes down the valley that Adam has found."""

from typing import Any

import jax
from jaxtyping import PyTree

from osculate import curve, train
from osculate.core import Optimizer, trainable

MAX_DENSE = 3000  # parameters: a step of the dense method is then some milliseconds


def descent(model: PyTree[Any]) -> tuple[str, Optimizer]:
    """Returns the method for the second stage of a fit, and its name.

    Args:
        model: What is fitted.

    Returns:
        Self-scaled Broyden, which reaches smaller losses in fewer steps and keeps a
        matrix of P x P numbers; L-BFGS for more parameters than that is good for.
    """
    P = sum(a.size for a in jax.tree.leaves(trainable(model)[0]))
    if P <= MAX_DENSE:
        return "ssbroyden", curve.ssbroyden()
    return "lbfgs", train.lbfgs()
