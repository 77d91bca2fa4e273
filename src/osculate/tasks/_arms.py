"""The fits of the job: with all derivatives and, to compare, with values only."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from osculate.core import trainable
from osculate.data import Table

from ._arm import Arm, fit_arm
from ._budget import parse_budget
from ._build import (
    held_out_rows,
    keys_of,
    network,
    objective,
    orders_of,
    scales_of,
    split,
)
from ._journal import Journal
from ._plan import main_plan, values_only_plan
from ._settings import Settings, loss_of


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
    key, batches = keys_of(settings)
    model = network(table, scales, settings, key)
    rows = split(table, held_out)
    orders, budget = orders_of(table), parse_budget(settings.budget)
    compare = settings.compare and max(orders) > 0
    plan = main_plan(budget, compare=compare)
    name = "derivatives" if max(orders) else "values"
    loss = loss_of(settings.loss)
    wanted = objective(orders, scales, loss, settings.jacobian)
    main = fit_arm(journal, name, wanted, model, rows, plan, key=batches)
    values_only = None
    if compare:
        plan = values_only_plan(plan, budget, main.taken)
        wanted = objective((0,), scales, loss)
        values_only = fit_arm(
            journal, "values only", wanted, model, rows, plan, key=batches
        )
    net = model.net.net
    return Arms(main, values_only, held_out, _count(model), _describe(net))


def _count(model) -> int:
    theta, _ = trainable(model)
    return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(theta))


def _describe(net) -> str:
    sizes = [net.weights[0].shape[1], *(w.shape[0] for w in net.weights)]
    return f"{'-'.join(map(str, sizes))} {net.activation}"
