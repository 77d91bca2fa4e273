"""The fits of the job: with all derivatives and, to compare, with values only."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from osculate.core import trainable
from osculate.data import Table

from ._arm import Arm, fit_arm
from ._budget import Budget, parse_budget
from ._build import (
    held_out_rows,
    initial_key,
    network,
    objective,
    orders_of,
    scales_of,
    split,
)
from ._journal import Journal
from ._settings import Settings

SHARE_OF_MAIN = 0.6  # of a budget in seconds, where values only are compared


class Arms(NamedTuple):
    """Both arms of the job, and the rows that were held out of their searches."""

    main: Arm
    values_only: Arm | None
    held_out: Bool[ndarray, " N"]
    parameters: int
    network: str


def fit_arms(journal: Journal, settings: Settings, table: Table) -> Arms:
    """Fits a table; under x64.

    Args:
        journal: Runs and remembers the fits.
        settings: The choices.
        table: What is known.

    Returns:
        The fits.
    """
    held_out = held_out_rows(table, settings)
    scales = scales_of(table, ~held_out)
    key = initial_key(settings)
    model = network(table, scales, settings, key)
    rows = split(table, held_out)
    orders, budget = orders_of(table), parse_budget(settings.budget)
    total = budget.seconds
    main = fit_arm(
        journal,
        "derivatives" if max(orders) else "values",
        objective(orders, scales),
        model,
        rows,
        budget,
        until=total and total * (SHARE_OF_MAIN if settings.compare else 1.0),
        key=jax.random.fold_in(key, 1),
    )
    values_only = None
    if settings.compare and max(orders):
        values_only = fit_arm(
            journal,
            "values only",
            objective((0,), scales),
            model,
            rows,
            Budget(budget.steps or sum(main.steps), None),
            until=total,
            key=jax.random.fold_in(key, 1),
        )
    net = model.net.net
    return Arms(main, values_only, held_out, _count(model), _describe(net))


def _count(model) -> int:
    theta, _ = trainable(model)
    return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(theta))


def _describe(net) -> str:
    sizes = [net.weights[0].shape[1], *(w.shape[0] for w in net.weights)]
    return f"{'-'.join(map(str, sizes))} {net.activation}"
