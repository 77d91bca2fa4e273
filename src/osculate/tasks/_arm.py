"""One arm of the job: find the number of steps on held-out rows, then fit all rows."""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import numpy as np
import optax
from jaxtyping import PRNGKeyArray, PyTree

from osculate import train
from osculate.core import Objective, Optimizer, Result, Samples

from ._auto import Choice
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
        members: The arms of an ensemble, which the results are of; else none.
    """

    search: Result
    final: Result
    taken: tuple[int, int]
    wanted: tuple[int, int]
    members: tuple["Arm", ...] = ()


class Limits(NamedTuple):
    """What ends the two stages of one fit."""

    steps: tuple[int, int | None]
    until: tuple[float, float]
    patience: int | None


class Found(NamedTuple):
    """The stages of a fit, and the method of the last one."""

    stages: list[Result]
    optimizer: Optimizer


class Fitter(NamedTuple):
    """Everything about a fit but its rows.

    Attributes:
        journal: Runs and remembers the fits.
        objective: What is wanted.
        model: The network before the fit.
        plan: When the stages end.
        choice: The methods.
        key: Key of the minibatches.
    """

    journal: Journal
    objective: Objective
    model: PyTree[Any]
    plan: Plan
    choice: Choice
    key: PRNGKeyArray

    def search(self, name: str, split: Split) -> Found:
        """Fits without the held-out rows.

        Args:
            name: Before a slash in the names of the legs.
            split: The rows under their three weightings.

        Returns:
            The fit; of several, that with the largest evidence.
        """
        plan = self.plan
        limits = Limits(
            (plan.warm_up, plan.rest),
            (ADAM_UNTIL, SEARCH_UNTIL),
            patience=plan.patience,
        )
        return self._best(f"{name}/search", split.fitted, split.held_out, limits)

    def arm(self, name: str, split: Split) -> Arm:
        """Fits without the held-out rows, then with all.

        Args:
            name: The arm's name, before a slash in the names of its legs.
            split: The rows under their three weightings.

        Returns:
            Both fits.
        """
        (*before, search), optimizer = self.search(name, split)
        warm_up = sum(stage.stats["steps"] for stage in before)
        wanted = warm_up, search.stats["best_step"]
        if self.choice.by_evidence:  # it ends where levels and weights have converged
            wanted = warm_up, self.plan.rest or search.stats["steps"]
        final = self._descend(
            f"{name}/all rows",
            split.all_rows,
            split.all_rows,  # as validation: the same program as the search's
            Limits(wanted, (1.0, 1.0), patience=None),
            optimizer,
        )
        taken = warm_up, search.stats["steps"]
        return Arm(joined(*before, search), joined(*final), taken, wanted)

    def again(self, name: str, split: Split, first: Arm) -> Arm:
        """Repeats both fits of an arm from other first weights, in as many steps.

        Held-out rows choose nothing here.

        Args:
            name: Before a slash in the names of the legs.
            split: The rows under their three weightings.
            first: The arm.

        Returns:
            Both fits.
        """
        wanted = first.wanted
        *before, search = self.repeat(f"{name}/search", split.fitted, wanted)
        final = self.repeat(f"{name}/all rows", split.all_rows, wanted)
        taken = sum(stage.stats["steps"] for stage in before), search.stats["steps"]
        return Arm(joined(*before, search), joined(*final), taken, wanted)

    def repeat(
        self, name: str, rows: dict[str, Samples], wanted: tuple[int, int]
    ) -> list[Result]:
        """Fits rows in as many steps as a search asked for.

        Args:
            name: Before a slash in the names of the legs.
            rows: What is fitted.
            wanted: Steps of each stage.

        Returns:
            Its stages.
        """
        limits = Limits(wanted, (1.0, 1.0), patience=None)
        return self._best(name, rows, rows, limits).stages

    def _best(
        self,
        name: str,
        rows: dict[str, Samples],
        validation: dict[str, Samples],
        limits: Limits,
    ) -> Found:
        """Returns the fit of the method, or of several that with most evidence."""
        found = []
        count, (first, last) = len(self.choice.optimizers), limits.until
        for k, optimizer in enumerate(self.choice.optimizers):
            leg = name if k == 0 else f"{name}, start {k + 1}"
            part = limits._replace(until=(first, last * (k + 1) / count))
            stages = self._descend(leg, rows, validation, part, optimizer)
            found.append(Found(stages, optimizer))
        return max(found, key=_evidence) if len(found) > 1 else found[0]

    def _descend(
        self,
        name: str,
        rows: dict[str, Samples],
        validation: dict[str, Samples],
        limits: Limits,
        optimizer: Optimizer,
    ) -> list[Result]:
        """Finds the valley with Adam, on minibatches where rows are many; goes down."""
        every = int(np.clip(ROWS_PER_CHUNK // rows[LABEL].x.shape[0], 10, 100))
        if self.choice.by_evidence:
            stages, model, judged = [], self.model, {}
        else:
            stages = [self._warm_up(name, rows, limits, every)]
            model = stages[0].value
            judged = {"validation": validation, "patience": limits.patience}
        descent = self.journal.run(
            f"{name}/descent",
            self.objective,
            model,
            rows,
            optimizer,
            steps=limits.steps[1],
            seconds=self.plan.left(limits.until[1], self.journal.seconds),
            every=every,
            **judged,
        )
        return [*stages, descent]

    def _warm_up(
        self, name: str, rows: dict[str, Samples], limits: Limits, every: int
    ) -> Result:
        batches, start = {}, rows
        if self.choice.batch is not None:
            sampler = train.Minibatch(rows, self.choice.batch)
            batches, start = {"sampler": sampler, "key": self.key}, sampler.first()
        schedule = train.Recipe(optax.cosine_decay_schedule, 1e-2, self.plan.warm_up)
        return self.journal.run(
            f"{name}/adam",
            self.objective,
            self.model,
            start,
            train.first_order(optax.adam, schedule),
            steps=limits.steps[0],
            seconds=self.plan.left(limits.until[0], self.journal.seconds),
            every=min(every, 50),
            **batches,
        )


def _evidence(found: Found) -> float:
    known = found.stages[-1].history["log_evidence"]
    return float(np.max(np.where(np.isnan(known), -np.inf, known)))


def joined(first: Result, *later: Result) -> Result:
    """Appends the later stages of a fit; what a stage did not record is NaN.

    Args:
        first: The first stage.
        *later: Stages that each began where the one before ended.

    Returns:
        The last, with the history and the numbers of all.
    """
    return functools.reduce(_appended, later, first)


def _appended(first: Result, second: Result) -> Result:
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
