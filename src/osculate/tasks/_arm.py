"""One arm of the job: find the number of steps on held-out rows, then fit all rows."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import optax
from jaxtyping import PRNGKeyArray, PyTree

from osculate import train
from osculate.core import Objective, Result, Samples

from ._budget import Budget
from ._build import LABEL, Split
from ._journal import Journal

WARM_UP = 500  # Adam steps that find the valley for L-BFGS
FULL_BATCH = 8192  # more rows than this: Adam looks at minibatches
BATCH = 1024
ROWS_PER_CHUNK = 200_000  # rows times steps between two looks at a fit


class Arm(NamedTuple):
    """The two fits of one objective.

    Attributes:
        search: Fitted without the held-out rows: what is measured on them is fair.
        final: Fitted on all rows for the number of steps that was best in the search.
        history: Losses of the search, its stages joined.
        steps: Steps taken by each stage of the search.
    """

    search: Result
    final: Result
    history: dict[str, np.ndarray]
    steps: tuple[int, int]


class Limits(NamedTuple):
    """What ends each of the two stages of a fit: steps, and seconds from now."""

    steps: tuple[int | None, int | None]
    seconds: Callable[[int], float | None]


def fit_arm(
    journal: Journal,
    name: str,
    objective: Objective,
    model: PyTree[Any],
    split: Split,
    budget: Budget,
    *,
    until: float | None = None,
    key: PRNGKeyArray,
) -> Arm:
    """Fits one objective twice, Adam then L-BFGS each time.

    Args:
        journal: Runs and remembers the fits.
        name: The arm's name, before a slash in the names of its legs.
        objective: What is wanted.
        model: The network before the fit.
        split: The rows under their three weightings.
        budget: Limit of each fit in steps, or of both in seconds.
        until: With a limit in seconds: the journal's time at which this arm must end.
        key: Key of the minibatches.

    Returns:
        Both fits.
    """
    begun = journal.seconds

    def left(share: float) -> float | None:
        """Seconds until so much of this arm's time is used."""
        if until is None:
            return None
        return max(begun + share * (until - begun) - journal.seconds, 0.0)

    steps = budget.steps
    warm_up = WARM_UP if steps is None else min(WARM_UP, max(1, steps // 5))
    rest = None if steps is None else steps - warm_up
    descend = functools.partial(_descend, journal, objective=objective, key=key)
    first, search = descend(
        f"{name}/search",
        model,
        split.fitted,
        Limits((warm_up, rest), lambda stage: left((0.15, 0.6)[stage])),
        validation=split.held_out,
        patience=None if rest is None else max(500, rest // 4),
    )
    taken = first.stats["steps"], search.stats["best_step"]
    _, final = descend(
        f"{name}/all rows",
        model,
        split.all_rows,
        Limits(taken, lambda stage: left(1.0)),
        validation=split.all_rows,  # the same program as the search's
        patience=None,
    )
    history = _joined(first.history, search.history)
    return Arm(search, final, history, (taken[0], search.stats["steps"]))


def _descend(
    journal: Journal,
    name: str,
    model: PyTree[Any],
    rows: dict[str, Samples],
    limits: Limits,
    *,
    objective: Objective,
    key: PRNGKeyArray,
    validation: dict[str, Samples],
    patience: int | None,
) -> tuple[Result, Result]:
    """Finds the valley with Adam, on minibatches where rows are many, then L-BFGS."""
    batches = {}
    start = rows
    if rows[LABEL].x.shape[0] > FULL_BATCH:
        sampler = train.Minibatch(rows, BATCH)
        batches, start = {"sampler": sampler, "key": key}, sampler.first()
    schedule = train.Recipe(optax.cosine_decay_schedule, 1e-2, WARM_UP)
    every = int(np.clip(ROWS_PER_CHUNK // rows[LABEL].x.shape[0], 10, 100))
    first = journal.run(
        f"{name}/adam",
        objective,
        model,
        start,
        train.first_order(optax.adam, schedule),
        steps=limits.steps[0],
        seconds=limits.seconds(0),
        every=min(every, 50),
        **batches,
    )
    second = journal.run(
        f"{name}/lbfgs",
        objective,
        first.value,
        rows,
        train.lbfgs(),
        steps=limits.steps[1],
        seconds=limits.seconds(1),
        every=every,
        validation=validation,
        patience=patience,
    )
    return first, second


def _joined(
    first: dict[str, np.ndarray], second: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Appends the second stage; what a stage did not record is NaN."""
    names = [*first, *(n for n in second if n not in first)]
    gap = lambda h: np.full(len(h["step"]), math.nan)
    joined = {
        n: np.concatenate([first.get(n, gap(first)), second.get(n, gap(second))])
        for n in names
    }
    joined["step"] = np.concatenate([first["step"], first["step"][-1] + second["step"]])
    return joined
