"""One arm of the job: find the number of steps on held-out rows, then fit all rows."""

import math
from typing import Any, NamedTuple

import numpy as np
import optax
from jaxtyping import PyTree

from osculate import train
from osculate.core import Objective, Result

from ._budget import Budget
from ._build import LABEL, Split
from ._journal import Journal

WARM_UP = 500  # Adam steps that find the valley for L-BFGS
FULL_BATCH = 8192  # more rows than this: Adam looks at minibatches
BATCH = 1024


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


def fit_arm(
    journal: Journal,
    name: str,
    objective: Objective,
    model: PyTree[Any],
    split: Split,
    budget: Budget,
    *,
    until: float | None = None,
    key: Any,
) -> Arm:
    """Fits one objective twice, Adam then L-BFGS each time.

    Args:
        journal: Runs and remembers the fits.
        name: The arm's name, before a slash in the names of its legs.
        objective: What is wanted.
        model: The network before the fit.
        split: The rows under their three weightings.
        budget: Limit of the search in steps, or of both fits in seconds.
        until: With a limit in seconds: the journal's time at which this arm must end.
        key: Key of the minibatches.

    Returns:
        Both fits.
    """
    steps = budget.steps
    begun = journal.seconds
    by = lambda share: (
        until and max(begun + share * (until - begun) - journal.seconds, 0.0)
    )
    warm_up = WARM_UP if steps is None else min(WARM_UP, max(1, steps // 5))
    sampling = _sampling(split.fitted, key)
    first = journal.run(
        f"{name}/search/adam",
        objective,
        model,
        sampling.pop("first", split.fitted),
        _adam(),
        steps=warm_up,
        seconds=by(0.15),
        every=50,
        **sampling,
    )
    rest = None if steps is None else max(steps - warm_up, 0)
    search = journal.run(
        f"{name}/search/lbfgs",
        objective,
        first.value,
        split.fitted,
        train.lbfgs(),
        steps=rest,
        seconds=by(0.6),
        validation=split.held_out,
        patience=None if rest is None else max(500, rest // 4),
    )
    chosen = first.stats["steps"], search.stats["best_step"]
    sampling = _sampling(split.all_rows, key)
    again = journal.run(
        f"{name}/all rows/adam",
        objective,
        model,
        sampling.pop("first", split.all_rows),
        _adam(),
        steps=chosen[0],
        every=50,
        **sampling,
    )
    final = journal.run(
        f"{name}/all rows/lbfgs",
        objective,
        again.value,
        split.all_rows,
        train.lbfgs(),
        steps=chosen[1],
        seconds=by(1.0),
        validation=split.all_rows,  # the same program as the search's
        patience=10**9,
    )
    return Arm(
        search,
        final,
        _joined(first.history, search.history),
        (chosen[0], search.stats["steps"]),
    )


def _adam() -> Any:
    schedule = train.Recipe(optax.cosine_decay_schedule, 1e-2, WARM_UP)
    return train.first_order(optax.adam, schedule)


def _sampling(rows: dict, key: Any) -> dict[str, Any]:
    """Options for minibatches where the rows are too many for a full batch."""
    if rows[LABEL].x.shape[0] <= FULL_BATCH:
        return {}
    sampler = train.Minibatch(rows, BATCH)
    return {"sampler": sampler, "key": key, "first": sampler.first()}


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
