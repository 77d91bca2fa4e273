"""One arm of the job: find the number of steps on held-out rows, then fit all rows."""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import numpy as np
import optax
from jaxtyping import PRNGKeyArray, PyTree

from osculate import train
from osculate.core import Objective, Result, Samples

from ._auto import auto
from ._build import LABEL, Split
from ._journal import Journal
from ._plan import ADAM_UNTIL, SEARCH_UNTIL, Plan

ROWS_PER_CHUNK = 200_000  # rows times steps between two looks at a fit


class Arm(NamedTuple):
    """The two fits of one objective, each with both stages joined.

    Attributes:
        search: Fitted without the held-out rows: what is measured on them is fair.
        final: Fitted on all rows for the number of steps that was best in the search.
        taken: Steps taken by each stage of the search.
        wanted: Steps that the search asked of the stages of the repetition.
    """

    search: Result
    final: Result
    taken: tuple[int, int]
    wanted: tuple[int, int]


class Limits(NamedTuple):
    """What ends the two stages of one fit."""

    steps: tuple[int, int | None]
    until: tuple[float, float]
    patience: int | None


def fit_arm(
    journal: Journal,
    name: str,
    objective: Objective,
    model: PyTree[Any],
    split: Split,
    plan: Plan,
    *,
    key: PRNGKeyArray,
) -> Arm:
    """Fits one objective twice, Adam then a quasi-Newton method each time.

    Args:
        journal: Runs and remembers the fits.
        name: The arm's name, before a slash in the names of its legs.
        objective: What is wanted.
        model: The network before the fit.
        split: The rows under their three weightings.
        plan: When the stages end.
        key: Key of the minibatches.

    Returns:
        Both fits.
    """
    descend = functools.partial(
        _descend, journal, objective=objective, model=model, plan=plan, key=key
    )
    adam, search = descend(
        f"{name}/search",
        split.fitted,
        split.held_out,
        Limits(
            (plan.warm_up, plan.rest),
            (ADAM_UNTIL, SEARCH_UNTIL),
            patience=plan.patience,
        ),
    )
    wanted = adam.stats["steps"], search.stats["best_step"]
    both = descend(
        f"{name}/all rows",
        split.all_rows,
        split.all_rows,  # as validation: the same program as the search's
        Limits(wanted, (1.0, 1.0), patience=None),
    )
    taken = adam.stats["steps"], search.stats["steps"]
    return Arm(joined(adam, search), joined(*both), taken, wanted)


def _descend(
    journal: Journal,
    name: str,
    rows: dict[str, Samples],
    validation: dict[str, Samples],
    limits: Limits,
    *,
    objective: Objective,
    model: PyTree[Any],
    plan: Plan,
    key: PRNGKeyArray,
) -> tuple[Result, Result]:
    """Finds the valley with Adam, on minibatches where rows are many; goes down."""
    batches = {}
    start = rows
    choice = auto(model, rows[LABEL].x.shape[0])
    if choice.batch is not None:
        sampler = train.Minibatch(rows, choice.batch)
        batches, start = {"sampler": sampler, "key": key}, sampler.first()
    schedule = train.Recipe(optax.cosine_decay_schedule, 1e-2, plan.warm_up)
    every = int(np.clip(ROWS_PER_CHUNK // rows[LABEL].x.shape[0], 10, 100))
    first = journal.run(
        f"{name}/adam",
        objective,
        model,
        start,
        train.first_order(optax.adam, schedule),
        steps=limits.steps[0],
        seconds=plan.left(limits.until[0], journal.seconds),
        every=min(every, 50),
        **batches,
    )
    second = journal.run(
        f"{name}/descent",
        objective,
        first.value,
        rows,
        choice.optimizer,
        steps=limits.steps[1],
        seconds=plan.left(limits.until[1], journal.seconds),
        every=every,
        validation=validation,
        patience=limits.patience,
    )
    return first, second


def joined(first: Result, second: Result) -> Result:
    """Appends the second stage of a fit; what a stage did not record is NaN.

    Args:
        first: The stage before.
        second: The stage that began where it ended.

    Returns:
        The second, with the history and the numbers of both.
    """
    one, two = first.history, second.history
    names = [*one, *(n for n in two if n not in one)]
    gap = lambda h: np.full(len(h["step"]), math.nan)
    history = {
        n: np.concatenate([one.get(n, gap(one)), two.get(n, gap(two))]) for n in names
    }
    before = int(one["step"][-1])
    history["step"] = np.concatenate([one["step"], before + two["step"]])
    stats = {name: first.stats[name] + second.stats[name] for name in second.stats}
    stats["best_step"] = before + second.stats["best_step"]
    return dataclasses.replace(second, history=history, stats=stats)
